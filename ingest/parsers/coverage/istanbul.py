"""The two JSON reports of Istanbul: `coverage-final.json` and the summary.

Called by `ingest.parsers.coverage`; pure. A line is covered if a statement that begins on it ran.
"""

from typing import Any, Final

from ingest.parsers.coverage.draft import Draft
from ingest.parsers.coverage.json_text import JsonText
from ingest.parsers.coverage.numbers import read_count
from ingest.parsers.coverage.types import Figures

_WANTED: Final = frozenset({"path", "statementMap", "s", "b"})
_TOTAL: Final = "total"


def read_istanbul(text: JsonText, draft: Draft) -> None:
    """Read the report that stands in the text."""
    draft.statements = (0, 0)
    for name in text.members():
        text.enter()
        values: dict[str, Any] = {}
        for key in text.members():
            if key in _WANTED:
                values[key] = text.read()
            elif key == "data":
                # Older versions wrap the file once more.
                values |= {inner: text.read() for inner in text.members() if inner in _WANTED}
        _add_file(draft, name, values)


def read_istanbul_summary(text: JsonText, draft: Draft) -> None:
    """Read the summary that stands in the text: figures only."""
    for name in text.members():
        text.enter()
        values = draft.expect_object(text.read())
        figures = _read_figures(draft, values)
        if name == _TOTAL:
            draft.declared = figures
        else:
            draft.open_file(name).declared = figures


def _add_file(draft: Draft, name: str, values: dict[str, Any]) -> None:
    path = values.get("path")
    file = draft.open_file(path if isinstance(path, str) and path else name)
    hits = draft.expect_object(values.get("s"))
    n_valid, n_covered = draft.statements or (0, 0)
    for key, statement in draft.expect_object(values.get("statementMap")).items():
        is_hit = draft.numbers.is_hit(hits.get(key))
        n_valid += 1
        n_covered += is_hit
        match statement:
            case {"start": {"line": start}}:
                draft.add_lines(file, [start], is_covered=is_hit)
            case _:
                draft.note("entry_unreadable", "A statement has no line.")
    draft.statements = n_valid, n_covered
    for key, counts in draft.expect_object(values.get("b", {})).items():
        for index, count in enumerate(draft.expect_list(counts)):
            file.branches.add((key, index), is_taken=draft.numbers.is_hit(count))


def _read_figures(draft: Draft, values: dict[str, Any]) -> Figures:
    lines = draft.expect_object(values.get("lines"))
    branches = draft.expect_object(values.get("branches", {}))
    return Figures(
        lines_valid=read_count(lines.get("total")),
        lines_covered=read_count(lines.get("covered")),
        branches_valid=read_count(branches.get("total")),
        branches_covered=read_count(branches.get("covered")),
    )
