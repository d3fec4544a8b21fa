"""Failure texts: captured with a bound on memory, shortened in the middle, packed into one zlib stream.

Used by `ingest.parsers.junit` and when reports are joined; pure.
Promise: a text of any size costs at most a piece of the file in memory (`tests/ingest/parsers/test_texts.py`).
"""

import io
import zlib
from collections.abc import Iterator
from typing import Final

from health.rules.cuts import write_left_out
from ingest.parsers.types import Limits

# Level 2 costs 6 ms per MB of tracebacks and packs them four to one; level 3 costs 10 ms for 5 % less.
_LEVEL: Final = 2
_BATCH_BYTES: Final = 64 * 1024


def clip_head(data: bytes, *, size: int) -> bytes:
    """The first `size` bytes of UTF-8, less a character that would be cut in two."""
    return data[:size].decode("utf-8", "ignore").encode() if len(data) > size else data


def clip_tail(data: bytes, *, size: int) -> bytes:
    """The last `size` bytes of UTF-8, less a character that would be cut in two."""
    return data[-size:].decode("utf-8", "ignore").encode() if len(data) > size else data


class Capture:
    """Shortens the text that is being read; `chunks.append` is the parser's text handler itself."""

    def __init__(self, chunks: list[str], limits: Limits) -> None:
        self._chunks = chunks
        self._head = limits.text_head_bytes
        self._tail = limits.text_tail_bytes
        self._dropped_chars = 0

    def trim(self) -> None:
        """Drop the middle of a long text; called after each piece of the file."""
        if sum(map(len, self._chunks)) > 2 * (self._head + self._tail):
            text = "".join(self._chunks)
            # The parser holds on to this very list, so it is refilled rather than replaced.
            self._chunks[:] = (text[: self._head], text[-self._tail :])
            self._dropped_chars += len(text) - self._head - self._tail

    def take(self) -> tuple[bytes, bool]:
        """The text in UTF-8, and whether its middle was left out. The next text begins empty."""
        data = "".join(self._chunks).encode()
        self._chunks.clear()
        if not self._dropped_chars and len(data) <= self._head + self._tail:
            return data, False
        first, last = clip_head(data, size=self._head), clip_tail(data, size=self._tail)
        left_out = self._dropped_chars + len(data) - len(first) - len(last)
        self._dropped_chars = 0
        return first + write_left_out(left_out).encode() + last, True


class TextStore:
    """Texts one behind the other, compressed as they come."""

    def __init__(self) -> None:
        self._packer = zlib.compressobj(_LEVEL)
        self._packed = io.BytesIO()
        self._waiting: list[bytes] = []
        self._n_packed = 0
        self.size = 0

    def add(self, data: bytes) -> None:
        """Append bytes; they start at what `size` was before."""
        self._waiting.append(data)
        self.size += len(data)
        # Compressing many small texts in one call saves most of the calls' cost.
        if self.size - self._n_packed >= _BATCH_BYTES:
            self._pack()

    def finish(self) -> bytes:
        """The zlib stream; empty when there was no text."""
        if not self.size:
            return b""
        self._pack()
        self._packed.write(self._packer.flush())
        # Hands its own buffer out, where joining pieces would hold everything twice.
        return self._packed.getvalue()

    def _pack(self) -> None:
        self._packed.write(self._packer.compress(b"".join(self._waiting)))
        self._waiting.clear()
        self._n_packed = self.size


def inflate_texts(texts: bytes) -> Iterator[bytes]:
    """The bytes of a zlib stream, at most 1 MiB at a time."""
    inflater = zlib.decompressobj()
    pending = texts
    while pending:
        yield inflater.decompress(pending, 2**20)
        pending = inflater.unconsumed_tail
    yield inflater.flush()
