"""Reports in, columns out: the one way from bytes to a ParsedReport.

Used by `ingest.pipeline` and the `inspect` command; pure: no Django, no database.
Promise: any bytes give a report or an IngestError, never anything else (`tests/ingest/parsers/test_properties.py`).
"""

from collections.abc import Callable
from contextlib import suppress
from typing import IO, Final
from xml.parsers.expat import errors

from ingest.errors import IngestError
from ingest.parsers.assemble import assemble_report
from ingest.parsers.documents import DocumentChain, ReportHandler
from ingest.parsers.joining import join_reports
from ingest.parsers.junit import JunitHandler
from ingest.parsers.notes import Notes
from ingest.parsers.places import AllFoundError, PlaceFinder
from ingest.parsers.repairs import Repairer, names_readable_encoding
from ingest.parsers.sniff import describe_foreign, describe_text
from ingest.parsers.types import Limits, ParsedReport
from ingest.parsers.xml import UNKNOWN_ENCODING, DocumentReader, MalformedError, read_pieces

__all__ = ["join_reports", "read_report"]

OpenStream = Callable[[], IO[bytes]]

_HEAD_BYTES: Final = 4096


def _codes(*messages: str) -> frozenset[int]:
    return frozenset(errors.codes[message] for message in messages)


# What a second look may mend: characters XML cannot hold, documents in a row, a wrong or unknown encoding.
_MENDABLE: Final = _codes(
    errors.XML_ERROR_INVALID_TOKEN,
    errors.XML_ERROR_PARTIAL_CHAR,
    errors.XML_ERROR_BAD_CHAR_REF,
    errors.XML_ERROR_JUNK_AFTER_DOC_ELEMENT,
    errors.XML_ERROR_MISPLACED_XML_PI,
    errors.XML_ERROR_UNKNOWN_ENCODING,
    errors.XML_ERROR_INCORRECT_ENCODING,
)
_CUT_SHORT: Final = _codes(
    errors.XML_ERROR_NO_ELEMENTS,
    errors.XML_ERROR_UNCLOSED_TOKEN,
    errors.XML_ERROR_PARTIAL_CHAR,
    errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
)


def read_report(open_stream: OpenStream, *, filename: str, limits: Limits) -> ParsedReport:
    """Read a report from its plain bytes; `open_stream` is called again when a second look is needed.

    Raises IngestError when nothing can be read. A file that breaks off gives what came before, with `truncated` set.
    """
    handler = JunitHandler(limits=limits, notes=Notes())
    problem = _read_plain(open_stream, handler, limits=limits)
    undecodable: IngestError | None = None
    is_mendable = problem is not None and (problem.code in _MENDABLE or handler.root is None or handler.is_complete)
    if is_mendable and not handler.is_foreign:
        handler = JunitHandler(limits=limits, notes=Notes())
        problem, undecodable = _read_repaired(open_stream, handler, limits=limits, notes=handler.notes)
    if not handler.has_report:
        raise _describe_stranger(problem, handler, open_stream, filename=filename)
    cut = _describe_break(problem, filename=filename) if problem else undecodable
    report = assemble_report(handler, cut=cut)
    if cut and not report.keys:
        raise cut
    _close_notes(report, handler, open_stream, limits=limits, is_repaired=is_mendable)
    return report


def _read_plain(open_stream: OpenStream, handler: ReportHandler, *, limits: Limits) -> MalformedError | None:
    """The fast pass, which most files need alone. Returns where the XML is broken."""
    document = DocumentReader(handler)
    try:
        with open_stream() as stream:
            for piece in read_pieces(stream, max_bytes=limits.max_plain_bytes):
                if not document.n_fed and not names_readable_encoding(piece):
                    return MalformedError(UNKNOWN_ENCODING, "unknown encoding", line=1, column=1, byte=0)
                document.feed(piece)
                if handler.is_foreign:
                    return None
        document.close()
    except MalformedError as problem:
        return problem
    return None


def _read_repaired(
    open_stream: OpenStream, handler: ReportHandler, *, limits: Limits, notes: Notes
) -> tuple[MalformedError | None, IngestError | None]:
    """The slow pass. Returns where the XML is broken even so, and where the declared encoding is."""
    repairer = Repairer(notes)
    chain = DocumentChain(handler, notes=notes, max_documents=limits.max_documents)
    with open_stream() as stream:
        try:
            chain.read(repairer.repair(read_pieces(stream, max_bytes=limits.max_plain_bytes)))
        except MalformedError as problem:
            return problem, repairer.undecodable
    return None, repairer.undecodable


def _describe_stranger(
    problem: MalformedError | None, handler: JunitHandler, open_stream: OpenStream, *, filename: str
) -> IngestError:
    """The error for a file that holds no report."""
    line, column = (problem.line, problem.column) if problem else handler.root_place
    if handler.root is not None:
        attributes = handler.root_attributes
        return describe_foreign(filename, root=handler.root, attributes=attributes, line=line, column=column)
    if problem is None:
        return IngestError("empty_file", f"{filename} is an empty file.", line=1, column=1)
    with open_stream() as stream:
        head = stream.read(_HEAD_BYTES)
    if problem.code in _CUT_SHORT and head.lstrip().startswith((b"<?xml", b"<testsuite")):
        return _describe_break(problem, filename=filename)
    return describe_text(filename, head=head, reason=problem.message, line=line, column=column)


def _describe_break(problem: MalformedError, *, filename: str) -> IngestError:
    """The error for a report whose XML breaks; what came before it is kept."""
    line, column = problem.line, problem.column
    if problem.code in _CUT_SHORT:
        message = f"{filename} breaks off at line {line}, column {column}: {problem.message}."
        return IngestError("report_truncated", message, line=line, column=column)
    message = f"{filename} is broken at line {line}, column {column}: {problem.message}."
    return IngestError("xml_malformed", message, line=line, column=column)


def _close_notes(
    report: ParsedReport, handler: JunitHandler, open_stream: OpenStream, *, limits: Limits, is_repaired: bool
) -> None:
    """Turn the notes into warnings, reading the file once more if one names a case or suite."""
    cases, suites = handler.notes.list_places()
    finder = PlaceFinder(cases, suites)
    if cases or suites:
        with suppress(AllFoundError):
            if is_repaired:
                _read_repaired(open_stream, finder, limits=limits, notes=Notes())
            else:
                _read_plain(open_stream, finder, limits=limits)
    report.warnings = handler.notes.close(case_places=finder.case_places, suite_places=finder.suite_places)
