"""Packed bytes become plain ones: gzip and zstd, piece by bounded piece, all members and frames of a file.

Called by `ingest.envelope`, which measures, and by `ingest.pipeline` and `manage.py inspect`, which read. Inside of an
`Unpacking`, which only the door opens, what is unpacked is counted and takes turns with other deliveries.
Promise: whatever the bytes are, memory stays flat, the work is bounded by the file's size, and the end is the plain
bytes or one IngestError; no more than MOST_AT_ONCE large deliveries are unpacked at once by a process, and who waits
for a turn keeps nobody from working (`tests/ingest/test_inflate.py`).
"""

import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar, Token
from types import TracebackType
from typing import IO, Any, Final, Self

import zstandard

from ingest.errors import IngestError

PIECE: Final = 256 * 1024
# Enough of a file to know its packing by.
HEAD: Final = 4
_GZIP_START: Final = b"\x1f\x8b"
_ZSTD_START: Final = b"\x28\xb5\x2f\xfd"
# A frame that holds no data; pzstd begins its files with one.
_ZSTD_SKIPPABLE_STARTS: Final = tuple(bytes([first]) + b"\x2a\x4d\x18" for first in range(0x50, 0x60))
# bgzip makes a member of each 64 KiB: 200 MiB are 3,200. A million empty ones are nothing but work.
MOST_MEMBERS: Final = 10_000
# What every decoder has to offer (RFC 8878); `zstd --ultra` and `--long` may ask for 128 MiB.
MOST_WINDOW_BYTES: Final = 8 * 2**20
# Four bytes can stand for 128 KiB, and zstandard gives all output of a call at once: so many give 4 MiB at most.
_ZSTD_STEP: Final = 128
# 200 MiB take most of a second of one processor; whoever answers pages needs the others.
MOST_AT_ONCE: Final = 2
_TURNS: Final = threading.BoundedSemaphore(MOST_AT_ONCE)
# A delivery of so few bytes is unpacked in milliseconds: it waits for no large one.
WITHOUT_TURN_BYTES: Final = 2**20
_RETRY_SECONDS: Final = 5


# Lets others work while this thread waits; False where too many wait already.
StepAside = Callable[[], AbstractContextManager[bool]]


class Unpacking:
    """What a delivery's files come to once unpacked, and its turn to be so: a context, for one thread.

    `n_bytes` is also right where the unpacking was given up.
    """

    def __init__(self, *, wait_seconds: float, step_aside: StepAside | None = None) -> None:
        self.n_bytes = 0
        self._step_aside = step_aside or (lambda: nullcontext(True))
        self._wait_until = time.monotonic() + wait_seconds
        self._has_turn = False
        self._before: Token[Unpacking | None] | None = None

    def __enter__(self) -> Self:
        self._before = _UNPACKING.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            _UNPACKING.reset(self._before)
        self.end_turn()

    def count(self, n_bytes: int) -> None:
        """So many bytes more. Where they become many, waits for a turn; without one raises IngestError server_busy."""
        self.n_bytes += n_bytes
        if self._has_turn or self.n_bytes <= WITHOUT_TURN_BYTES:
            return
        self._has_turn = _TURNS.acquire(blocking=False) or self._wait()
        if not self._has_turn:
            text = "The server unpacks as many large uploads at once as it may."
            raise IngestError("server_busy", text, limit=MOST_AT_ONCE, retry_after=_RETRY_SECONDS)

    def _wait(self) -> bool:
        with self._step_aside() as has_room:
            return has_room and _TURNS.acquire(timeout=max(self._wait_until - time.monotonic(), 0))

    def end_turn(self) -> None:
        """All is unpacked: let others."""
        if self._has_turn:
            self._has_turn = False
            _TURNS.release()


_UNPACKING: Final[ContextVar[Unpacking | None]] = ContextVar("unpacking", default=None)


def find_encoding(head: bytes) -> str:
    """How a file is packed, by its first bytes: identity, gzip or zstd."""
    if head.startswith(_GZIP_START):
        return "gzip"
    return "zstd" if head.startswith((_ZSTD_START, *_ZSTD_SKIPPABLE_STARTS)) else "identity"


def read_pieces(stream: IO[bytes]) -> Iterator[bytes]:
    """A file from its start, in pieces."""
    stream.seek(0)
    while piece := stream.read(PIECE):
        yield piece


def unpack(pieces: Iterable[bytes], *, encoding: str, name: str) -> Iterator[bytes]:
    """The plain bytes of a file that comes in pieces; several members or frames are read one after another.

    Raises IngestError bad_encoding when it ends early, is damaged, or is followed by something else.
    """
    if encoding == "identity":
        yield from pieces
        return
    unpacking = _UNPACKING.get()
    try:
        for plain in _decode(pieces, encoding, name):
            if unpacking:
                unpacking.count(len(plain))
            yield plain
    except zlib.error as problem:
        raise IngestError("bad_encoding", f"The gzip stream of {name} is damaged: {problem}.") from problem
    except zstandard.ZstdError as problem:
        raise _explain_zstd(problem, name) from problem


def _decode(pieces: Iterable[bytes], encoding: str, name: str) -> Iterator[bytes]:
    make, step, most = _DECODERS[encoding]
    decoder, n_members = make(), 1
    for piece in pieces:
        for start in range(0, len(piece), step):
            pending = piece[start : start + step]
            while pending:
                if decoder.eof:
                    decoder, n_members = make(), n_members + 1
                    _refuse_too_many(n_members, encoding, name)
                if plain := decoder.decompress(pending, *most):
                    yield plain
                pending = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
    if not decoder.eof:
        raise IngestError("bad_encoding", f"The {encoding} stream of {name} ends early.")


def _refuse_too_many(n_members: int, encoding: str, name: str) -> None:
    if n_members > MOST_MEMBERS:
        text = f"{name} is made of more than {MOST_MEMBERS:,} {encoding} members."
        raise IngestError("bad_encoding", text, limit=MOST_MEMBERS)


def _explain_zstd(problem: zstandard.ZstdError, name: str) -> IngestError:
    if "too much memory" in str(problem):
        return IngestError(
            "unsupported_encoding",
            f"{name} needs a zstd window of more than {MOST_WINDOW_BYTES:,} bytes.",
            "Compress it without --long and --ultra.",
            limit=MOST_WINDOW_BYTES,
        )
    return IngestError("bad_encoding", f"The zstd stream of {name} is damaged: {problem}.")


def _make_gzip_decoder() -> Any:
    return zlib.decompressobj(wbits=31)


def _make_zstd_decoder() -> Any:
    return zstandard.ZstdDecompressor(max_window_size=MOST_WINDOW_BYTES).decompressobj(write_size=PIECE)


# For each packing: a decoder for one member, how much it is fed at a time, and the most it may give for that.
_DECODERS: Final[dict[str, tuple[Callable[[], Any], int, tuple[int, ...]]]] = {
    "gzip": (_make_gzip_decoder, PIECE, (PIECE,)),
    "zstd": (_make_zstd_decoder, _ZSTD_STEP, ()),
}
