"""Several XML documents in one file: what tools leave behind that append to their report.

Used by `ingest.parsers` on a file that expat refused; pure.
Promise: all documents are read, and what is no report behind the first is named in a note
(`tests/ingest/parsers/test_documents.py`).
"""

import re
from collections.abc import Iterable
from typing import Final, Protocol

from ingest.parsers.notes import Notes
from ingest.parsers.xml import DocumentReader, Handler, MalformedError, Place

_SPACE: Final = b" \t\r\n"
_BEGINNING: Final = re.compile(rb"<\?xml\s|<testsuites?[\s>/]")
_LONGEST_BEGINNING: Final = len(b"<testsuites>")
# A token may begin in the piece before the one it breaks in.
_KEPT_BYTES: Final = 64


class ReportHandler(Handler, Protocol):
    """A listener that knows what kind of document it hears."""

    root: str | None

    @property
    def is_foreign(self) -> bool:
        """Whether the document has a root, and that of no report."""

    @property
    def is_complete(self) -> bool:
        """Whether the document's root has ended."""


class DocumentChain:
    """Feeds one handler with document after document."""

    def __init__(self, handler: ReportHandler, *, notes: Notes, max_documents: int) -> None:
        self._handler = handler
        self._notes = notes
        self._max_documents = max_documents
        self._n_documents = 0
        self._document: DocumentReader | None = None
        # Where the open document began, or where the search for the next one stands.
        self._place: Place = (1, 1)
        self._kept = b""
        self._unsearched = b""
        self._has_noted_gap = False

    def read(self, pieces: Iterable[bytes]) -> None:
        """Read the whole file. Raises MalformedError or IngestError for the document that is broken."""
        for piece in pieces:
            rest = piece
            while rest:
                rest = self._feed(self._document, rest) if self._document else self._search(rest)
            if self._handler.is_foreign and self._n_documents == 1:
                return
            self._kept = (self._kept + piece)[-_KEPT_BYTES:]
        self._pass_over(self._unsearched)
        if self._document:
            try:
                self._document.close()
            except MalformedError as problem:
                self._judge(problem)

    def _search(self, piece: bytes) -> bytes:
        """Look for a document's beginning, open it, and return the piece from there on."""
        text = self._unsearched + piece
        if not self._n_documents:
            at, n_done = len(text) - len(text.lstrip(_SPACE)), len(text)
        else:
            found = _BEGINNING.search(text)
            at = found.start() if found else len(text)
            n_done = max(len(text) - _LONGEST_BEGINNING + 1, 0)
        if at == len(text):
            self._pass_over(text[:n_done])
            self._unsearched = text[n_done:]
            return b""
        self._unsearched = b""
        self._pass_over(text[:at])
        self._open()
        return text[at:]

    def _open(self) -> None:
        line, column = self._place
        self._n_documents += 1
        self._has_noted_gap = False
        if self._n_documents > 1:
            message = f"Another XML document begins at line {line}."
            self._notes.add("several_documents", message, line=line, column=column)
        elif self._place != (1, 1):
            self._notes.add("leading_space_removed", "The file begins with blank space.", line=1, column=1)
        self._document = DocumentReader(self._handler, encoding="utf-8", start=self._place)

    def _feed(self, document: DocumentReader, piece: bytes) -> bytes:
        """Feed the open document; what stands behind its end comes back."""
        n_before = document.n_fed
        try:
            document.feed(piece)
        except MalformedError as problem:
            if self._n_documents >= self._max_documents:
                raise
            self._document = None
            self._judge(problem)
            # A document that breaks at its very beginning must not be found there again.
            n_stuck = 0 if problem.byte else 1
            self._place = problem.line, problem.column + n_stuck
            return (self._kept + piece)[len(self._kept) + problem.byte + n_stuck - n_before :]
        return b""

    def _judge(self, problem: MalformedError) -> None:
        """Raise what is wrong with the file; behind the end of a report there may be anything."""
        is_report = self._handler.root is not None and not self._handler.is_foreign
        if self._n_documents <= 1 and not is_report:
            raise problem
        if is_report and not self._handler.is_complete:
            raise problem
        if not is_report:
            self._note_gap((problem.line, problem.column))

    def _pass_over(self, skipped: bytes) -> None:
        """Go on behind what stands between two documents."""
        text = skipped.lstrip(_SPACE)
        place = _advance(self._place, skipped[: len(skipped) - len(text)])
        if text and not self._has_noted_gap:
            self._note_gap(place)
        self._place = _advance(place, text)

    def _note_gap(self, place: Place) -> None:
        line, column = place
        self._has_noted_gap = True
        self._notes.add("trailing_content", f"What stands at line {line} is no report.", line=line, column=column)


def _advance(place: Place, text: bytes) -> Place:
    """The place behind `text`, which begins at `place`."""
    line, column = place
    breaks = text.count(b"\n") + text.count(b"\r") - text.count(b"\r\n")
    if not breaks:
        return line, column + len(text)
    return line + breaks, len(text) - max(text.rfind(b"\n"), text.rfind(b"\r"))
