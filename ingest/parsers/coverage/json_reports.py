"""The JSON formats' way through a file: its text, which of them it is, and the reader that knows it.

Used by `ingest.parsers.coverage`; pure.
"""

from collections.abc import Callable
from typing import Final

from ingest.errors import IngestError
from ingest.parsers.coverage.coveragepy import read_coveragepy
from ingest.parsers.coverage.draft import Draft
from ingest.parsers.coverage.gcovr import read_gcovr, read_gcovr_summary
from ingest.parsers.coverage.istanbul import read_istanbul, read_istanbul_summary
from ingest.parsers.coverage.json_text import JsonText, read_text
from ingest.parsers.coverage.llvm import read_llvm
from ingest.parsers.coverage.simplecov import read_simplecov
from ingest.parsers.coverage.sniff import find_json_format
from ingest.parsers.coverage.types import ParsedCoverage, Source
from ingest.parsers.sniff import describe_json

_READERS: Final[dict[str, Callable[[JsonText, Draft], None]]] = {
    "coverage.py-json": read_coveragepy,
    "gcovr-json": read_gcovr,
    "gcovr-json-summary": read_gcovr_summary,
    "istanbul-json": read_istanbul,
    "istanbul-json-summary": read_istanbul_summary,
    "llvm-cov-export": read_llvm,
    "simplecov-resultset": read_simplecov,
}
# A text of an unknown kind up to this size is read whole, to say where it is broken rather than that it is unknown.
_SMALL_CHARS: Final = 2**20


def read_json(source: Source) -> ParsedCoverage:
    """Read one of the JSON formats. Raises IngestError where there is nothing to read."""
    characters, undecodable = read_text(source)
    text = JsonText(characters, filename=source.filename, max_values=source.limits.max_json_values)
    draft = Draft(source)
    draft.find_place = text.find_entry
    format_name = find_json_format(characters)
    if format_name is None:
        if len(characters) <= _SMALL_CHARS:
            text.skip()
        raise describe_json(source.filename, text=characters)
    if undecodable:
        line, column = undecodable
        message = f"A byte at line {line}, column {column} is not valid UTF-8: such bytes became U+FFFD."
        draft.notes.add("encoding_repaired", message, find_place=lambda: undecodable)
    draft.format = format_name
    truncated: IngestError | None = None
    try:
        _READERS[format_name](text, draft)
        text.finish()
    except IngestError as problem:
        if problem.code not in ("bad_json", "report_truncated") or not draft.has_files:
            raise
        truncated = problem
    return draft.finish(truncated=truncated)
