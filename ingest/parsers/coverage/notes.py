"""Warnings about a coverage file that was read all the same: the closed list of codes, and their collector.

Used by every module of `ingest.parsers.coverage`; pure.
Promise: one warning per code and file, with the first place and a count
(`tests/ingest/parsers/coverage/test_notes.py`).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from ingest.parsers.xml import Place
from ingest.remarks import Remark

HINTS: Final[dict[str, str]] = {
    "branches_clamped": "They are counted as far as they can be true: no more taken than there are.",
    "contexts_left_out": "Lines and branches are stored; which test ran which line is not. Split the report by suite.",
    "declared_differs": "The listed lines are counted, each once. Tools repeat lines that belong to several classes.",
    "encoding_repaired": "Let the tool write UTF-8.",
    "entry_unreadable": "It is left out. It is a fault of the program that wrote the file.",
    "hits_clamped": "Below 0 or unreadable counts as not run, too large as run.",
    "line_out_of_range": "It is left out: it can be no line of a source file.",
    "no_files": "Check which files the coverage tool is told to measure: an empty report is never shown as 100 %.",
    "no_branch_detail": "The declared figures are used.",
    "no_line_detail": "The declared figures are used; which lines are meant is unknown.",
    "path_above_root": "The leading `..` is left out. Run the tool at the root of the repository.",
    "path_absolute": "Name what stands before the repository in .suitewatch.yml, under `coverage.prefixes`.",
    "path_changed": "Control characters became U+FFFD, and the end of a long path a checksum.",
    "path_missing": "It is listed under the name `(unnamed)`.",
    "paths_merged": "They count as one file, each line once. Check `coverage.prefixes` in .suitewatch.yml.",
    "record_too_long": "It is left out: no coverage tool writes lines as long as this.",
    "record_unclosed": "What it lists is counted. It is a fault of the program that wrote the file.",
    "record_unknown": "It is left out.",
    "totals_differ": "The totals stand for the report as a whole; directories and files count the listed lines.",
}


class Notes:
    """Collects the warnings of one file. Of several with one code the first keeps its message and place."""

    def __init__(self) -> None:
        self._warnings: dict[str, Remark] = {}
        self._counts: dict[str, int] = {}

    def add(self, code: str, message: str, *, find_place: Callable[[], Place] | None = None) -> None:
        """Note something; `find_place` is asked only where it is needed, because it may be slow."""
        if code in self._counts:
            self._counts[code] += 1
            return
        line, column = find_place() if find_place else (None, None)
        self._counts[code] = 1
        self._warnings[code] = Remark(code, message, line, column, HINTS[code])

    def has(self, code: str) -> bool:
        """Whether something was noted under this code."""
        return code in self._counts

    def close(self) -> list[Remark]:
        """The warnings, in the order in which they were first noted."""
        return [replace(note, count=self._counts[code]) for code, note in self._warnings.items()]
