"""What a check of a backing concludes: a state, and a finding that names what is wrong.

Used by `health.backings`, which looks everything up, and by the pages, which tell what was found; pure.
Promise: the state is that of the worst thing found, and in whatever order texts and cases come it is the same
(`tests/health/test_backing_rules.py`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from health.rules import outcomes as codes
from health.rules.secrets import mask_secrets

# What `BackingCase.status` says of a case, as of the newest check.
PASSED: Final = "passed"
FAILED: Final = "failed"
DEFERRED: Final = "deferred"
FLAKY: Final = "flaky"
ABSENT: Final = "absent"
STATUSES: Final = (PASSED, FAILED, DEFERRED, FLAKY, ABSENT)

BACKED: Final = "backed"
WEAKENED: Final = "weakened"
BROKEN: Final = "broken"
UNPROVEN: Final = "unproven"

_MOST_LISTED: Final = 10
_MOST_TOLD: Final = 3
_LONGEST_NAME: Final = 200

_IS_BROKEN: Final = np.isin(np.arange(codes.N_OUTCOMES), list(codes.BROKEN))
_IS_DEFERRED: Final = np.isin(np.arange(codes.N_OUTCOMES), list(codes.DEFERRED))


class CaseName(NamedTuple):
    """A case of a finding."""

    ord: int
    name: str


@dataclass(frozen=True, slots=True)
class Cases:
    """How many cases, and the first of them by name."""

    n: int = 0
    first: tuple[CaseName, ...] = ()


class Short(NamedTuple):
    """A text that promises more cases than are there."""

    text: str
    n_promised: int
    n_found: int


_LISTS: Final = ("failed", "gone", "put_off", "flaky", "not_run")
_TEXTS: Final = ("unread", "unfound", "uncovered")
_COUNTS: Final = ("n_named", "n_promised", "n_cases", "n_found", "n_passed", "contexts_run", "contexts_upload")


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: counts of cases, and what is wrong."""

    n_named: int = 0  # texts
    n_promised: int | None = None  # cases, where a text says how many
    n_cases: int = 0  # known: those that are there and those that are gone
    n_found: int = 0  # of these, there
    n_passed: int = 0  # of these, neither failed nor put off nor flaky
    failed: Cases = field(default_factory=Cases)
    gone: Cases = field(default_factory=Cases)
    put_off: Cases = field(default_factory=Cases)
    flaky: Cases = field(default_factory=Cases)
    not_run: Cases = field(default_factory=Cases)  # a part of the run is missing: counted as they were before
    short: tuple[Short, ...] = ()
    unread: tuple[str, ...] = ()  # texts that name nothing that can be looked up
    unfound: tuple[str, ...] = ()  # texts that never found a case
    uncovered: tuple[str, ...] = ()  # code that no case executes any more
    is_unseen: bool = False  # code is named, and no coverage context is one of the cases
    # The run whose coverage contexts were looked at, and the newest delivery of it that had any.
    contexts_run: int | None = None
    contexts_upload: int | None = None

    def tell(self) -> str:
        """The finding as a sentence without its full stop: "20 of 22 passed; test_a is gone, test_b fails"."""
        return "; ".join(filter(None, (self._tell_count(), self._tell_cases(), *self._tell_texts())))

    def _tell_count(self) -> str:
        return f"{self.n_passed:,} of {self.n_cases:,} passed" if self.n_cases else ""

    def _tell_cases(self) -> str:
        said = (
            (self.failed, "fails", "fail"),
            (self.gone, "is gone", "are gone"),
            (self.put_off, "is put off itself", "are put off themselves"),
            (self.flaky, "is flaky", "are flaky"),
            (self.not_run, "did not report, a part of the run is missing", "did not report, parts are missing"),
        )
        return ", ".join(f"{_name(cases)} {one if cases.n == 1 else many}" for cases, one, many in said if cases.n)

    def _tell_texts(self) -> list[str]:
        told = [f"“{short.text}” finds {short.n_found:,}" for short in self.short]
        told += [f"no test executes {code} any more" for code in self.uncovered]
        told += [f"“{text}” cannot be looked up" for text in self.unread]
        told += [f"“{text}” found no test yet" for text in self.unfound]
        if self.is_unseen:
            told.append("the coverage report says of none of these tests what it executed")
        return [mask_secrets(text) for text in told]  # what backs an entry may have been read in a reason

    def to_json(self) -> dict[str, Any]:
        """As `Backing.found` keeps it: only what there is to say."""
        found: dict[str, Any] = {key: getattr(self, key) for key in (*_COUNTS, "is_unseen")}
        found |= {key: list(getattr(self, key)) for key in (*_TEXTS, "short")}
        for key in _LISTS:
            cases: Cases = getattr(self, key)
            found[key] = {"n": cases.n, "first": [list(case) for case in cases.first]} if cases.n else None
        # A promise of no test at all is one.
        return {key: value for key, value in found.items() if value or (key == "n_promised" and value == 0)}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "Finding":
        """What `to_json` gave; an empty finding of an empty mapping."""
        values: dict[str, Any] = {key: found[key] for key in (*_COUNTS, "is_unseen") if key in found}
        values |= {key: tuple(found[key]) for key in _TEXTS if key in found}
        values["short"] = tuple(Short(*short) for short in found.get("short", ()))
        for key in _LISTS:
            if said := found.get(key):
                values[key] = Cases(said["n"], tuple(CaseName(*case) for case in said["first"]))
        return cls(**values)


def _name(cases: Cases) -> str:
    """The first of them, and how many more; "test_a, test_b and 9 more"."""
    names = [case.name for case in cases.first[:_MOST_TOLD]]
    n_more = cases.n - len(names)
    if not names:
        return f"{cases.n:,} of them"
    if n_more:
        return f"{', '.join(names)} and {n_more:,} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def judge_cases(outcomes: npt.NDArray[np.uint8], *, is_flaky: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """The status of each case (column) over the standing jobs (rows), as its place in `STATUSES`."""
    is_there = np.any(outcomes != codes.ABSENT, axis=0)
    fails = np.any(_IS_BROKEN[outcomes], axis=0)
    runs = np.any((outcomes != codes.ABSENT) & ~_IS_DEFERRED[outcomes], axis=0)
    said = [STATUSES.index(status) for status in (FAILED, ABSENT, DEFERRED, FLAKY)]
    return np.select([fails, ~is_there, ~runs, is_flaky], said, default=STATUSES.index(PASSED)).astype(np.uint8)


class TextFound(NamedTuple):
    """What one of the texts found: `n_found` cases are there now, `n_known` of the pinned ones it names."""

    text: str
    is_read: bool
    n_promised: int | None = None
    n_found: int = 0
    n_known: int = 0

    @property
    def is_short(self) -> bool:
        """Whether it promises more than there are; of one that never found any nothing is missing yet."""
        return self.n_promised is not None and self.n_known > 0 and self.n_found < self.n_promised


class Executed(NamedTuple):
    """What coverage contexts say: code that no case executes, or that they do not know the cases; of which run."""

    run: int | None = None
    upload: int | None = None
    uncovered: tuple[str, ...] = ()
    is_unseen: bool = False


class Judged(NamedTuple):
    """The state of a backing, and why."""

    state: str
    finding: Finding


def judge_backing(
    wrong: Mapping[int, str],
    *,
    n_passed: int,
    texts: Sequence[TextFound],
    names: Mapping[int, str],
    not_run: Collection[int] = (),
    executed: Executed = Executed(),  # noqa: B008 - it never changes
) -> Judged:
    """Judge the cases that are pinned: those that passed by how many, the others with their status, by number.

    `not_run` are those that count as they were before: a part of the run is missing.
    """
    by_status: dict[str, list[int]] = {status: [] for status in STATUSES}
    for ord_, status in wrong.items():
        by_status[status].append(ord_)
    promised = [text.n_promised for text in texts if text.n_promised is not None]
    n_cases = n_passed + len(wrong)
    finding = Finding(
        n_named=len(texts),
        n_promised=sum(promised) if promised else None,
        n_cases=n_cases,
        n_found=n_cases - len(by_status[ABSENT]),
        n_passed=n_passed,
        failed=_list(by_status[FAILED], names),
        gone=_list(by_status[ABSENT], names),
        put_off=_list(by_status[DEFERRED], names),
        flaky=_list(by_status[FLAKY], names),
        not_run=_list(not_run, names),
        short=tuple(sorted(Short(text.text, text.n_promised or 0, text.n_found) for text in texts if text.is_short)),
        unread=tuple(sorted(text.text for text in texts if not text.is_read)),
        unfound=tuple(sorted(text.text for text in texts if text.is_read and not text.n_known)),
        uncovered=executed.uncovered,
        is_unseen=executed.is_unseen,
        contexts_run=executed.run,
        contexts_upload=executed.upload,
    )
    return Judged(_choose_state(finding), finding)


def _choose_state(finding: Finding) -> str:
    """The worst of what was found."""
    if finding.failed.n or (finding.n_cases and not finding.n_found):
        return BROKEN
    if any((finding.gone.n, finding.put_off.n, finding.flaky.n, finding.short, finding.uncovered)):
        return WEAKENED
    if finding.unread or finding.unfound or not finding.n_cases:
        return UNPROVEN
    return BACKED


def list_named(wrong: Mapping[int, str], *, not_run: Collection[int] = ()) -> set[int]:
    """The cases whose names a finding says, of each kind the first."""
    kinds: dict[str, list[int]] = {"": sorted(not_run)}
    for ord_ in sorted(wrong):
        kinds.setdefault(wrong[ord_], []).append(ord_)
    return {ord_ for ords in kinds.values() for ord_ in ords[:_MOST_LISTED]}


def _list(ords: Collection[int], names: Mapping[int, str]) -> Cases:
    first = sorted(ords)[:_MOST_LISTED]
    return Cases(len(ords), tuple(CaseName(ord_, _shorten(names.get(ord_, ""))) for ord_ in first))


def _shorten(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
