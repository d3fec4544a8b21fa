"""Several XML documents in one file: what tools leave behind that append to their report.

Used by `ingest.parsers` on a file that expat refused; pure.
Promise: all documents are read, and what is no report behind the first is named in a note
(`tests/ingest/parsers/test_documents.py`).
"""

import re
from collections.abc import Iterable
from typing import Final, Protocol
from xml.parsers.expat import errors

from ingest.parsers.notes import Notes
from ingest.parsers.xml import DocumentReader, Handler, MalformedError, Place

_JUNK: Final = errors.codes[errors.XML_ERROR_JUNK_AFTER_DOC_ELEMENT]
_SPACE: Final = b" \t\r\n"
_NEXT_DOCUMENT: Final = re.compile(rb"<\?xml\s|<testsuites?[\s>/]")
# A token may begin in the piece before the one it breaks in.
_KEPT_BYTES: Final = 64


class ReportHandler(Handler, Protocol):
    """A listener that knows what kind of document it hears."""

    root: str | None

    @property
    def is_foreign(self) -> bool:
        """Whether the document has a root, and that of no report."""


class DocumentChain:
    """Feeds one handler with document after document."""

    def __init__(self, handler: ReportHandler, *, notes: Notes, max_documents: int) -> None:
        self._handler = handler
        self._notes = notes
        self._max_documents = max_documents
        self._document: DocumentReader | None = None
        self._n_documents = 0
        self._place: Place = (1, 1)
        self._kept = b""

    def read(self, pieces: Iterable[bytes]) -> None:
        """Read the whole file. Raises MalformedError or IngestError for the document that is broken."""
        for piece in pieces:
            rest = piece
            while rest:
                rest = self._feed(rest) if self._document else self._begin(rest)
            self._kept = (self._kept + piece)[-_KEPT_BYTES:]
        if self._document:
            try:
                self._document.close()
            except MalformedError as problem:
                self._judge(problem)

    def _begin(self, piece: bytes) -> bytes:
        """Open a document where one begins, and return the piece from there on; nothing if none does."""
        skipped, text = self._split_at_next(piece)
        if skipped.strip(_SPACE):
            self._note_trailing(self._place)
        self._place = _advance(self._place, skipped)
        if not text:
            return b""
        line, column = self._place
        if skipped and not self._n_documents and text.startswith(b"<?xml"):
            self._notes.add("leading_space_removed", "The file begins with blank space.", line=1, column=1)
        self._n_documents += 1
        if self._n_documents > 1:
            message = f"Another XML document begins at line {line}."
            self._notes.add("several_documents", message, line=line, column=column)
        self._document = DocumentReader(self._handler, encoding="utf-8", start=self._place)
        return text

    def _split_at_next(self, piece: bytes) -> tuple[bytes, bytes]:
        if not self._n_documents:
            text = piece.lstrip(_SPACE)
            return piece[: len(piece) - len(text)], text
        found = _NEXT_DOCUMENT.search(piece)
        at = found.start() if found else len(piece)
        return piece[:at], piece[at:]

    def _feed(self, piece: bytes) -> bytes:
        """Feed the open document; what stands behind its end comes back."""
        document = self._document
        if document is None:
            return piece
        before = document.n_fed
        try:
            document.feed(piece)
        except MalformedError as problem:
            self._document = None
            if problem.code != _JUNK or self._n_documents >= self._max_documents or self._handler.is_foreign:
                self._judge(problem)
                return b""
            self._place = problem.line, problem.column
            return (self._kept + piece)[len(self._kept) + problem.byte - before :]
        return b""

    def _judge(self, problem: MalformedError) -> None:
        """A document broke. Behind a whole report it may be none at all, which is only worth a note."""
        is_report = self._handler.root is not None and not self._handler.is_foreign
        if self._n_documents <= 1 or is_report:
            raise problem
        self._note_trailing((problem.line, problem.column))

    def _note_trailing(self, place: Place) -> None:
        line, column = place
        self._notes.add("trailing_content", f"What stands at line {line} is no report.", line=line, column=column)


def _advance(place: Place, text: bytes) -> Place:
    """The place behind `text`, which begins at `place`."""
    line, column = place
    breaks = text.count(b"\n") + text.count(b"\r") - text.count(b"\r\n")
    if not breaks:
        return line, column + len(text)
    return line + breaks, len(text) - max(text.rfind(b"\n"), text.rfind(b"\r"))
