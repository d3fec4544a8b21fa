"""The two JSON reports of gcovr: the full one and the summary.

Called by `ingest.parsers.coverage`; pure. Instances of a template repeat their lines; each counts once.
"""

from typing import Any, Final

from ingest.parsers.coverage.draft import Draft, FileDraft
from ingest.parsers.coverage.json_text import JsonText
from ingest.parsers.coverage.numbers import read_count
from ingest.parsers.coverage.types import Figures

_TOTALS: Final = frozenset({"line_total", "line_covered", "branch_total", "branch_covered"})
_LEFT_OUT: Final = ("gcovr/excluded", "gcovr/noncode")


def read_gcovr(text: JsonText, draft: Draft) -> None:
    """Read the report that stands in the text."""
    for name in text.members():
        if name == "files":
            for _ in text.elements():
                text.enter()
                values = {key: text.read() for key in text.members() if key in ("file", "lines")}
                file = draft.open_file(values.get("file"))
                for line in draft.expect_list(values.get("lines")):
                    _add_line(draft, file, draft.expect_object(line))


def read_gcovr_summary(text: JsonText, draft: Draft) -> None:
    """Read the summary that stands in the text: figures only."""
    totals: dict[str, Any] = {}
    for name in text.members():
        if name == "files":
            for _ in text.elements():
                text.enter()
                values = draft.expect_object(text.read())
                draft.open_file(values.get("filename")).declared = _read_figures(values)
        elif name in _TOTALS:
            totals[name] = text.read()
    draft.declared = _read_figures(totals)


def _add_line(draft: Draft, file: FileDraft, values: dict[str, Any]) -> None:
    if any(values.get(mark) is True for mark in _LEFT_OUT):
        return
    line = draft.numbers.read_line(values.get("line_number"))
    if not line:
        return
    file.lines.add(line, is_covered=draft.numbers.is_hit(values.get("count")))
    for index, value in enumerate(draft.expect_list(values.get("branches", []))):
        branch = draft.expect_object(value)
        if not any(branch.get(mark) is True for mark in _LEFT_OUT):
            number = branch.get("branchno")
            key = line, number if isinstance(number, int) else index
            file.branches.add(key, is_taken=draft.numbers.is_hit(branch.get("count")))


def _read_figures(values: dict[str, Any]) -> Figures:
    return Figures(
        lines_valid=read_count(values.get("line_total")),
        lines_covered=read_count(values.get("line_covered")),
        branches_valid=read_count(values.get("branch_total")),
        branches_covered=read_count(values.get("branch_covered")),
    )
