"""A zip archive of reports becomes files: named, counted and bounded before anything is unpacked.

Called by `ingest.envelope`. Pure. Entries are shown as they lie in the archive, a deflated one with a gzip head and
tail around it: nothing is unpacked, copied or written here, and names are only text.
Promise: whatever the archive holds, memory stays flat and the end is its files or one IngestError
(`tests/ingest/test_archives.py`).
"""

import io
import stat
import struct
import zipfile
import zlib
from itertools import pairwise
from typing import IO, Any, Final, cast

from ingest.errors import IngestError
from ingest.inflate import PIECE

# An archive begins with its first entry, or is empty.
STARTS: Final = (b"PK\x03\x04", b"PK\x05\x06")
# Its mark, its flags, and how long the name and the extra field behind it are.
_ENTRY_HEAD: Final = struct.Struct("<4s2xH18xHH")
_GZIP_HEAD: Final = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
# 46 bytes and the name of each entry; zipfile would read any size at once.
_MOST_DIRECTORY_BYTES_PER_ENTRY: Final = 1024
_ENCRYPTED: Final = 1
# What zipfile may raise on damaged archives, found by trying many.
_DAMAGED: Final = (
    zipfile.BadZipFile,
    struct.error,
    ValueError,
    OverflowError,
    NotImplementedError,
    OSError,
    EOFError,
)


def open_archive(body: IO[bytes], *, name: str, most_files: int, n_before: int = 0) -> list[tuple[str, IO[bytes]]]:
    """Name and stream of each file in the archive at `body`, which has to stay open.

    With the `n_before` files of earlier archives there may be no more than `most_files`.

    Raises IngestError: bad_encoding, too_many_parts, unsupported_type, unsupported_encoding, empty_body.
    """
    size = body.seek(0, io.SEEK_END)
    entries = [entry for entry in _list_entries(body, name, most_files, n_before) if not _is_folder(entry)]
    if not entries:
        raise IngestError("empty_body", f"The archive {name} holds no file.")
    names = [f"{name}/{entry.filename}" for entry in entries]
    starts = [_find_content(body, size, entry, shown) for shown, entry in zip(names, entries, strict=True)]
    _refuse_overlap(name, entries, starts)
    return [
        (shown, _open_entry(body, start, entry, shown))
        for shown, entry, start in zip(names, entries, starts, strict=True)
    ]


def _is_folder(entry: zipfile.ZipInfo) -> bool:
    return entry.filename.endswith("/") and not entry.file_size


def _list_entries(body: IO[bytes], name: str, most: int, n_before: int) -> list[zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(cast("IO[bytes]", _Bounded(body, most * _MOST_DIRECTORY_BYTES_PER_ENTRY))) as archive:
            entries = archive.infolist()
    except _TooLongError as problem:
        raise IngestError(
            "too_many_parts", f"The directory of the archive {name} is too long.", limit=most
        ) from problem
    except _DAMAGED as problem:
        raise IngestError("bad_encoding", f"The archive {name} is damaged: {problem}.") from problem
    n = n_before + len(entries)
    if n > most:
        text = f"With the archive {name} there are {n:,} files in archives; at most {most:,} are read."
        raise IngestError("too_many_parts", text, limit=most, actual=n)
    return entries


def _refuse_overlap(name: str, entries: list[zipfile.ZipInfo], starts: list[int]) -> None:
    """Entries that share bytes make a small archive hold any number of large files."""
    ranges = sorted(
        (entry.header_offset, start + entry.compress_size) for entry, start in zip(entries, starts, strict=True)
    )
    if any(end > begin for (_, end), (begin, _) in pairwise(ranges)):
        raise IngestError("bad_encoding", f"The entries of the archive {name} overlap.")


def _open_entry(body: IO[bytes], start: int, entry: zipfile.ZipInfo, name: str) -> IO[bytes]:
    if entry.compress_type == zipfile.ZIP_DEFLATED:
        tail = struct.pack("<LL", entry.CRC, entry.file_size & 0xFFFFFFFF)
        return _Part(body, start, entry.compress_size, head=_GZIP_HEAD, tail=tail).as_file()
    stream = _Part(body, start, entry.compress_size).as_file()
    if entry.file_size != entry.compress_size or _sum(stream) != entry.CRC:
        raise IngestError("bad_encoding", f"{name} is damaged: its checksum is wrong.")
    return stream


def _refuse_strange(entry: zipfile.ZipInfo, flags: int, name: str) -> None:
    if (entry.flag_bits | flags) & _ENCRYPTED:
        raise IngestError("unsupported_type", f"{name} is encrypted.", "Send it without a password.")
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise IngestError("unsupported_type", f"{name} is a symbolic link.", "Put the file itself into the archive.")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        text = f"{name} is packed by zip method {entry.compress_type}; stored and deflated entries are read."
        raise IngestError("unsupported_encoding", text)


def _find_content(body: IO[bytes], size: int, entry: zipfile.ZipInfo, name: str) -> int:
    """Where an entry's bytes begin: behind a head of its own, whose length only the head itself tells.

    The head says once more how the entry is packed. Only about a password it may say more than the directory.
    """
    at, head = entry.header_offset, b""
    if 0 <= at < size:  # a directory may point anywhere, further than a file can be long
        body.seek(at)
        head = body.read(_ENTRY_HEAD.size)
    if len(head) < _ENTRY_HEAD.size or not head.startswith(STARTS[0]):
        raise IngestError("bad_encoding", f"The archive is damaged where {name} should begin.")
    _, flags, n_name, n_extra = _ENTRY_HEAD.unpack(head)
    _refuse_strange(entry, flags, name)
    start = at + _ENTRY_HEAD.size + int(n_name) + int(n_extra)
    if start + entry.compress_size > size:
        raise IngestError("bad_encoding", f"{name} reaches beyond the end of its archive.")
    return start


def _sum(stream: IO[bytes]) -> int:
    found = 0
    while piece := stream.read(PIECE):
        found = zlib.crc32(piece, found)
    stream.seek(0)
    return found


def is_archive(stream: IO[bytes]) -> bool:
    """Whether a file begins as a zip archive does."""
    stream.seek(0)
    head = stream.read(len(STARTS[0]))
    stream.seek(0)
    return head in STARTS


class _TooLongError(Exception):
    """More would be read at once than is allowed."""


class _Bounded:
    """A file that gives no more than a share of itself at once."""

    def __init__(self, stream: IO[bytes], most: int) -> None:
        self._stream, self._most = stream, max(most, 2**17)  # an archive's comment is looked for in 64 KiB

    def read(self, size: int = -1) -> bytes:
        """As the file's own."""
        if size > self._most:
            raise _TooLongError
        data = self._stream.read(size if size >= 0 else self._most + 1)
        if len(data) > self._most:
            raise _TooLongError
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Part(io.RawIOBase):
    """Some bytes of a file, between a head and a tail, as a file of its own."""

    def __init__(self, body: IO[bytes], start: int, size: int, *, head: bytes = b"", tail: bytes = b"") -> None:
        self._body, self._start, self._size = body, start, size
        self._head, self._tail = head, tail
        self._at = 0

    def as_file(self) -> IO[bytes]:
        """A raw stream is a binary file in all but its declared type."""
        return cast("IO[bytes]", self)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        whole = len(self._head) + self._size + len(self._tail)
        self._at = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: whole}[whence] + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        piece = self._read(len(buffer))
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def _read(self, size: int) -> bytes:
        at = self._at
        if at < len(self._head):
            return self._head[at : at + size]
        at -= len(self._head)
        if at < self._size:
            self._body.seek(self._start + at)
            return self._body.read(min(size, self._size - at))
        at -= self._size
        return self._tail[at : at + size]
