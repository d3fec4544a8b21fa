"""The two looks at an XML report: a fast one, which most files need alone, and one that mends what expat refused.

Used by `ingest.parsers` for JUnit and by `ingest.parsers.coverage.elements` for the coverage formats; pure.
Promise: what a hostile or damaged file costs, and how it is mended, is the same for both
(`tests/ingest/parsers/test_hostile.py`, `tests/ingest/parsers/coverage/test_hostile.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Final, Generic, TypeVar
from xml.parsers.expat import errors

from ingest.errors import IngestError
from ingest.parsers.documents import DocumentChain, ReportHandler
from ingest.parsers.notes import Notes
from ingest.parsers.repairs import Repairer, names_readable_encoding
from ingest.parsers.xml import UNKNOWN_ENCODING, DocumentReader, MalformedError, read_pieces

OpenStream = Callable[[], IO[bytes]]
H = TypeVar("H", bound=ReportHandler)


def _codes(*messages: str) -> frozenset[int]:
    return frozenset(errors.codes[message] for message in messages)


CUT_SHORT: Final = _codes(
    errors.XML_ERROR_NO_ELEMENTS,
    errors.XML_ERROR_UNCLOSED_TOKEN,
    errors.XML_ERROR_PARTIAL_CHAR,
    errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
)
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


@dataclass(frozen=True, slots=True)
class Looked(Generic[H]):
    """What came of reading a file: the handler that heard it, and where the XML or its encoding is broken."""

    handler: H
    notes: Notes
    problem: MalformedError | None = None
    undecodable: IngestError | None = None
    was_mended: bool = False

    def describe_cut(self, filename: str) -> IngestError | None:
        """The error for what could not be read to its end; None where all of it was."""
        return describe_break(self.problem, filename=filename) if self.problem else self.undecodable


def look_through(
    open_stream: OpenStream, make_handler: Callable[[Notes], H], *, max_bytes: int, max_documents: int
) -> Looked[H]:
    """Have a handler hear the file; a second one, made for it, where it has to be mended."""
    notes = Notes()
    handler = make_handler(notes)
    problem = look_fast(open_stream, handler, max_bytes=max_bytes)
    is_mendable = problem is not None and (problem.code in _MENDABLE or handler.root is None or handler.is_complete)
    if not is_mendable or handler.is_foreign:
        return Looked(handler, notes, problem)
    notes = Notes()
    handler = make_handler(notes)
    problem, undecodable = look_mending(
        open_stream, handler, notes=notes, max_bytes=max_bytes, max_documents=max_documents
    )
    return Looked(handler, notes, problem, undecodable, was_mended=True)


def look_fast(open_stream: OpenStream, handler: ReportHandler, *, max_bytes: int) -> MalformedError | None:
    """The fast pass. Returns where the XML is broken."""
    document = DocumentReader(handler)
    try:
        with open_stream() as stream:
            for piece in read_pieces(stream, max_bytes=max_bytes):
                if not document.n_fed and not names_readable_encoding(piece):
                    return MalformedError(UNKNOWN_ENCODING, "unknown encoding", line=1, column=1, byte=0)
                document.feed(piece)
                if handler.is_foreign:
                    return None
        document.close()
    except MalformedError as problem:
        return problem
    return None


def look_mending(
    open_stream: OpenStream, handler: ReportHandler, *, notes: Notes, max_bytes: int, max_documents: int
) -> tuple[MalformedError | None, IngestError | None]:
    """The slow pass. Returns where the XML is broken even so, and where the declared encoding is."""
    repairer = Repairer(notes)
    chain = DocumentChain(handler, notes=notes, max_documents=max_documents)
    with open_stream() as stream:
        try:
            chain.read(repairer.repair(read_pieces(stream, max_bytes=max_bytes)))
        except MalformedError as problem:
            return problem, repairer.undecodable
    return None, repairer.undecodable


def describe_break(problem: MalformedError, *, filename: str) -> IngestError:
    """The error for a report whose XML breaks; what came before it is kept."""
    line, column = problem.line, problem.column
    if problem.code in CUT_SHORT:
        message = f"{filename} breaks off at line {line}, column {column}: {problem.message}."
        return IngestError("report_truncated", message, line=line, column=column)
    message = f"{filename} is broken at line {line}, column {column}: {problem.message}."
    return IngestError("xml_malformed", message, line=line, column=column)
