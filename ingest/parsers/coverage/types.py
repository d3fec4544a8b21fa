"""What a coverage reader returns: files with their lines as bitmaps, totals, what the report declares, warnings.

Filled by `ingest.parsers.coverage`; pure. Line numbers count from 1; a figure of 0 of 0 means none, never 0 %.
"""

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO

from health.rules.bitmaps import EMPTY, LineSet
from ingest.errors import IngestError
from ingest.remarks import Remark


@dataclass(frozen=True, slots=True)
class CoverageLimits:
    """How much of a file is read; a report beyond it is refused, only paths are shortened.

    JSON has a lower limit of bytes than the streamed formats, because its text is held in memory: with one character
    of four bytes, four times over. `max_json_values` is of what is read at once: a list of a file's lines, or all its
    statements. `max_context_names` is of different ones, `max_contexts` of the lines they ran. `max_line_sum` is over
    the highest line numbers of all files: it bounds what ranges of lines can unfold to. It and `max_files` are
    over all reports of an upload: `n_files_before` and `line_sum_before` are what those read before came to.
    """

    max_plain_bytes: int = 200 * 2**20
    max_json_bytes: int = 24 * 2**20
    max_json_values: int = 600_000
    max_context_names: int = 200_000
    max_contexts: int = 2_000_000
    max_files: int = 200_000
    max_line_sum: int = 100_000_000
    n_files_before: int = 0
    line_sum_before: int = 0
    max_depth: int = 64
    max_attributes: int = 64
    max_documents: int = 1_000
    max_record_bytes: int = 2**16
    max_path_chars: int = 1_024


@dataclass(frozen=True, slots=True)
class Source:
    """A file to read: how to open it from its start, its name, and what is taken off the paths in it."""

    open: Callable[[], IO[bytes]]
    filename: str
    limits: CoverageLimits
    prefixes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Figures:
    """Lines and branches, covered of valid. None: not said."""

    lines_valid: int | None = None
    lines_covered: int | None = None
    branches_valid: int | None = None
    branches_covered: int | None = None

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(
            _add(self.lines_valid, other.lines_valid),
            _add(self.lines_covered, other.lines_covered),
            _add(self.branches_valid, other.branches_valid),
            _add(self.branches_covered, other.branches_covered),
        )

    def take_larger(self, other: "Figures") -> "Figures":
        """The larger of each two figures."""
        return Figures(
            _take_larger(self.lines_valid, other.lines_valid),
            _take_larger(self.lines_covered, other.lines_covered),
            _take_larger(self.branches_valid, other.branches_valid),
            _take_larger(self.branches_covered, other.branches_covered),
        )

    @property
    def lines(self) -> tuple[int, int] | None:
        """Valid and covered lines, if both are said."""
        return _pair(self.lines_valid, self.lines_covered)

    @property
    def branches(self) -> tuple[int, int] | None:
        """Valid and covered branches, if both are said."""
        return _pair(self.branches_valid, self.branches_covered)


def _add(one: int | None, other: int | None) -> int | None:
    return one if other is None else other + (one or 0)


def _take_larger(one: int | None, other: int | None) -> int | None:
    return one if other is None else max(other, one or 0)


def _pair(valid: int | None, covered: int | None) -> tuple[int, int] | None:
    return None if valid is None or covered is None else (valid, min(valid, covered))


@dataclass(frozen=True, slots=True)
class FileCoverage:
    """One source file. `covered` is part of `valid`; both are empty where the report has only figures for the file.

    `lines_*` and `branches_*` are counted where the report lists lines or branches, else declared; `declared` is what
    the report itself says about the file.
    """

    path: str
    valid: LineSet = EMPTY
    covered: LineSet = EMPTY
    lines_valid: int = 0
    lines_covered: int = 0
    branches_valid: int = 0
    branches_covered: int = 0
    declared: Figures = Figures()


@dataclass(slots=True)
class Contexts:
    """Which named context (a test, mostly) ran which line: three columns of equal length.

    `contexts` points into `names`, `files` into the report's files.
    """

    names: list[str] = field(default_factory=list)
    contexts: "array[int]" = field(default_factory=lambda: array("I"))
    files: "array[int]" = field(default_factory=lambda: array("I"))
    lines: "array[int]" = field(default_factory=lambda: array("I"))

    def __len__(self) -> int:
        return len(self.lines)

    def __iter__(self) -> Iterator[tuple[str, int, int]]:
        """Each entry as (name, file, line)."""
        for context, file, line in zip(self.contexts, self.files, self.lines, strict=True):
            yield self.names[context], file, line


@dataclass(slots=True)
class ParsedCoverage:
    """One coverage report: its files in the order it lists them, and its totals.

    The totals follow the format's own convention: JaCoCo's and Clover's are those that the report declares, the others
    are sums over the files. `statements_*` are set where the tool counts statements beside lines. With `truncated` set
    the file broke off there, and everything here is what came before.
    """

    format: str
    files: list[FileCoverage] = field(default_factory=list)
    lines_valid: int = 0
    lines_covered: int = 0
    branches_valid: int = 0
    branches_covered: int = 0
    statements_valid: int | None = None
    statements_covered: int | None = None
    declared: Figures = Figures()
    contexts: Contexts = field(default_factory=Contexts)
    warnings: list[Remark] = field(default_factory=list)
    truncated: IngestError | None = None
