"""The `<testsuite>` elements of a file: where the reader stands, and what each suite declares about itself.

Used by `ingest.parsers.junit` while it reads and by `ingest.parsers.repeats` afterwards; pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from health.rules.identity import STEP
from ingest.parsers.notes import Notes
from ingest.parsers.times import read_seconds
from ingest.parsers.types import Limits, SuiteInfo

# Attribute names in the order these runners write them: the only trace of who wrote the file.
_PYTEST_ATTRIBUTES: Final = frozenset(
    {"name", "errors", "failures", "skipped", "tests", "time", "timestamp", "hostname"}
)
_GRADLE_ATTRIBUTES: Final = [
    *("name", "tests", "skipped", "failures", "errors", "timestamp", "hostname", "time"),
]
_MOST_DECLARED: Final = 10**9


@dataclass(slots=True)
class Suite:
    """One suite element: its facts, and the half-open span of cases inside it, nested ones included."""

    info: SuiteInfo
    is_outermost: bool
    first: int
    stop: int
    writer: str


class SuiteStack:
    """All suites read so far and the ones that are open now; `path` belongs to the innermost."""

    def __init__(self, *, limits: Limits, notes: Notes) -> None:
        self.suites: list[Suite] = []
        self.path = ""
        self._open: list[Suite] = []
        self._limits = limits
        self._notes = notes
        self._writer = ""

    def enter(self, attributes: Mapping[str, str], *, n_cases: int) -> None:
        """A suite begins before case number `n_cases`."""
        number = len(self.suites)
        name = shorten_name(attributes.get("name", ""), limits=self._limits, notes=self._notes, suite=number)
        # A path stands in the key of each of its cases: nested names add up as a single one may not.
        path = name
        if self._open:
            path = shorten_name(f"{self.path}{STEP}{name}", limits=self._limits, notes=self._notes, suite=number)
        info = SuiteInfo(
            path,
            _read_count(attributes.get("tests")),
            _read_count(attributes.get("failures")),
            _read_count(attributes.get("errors")),
            _read_count(attributes.get("skipped", attributes.get("skip"))),
            read_seconds(attributes.get("time")),
            attributes.get("timestamp", "")[:64],
        )
        suite = Suite(info, not self._open, n_cases, n_cases, self._writer or _recognise(attributes))
        self.suites.append(suite)
        self._open.append(suite)
        self.path = path

    def leave(self, *, n_cases: int) -> None:
        """The innermost suite ends behind case number `n_cases` - 1."""
        self._open.pop().stop = n_cases
        self.path = self._open[-1].info.path if self._open else ""

    def leave_all(self, *, n_cases: int) -> None:
        """The file or one of its documents ends, perhaps too early."""
        while self._open:
            self.leave(n_cases=n_cases)

    def recognise_writer(self, writer: str) -> None:
        """Something in the file tells who wrote it: the open suite, or all that follow if none is open."""
        if self._open:
            self._open[-1].writer = writer
        else:
            self._writer = writer


def shorten_name(name: str, *, limits: Limits, notes: Notes, case: int | None = None, suite: int | None = None) -> str:
    """A name no longer than the limit; what is cut becomes a checksum, so that it stays different from others.

    The note is about that case or suite, counted from 0.
    """
    if len(name) <= limits.max_name_chars:
        return name
    checksum = blake2b(name.encode(), digest_size=8).hexdigest()
    notes.add("name_truncated", f"A name of {len(name):,} characters was shortened.", case=case, suite=suite)
    return f"{name[: limits.max_name_chars]}…{checksum}"


def _recognise(attributes: Mapping[str, str]) -> str:
    if attributes.keys() == _PYTEST_ATTRIBUTES:
        return "gradle" if list(attributes) == _GRADLE_ATTRIBUTES else "pytest"
    return ""


def _read_count(text: str | None) -> int | None:
    """A declared number; None when it is missing or not a sensible one."""
    try:
        count = int(text or "")
    except ValueError:
        return None
    return count if 0 <= count <= _MOST_DECLARED else None
