"""A receipt as people read it: each file with its figures, each remark with its place and what helps.

Used by `upload`. Pure. A receipt of any age is read: what it lacks is left out.
Promise: nothing on it is dropped; what a page has no room for is counted
(`tests/dashboard/test_receipt.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any, Final

from dashboard.templatetags.display import count_in_words

TESTS: Final = "tests"
COVERAGE: Final = "coverage"
_N_LISTED: Final = 100  # remarks beside the first of their code

_FIGURES: Final[dict[str, tuple[str, ...]]] = {
    TESTS: (
        *("tests", "passed", "failed", "errored", "skipped", "xfailed"),
        *("flaky", "accepted", "merged", "rejected"),
    ),
    COVERAGE: ("files", "lines_valid", "lines_covered", "branches_valid", "branches_covered"),
}
_FORMATS: Final[dict[str, str]] = {
    "clover": "Clover",
    "cobertura": "Cobertura",
    "coverage.py-json": "coverage.py JSON",
    "gcovr-json": "gcovr JSON",
    "gcovr-json-summary": "gcovr JSON summary",
    "go-coverprofile": "Go coverprofile",
    "istanbul-json": "Istanbul JSON",
    "istanbul-json-summary": "Istanbul JSON summary",
    "jacoco": "JaCoCo",
    "junit": "JUnit",
    "lcov": "LCOV",
    "llvm-cov-export": "llvm-cov JSON",
    "simplecov-resultset": "SimpleCov",
    "sonarqube-generic": "SonarQube generic",
}
# What was done about a remark, by its code: mark and word. What is not named here is a note.
_KINDS: Final[dict[str, tuple[str, str]]] = {
    "attempts_merged": ("stale", "merged"),
    "branches_clamped": ("stale", "repaired"),
    "case_cut_off": ("stale", "cut off"),
    "conflicting_outcome": ("stale", "judged"),
    "control_characters_removed": ("stale", "repaired"),
    "encoding_repaired": ("stale", "repaired"),
    "entry_unreadable": ("stale", "left out"),
    "hits_clamped": ("stale", "repaired"),
    "leading_space_removed": ("stale", "repaired"),
    "line_out_of_range": ("stale", "left out"),
    "name_truncated": ("stale", "shortened"),
    "path_changed": ("stale", "repaired"),
    "paths_merged": ("stale", "merged"),
    "record_too_long": ("stale", "left out"),
    "record_unknown": ("stale", "left out"),
    "repeated_name": ("stale", "kept apart"),
    "sibling_deliveries": ("stale", "judged"),
    "status_ignored": ("stale", "judged"),
    "suite_level_error": ("error", "suite error"),
    "text_truncated": ("stale", "shortened"),
    "time_rewritten": ("stale", "repaired"),
    "trailing_content": ("stale", "ignored"),
}
_NOTE: Final = ("open", "note")
# In the configuration every remark is a mistake: the entry has no effect, or the whole file has none.
_LEFT_OUT: Final = ("stale", "left out")
_NOT_USED: Final = ("fail", "not used")
_NOT_FOUND: Final = ("stale", "not looked up")
_OF_WHOLE_FILE: Final = frozenset({"configuration_too_large", "configuration_unreadable", "internal", "yaml_forbidden"})
# What a whole file is cannot be wrong at one place in it.
_WITHOUT_PLACE: Final = frozenset({"empty_file", "not_a_report", "unsupported_type"})
# Where the level of a coverage report was found, by the receipt's `level_from`.
_SOURCES: Final[dict[str, str]] = {
    "delivery": "named with the delivery",
    "rule": "by a rule of .suitewatch.yml",
    "file": "from the file's name",
    "suite": "from the suite's name",
    "job": "from the job's name",
}
_TO_BE_READ: Final = ("open", "not read yet")
_NEVER_READ: Final = ("absent", "not read")


@dataclass(frozen=True, slots=True)
class Remark:
    """One line of a receipt: where, what kind, what was found, what helps. `field` is the setting it is about."""

    mark: str
    word: str
    line: int | None
    column: int | None
    message: str
    hint: str
    code: str
    count: int
    file: str = ""
    field: str = ""
    anchor: int = 0  # the number of the file whose first remark this is

    @property
    def count_more(self) -> int:
        """In how many more places than the one named."""
        return self.count - 1


@dataclass(frozen=True, slots=True)
class FileReceipt:
    """What became of one file. `counts` are the figures of its kind, 0 for all others; unread it has none.

    JUnit writes an expected failure as a skip; here it is counted as what it is: it ran.
    """

    number: int  # its place on the receipt, from 1
    name: str
    kind: str
    format: str
    level: str
    level_from: str
    mark: str
    word: str
    n_bytes: int | None
    is_read: bool
    counts: Mapping[str, int]
    remarks: tuple[Remark, ...]

    @property
    def is_in_trouble(self) -> bool:
        """Whether it failed, or was stored in part only."""
        return self.mark == "fail"

    @property
    def need(self) -> int:
        """How much it needs a reader: 0 most, 3 not at all."""
        if self.is_in_trouble:
            return 1 if self.is_read else 0
        return 2 if self.remarks else 3


@dataclass(frozen=True, slots=True)
class RemarkGroup:
    """One row: a remark, and those of other files that have the same code, as many as have room."""

    first: Remark
    others: tuple[Remark, ...] = ()
    n_others: int = 0

    @property
    def n_unlisted(self) -> int:
        """How many others are only counted."""
        return self.n_others - len(self.others)


def list_files(
    kept: Iterable[tuple[str, int]], receipts: Sequence[Mapping[str, Any]], *, is_over: bool = False
) -> tuple[FileReceipt, ...]:
    """Files (name and size) and receipts side by side: a delivery that waits has no receipts, an old one no files.

    `is_over`: what has no receipt will not get one.
    """
    sizes: dict[str, list[int]] = {}
    names = []
    for name, n_bytes in kept:
        names.append(name)
        sizes.setdefault(name, []).append(n_bytes)
    listed = [
        _describe_file(number, str(receipt.get("name") or ""), receipt, sizes)
        for number, receipt in enumerate(receipts, 1)
    ]
    told = [file.name for file in listed]
    for name in names:
        if name in told:
            told.remove(name)
        else:
            file = _describe_file(len(listed) + 1, name, {}, sizes)
            mark, word = _NEVER_READ if is_over else _TO_BE_READ
            listed.append(replace(file, mark=mark, word=word))
    return tuple(listed)


def choose_files(files: Sequence[FileReceipt], *, most: int) -> tuple[FileReceipt, ...]:
    """Those in trouble first, the others as they were sent; of more than `most`, those that need a reader most."""
    if len(files) > most:
        return tuple(sorted(files, key=attrgetter("need"))[:most])
    return tuple(sorted(files, key=lambda file: not file.is_in_trouble))


def group_remarks(files: Iterable[FileReceipt]) -> tuple[RemarkGroup, ...]:
    """All remarks, those of files in trouble one by one and first; the others by code, with the file each is about."""
    told = [file for file in files if file.remarks]
    groups: dict[tuple[str, int], list[Remark]] = {}
    for file in sorted(told, key=lambda file: not file.is_in_trouble):
        for at, remark in enumerate(file.remarks):
            name, anchor = file.name if len(told) > 1 else "", 0 if at else file.number
            key = (remark.code, file.number if file.is_in_trouble else 0)
            groups.setdefault(key, []).append(replace(remark, file=name, anchor=anchor))
    room, rows = _N_LISTED, []
    for first, *others in groups.values():
        rows.append(RemarkGroup(first, tuple(others[:room]), len(others)))
        room -= len(rows[-1].others)
    return tuple(rows)


def note(warning: Mapping[str, Any]) -> Remark:
    """A warning of a receipt."""
    mark, word = _KINDS.get(str(warning.get("code", "")), _NOTE)
    return describe(warning, mark=mark, word=word)


def note_mistake(warning: Mapping[str, Any]) -> Remark:
    """A warning about a file of the configuration."""
    code = warning.get("code")
    mark, word = _NOT_USED if code in _OF_WHOLE_FILE else _NOT_FOUND if code == "names_nothing" else _LEFT_OUT
    return describe(warning, mark=mark, word=word)


def tell_mistakes(n: int, *, files: Iterable[str]) -> str:
    """How many mistakes there are, and in which files; nothing of none."""
    names = sorted({name or "the configuration" for name in files})
    places = " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
    return f"{count_in_words(n, 'mistake')} in {places}" if n else ""


def describe(told: Mapping[str, Any], *, mark: str, word: str) -> Remark:
    """An error or a warning of a receipt, under this word."""
    has_place = told.get("code") not in _WITHOUT_PLACE
    return Remark(
        mark=mark,
        word=word,
        line=told.get("line") if has_place else None,
        column=told.get("column") if has_place else None,
        message=str(told.get("message", "")),
        hint=str(told.get("hint") or ""),
        code=str(told.get("code", "")),
        count=int(told.get("count") or 1),
        file=str(told.get("file") or ""),
        field=str(told.get("field") or ""),
    )


def _describe_file(number: int, name: str, receipt: Mapping[str, Any], sizes: Mapping[str, list[int]]) -> FileReceipt:
    state = str(receipt.get("state", ""))
    kind = COVERAGE if receipt.get("kind") == COVERAGE else TESTS
    remarks = [note(warning) for warning in receipt.get("warnings") or ()]
    if receipt.get("error"):
        word = "failed" if state == "failed" else "breaks off"
        remarks.insert(0, describe(receipt["error"], mark="fail", word=word))
    mark, word = _judge_file(state, remarks)
    known = sizes.get(name)
    return FileReceipt(
        number=number,
        name=name,
        kind=kind,
        format=_name_format(receipt),
        level=str(receipt.get("level") or ""),
        level_from=_SOURCES.get(str(receipt.get("level_from") or ""), ""),
        mark=mark,
        word=word,
        n_bytes=known.pop(0) if known else None,
        is_read=state in ("stored", "partial"),
        counts=_count(kind, receipt),
        remarks=tuple(remarks),
    )


def _count(kind: str, receipt: Mapping[str, Any]) -> Mapping[str, int]:
    counts = dict.fromkeys((name for names in _FIGURES.values() for name in names), 0)
    counts |= {name: int(receipt.get(name) or 0) for name in _FIGURES[kind]}
    counts["skipped"] -= counts["xfailed"]
    return counts


def _name_format(receipt: Mapping[str, Any]) -> str:
    name = str(receipt.get("format") or "")
    return _FORMATS.get(name, name)


def _judge_file(state: str, remarks: Sequence[Remark]) -> tuple[str, str]:
    """Mark and word: what was repaired or judged is marked, a mere note is only counted."""
    if state == "failed":
        return "fail", "failed"
    if state == "partial":
        return "fail", "partly stored"
    if state == "stored":
        n = len(remarks)
        told = "" if not n else ", 1 remark" if n == 1 else f", {n} remarks"
        is_touched = any(remark.mark != _NOTE[0] for remark in remarks)
        return ("stale" if is_touched else "pass"), f"stored{told}"
    return _TO_BE_READ
