"""The JSON export of llvm-cov: files as segments, from which lines follow by LLVM's own rule.

Called by `ingest.parsers.coverage`; pure. A summary-only export has no segments: there its figures stand in.
"""

from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from ingest.parsers.coverage.draft import Draft, FileDraft
from ingest.parsers.coverage.json_text import JsonText
from ingest.parsers.coverage.lines import MAX_LINE
from ingest.parsers.coverage.numbers import read_count
from ingest.parsers.coverage.types import Figures

_WANTED: Final = frozenset({"filename", "segments", "summary", "branches"})


@dataclass(frozen=True, slots=True)
class Segment:
    """From here on, up to the next segment, code ran `count` times, if it `has_count` and is code at all."""

    line: int
    count: int | float
    has_count: bool
    is_entry: bool
    is_gap: bool

    @property
    def starts_code(self) -> bool:
        """Whether counted code begins here, rather than the blank between two pieces."""
        return self.has_count and self.is_entry and not self.is_gap


def read_llvm(text: JsonText, draft: Draft) -> None:
    """Read the report that stands in the text."""
    for name in text.members():
        if name == "data":
            for _ in text.elements():
                _read_export(text, draft)


def _read_export(text: JsonText, draft: Draft) -> None:
    for name in text.members():
        if name == "files":
            for _ in text.elements():
                text.enter()
                values = {key: text.read() for key in text.members() if key in _WANTED}
                _add_file(draft, values)
        elif name == "totals":
            draft.declared += _read_summary(draft, text.read())


def _add_file(draft: Draft, values: dict[str, Any]) -> None:
    file = draft.open_file(values.get("filename"))
    file.declared = _read_summary(draft, values.get("summary", {}))
    segments = [_read_segment(draft, value) for value in draft.expect_list(values.get("segments", []))]
    _add_lines(file, [segment for segment in segments if segment])
    for branch in draft.expect_list(values.get("branches", [])):
        match branch:
            case [int(), int(), int(), int(), if_true, if_false, *_]:
                place = tuple(branch[:4])
                file.branches.add((place, True), is_taken=draft.numbers.is_hit(if_true))
                file.branches.add((place, False), is_taken=draft.numbers.is_hit(if_false))
            case _:
                draft.note("entry_unreadable", "A branch has no place or no counts.")


def _read_summary(draft: Draft, value: object) -> Figures:
    summary = draft.expect_object(value)
    lines = draft.expect_object(summary.get("lines", {}))
    branches = draft.expect_object(summary.get("branches", {}))
    return Figures(
        lines_valid=read_count(lines.get("count")),
        lines_covered=read_count(lines.get("covered")),
        branches_valid=read_count(branches.get("count")),
        branches_covered=read_count(branches.get("covered")),
    )


def _read_segment(draft: Draft, value: object) -> Segment | None:
    match value:
        case [int(line), _, int(count) | float(count), bool(has_count), bool(is_entry), *rest] if 0 < line <= MAX_LINE:
            draft.numbers.is_hit(count)
            # Before LLVM 11 there were no gaps.
            return Segment(line, count, has_count, is_entry, rest[:1] == [True])
        case [line, *_]:
            draft.numbers.read_line(line)
        case _:
            draft.note("entry_unreadable", "A segment has no line.")
    return None


def _add_lines(file: FileDraft, segments: list[Segment]) -> None:
    """Lines up to the next segment's go on as the last segment of the line before says."""
    segments.sort(key=lambda segment: segment.line)
    wrapped: Segment | None = None
    for line, group in groupby(segments, key=lambda segment: segment.line):
        here = list(group)
        if wrapped and wrapped.has_count and line - wrapped.line > 1:
            file.lines.add_range(wrapped.line + 1, line - 1, is_covered=wrapped.count > 0)
        is_skipped = not here[0].has_count and here[0].is_entry
        entries = [segment for segment in here if segment.starts_code]
        is_inside = wrapped is not None and wrapped.has_count
        if entries or (is_inside and not is_skipped):
            counts = [segment.count for segment in entries] + ([wrapped.count] if wrapped else [])
            file.lines.add(line, is_covered=max(counts) > 0)
        wrapped = here[-1]
