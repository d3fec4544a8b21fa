"""Durations in all their spellings."""

import math

import pytest

from ingest.parsers.notes import Notes
from ingest.parsers.times import LONGEST_SECONDS, TimeColumn, read_seconds


def read_times(*texts: str) -> tuple[list[float], Notes]:
    notes = Notes()
    column = TimeColumn(notes)
    column.take(list(texts))
    return column.settle(), notes


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0.25", 0.25),
        ("1e-05", 1e-05),
        (" 2.5\t", 2.5),
        ("1,234.5", 1234.5),
        ("1,234", 1234.0),
        ("1,234,567", 1234567.0),
        ("0,288", 0.288),
        ("12,5", 12.5),
        ("1.234,5", 1234.5),
    ],
)
def test_a_time_is_read(text: str, seconds: float) -> None:
    assert read_times(text)[0] == [seconds]


@pytest.mark.parametrize("text", ["", "soon", "NaN", "inf", "-inf", "-1", "1e400", "10000001", "1,2,3", "9" * 300])
def test_a_time_that_cannot_be_is_zero_with_a_note(text: str) -> None:
    seconds, notes = read_times("1.5", text, "2.5")
    assert seconds == [1.5, 0.0, 2.5]
    assert notes.has("time_unreadable")
    assert notes.list_places()[0] == {1}


def test_three_digits_behind_a_comma_are_decimals_where_others_plainly_are() -> None:
    assert read_times("1,212", "0,5")[0] == [1.212, 0.5]
    assert read_times("1,212", "2,000.5")[0] == [1212.0, 2000.5]


def test_plain_times_leave_no_note() -> None:
    _, notes = read_times("0", "0.1", "1e3")
    assert not any(map(notes.has, ("time_unreadable", "time_rewritten")))


def test_blocks_follow_each_other() -> None:
    column = TimeColumn(Notes())
    for block in (["1", "2"], [], ["x", "3"]):
        column.take(block)
    assert column.settle() == [1.0, 2.0, 0.0, 3.0]


def test_a_long_suite_of_long_cases_is_believed() -> None:
    """The fast check adds the block up; being over the bound together is no fault."""
    assert read_times(*["6000000"] * 3)[0] == [6e6] * 3


def test_every_duration_is_finite_and_bounded() -> None:
    seconds, _ = read_times("nan", "1e308", "1e308", "-0.0", str(LONGEST_SECONDS))
    assert all(math.isfinite(value) and 0 <= value <= LONGEST_SECONDS for value in seconds)


def test_a_suites_time_may_be_missing_or_unreadable() -> None:
    assert (read_seconds(None), read_seconds("soon"), read_seconds("2,503.1")) == (None, None, 2503.1)
