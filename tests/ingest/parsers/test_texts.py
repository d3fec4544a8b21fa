"""Texts: captured, shortened, packed."""

import random
import tracemalloc
import zlib
from typing import Any

from ingest.parsers.texts import Capture, TextStore, clip_head, clip_tail, inflate_texts
from ingest.parsers.types import Limits

SMALL = Limits(text_head_bytes=10, text_tail_bytes=6)


def take(chunks: list[str], limits: Limits = SMALL, *, trim: bool = False) -> tuple[str, bool]:
    held: list[str] = []
    capture = Capture(held, limits)
    for chunk in chunks:
        held.append(chunk)
        if trim:
            capture.trim()
    data, is_clipped = capture.take()
    assert held == []
    return data.decode(), is_clipped


def test_a_short_text_stays_as_it_is() -> None:
    assert take(["tra", "ce", "back"]) == ("traceback", False)


def test_a_long_text_keeps_its_head_and_tail() -> None:
    text, is_clipped = take(["0123456789", "middle " * 20, "abcdef"])
    assert is_clipped
    assert text.startswith("0123456789\n")
    assert text.endswith("\nabcdef")
    assert "about 140 bytes left out" in text


def test_trimming_while_reading_gives_the_same() -> None:
    chunks = [f"{number:03}" for number in range(200)]
    assert take(chunks, trim=True) == take(chunks)


def test_no_character_is_cut_in_two() -> None:
    assert clip_head("aé€😀".encode(), size=7).decode() == "aé€"
    assert clip_tail("aé€😀".encode(), size=6).decode() == "😀"
    assert take(["é" * 40])[0].count("é") == 8


def test_twenty_megabytes_of_text_cost_a_piece_of_memory(read: Any, text_of: Any, warning_of: Any) -> None:
    line = "E       AssertionError: assert 1 == 2\n"
    body = line * (20_000_000 // len(line))
    data = f'<testsuite><testcase name="a"><failure message="m">{body}</failure></testcase></testsuite>'.encode()
    tracemalloc.start()
    report = read(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12_000_000
    assert warning_of(report)["text_truncated"].line == 1 + body.count("\n")
    text = text_of(report, 0)
    assert 64 * 1024 - 8 < len(text) < 64 * 1024 + 100
    assert text.startswith(line)
    assert text.endswith(line)


def test_stored_texts_come_back() -> None:
    rng = random.Random(7)
    store, parts = TextStore(), [rng.randbytes(rng.randrange(5000)) for _ in range(200)]
    offsets = []
    for part in parts:
        offsets.append(store.size)
        store.add(part)
    packed = store.finish()
    plain = zlib.decompress(packed)
    assert [plain[at : at + len(part)] for at, part in zip(offsets, parts, strict=True)] == parts
    assert b"".join(inflate_texts(packed)) == plain


def test_no_text_is_no_stream() -> None:
    assert TextStore().finish() == b""
    assert b"".join(inflate_texts(b"")) == b""
