"""Zip archives at the door: their files, or one error, before anything is unpacked."""

import io
import random
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable

import pytest

from ingest.archives import is_archive, open_archive
from ingest.errors import IngestError
from ingest.inflate import HEAD, find_encoding, read_pieces, unpack

REPORT = b'<testsuite name="s"><testcase classname="c" name="n" time="0.1"/></testsuite>'


def make_zip(*entries: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", method) as archive:
        for name, content in entries or [("a/junit.xml", REPORT), ("b/junit.xml", REPORT * 9)]:
            archive.writestr(name, content)
    return body.getvalue()


def read(body: bytes, *, most_files: int = 1000) -> dict[str, bytes]:
    files = open_archive(io.BytesIO(body), name="all.zip", most_files=most_files)
    plain = {}
    for name, stream in files:
        encoding = find_encoding(stream.read(HEAD))
        plain[name] = b"".join(unpack(read_pieces(stream), encoding=encoding, name=name))
    return plain


def refuse(body: bytes, *, most_files: int = 1000) -> IngestError:
    with pytest.raises(IngestError) as caught:
        read(body, most_files=most_files)
    return caught.value


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_each_entry_is_a_file_of_its_own(method: int) -> None:
    body = make_zip(method=method)
    assert is_archive(io.BytesIO(body))
    assert read(body) == {"all.zip/a/junit.xml": REPORT, "all.zip/b/junit.xml": REPORT * 9}


def test_an_archive_written_to_a_pipe_is_read_too() -> None:
    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.written = b""

        def writable(self) -> bool:
            return True

        def write(self, data: bytes) -> int:  # type: ignore[override]
            self.written += bytes(data)
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[arg-type]
        archive.writestr("junit.xml", REPORT)
    assert read(pipe.written) == {"all.zip/junit.xml": REPORT}


def test_folders_are_no_files() -> None:
    body = make_zip(("reports/", b""), ("reports/junit.xml", REPORT))
    assert list(read(body)) == ["all.zip/reports/junit.xml"]


def test_an_archive_without_files() -> None:
    assert refuse(make_zip(("reports/", b""))).code == "empty_body"
    empty = io.BytesIO()
    zipfile.ZipFile(empty, "w").close()
    assert is_archive(empty)
    assert refuse(empty.getvalue()).code == "empty_body"


def test_a_name_that_climbs_is_only_a_name() -> None:
    assert list(read(make_zip(("../../etc/passwd", REPORT)))) == ["all.zip/../../etc/passwd"]


def test_too_many_entries() -> None:
    found = refuse(make_zip(*[(f"{n}.xml", b"") for n in range(11)]), most_files=10)
    assert (found.code, found.limit, found.actual) == ("too_many_parts", 10, 11)


def test_a_long_directory_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    body = make_zip(*[(f"{n:0200}.xml", b"") for n in range(2000)])
    read_at_once: list[int] = []

    class Watched(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            read_at_once.append(size or 0)
            return super().read(size)

    with pytest.raises(IngestError) as caught:
        open_archive(Watched(body), name="all.zip", most_files=10)
    assert (caught.value.code, caught.value.limit) == ("too_many_parts", 10)
    assert max(read_at_once) <= 2**17 + 1


def change(body: bytes, *, at: int, to: bytes) -> bytes:
    """The archive with other bytes at this place of its (only) entry's directory line."""
    where = body.index(b"PK\x01\x02") + at
    return body[:where] + to + body[where + len(to) :]


ONE = make_zip(("junit.xml", REPORT))


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (change(ONE, at=8, to=b"\x01\x00"), "unsupported_type", "encrypted"),
        (ONE[:6] + b"\x01" + ONE[7:], "unsupported_type", "encrypted"),
        (change(ONE, at=38, to=struct.pack("<L", 0o120777 << 16)), "unsupported_type", "symbolic link"),
        (change(ONE, at=10, to=struct.pack("<H", 12)), "unsupported_encoding", "zip method 12"),
        (change(ONE, at=16, to=b"\0\0\0\0"), "bad_encoding", "damaged"),
        (change(ONE, at=24, to=b"\xff\0\0\0"), "bad_encoding", "damaged"),
        (change(ONE, at=20, to=b"\xff\xff\0\0"), "bad_encoding", "beyond the end"),
        (change(ONE, at=42, to=b"\x05\0\0\0"), "bad_encoding", "damaged"),
        (change(make_zip(("a", REPORT), method=0), at=16, to=b"\0\0\0\0"), "bad_encoding", "checksum"),
        (ONE[:-30], "bad_encoding", "damaged"),
        (ONE[: len(ONE) // 2], "bad_encoding", "damaged"),
    ],
    ids=["locked", "locked head", "link", "method", "sum", "size", "end", "place", "stored sum", "short", "half"],
)
def test_a_strange_or_damaged_entry(body: bytes, code: str, words: str) -> None:
    found = refuse(body)
    assert found.code == code, found
    assert words in found.message


@pytest.mark.parametrize("place", [len(ONE), 2**31, 2**62, 2**63, 2**64 - 1])
def test_an_entry_further_away_than_a_file_can_be_long(place: int) -> None:
    """Zip64 names places in 64 bits; a seek takes 63, and a real file fewer."""
    found = point_at(ONE, place)
    assert refuse(found).code == "bad_encoding"
    with tempfile.TemporaryFile() as file:
        file.write(found)
        with pytest.raises(IngestError) as caught:
            open_archive(file, name="all.zip", most_files=10)
    assert caught.value.code == "bad_encoding"


def point_at(body: bytes, place: int) -> bytes:
    """The archive with a directory line that says where its entry begins in an extra field of zip64."""
    first, last = body.index(b"PK\x01\x02"), body.index(b"PK\x05\x06")
    extra = struct.pack("<HHQ", 1, 8, place)
    line = bytearray(body[first:last])
    line[30:32], line[42:46] = struct.pack("<H", len(extra)), b"\xff" * 4
    line += extra
    end = bytearray(body[last:])
    end[12:16] = struct.pack("<L", len(line))
    return body[:first] + bytes(line) + bytes(end)


def test_entries_that_share_their_bytes() -> None:
    """A small archive whose entries all point at the same large one."""
    body = make_zip(*[(f"{n}.xml", random.Random(1).randbytes(5000) if n == 0 else b"") for n in range(3)], method=0)
    first = body.index(b"PK\x01\x02")
    line = body[first : body.index(b"PK\x01\x02", first + 1)]
    end = body[body.index(b"PK\x05\x06") :]
    directory = line * 3
    end = end[:12] + struct.pack("<L", len(directory)) + end[16:]
    assert "overlap" in refuse(body[:first] + directory + end).message


def test_an_entry_inside_another() -> None:
    """Together they are no larger than the archive, and yet some bytes would be read twice."""
    inner, body = make_zip(("a.xml", REPORT), method=zipfile.ZIP_STORED), io.BytesIO()
    (hidden,) = zipfile.ZipFile(io.BytesIO(inner)).infolist()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr("large.xml", inner)
        hidden.header_offset = body.getvalue().index(inner)
        archive.filelist.append(hidden)
    assert sum(entry.compress_size for entry in archive.filelist) < len(body.getvalue())
    assert "overlap" in refuse(body.getvalue()).message


def flip(body: bytes, chance: random.Random) -> bytes:
    damaged = bytearray(body)
    for _ in range(chance.randrange(1, 5)):
        at = chance.randrange(len(damaged))
        damaged[at : at + chance.randrange(2)] = bytes([chance.choice((0, 1, 255, chance.randrange(256)))])
    return bytes(damaged)


@pytest.mark.parametrize("damage", [flip, lambda body, chance: body[: chance.randrange(len(body))]])
def test_whatever_the_damage_the_error_is_ours(damage: Callable[[bytes, random.Random], bytes]) -> None:
    chance, whole = random.Random(7), make_zip()
    codes = set()
    for _ in range(1500):
        try:
            read(damage(whole, chance))
        except IngestError as problem:
            codes.add(problem.code)
    assert "bad_encoding" in codes


def test_nothing_is_unpacked_when_an_archive_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    body = make_zip(("big.xml", bytes(2**24)))
    monkeypatch.setattr(zlib, "decompressobj", lambda *_: pytest.fail("unpacked"))
    ((name, stream),) = open_archive(io.BytesIO(body), name="all.zip", most_files=9)
    assert (name, stream.seek(0, 2) < 2**15) == ("all.zip/big.xml", True)
