"""Unpacking gzip and zstd: whole, or one error; never much at once."""

import gzip
import os
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from ingest import inflate
from ingest.errors import IngestError
from ingest.inflate import MOST_MEMBERS, MOST_WINDOW_BYTES, PIECE, Unpacking, find_encoding, unpack

MIB = 2**20
TEXT = b"<testcase classname='a.b' name='c' time='0.1'/>\n" * 20_000


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many had a turn at once, at each moment one began."""
    having, seen, lock = 0, [], threading.Lock()

    class Watched(threading.BoundedSemaphore):
        def acquire(self, *args, **kwargs) -> bool:
            nonlocal having
            got = super().acquire(*args, **kwargs)
            with lock:
                having += got
                if got:
                    seen.append(having)
            return got

        def release(self, n: int = 1) -> None:
            nonlocal having
            with lock:
                having -= 1
            super().release(n)

    monkeypatch.setattr(inflate, "_TURNS", Watched(inflate.MOST_AT_ONCE))
    return seen


def test_large_deliveries_take_turns(watched: list[int]) -> None:
    body = gzip.compress(bytes(4 * MIB))

    def unpack_all(_: int) -> int:
        with Unpacking(wait_seconds=60) as unpacking:
            for _ in unpack(cut(body), encoding="gzip", name="a.xml"):
                time.sleep(0.001)
        return unpacking.n_bytes

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(unpack_all, range(6))) == [4 * MIB] * 6
    assert len(watched) == 6
    assert max(watched) <= 2


def test_who_waits_for_a_turn_stands_aside_and_who_has_no_room_there_is_sent_away(watched: list[int]) -> None:
    body, rooms, aside = gzip.compress(bytes(2 * MIB)), [True, False], []

    @contextmanager
    def step_aside() -> Iterator[bool]:
        aside.append("in")
        yield rooms.pop(0)
        aside.append("out")

    def unpack_all() -> None:
        with Unpacking(wait_seconds=0.2, step_aside=step_aside):
            list(unpack(cut(body), encoding="gzip", name="a.xml"))

    unpack_all()
    assert aside == []  # there was a turn
    with ExitStack() as others:
        for _ in range(inflate.MOST_AT_ONCE):
            others.enter_context(Unpacking(wait_seconds=0)).count(2 * MIB)
        for least, most in ((0.2, 10), (0, 0.19)):  # one waits as long as it may, one not at all
            began = time.monotonic()
            with pytest.raises(IngestError, match="as many large uploads at once"):
                unpack_all()
            assert least <= time.monotonic() - began < most
    assert aside == ["in", "out"] * 2


def test_without_a_door_nobody_takes_turns(watched: list[int]) -> None:
    assert read(gzip.compress(bytes(4 * MIB))) == bytes(4 * MIB)
    with Unpacking(wait_seconds=0) as unpacking:
        assert read(gzip.compress(bytes(MIB))) == bytes(MIB)
    assert (unpacking.n_bytes, watched) == (MIB, [])


def cut(body: bytes, size: int = PIECE) -> Iterator[bytes]:
    return (body[at : at + size] for at in range(0, len(body), size))


def read(body: bytes, *, size: int = PIECE) -> bytes:
    encoding = find_encoding(body[:4])
    return b"".join(unpack(cut(body, size), encoding=encoding, name="a.xml"))


def refuse(body: bytes, encoding: str) -> IngestError:
    with pytest.raises(IngestError) as caught:
        for _ in unpack(cut(body), encoding=encoding, name="a.xml"):
            pass
    return caught.value


def pack(plain: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(plain)


@pytest.mark.parametrize("size", [1, 7, 4096, PIECE])
@pytest.mark.parametrize("make", [bytes, gzip.compress, pack], ids=["plain", "gzip", "zstd"])
def test_every_packing_however_it_is_cut(make, size) -> None:
    text = TEXT[:3000] if size < 10 else TEXT
    assert read(make(text), size=size) == text


@pytest.mark.parametrize("make", [gzip.compress, pack], ids=["gzip", "zstd"])
def test_several_members_are_one_file(make) -> None:
    assert read(make(TEXT) + make(b"") + make(b"<end/>")) == TEXT + b"<end/>"


def test_a_zstd_frame_without_data_is_stepped_over() -> None:
    skippable = b"\x57\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"note"
    assert find_encoding(skippable) == "zstd"
    assert read(skippable + pack(TEXT)) == TEXT


@pytest.mark.parametrize(
    ("body", "encoding", "words"),
    [
        (gzip.compress(TEXT)[:-9], "gzip", "ends early"),
        (gzip.compress(TEXT, mtime=0)[:-8] + bytes(8), "gzip", "damaged"),
        (gzip.compress(TEXT) + b"garbage", "gzip", "damaged"),
        (pack(TEXT)[:-5], "zstd", "ends early"),
        (pack(TEXT)[:-4] + bytes(4), "zstd", "damaged"),
        (pack(TEXT) + b"garbage", "zstd", "damaged"),
        (pack(TEXT) + b"\x28\xb5", "zstd", "ends early"),
        (b"", "zstd", "ends early"),
    ],
    ids=["gzip cut", "gzip sum", "gzip garbage", "zstd cut", "zstd sum", "zstd garbage", "zstd begun", "nothing"],
)
def test_what_is_cut_damaged_or_followed_by_something_else(body: bytes, encoding: str, words: str) -> None:
    found = refuse(body, encoding)
    assert found.code == "bad_encoding"
    assert words in found.message


@pytest.mark.parametrize(("make", "encoding"), [(gzip.compress, "gzip"), (pack, "zstd")])
def test_members_that_hold_nothing_are_not_read_for_ever(make, encoding: str) -> None:
    found = refuse(make(b"") * (MOST_MEMBERS + 1), encoding)
    assert (found.code, found.limit) == ("bad_encoding", MOST_MEMBERS)
    assert read(make(b"") * (MOST_MEMBERS - 1) + make(b"x")) == b"x"


def make_bomb(encoding: str) -> bytes:
    packer = zlib.compressobj(9, wbits=31) if encoding == "gzip" else zstandard.ZstdCompressor(level=19).compressobj()
    return b"".join([*(packer.compress(bytes(MIB)) for _ in range(64)), packer.flush()])


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_bomb_gives_little_at_once(encoding: str) -> None:
    sizes = [len(piece) for piece in unpack(cut(make_bomb(encoding)), encoding=encoding, name="a.xml")]
    assert sum(sizes) == 64 * MIB
    assert max(sizes) <= 4 * MIB


def test_a_zstd_window_as_large_as_a_report_is_refused() -> None:
    settings = zstandard.ZstdCompressionParameters.from_level(3, window_log=27)
    packer = zstandard.ZstdCompressor(compression_params=settings).compressobj()
    found = refuse(packer.compress(os.urandom(MIB)) + packer.flush(), "zstd")
    assert (found.code, found.limit) == ("unsupported_encoding", MOST_WINDOW_BYTES)
    assert "--long" in found.hint


@given(body=st.binary(max_size=200), start=st.sampled_from([b"", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"]))
def test_any_bytes_end_in_bytes_or_in_our_own_error(body: bytes, start: bytes) -> None:
    for encoding in ("gzip", "zstd"):
        with suppress(IngestError):
            b"".join(unpack([start + body], encoding=encoding, name="x"))
