"""Lines of a text file, whatever its breaks, in flat memory."""

import io
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import IngestError
from ingest.parsers.coverage.draft import Draft
from ingest.parsers.coverage.records import Records
from ingest.parsers.coverage.types import CoverageLimits, Source


def records_of(data: bytes, **limits: Any) -> tuple[Records, Draft]:
    source = Source(lambda: io.BytesIO(data), "x", CoverageLimits(**limits))
    draft = Draft(source)
    return Records(source, draft), draft


@given(st.lists(st.binary(max_size=9).map(lambda line: line.replace(b"\n", b"").replace(b"\r", b""))))
def test_lines_come_without_their_breaks(lines: list[bytes]) -> None:
    if lines and lines[0].startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        return
    for ending in (b"\n", b"\r\n"):
        records, _ = records_of(ending.join(lines))
        assert list(records) == [line for line in lines if line]


def test_the_line_is_counted_with_blank_ones() -> None:
    records, _ = records_of(b"a\n\nb\n")
    assert [(record, records.line) for record in records] == [(b"a", 1), (b"b", 3)]
    assert records.is_ended
    records, _ = records_of(b"a\nb")
    assert list(records) == [b"a", b"b"]
    assert not records.is_ended


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_marks_are_taken_off(encoding: str) -> None:
    records, _ = records_of("SF:é\nDA:1,1".encode(encoding))
    assert list(records) == ["SF:é".encode(), b"DA:1,1"]


def test_too_long_lines_are_left_out_with_a_note() -> None:
    records, draft = records_of(b"a\n" + b"x" * 200 + b"\nb\n" + b"y" * 300, max_record_bytes=100)
    assert list(records) == [b"a", b"b"]
    (warning,) = draft.notes.close()
    assert (warning.code, warning.line) == ("record_too_long", 2)


def test_a_file_without_breaks_takes_no_memory() -> None:
    data = b"x" * 30_000_000
    records, draft = records_of(data)
    tracemalloc.start()
    assert list(records) == []
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8_000_000
    assert draft.notes.has("record_too_long")


def test_a_file_that_is_too_large_is_refused() -> None:
    records, _ = records_of(b"a\n" * 100, max_plain_bytes=100)
    with pytest.raises(IngestError, match="larger than 100 bytes"):
        list(records)
