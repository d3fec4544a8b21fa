"""Test results in, columns out: the one way from bytes to a ParsedReport.

Used by `ingest.pipeline` and the `inspect` command; pure: no Django, no database. Coverage has its own way,
`ingest.parsers.coverage`, and `looks_like_coverage` tells which of the two a file takes.
Promise: any bytes give a report or an IngestError, never anything else (`tests/ingest/parsers/test_properties.py`).
"""

from contextlib import suppress
from typing import Final

from ingest.errors import IngestError
from ingest.parsers.assemble import assemble_report
from ingest.parsers.joining import join_reports
from ingest.parsers.junit import JunitHandler
from ingest.parsers.notes import Notes
from ingest.parsers.passes import CUT_SHORT, Looked, OpenStream, describe_break, look_fast, look_mending, look_through
from ingest.parsers.places import AllFoundError, PlaceFinder
from ingest.parsers.sniff import describe_root, describe_text, find_child
from ingest.parsers.types import Limits, ParsedReport

__all__ = ["join_reports", "read_report"]

_HEAD_BYTES: Final = 4096


def read_report(open_stream: OpenStream, *, filename: str, limits: Limits) -> ParsedReport:
    """Read a report from its plain bytes; `open_stream` is called again when a second look is needed.

    Raises IngestError when nothing can be read. A file that breaks off gives what came before, with `truncated` set.
    """
    looked = look_through(
        open_stream,
        lambda notes: JunitHandler(limits=limits, notes=notes),
        max_bytes=limits.max_plain_bytes,
        max_documents=limits.max_documents,
    )
    if not looked.handler.has_report:
        raise _describe_stranger(looked, open_stream, filename=filename)
    cut = looked.describe_cut(filename)
    report = assemble_report(looked.handler, cut=cut)
    if cut and not report.keys:
        raise cut
    _close_notes(report, looked, open_stream, limits=limits)
    return report


def _describe_stranger(looked: Looked[JunitHandler], open_stream: OpenStream, *, filename: str) -> IngestError:
    """The error for a file that holds no report."""
    problem, handler = looked.problem, looked.handler
    with open_stream() as stream:
        head = stream.read(_HEAD_BYTES)
    if handler.root is not None:
        place = (problem.line, problem.column) if problem else handler.root_place
        return describe_root(filename, root=handler.root, child=find_child(head, root=handler.root), place=place)
    if problem is None:
        return IngestError("empty_file", f"{filename} is an empty file.", line=1, column=1)
    if problem.code in CUT_SHORT and head.lstrip().startswith((b"<?xml", b"<testsuite")):
        return describe_break(problem, filename=filename)
    return describe_text(filename, head=head, reason=problem.message, place=(problem.line, problem.column))


def _close_notes(
    report: ParsedReport, looked: Looked[JunitHandler], open_stream: OpenStream, *, limits: Limits
) -> None:
    """Turn the notes into warnings, reading the file once more if one names a case or suite."""
    cases, suites = looked.notes.list_places()
    finder = PlaceFinder(cases, suites)
    if cases or suites:
        max_bytes, max_documents = limits.max_plain_bytes, limits.max_documents
        with suppress(AllFoundError):
            if looked.was_mended:
                look_mending(open_stream, finder, notes=Notes(), max_bytes=max_bytes, max_documents=max_documents)
            else:
                look_fast(open_stream, finder, max_bytes=max_bytes)
    report.warnings = looked.notes.close(case_places=finder.case_places, suite_places=finder.suite_places)
