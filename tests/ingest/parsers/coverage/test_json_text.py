"""JSON read value by value: the same values as read whole, or an error with line and column."""

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import IngestError
from ingest.parsers.coverage.json_text import JsonText, read_text
from ingest.parsers.coverage.types import CoverageLimits, Source

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def walk(text: JsonText) -> Any:
    """Read a value by entering everything that can be entered."""
    if text.peek() == "{":
        return {name: walk(text) for name in text.members()}
    if text.peek() == "[":
        return [walk(text) for _ in text.elements()]
    return text.read()


def walk_shallow(text: JsonText) -> None:
    """Enter two levels and read what is below them."""
    if text.peek() == "[":
        for _ in text.elements():
            text.read()
    for _name in text.members():
        for _ in text.elements():
            text.read()
    text.finish()


@given(json_values, st.sampled_from([None, 1]))
def test_entering_gives_the_same_as_reading(value: Any, indent: int | None) -> None:
    text = JsonText(f" {json.dumps(value, indent=indent)}\n", filename="x")
    assert walk(text) == value
    text.finish()


def test_what_is_not_read_is_skipped() -> None:
    text = JsonText('{"a": [1, {"b": 2}], "c": {"d": 3, "e": [4]}, "f": 5}', filename="x")
    found: list[Any] = []
    for name in text.members():
        if name == "c":
            found += [(inner, text.read()) for inner in text.members() if inner == "e"]
        elif name == "f":
            found.append(text.read())
    text.finish()
    assert found == [("e", [4]), 5]


def test_what_cannot_be_entered_is_skipped() -> None:
    text = JsonText('[1, "a", []]', filename="x")
    assert list(text.members()) == []
    text = JsonText('{"a": 1}', filename="x")
    assert list(text.elements()) == []
    text.finish()


@pytest.mark.parametrize(
    ("raw", "code", "line", "column"),
    [
        ('{"a": 1,\n "b" 2}', "bad_json", 2, 6),
        ('{"a": 1,\n }', "bad_json", 2, 2),
        ("{'a': 1}", "bad_json", 1, 2),
        ('{"a": 1} {', "bad_json", 1, 10),
        ('{"a": [1, 2,]}', "bad_json", 1, 13),
        ('{"a": 1 "b"}', "bad_json", 1, 9),
        ('{"a": "\x01"}', "bad_json", 1, 8),
        ('{"a": 1', "report_truncated", 1, 8),
        ('{"a": tru', "report_truncated", 1, 7),
        ('{"a": "b', "report_truncated", 1, 7),
        ('{"a":\n[1,', "report_truncated", 2, 4),
        ('{"a', "report_truncated", 1, 2),
        ("[" * 100_000, "bad_json", 1, 2),
        ('{"a": ' + "9" * 5_000 + "}", "bad_json", 1, 7),
    ],
)
def test_broken_json_has_a_place(raw: str, code: str, line: int, column: int) -> None:
    text = JsonText(raw, filename="cov.json")
    with pytest.raises(IngestError, match=r"cov\.json") as caught:
        walk_shallow(text)
    assert (caught.value.code, caught.value.line, caught.value.column) == (code, line, column)


@given(st.text(alphabet='{}[]",:0a\\ \n', max_size=40))
def test_any_text_ends_in_a_value_or_our_error(raw: str) -> None:
    text = JsonText(raw, filename="x")
    error: IngestError | None = None
    value: Any = None
    try:
        value = walk(text)
        text.finish()
    except IngestError as caught:
        error = caught
    if error:
        assert error.code in ("bad_json", "report_truncated")
        assert error.line
        assert error.column
    else:
        assert value == json.loads(raw)


def read_bytes(data: bytes, **limits: Any) -> Any:
    return read_text(Source(lambda: io.BytesIO(data), "x", CoverageLimits(**limits)))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_every_encoding_of_json_is_read(encoding: str) -> None:
    assert read_bytes('{"é": 1}'.encode(encoding)) == ('{"é": 1}', None)


def test_a_wrong_byte_is_replaced_and_its_place_said() -> None:
    text, place = read_bytes(b'{\n "caf\xe9": 1}')
    assert text == '{\n "caf\ufffd": 1}'
    assert place == (2, 6)


def test_a_text_that_is_too_large_is_refused() -> None:
    with pytest.raises(IngestError, match="larger than 10 bytes"):
        read_bytes(b"[" + b" " * 10, max_json_bytes=10)


@pytest.mark.parametrize("raw", ["[1,1,1,1]", "[[],[],[]]", '{"a":1,"b":2}', '["a,b,c,d"]', "[1,1,1,1"])
def test_a_value_that_would_take_too_much_memory_is_refused(raw: str) -> None:
    text = JsonText(f'{{"small": [1], "large": {raw}}}', filename="x", max_values=3)
    read: list[Any] = []
    with pytest.raises(IngestError, match="more than 3 values") as caught:
        read.extend(text.read() for _ in text.members())
    assert (read, caught.value.code, caught.value.line, caught.value.column) == ([[1]], "coverage_too_large", 1, 25)


def test_a_large_value_that_nobody_wants_is_skipped() -> None:
    text = JsonText('{"functions": [{"a": [1, 2], "b": "]"}, [3]], "files": [4]}', filename="x", max_values=3)
    assert [text.read() for name in text.members() if name == "files"] == [[4]]
    text.finish()


@given(json_values)
def test_a_large_value_is_stepped_over_to_its_end(value: Any) -> None:
    text = JsonText(json.dumps([value, "end"]), filename="x", max_values=0)
    text.skip()
    text.finish()
