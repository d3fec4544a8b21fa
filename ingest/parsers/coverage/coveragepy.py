"""The JSON report of coverage.py, with its contexts where it has some.

Called by `ingest.parsers.coverage`; pure. Functions and classes repeat what the files say and are left out.
"""

from typing import Any, Final

from ingest.parsers.coverage.draft import Draft, FileDraft
from ingest.parsers.coverage.json_text import JsonText
from ingest.parsers.coverage.numbers import read_count
from ingest.parsers.coverage.paths import clean_name
from ingest.parsers.coverage.types import Figures

_WANTED: Final = frozenset(
    {"executed_lines", "missing_lines", "executed_branches", "missing_branches", "summary", "contexts"}
)
_MAX_NAME_CHARS: Final = 1_024


def read_coveragepy(text: JsonText, draft: Draft) -> None:
    """Read the report that stands in the text."""
    context_numbers: dict[str, int] = {}
    for name in text.members():
        if name == "files":
            for path in text.members():
                text.enter()
                values = {key: text.read() for key in text.members() if key in _WANTED}
                _add_file(draft, path, values, context_numbers)
        elif name == "totals":
            draft.declared = _read_summary(draft.expect_object(text.read()))
    draft.contexts.names = [clean_name(name, max_chars=_MAX_NAME_CHARS) for name in context_numbers]


def _add_file(draft: Draft, path: str, values: dict[str, Any], context_numbers: dict[str, int]) -> None:
    file = draft.open_file(path)
    file.declared = _read_summary(draft.expect_object(values.get("summary", {})))
    draft.add_lines(file, values.get("executed_lines"), is_covered=True)
    draft.add_lines(file, values.get("missing_lines"), is_covered=False)
    # Both are missing where branches were not measured.
    _add_branches(draft, file, values.get("executed_branches", []), is_taken=True)
    _add_branches(draft, file, values.get("missing_branches", []), is_taken=False)
    _add_contexts(draft, file, values.get("contexts", {}), context_numbers)


def _read_summary(summary: dict[str, Any]) -> Figures:
    return Figures(
        lines_valid=read_count(summary.get("num_statements")),
        lines_covered=read_count(summary.get("covered_lines")),
        branches_valid=read_count(summary.get("num_branches")),
        branches_covered=read_count(summary.get("covered_branches")),
    )


def _add_branches(draft: Draft, file: FileDraft, branches: object, *, is_taken: bool) -> None:
    """Branches are pairs of lines: from where, to where."""
    for branch in draft.expect_list(branches):
        match branch:
            case [int(origin), int(target)]:
                file.branches.add((origin, target), is_taken=is_taken)
            case _:
                draft.note("entry_unreadable", "A branch is no pair of lines.")


def _add_contexts(draft: Draft, file: FileDraft, contexts: object, numbers: dict[str, int]) -> None:
    """Add which context ran which line. The context without a name says nothing."""
    columns = draft.contexts
    for line_text, names in draft.expect_object(contexts).items():
        line = draft.numbers.line_codes[line_text] >> 1
        for name in draft.expect_list(names):
            if line and name and isinstance(name, str):
                columns.contexts.append(numbers.setdefault(name, len(numbers)))
                columns.files.append(file.index)
                columns.lines.append(line)
