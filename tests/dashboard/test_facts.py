"""What a run is called: passed only when it is whole, something ran, and nothing broke."""

import pytest

from dashboard.queries.facts import Counts, judge, name_job, name_jobs, sum_counts, take_strip_mark

GREEN = Counts(declared=10, passed=8, skipped=1, xfailed=1)


def test_an_expected_failure_ran_and_a_skip_did_not() -> None:
    assert (GREEN.executed, GREEN.as_expected, GREEN.deferred, GREEN.broken) == (9, 9, 2, 0)


@pytest.mark.parametrize(
    ("counts", "is_complete", "mark", "word"),
    [
        (GREEN, True, "pass", "passed"),
        (GREEN, False, "stale", "incomplete"),
        (Counts(declared=3, passed=1, failed=2), True, "fail", "2 failed"),
        (Counts(declared=3, passed=1, failed=2), False, "fail", "2 failed, incomplete"),
        (Counts(declared=3, errored=1, failed=2), True, "error", "1 error, 2 failed"),
        (Counts(declared=3, passed=3, suite_errors=1), True, "error", "1 suite error"),
        (Counts(), True, "absent", "no tests"),
        (Counts(declared=4, skipped=4), True, "absent", "none ran"),
        (Counts(), False, "stale", "incomplete"),
    ],
)
def test_the_verdict(counts: Counts, is_complete: bool, mark: str, word: str) -> None:
    assert judge(counts, is_complete=is_complete) == (mark, word)


@pytest.mark.parametrize(
    ("counts", "is_complete", "mark"),
    [
        (GREEN, True, ""),
        (GREEN, False, "none"),
        (Counts(), True, "none"),
        (Counts(declared=1, failed=1), True, "fail"),
        (Counts(declared=2, errored=1, failed=1), True, "error"),
    ],
)
def test_the_mark_in_a_strip(counts: Counts, is_complete: bool, mark: str) -> None:
    assert take_strip_mark(counts, is_complete=is_complete) == mark


def test_counts_add_up_field_by_field() -> None:
    assert sum_counts([GREEN, GREEN]) == Counts(declared=20, passed=16, skipped=2, xfailed=2)
    assert sum_counts([]) == Counts()


@pytest.mark.parametrize(
    ("jobs", "words"),
    [
        ([("tests", "")], "tests"),
        ([("tests", "3.12")], "tests, 3.12"),
        ([("", "")], "unnamed job"),
        ([("tests", "3.11"), ("tests", "3.12")], "tests, 2 variants"),
        ([("tests", ""), ("docs", "")], "2 jobs"),
        ([("", "a"), ("", "b")], "2 jobs"),
    ],
)
def test_jobs_in_words(jobs: list[tuple[str, str]], words: str) -> None:
    assert name_jobs(jobs) == words
    assert name_job("", "3.12") == "3.12"
