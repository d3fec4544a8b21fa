"""Line numbers and hits, sane or not."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.parsers.coverage.lines import MAX_LINE
from ingest.parsers.coverage.numbers import NumberReader, read_count, to_number


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def numbers(notes: list[str]) -> NumberReader:
    return NumberReader(lambda code, _message: notes.append(code))


@pytest.mark.parametrize(
    ("text", "flag", "is_odd"),
    [
        ("0", 0, False),
        ("1", 1, False),
        ("000", 0, False),
        ("12345678901", 1, False),
        ("1.0", 1, False),
        ("1e3", 1, False),
        (" 2 ", 1, False),
        ("-1", 0, True),
        ("1" + "0" * 30, 1, True),
        ("9" * 5_000, 0, True),
        ("nan", 0, True),
        ("inf", 1, True),
        ("-inf", 0, True),
        ("", 0, True),
        ("many", 0, True),
        ("1_000", 0, True),
        ("٣", 0, True),
        (b"7", 1, False),
        (b"\xff", 0, True),
    ],
)
def test_hits_are_clamped(numbers: NumberReader, notes: list[str], text: Any, flag: int, is_odd: bool) -> None:
    assert numbers.hit_flags[text] == flag
    assert numbers.hit_flags[text] == flag
    assert notes == (["hits_clamped"] * 2 if is_odd else [])


@pytest.mark.parametrize(
    ("text", "line"),
    [("1", 1), ("007", 7), (str(MAX_LINE), MAX_LINE), ("5.0", 5), (b"9", 9)]
    + [(text, 0) for text in ("0", "-3", "1000000000", "nan", "inf", "5.5", "", "x", "9" * 5_000, "1_0")],
)
def test_a_line_is_a_line_or_none(numbers: NumberReader, notes: list[str], text: Any, line: int) -> None:
    assert numbers.line_codes[text] == 2 * line
    assert numbers.line_codes[text] == 2 * line
    assert notes == ([] if line else ["line_out_of_range"] * 2)


@pytest.mark.parametrize(
    ("value", "is_hit", "is_odd"),
    [(3, True, False), (0, False, False), (2.0, True, False), (-1, False, True), (10**30, True, True)]
    + [(math.nan, False, True), (math.inf, True, True), (None, False, True), (True, False, True), ([], False, True)],
)
def test_hits_may_be_any_json(numbers: NumberReader, notes: list[str], value: Any, is_hit: bool, is_odd: bool) -> None:
    assert numbers.is_hit(value) == is_hit
    assert bool(notes) == is_odd


@pytest.mark.parametrize(
    ("taken", "whole", "expected", "is_odd"),
    [
        ("1", "2", (1, 2), False),
        ("0", "0", (0, 0), False),
        (1, 2, (1, 2), False),
        ("3", "2", (2, 2), True),
        ("-1", "2", (0, 2), True),
        ("x", "2", (0, 2), True),
        ("1", "nan", (0, 0), True),
        (10**30, 10**30, (65_535, 65_535), True),
        (None, None, (0, 0), True),
    ],
)
def test_no_more_branches_are_taken_than_there_are(
    numbers: NumberReader, notes: list[str], taken: Any, whole: Any, expected: tuple[int, int], is_odd: bool
) -> None:
    assert numbers.read_branches(n_taken=taken, n_all=whole) == expected
    assert bool(notes) == is_odd


def test_declared_figures_are_numbers_or_none() -> None:
    assert [read_count(value) for value in ("7", "7.0", 7, 7.9, "0")] == [7, 7, 7, 7, 0]
    assert [read_count(value) for value in ("", "x", None, -1, "nan", math.inf, 10**30, True)] == [None] * 8


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(json_values | st.binary())
def test_any_value_is_read_without_an_error(value: Any) -> None:
    said: list[str] = []
    numbers = NumberReader(lambda _code, message: said.append(message))
    assert 0 <= numbers.read_line(value) <= MAX_LINE
    assert numbers.is_hit(value) in (True, False)
    n_taken, n_all = numbers.read_branches(n_taken=value, n_all=value)
    assert 0 <= n_taken <= n_all <= 65_535
    assert read_count(value) is None or to_number(value) is not None
    assert all(len(message) < 200 for message in said)


def test_the_memory_of_texts_is_bounded(numbers: NumberReader) -> None:
    for number in range(200_000):
        assert numbers.hit_flags[str(number)] == (number > 0)
    assert len(numbers.hit_flags) < 150_000
