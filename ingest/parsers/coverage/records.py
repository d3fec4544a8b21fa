"""Text files read line by line, in pieces, whatever stands between their line breaks.

Used by the LCOV and Go readers of `ingest.parsers.coverage`; pure.
Promise: a file without a single line break costs no more memory than one with many
(`tests/ingest/parsers/coverage/test_records.py`).
"""

import codecs
from collections.abc import Iterable, Iterator

from ingest.parsers.coverage.draft import Draft
from ingest.parsers.coverage.types import Source
from ingest.parsers.xml import read_pieces

_WIDE_MARKS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


class Records:
    """Iterates over the lines of a file without their breaks; blank ones and those that are too long are left out.

    Of one that is too long and begins with `opening` that is left: what follows it belongs to nothing before it.
    """

    def __init__(self, source: Source, draft: Draft, *, opening: bytes = b"") -> None:
        # The number of the line that is being read.
        self.line = 0
        # Whether the file ends with a line break, as a whole one mostly does.
        self.is_ended = True
        self._source = source
        self._draft = draft
        self._longest = source.limits.max_record_bytes
        self._opening = opening
        draft.find_place = lambda: (self.line, 1)

    def __iter__(self) -> Iterator[bytes]:
        for lines in self._read():
            for record in lines:
                self.line += 1
                if record:
                    yield record

    def _read(self) -> Iterator[list[bytes]]:
        rest = b""
        with self._source.open() as stream:
            pieces = read_pieces(stream, max_bytes=self._source.limits.max_plain_bytes)
            for piece in _to_utf8(pieces):
                *lines, rest = (rest + piece).replace(b"\r\n", b"\n").split(b"\n")
                yield self._leave_out_long(lines)
                # Of a line that is already too long no more is needed than to know it.
                rest = rest[: self._longest + 1]
        self.is_ended = not rest
        yield self._leave_out_long([rest])

    def _leave_out_long(self, lines: list[bytes]) -> list[bytes]:
        longest = max(map(len, lines), default=0)
        if longest <= self._longest:
            return lines
        place = self.line + 1 + [len(record) for record in lines].index(longest), 1
        message = f"A line has more than {self._longest:,} bytes."
        self._draft.notes.add("record_too_long", message, find_place=lambda: place)
        return [record if len(record) <= self._longest else self._shorten(record) for record in lines]

    def _shorten(self, record: bytes) -> bytes:
        return self._opening if record.startswith(self._opening) else b""


def _to_utf8(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The pieces without a byte order mark; what a Windows shell wrote in UTF-16 becomes UTF-8."""
    decoder: codecs.IncrementalDecoder | None = None
    for number, piece in enumerate(pieces):
        if not number:
            piece = piece.removeprefix(codecs.BOM_UTF8)
            encoding = _WIDE_MARKS.get(piece[:2])
            if encoding:
                decoder = codecs.getincrementaldecoder(encoding)("replace")
                piece = piece[2:]
        yield decoder.decode(piece).encode("utf-8", "replace") if decoder else piece
