"""The JSON report of coverage.py, with its contexts where it has some.

Called by `ingest.parsers.coverage`; pure. Functions and classes repeat what the files say and are left out.
"""

from array import array
from typing import Any, Final

from ingest.parsers.coverage.draft import Draft, FileDraft
from ingest.parsers.coverage.json_text import JsonText
from ingest.parsers.coverage.numbers import read_count
from ingest.parsers.coverage.paths import clean_name
from ingest.parsers.coverage.types import Contexts, Figures

_WANTED: Final = frozenset({"executed_lines", "missing_lines", "executed_branches", "missing_branches", "summary"})
_MAX_NAME_CHARS: Final = 1_024


def read_coveragepy(text: JsonText, draft: Draft) -> None:
    """Read the report that stands in the text."""
    contexts = ContextReader(text, draft)
    for name in text.members():
        if name == "files":
            for path in text.members():
                text.enter()
                values: dict[str, Any] = {}
                for key in text.members():
                    if key in _WANTED:
                        values[key] = text.read()
                    elif key == "contexts":
                        contexts.read()
                contexts.add_to(_add_file(draft, path, values))
        elif name == "totals":
            draft.declared = _read_summary(draft.expect_object(text.read()))
    contexts.finish()


def _add_file(draft: Draft, path: str, values: dict[str, Any]) -> FileDraft:
    file = draft.open_file(path)
    file.declared = _read_summary(draft.expect_object(values.get("summary", {})))
    draft.add_lines(file, values.get("executed_lines"), is_covered=True)
    draft.add_lines(file, values.get("missing_lines"), is_covered=False)
    # Both are missing where branches were not measured.
    _add_branches(draft, file, values.get("executed_branches", []), is_taken=True)
    _add_branches(draft, file, values.get("missing_branches", []), is_taken=False)
    return file


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


class ContextReader:
    """Reads which context ran which line, line by line. The context without a name says nothing.

    A report with more of them than `CoverageLimits` allows is kept without any.
    """

    def __init__(self, text: JsonText, draft: Draft) -> None:
        self._text = text
        self._draft = draft
        self._limits = draft.limits
        self._numbers: dict[str, int] = {}
        # Of the present file, which is added when its other values are read.
        self._contexts, self._lines = array("I"), array("I")
        self._is_full = False

    def read(self) -> None:
        """The object that stands in the text: lists of names, by line."""
        if self._is_full:
            return  # it is skipped
        if self._text.peek() != "{":
            self._draft.expect_object(self._text.read())
            return
        for line_text in self._text.members():
            line = self._draft.numbers.line_codes[line_text] >> 1
            for name in self._draft.expect_list(self._text.read()):
                if line and name and isinstance(name, str) and not self._is_full:
                    self._contexts.append(self._numbers.setdefault(name, len(self._numbers)))
                    self._lines.append(line)
            self._look_at_limits()

    def add_to(self, file: FileDraft) -> None:
        """What was read since the last file is this one's."""
        columns = self._draft.contexts
        columns.contexts += self._contexts
        columns.lines += self._lines
        columns.files += array("I", [file.index]) * len(self._lines)
        del self._contexts[:], self._lines[:]

    def finish(self) -> None:
        """Name the contexts as they are stored."""
        names = self._draft.contexts.names
        names += (clean_name(name, max_chars=_MAX_NAME_CHARS) for name in self._numbers)

    def _look_at_limits(self) -> None:
        n_names, n_lines = len(self._numbers), len(self._draft.contexts) + len(self._lines)
        if n_names <= self._limits.max_context_names and n_lines <= self._limits.max_contexts:
            return
        self._is_full = True
        message = (
            f"The report has more than {self._limits.max_context_names:,} contexts, "
            f"or more than {self._limits.max_contexts:,} lines that they ran."
        )
        self._draft.note("contexts_left_out", message)
        self._numbers.clear()
        del self._contexts[:], self._lines[:]
        self._draft.contexts = Contexts()
