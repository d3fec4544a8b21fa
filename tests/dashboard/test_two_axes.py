"""Executed of declared and backed of deferred, as every page says them."""

import pytest

from dashboard.queries.facts import Counts
from dashboard.queries.two_axes import is_backed, tell_axes, tell_backed, tell_put_off

SEED = Counts(declared=14, passed=12, skipped=2)


@pytest.mark.parametrize(
    ("counts", "backed", "line"),
    [
        (SEED, 2, "12 of 14 executed (86 %), 2 deferred, 2 backed"),
        (SEED, 1, "12 of 14 executed (86 %), 2 deferred, 1 backed"),
        (SEED, 0, "12 of 14 executed (86 %), 2 deferred, none backed"),
        (SEED, None, "12 of 14 executed (86 %), 2 deferred"),
        (Counts(), None, ""),
        (Counts(), 0, ""),
        (Counts(declared=657, passed=657), 0, "657 of 657 executed (100 %)"),
        (Counts(declared=3, skipped=3), 0, "none of 3 executed (0 %), 3 deferred, none backed"),
        (Counts(declared=2016, passed=1992, skipped=24), None, "1,992 of 2,016 executed (99 %), 24 deferred"),
    ],
)
def test_the_line(counts: Counts, backed: int | None, line: str) -> None:
    assert tell_axes(counts, backed=backed) == line


def test_an_expected_failure_ran_and_is_counted_once() -> None:
    counts = Counts(declared=14, passed=12, xfailed=1, skipped=1)
    assert tell_axes(counts, backed=0) == "13 of 14 executed (93 %), 2 deferred (1 of them ran), none backed"
    assert tell_backed(counts, backed=0) == ", none backed"


@pytest.mark.parametrize(("backed", "share"), [(None, ""), (0, ""), (1, " (100 %)")])
def test_all_of_it_is_said_only_where_all_that_is_put_off_is_backed(backed: int | None, share: str) -> None:
    counts = Counts(declared=14, passed=13, xfailed=1)
    assert tell_axes(counts, backed=backed).startswith(f"14 of 14 executed{share}, 1 deferred (which ran)")
    assert is_backed(counts, backed=backed) == bool(share)


@pytest.mark.parametrize(
    ("passed", "declared", "percent"),
    [(9_996, 10_000, "99 %"), (995, 1_000, "99 %"), (1, 1_000, "under 1 %"), (0, 9, "0 %"), (855, 1_000, "86 %")],
)
def test_a_part_is_never_rounded_to_all_or_to_nothing(passed: int, declared: int, percent: str) -> None:
    counts = Counts(declared=declared, passed=passed, skipped=declared - passed)
    assert f"({percent})" in tell_axes(counts, backed=0)


@pytest.mark.parametrize(
    ("n", "backed", "said"),
    [
        (0, 0, ""),
        (25, None, "25 are put off"),
        (25, 0, "25 are put off, none of them backed"),
        (25, 3, "25 are put off, 3 of them backed"),
        (25, 25, "25 are put off, all of them backed"),
        (2, 2, "2 are put off, both backed"),
        (1, 0, "1 is put off and not backed"),
        (1, 1, "1 is put off and backed"),
        (1, None, "1 is put off"),
    ],
)
def test_the_clause(n: int, backed: int | None, said: str) -> None:
    assert tell_put_off(Counts(declared=30, skipped=n, passed=30 - n), backed=backed) == said


def test_the_clause_names_what_is_put_off_where_nothing_else_does() -> None:
    assert tell_put_off(SEED, backed=0, noun="test") == "2 tests are put off, none of them backed"
    assert tell_put_off(Counts(declared=1, skipped=1), backed=1, noun="test") == "1 test is put off and backed"
