"""SimpleCov's `.resultset.json`: one result per command, files as lists of hits.

Called by `ingest.parsers.coverage`; pure. Results of several commands are joined: a line counts once, its best hit
decides.
"""

from ingest.parsers.coverage.draft import Draft
from ingest.parsers.coverage.json_text import JsonText
from ingest.parsers.coverage.lines import MAX_LINE


def read_simplecov(text: JsonText, draft: Draft) -> None:
    """Read the report that stands in the text."""
    for _command in text.members():
        for name in text.members():
            if name == "coverage":
                for path in text.members():
                    text.enter()
                    _add_file(draft, path, text.read())


def _add_file(draft: Draft, path: str, value: object) -> None:
    """A file is an object with lines and branches; before version 0.18 it was the list of lines alone."""
    file = draft.open_file(path)
    values = {"lines": value} if isinstance(value, list) else draft.expect_object(value)
    for line, hits in enumerate(draft.expect_list(values.get("lines"))[:MAX_LINE], start=1):
        # Null is no code, and text is code that was left out on purpose.
        if hits is not None and not isinstance(hits, str):
            file.lines.add(line, is_covered=draft.numbers.is_hit(hits))
    for condition, branches in draft.expect_object(values.get("branches", {})).items():
        for branch, hits in draft.expect_object(branches).items():
            file.branches.add((condition, branch), is_taken=draft.numbers.is_hit(hits))
