"""The numbers of the overview, each with its denominator in words."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from dashboard.queries.facts import Changes, Counts, RunFact
from dashboard.queries.numbers import Number, list_numbers
from dashboard.queries.standing import Point, Standing

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)


def numbers(*history: Counts, jobs: Sequence[int] = (1,) * 9, backed: int | None = None) -> dict[str, Number]:
    runs = tuple(
        RunFact(n, "", "main", "main", "", "", AT, AT, None, 1, counts, Changes(), True)
        for n, counts in enumerate(history, 1)
    )
    points = tuple(Point(run, run.counts, True, n) for run, n in zip(runs, jobs, strict=False))
    standing = Standing("main", runs, points, (), (), {}, True)
    return {number.title: number for number in list_numbers(standing, backed=backed)}


CLICK = Counts(declared=2016, passed=1991, skipped=24, xfailed=1, units=684_000)


def test_without_a_run_there_is_no_number() -> None:
    assert numbers() == {}


def test_the_pass_rate_counts_an_expected_failure_and_says_so() -> None:
    rate = numbers(CLICK, backed=25)["Pass rate"]
    assert (rate.figure, rate.unit, rate.whole) == ("100", "%", "1,992 of 1,992 executed ended as expected")
    assert rate.rest == ": 1,991 passed, 1 failed as expected."


@pytest.mark.parametrize(
    ("backed", "put_off"),
    [
        (None, "25 are put off"),
        (0, "25 are put off, none of them backed"),
        (24, "25 are put off, 24 of them backed"),
    ],
)
def test_the_pass_rate_is_no_100_while_something_is_put_off_that_nothing_backs(
    backed: int | None, put_off: str
) -> None:
    rate = numbers(CLICK, CLICK, backed=backed)["Pass rate"]
    assert (rate.figure, rate.unit, rate.whole) == ("1,992", "of 1,992", "executed ended as expected")
    assert rate.rest == f": 1,991 passed, 1 failed as expected; {put_off}. Both runs left it green."
    plain = numbers(Counts(declared=14, passed=12, skipped=2), backed=0)["Pass rate"]
    assert (plain.figure, plain.unit, plain.whole) == ("12", "of 12", "executed tests passed")
    assert plain.rest == "; 2 are put off, none of them backed."
    red = numbers(Counts(declared=10, passed=7, failed=1, skipped=2), backed=0)["Pass rate"]
    assert (red.figure, red.unit) == ("87.5", "%")


def test_both_axes_stand_in_one_line() -> None:
    found = numbers(Counts(declared=14, passed=12, skipped=2), backed=2)
    assert found["Declared"].whole == "12 of 14 executed (86 %), 2 deferred, 2 backed"
    assert found["Deferred"].rest == ": 2 skipped, 2 backed."
    assert (found["Deferred"].page, found["Deferred"].run) == ("deferred", None)
    assert found["Pass rate"].figure == "100"
    unknown = numbers(Counts(declared=14, passed=12, skipped=2))["Deferred"]
    assert (unknown.rest, unknown.page) == (": 2 skipped.", "")


def test_the_pass_rate_is_never_rounded_up() -> None:
    rate = numbers(Counts(declared=10_000, passed=9_999, failed=1))["Pass rate"]
    assert (rate.figure, rate.whole, rate.rest) == ("99.9", "9,999 of 10,000 executed tests passed", ". 1 failed.")


def test_the_pass_rate_and_its_caption_count_the_same() -> None:
    rate = numbers(Counts(declared=6, passed=3, xfailed=1, failed=1, errored=1))["Pass rate"]
    assert (rate.figure, rate.whole) == ("66.6", "4 of 6 executed ended as expected")
    assert rate.rest == ": 3 passed, 1 failed as expected. 1 failed and 1 ended in an error."


@pytest.mark.parametrize("counts", [Counts(), Counts(declared=3, skipped=3)])
def test_nothing_of_nothing_is_none(counts: Counts) -> None:
    rate = numbers(counts)["Pass rate"]
    assert (rate.figure, rate.unit, rate.spark) == ("none", "", None)


def test_what_never_was_is_none_and_what_is_zero_is_zero() -> None:
    empty, whole = numbers(Counts()), numbers(Counts(declared=3, passed=3))
    assert [empty[title].figure for title in ("Deferred", "Declared", "Test time")] == ["none"] * 3
    assert (whole["Deferred"].figure, whole["Deferred"].rest) == ("0", ": everything ran.")
    assert whole["Declared"].whole == "all executed"
    assert whole["Test time"].figure == "none"


def test_a_number_says_how_it_was_in_the_oldest_run() -> None:
    found = numbers(Counts(declared=657, passed=635, skipped=21, xfailed=1), CLICK)
    assert found["Declared"].rest.endswith("It was 657 in the oldest run shown.")
    assert found["Deferred"].whole + found["Deferred"].rest == (
        "of 2,016 declared: 24 skipped, 1 expected to fail. It was 22 in the oldest run shown."
    )


def test_only_as_many_jobs_are_compared() -> None:
    one, two, now = (Counts(declared=n, passed=n) for n in (6, 8, 10))
    found = numbers(one, two, now, jobs=(1, 2, 2))["Declared"]
    assert found.rest.endswith("It was 8 after run 2.")
    alone = numbers(one, now, jobs=(1, 2))["Declared"]
    assert "It was" not in alone.rest
    assert alone.spark is not None
    assert alone.spark.label == "Declared tests in 2 runs: the same at both ends"


def test_the_time_has_its_unit_beside_it() -> None:
    time = numbers(CLICK, CLICK, CLICK, CLICK)["Test time"]
    assert (time.figure, time.unit) == ("6.84", "s")
    assert "Half of the 3 runs before took 6.84\u00a0s or less." in time.rest


def test_a_line_runs_from_the_oldest_run_to_the_newest() -> None:
    red = Counts(declared=4, passed=3, failed=1)
    rate = numbers(Counts(declared=4, passed=4), red)["Pass rate"]
    assert rate.spark is not None
    assert rate.spark.points == "0.0,4.0 100.0,26.0"
    assert rate.rest.endswith("1 of 2 runs left it green.")
    assert numbers(red)["Pass rate"].spark is None
    flat = numbers(CLICK, CLICK)["Pass rate"].spark
    assert flat is not None
    assert flat.points == "0.0,4.0 100.0,4.0"
