"""Warnings about a file that was read all the same: the closed list of codes, and their collector.

Used by every module of `ingest.parsers`; pure.
Promise: at most one warning per code and file, with the first place and a count (`tests/ingest/parsers/test_notes.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ingest.remarks import Remark

HINTS: Final[dict[str, str]] = {
    "attempts_merged": "The last attempt decides. A test whose tear-down broke as well has failed.",
    "case_cut_off": "It is not counted, because the file does not say how it ended.",
    "conflicting_outcome": "It counts as skipped: runners that write both mean that it does not fail the run.",
    "control_characters_removed": "XML cannot hold them. Turn off coloured output where the report is written.",
    "declared_differs": "The listed cases are counted. Many runners declare attempts, assertions or subtests.",
    "encoding_repaired": "Let the runner write UTF-8 and say so, or say nothing.",
    "leading_space_removed": "An XML declaration has to be the first thing in a file.",
    "name_truncated": "A short checksum keeps it apart from others. Give parametrised tests short ids.",
    "no_cases": "Check that the runner found its tests: an empty report is never shown as 100 % passed.",
    "repeated_name": "They are kept apart as #2, #3 … in the order of the report. Give each test its own name.",
    "several_documents": "All of them are read. Let the runner write one file each.",
    "status_ignored": "Only a <failure> or <error> element says that a case failed.",
    "suite_level_error": "It belongs to no case, but the run is red: set-up or tear-down failed.",
    "suspicious_unit": "The time attribute is in seconds; this looks like milli- or microseconds.",
    "text_truncated": "The first and the last 32 KiB are kept.",
    "time_missing": "Their duration is counted as 0.",
    "time_rewritten": "Let the runner write times with a decimal point and no thousands separator.",
    "time_unreadable": "The duration is counted as 0.",
    "trailing_content": "What stands behind the report is ignored. Keep other output out of the file.",
}


_LONGEST_MESSAGE: Final = 500


@dataclass(slots=True)
class _Note:
    message: str
    line: int | None
    column: int | None
    case: int | None
    suite: int | None
    count: int


class Notes:
    """Collects the warnings of one file. A place may be a line, or a case or suite whose line is looked up later."""

    def __init__(self) -> None:
        self._notes: dict[str, _Note] = {}

    def add(
        self,
        code: str,
        message: str,
        *,
        line: int | None = None,
        column: int | None = None,
        case: int | None = None,
        suite: int | None = None,
        count: int = 1,
    ) -> None:
        """Note something; of several with one code the first keeps its message and place.

        `case` and `suite` count the elements of the file from 0.
        """
        known = self._notes.get(code)
        if known is None:
            self._notes[code] = _Note(message[:_LONGEST_MESSAGE], line, column, case, suite, count)
        else:
            known.count += count

    def has(self, code: str) -> bool:
        """Whether something was noted under this code."""
        return code in self._notes

    def list_places(self) -> tuple[set[int], set[int]]:
        """The cases and suites whose lines are still to be looked up."""
        open_notes = [note for note in self._notes.values() if note.line is None]
        cases = {note.case for note in open_notes if note.case is not None}
        return cases, {note.suite for note in open_notes if note.suite is not None}

    def close(
        self, *, case_places: Mapping[int, tuple[int, int]], suite_places: Mapping[int, tuple[int, int]]
    ) -> list[Remark]:
        """The warnings in the order of the file, with the places that were looked up as (line, column)."""
        warnings = []
        for code, note in self._notes.items():
            line, column = note.line, note.column
            if line is None and note.case is not None:
                line, column = case_places.get(note.case, (None, None))
            elif line is None and note.suite is not None:
                line, column = suite_places.get(note.suite, (None, None))
            warnings.append(Remark(code, note.message, line, column, HINTS[code], note.count))
        return sorted(warnings, key=lambda warning: (warning.line or 0, warning.column or 0, warning.code))
