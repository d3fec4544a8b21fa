"""The one safe, streaming XML reader: stdlib expat, fed in pieces of 1 MiB.

Used by `ingest.parsers` and `ingest.parsers.repairs`; pure.
Promise: no entity is ever expanded, nothing is ever fetched, and hostile files cost little time and memory
(`tests/ingest/parsers/test_hostile.py`).
"""

from collections.abc import Callable, Iterator
from typing import IO, Final, NoReturn, Protocol
from xml.parsers import expat
from xml.parsers.expat import XMLParserType, errors

from ingest.errors import IngestError

# Expat before 2.6 reads a long token anew with every piece: a comment of 20 MB takes 9 s in pieces of 16 KiB, and
# 0.2 s in these.
PIECE_BYTES: Final = 2**20
# Expat holds a tag, comment or instruction until it ends, twice over; texts it hands out as they come.
_LONGEST_TOKEN_BYTES: Final = 32 * 2**20
UNKNOWN_ENCODING: Final = errors.codes[errors.XML_ERROR_UNKNOWN_ENCODING]
_ENTITY: Final = b"<!ENTITY"

Place = tuple[int, int]


class Handler(Protocol):
    """Who listens to a document."""

    def attach(self, parser: XMLParserType, *, find_place: Callable[[], Place]) -> None:
        """A document begins; `find_place` gives line and column of what is being read, counted in the file."""

    def end_piece(self) -> None:
        """A piece of the file was read; limits are checked here rather than at every element."""


class MalformedError(Exception):
    """The XML is broken: expat's code and words, and the place in the file."""

    def __init__(self, code: int, message: str, *, line: int, column: int, byte: int) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.line = line
        self.column = column
        self.byte = byte


def read_pieces(stream: IO[bytes], *, max_bytes: int) -> Iterator[bytes]:
    """The file in pieces. Raises IngestError too_large_uncompressed."""
    n_read = 0
    while piece := stream.read(PIECE_BYTES):
        n_read += len(piece)
        if n_read > max_bytes:
            raise IngestError(
                "too_large_uncompressed", f"The file is larger than {max_bytes:,} bytes.", limit=max_bytes
            )
        yield piece


class DocumentReader:
    """Reads one XML document piece by piece. Raises MalformedError, or IngestError for what is refused.

    `start` is the document's place in the file.
    """

    def __init__(self, handler: Handler, *, encoding: str | None = None, start: Place = (1, 1)) -> None:
        self.n_fed = 0
        self._handler = handler
        self._start = start
        self._piece: bytes | memoryview = b""
        self._subset_place: Place | None = None
        # Looking up every name to share its string costs a seventh of the whole pass; ours live for one call.
        self._parser = parser = expat.ParserCreate(encoding, intern=None)
        parser.buffer_text = True
        parser.ordered_attributes = True
        parser.StartDoctypeDeclHandler = self._start_doctype
        parser.EndDoctypeDeclHandler = self._refuse_subset
        parser.EntityDeclHandler = self._refuse_entity
        # Expat compares each attribute declaration with all before it: refuse the first.
        parser.AttlistDeclHandler = self._refuse_attributes
        handler.attach(parser, find_place=self._find_place)

    def feed(self, piece: bytes | memoryview) -> None:
        """Read the next piece."""
        self._piece = piece
        try:
            self._parse(piece, is_final=False)
        finally:
            # A broken document waits for the garbage collector, and a thousand of them held 200 MB this way.
            self._piece = b""
        self.n_fed += len(piece)
        # A subset that goes on and on is refused before it can cost anything.
        self._refuse_subset()
        if self.n_fed - self._parser.CurrentByteIndex > _LONGEST_TOKEN_BYTES:
            self._refuse("xml_token_too_long", f"a tag or comment of more than {_LONGEST_TOKEN_BYTES:,} bytes")
        self._handler.end_piece()

    def close(self) -> None:
        """The document has to be complete now."""
        self._parse(b"", is_final=True)

    def _parse(self, piece: bytes | memoryview, *, is_final: bool) -> None:
        try:
            self._parser.Parse(piece, is_final)
        except expat.ExpatError as problem:
            line, column = self._place_in_file(problem.lineno, problem.offset)
            raise MalformedError(
                problem.code,
                expat.ErrorString(problem.code) or str(problem),
                line=line,
                column=column,
                byte=self._parser.ErrorByteIndex,
            ) from problem
        except (ValueError, LookupError) as problem:
            # What pyexpat raises for a declared encoding that it cannot read.
            if self._parser.ErrorCode != UNKNOWN_ENCODING:
                raise
            line, column = self._find_place()
            raise MalformedError(
                UNKNOWN_ENCODING, str(problem), line=line, column=column, byte=self._parser.ErrorByteIndex
            ) from problem

    def _find_place(self) -> Place:
        return self._place_in_file(self._parser.CurrentLineNumber, self._parser.CurrentColumnNumber)

    def _place_in_file(self, line: int, offset: int) -> Place:
        first_line, first_column = self._start
        return first_line + line - 1, offset + (first_column if line == 1 else 1)

    def _start_doctype(self, _name: str, _system: str | None, _public: str | None, has_subset: bool) -> None:
        # An external DTD that is only named is never fetched; old converters write one.
        if has_subset:
            self._subset_place = self._find_place()

    def _refuse_subset(self) -> None:
        if self._subset_place:
            self._refuse("xml_entities_forbidden", "a DTD of its own", self._subset_place)

    def _refuse_attributes(self, *_: object) -> None:
        self._refuse("xml_entities_forbidden", "a DTD of its own")

    def _refuse_entity(self, *_: object) -> None:
        line, column = self._find_place()
        # Expat stands at the entity's value; people look for the declaration.
        at = self._parser.CurrentByteIndex - self.n_fed
        before = bytes(self._piece[:at])
        start = before.rfind(_ENTITY)
        if start >= 0:
            line -= before.count(b"\n", start)
            column = start - before.rfind(b"\n", 0, start)
        self._refuse("xml_entities_forbidden", "an entity declaration in its DTD", (line, column))

    def _refuse(self, code: str, what: str, place: Place | None = None) -> NoReturn:
        line, column = place or self._find_place()
        message = f"The file has {what} at line {line}, column {column}."
        raise IngestError(code, message, line=line, column=column)
