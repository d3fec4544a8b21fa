"""Several XML documents in one file: what tools leave behind that append to their report.

Used by `ingest.parsers` on a file that expat refused; pure.
Promise: all documents are read, and what is no report behind the first is named in a note
(`tests/ingest/parsers/test_documents.py`).
"""

from collections.abc import Iterable
from typing import Final
from xml.parsers.expat import errors

from ingest.errors import IngestError
from ingest.parsers.junit import JunitHandler
from ingest.parsers.notes import Notes
from ingest.parsers.xml import DocumentReader, MalformedError

_JUNK: Final = errors.codes[errors.XML_ERROR_JUNK_AFTER_DOC_ELEMENT]
_SPACE: Final = b" \t\r\n"
# A token may begin in the piece before the one it breaks in.
_KEPT_BYTES: Final = 64


class DocumentChain:
    """Feeds one handler with document after document."""

    def __init__(self, handler: JunitHandler, *, notes: Notes, max_documents: int) -> None:
        self._handler = handler
        self._notes = notes
        self._max_documents = max_documents
        self._document: DocumentReader | None = None
        self._n_documents = 0
        self._line = 1
        self._kept = b""
        self._is_over = False

    def read(self, pieces: Iterable[bytes]) -> None:
        """Read the whole file. Raises MalformedError or IngestError for the document that is broken."""
        for piece in pieces:
            rest: bytes | None = piece
            while rest and not self._is_over:
                rest = self._feed(rest)
            if self._is_over:
                return
            self._kept = (self._kept + piece)[-_KEPT_BYTES:]
        if self._document:
            try:
                self._document.close()
            except MalformedError as problem:
                self._judge(problem)

    def _feed(self, piece: bytes) -> bytes | None:
        """Feed a piece; what belongs to the next document comes back."""
        document = self._document or self._begin(piece)
        if document is None:
            return None
        start = 0 if self._document else len(piece) - len(piece.lstrip(_SPACE))
        self._document = document
        before = document.n_fed
        try:
            document.feed(memoryview(piece)[start:])
        except MalformedError as problem:
            if problem.code != _JUNK or self._n_documents >= self._max_documents or self._handler.is_foreign:
                self._judge(problem)
                return None
            self._document = None
            self._line = problem.line
            return self._find_next((self._kept + piece)[len(self._kept) + start + problem.byte - before :], problem)
        if self._handler.is_foreign and self._n_documents > 1:
            self._end("not a report")
        return None

    def _begin(self, piece: bytes) -> DocumentReader | None:
        """Open a document at the first character that is not blank; None when there is none."""
        text = piece.lstrip(_SPACE)
        blank = piece[: len(piece) - len(text)]
        self._line += blank.count(b"\n") + blank.count(b"\r") - blank.count(b"\r\n")
        if not text:
            return None
        if blank and not self._n_documents:
            self._notes.add("leading_space_removed", "The file begins with blank space.", line=1, column=1)
        self._n_documents += 1
        if self._n_documents > 1:
            self._notes.add(
                "several_documents", f"Another XML document begins at line {self._line}.", line=self._line, column=1
            )
        return DocumentReader(self._handler, encoding="utf-8", first_line=self._line)

    def _find_next(self, rest: bytes, problem: MalformedError) -> bytes | None:
        if rest.startswith(b"<"):
            return rest
        self._end("no XML", line=problem.line, column=problem.column)
        return None

    def _judge(self, problem: MalformedError) -> None:
        """A document broke. Behind a whole report it may be none at all, which is only worth a note."""
        is_report = self._handler.root is not None and not self._handler.is_foreign
        if self._n_documents <= 1 or is_report:
            raise problem
        self._end("no report", line=problem.line, column=problem.column)

    def _end(self, what: str, *, line: int | None = None, column: int | None = None) -> None:
        self._is_over = True
        line = line or self._line
        self._notes.add("trailing_content", f"What stands at line {line} is {what}.", line=line, column=column)


def refuse_empty(filename: str) -> IngestError:
    """The error for a file without a single character."""
    return IngestError("empty_file", f"{filename} is an empty file.", line=1, column=1)
