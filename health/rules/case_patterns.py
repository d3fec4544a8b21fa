"""How files, people and reasons name cases: a path, a name, a suite, with a count and a level before it.

    [COUNT] [LEVEL] [tests|cases] [in|of] PATTERN

PATTERN is a path glob (`tests/unit/test_fields*`), `PATH::NAME` or `PATH::CLASS::NAME`, a name glob (`test_fields_*`)
or `suite NAME`. Used by `health.backings` for what backs an entry and for what an item of a file names; pure.
Promise: a text that names nothing is None and never everything, and matching takes linear steps, whatever the text
(`tests/health/test_case_patterns.py`).
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from health.rules.globs import IS_SOURCE, PathGlob, compile_path, compile_text
from health.rules.selectors import CaseParts
from health.rules.suites import guess_level

LONGEST: Final = 500
_MOST_WILDCARDS: Final = 20
_MOST_DIGITS: Final = 7
_NOUNS: Final = frozenset({"test", "tests", "case", "cases", "testcase", "testcases"})
_OPENERS: Final = frozenset({"all", "the", "every", "each"})
_LINKS: Final = frozenset({"in", "of", "from", "under"})
# What a text is about says nothing about where it is: "Task #72: 11 unit tests in tests/unit".
_LABEL: Final = re.compile(
    r"(?:task|plan|phase|step|story|issue|ticket|milestone)s?\s+#?[\w.-]{1,40}:\s+", re.IGNORECASE
)
_WORD: Final = re.compile(r"[A-Za-z0-9-]+")
_SUITE: Final = re.compile(r"suite(?:\s*:\s*|\s+)(?=\S)", re.IGNORECASE)
_QUOTES: Final = "`\"'"
_BETWEEN_DOTS: Final = re.compile(r"\.|::|\\|/|\x1e")
_BETWEEN_WILDCARDS: Final = re.compile(r"[*?\\]+")
_JVM: Final = ("java", "kotlin", "scala", "groovy")


@dataclass(frozen=True, slots=True)
class CasePattern:
    """Which cases a text names. `count` is how many it promises, None when it does not say.

    `literals` stand in the names of each case that fits, so that others can be left out unseen; the last one says most.
    Of `level` and `suite` only numbers are compared where many cases are looked through (`health.backings`).
    """

    count: int | None = None
    level: str = ""
    suite: str = ""
    path: PathGlob | None = None
    class_name: re.Pattern[str] | None = None
    name: re.Pattern[str] | None = None
    may_be_class: bool = False  # whether `name` may also be that of a class: `PATH::TestFields`, `CartTest`
    literals: tuple[str, ...] = ()

    def fits(self, case: CaseParts, *, level: str = "") -> bool:
        """Whether the text names this case; `level` is that of the suite it is shown under, "" when nobody knows."""
        if not self.fits_level(level):
            return False
        if self.suite:
            return self.fits_suite(case.suite) or self.fits_names(case)
        return self.fits_names(case)

    def fits_level(self, level: str) -> bool:
        """Whether a case of that level may be meant: one of another known level is not."""
        return not self.level or level in ("", self.level)

    def fits_suite(self, name: str) -> bool:
        """Whether the suite of that name is named."""
        return bool(self.suite) and _compile_suite(self.suite).fullmatch(name) is not None

    def fits_names(self, case: CaseParts) -> bool:
        """Whether the case's own names, which never change, are named; those of a suite by suites it is written in."""
        if self.suite:
            return any(map(self.fits_suite, case.suites))
        if self.path is not None and not self.path.matches(case.places):
            return False
        if self.class_name is not None and not self._fits_class(self.class_name, case):
            return False
        if self.name is None or _fits_name(self.name, case.name):
            return True
        return self.may_be_class and self._fits_class(self.name, case)

    def _fits_class(self, pattern: re.Pattern[str], case: CaseParts) -> bool:
        last = _BETWEEN_DOTS.split(case.class_name)[-1]
        return any(map(pattern.fullmatch, (last, case.class_name, *case.suites)))


def _fits_name(pattern: re.Pattern[str], name: str) -> bool:
    """Whether a name fits; one with parameters also without them, as test runners select."""
    if pattern.fullmatch(name):
        return True
    plain, bracket, _ = name.partition("[")
    return bool(plain and bracket) and pattern.fullmatch(plain) is not None


@lru_cache(maxsize=1024)
def _compile_suite(name: str) -> re.Pattern[str]:
    return compile_text(name)


def read_pattern(text: str) -> CasePattern | None:
    """The cases a text names; None when it names nothing that can be looked up, as "11 unit tests" or "Task #72"."""
    text = text.strip()
    if not text or len(text) > LONGEST or _count_wildcards(text) > _MOST_WILDCARDS or not _can_be_kept(text):
        return None
    return _read(text)


def _can_be_kept(text: str) -> bool:
    """Whether a database could hold it: the names of cases come from one."""
    return "\0" not in text and not any("\ud800" <= mark <= "\udfff" for mark in text)


@lru_cache(maxsize=1024)
def _read(text: str) -> CasePattern | None:
    count, level, is_counting, rest = _take_head(_LABEL.sub("", text, count=1) if _LABEL.match(text) else text)
    if is_counting and rest.startswith("(") and rest.endswith(")"):
        rest = rest[1:-1].strip()
    rest = _unquote(rest)
    suite = _SUITE.match(rest)
    if suite:
        name = _unquote(rest[suite.end() :])
        return CasePattern(count, level, suite=name, literals=_find_literals([name]))
    return _read_names(rest, count, level)


def _count_wildcards(text: str) -> int:
    return text.count("*") + text.count("?")


def _take_head(text: str) -> tuple[int | None, str, bool, str]:
    """Count, level and the words around them, whether there were any, and what is left."""
    count, level, has_head = None, "", False
    while True:
        word, _, rest = text.partition(" ")
        small = word.lower()
        if count is None and word.isascii() and word.isdigit() and len(word) <= _MOST_DIGITS:
            count = int(word)
        elif not level and _WORD.fullmatch(word) and guess_level(word) and rest:
            level = guess_level(word)
        elif small not in _NOUNS | _OPENERS | _LINKS:
            return count, level, has_head, text
        has_head, text = True, rest.lstrip()


def _unquote(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] and text[0] in _QUOTES:
        return text[1:-1].strip()
    return text


def _read_names(text: str, count: int | None, level: str) -> CasePattern | None:
    head, bracket, parameters = text.partition("[")
    if "/" in head and "::" not in head and "::" in parameters:  # `app/[id]/page.ts::renders`
        head, bracket, parameters = text, "", ""
    path, *names = head.split("::")
    if not path or path.split() != [path] or not all(names):
        return None
    if not any(mark.isalnum() or mark in "*?" for mark in path):
        return None
    if bracket and names:
        names[-1] += bracket + parameters
    if not names and "/" not in path and not IS_SOURCE.search(path):
        return _read_name(text, count, level)
    path = path if names else text
    return CasePattern(
        count,
        level,
        path=compile_path(path, is_floating="/" not in path),
        class_name=compile_text(names[-2]) if len(names) > 1 else None,
        name=compile_text(names[-1]) if names else None,
        may_be_class=len(names) == 1,
        literals=_find_literals([*_list_segments(path), *names]),
    )


def _read_name(name: str, count: int | None, level: str) -> CasePattern | None:
    if name.startswith(("#", "@", "(")) or name.isdigit() or (_WORD.fullmatch(name) and guess_level(name)):
        return None
    has_wildcards = _count_wildcards(name) > 0
    return CasePattern(
        count, level, name=compile_text(name), may_be_class=not has_wildcards, literals=_find_literals([name])
    )


def _list_segments(path: str) -> list[str]:
    """The parts of a path that stand in a case's names, however they are written: Java's source folders do not."""
    segments = [part for part in path.split("/") if part not in ("", ".", "**")]
    if segments:
        segments[-1] = IS_SOURCE.sub("", segments[-1])
    cut = max((at + 1 for at, part in enumerate(segments) if part in _JVM), default=0)
    return segments[cut:]


def _find_literals(globs: list[str]) -> tuple[str, ...]:
    """The longest piece of each of these that is no wildcard."""
    pieces = (max(_BETWEEN_WILDCARDS.split(glob), key=len) for glob in globs)
    return tuple(filter(None, pieces))
