"""The sentences on top of pages: each number in them is one of the facts, and each reads as English."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dashboard.queries.facts import Changes, Counts, JobFact, JobKey, RunFact
from dashboard.queries.sentences import write_run, write_status, write_trends
from dashboard.queries.standing import Point, Standing
from dashboard.queries.trends import DayPoint, Group, Offer, Trends

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
GREEN = Counts(declared=100, passed=95, skipped=5)
RED = Counts(declared=100, passed=92, failed=3, skipped=5)


def a_standing(
    *history: Counts, lane: str = "main", new: int = 0, is_complete: bool = True, is_whole: bool = True
) -> Standing:
    runs = [
        RunFact(
            n,
            "c",
            lane,
            lane,
            "",
            "",
            START + timedelta(days=n),
            START + timedelta(days=n),
            None,
            1,
            counts,
            Changes(),
            is_complete,
        )
        for n, counts in enumerate(history, 1)
    ]
    points = tuple(Point(run, run.counts, is_complete, 1) for run in runs)
    job: dict[str, Any] = {
        "job": "tests",
        "variant": "",
        "lane": lane,
        "branch": lane,
        "ran_at": START,
        "ordered_at": START,
    }
    jobs = tuple(
        JobFact(
            JobKey(run.number, 1),
            **job,
            is_complete=is_complete,
            n_attempts=1,
            baseline=None,
            counts=run.counts,
            changes=Changes(new=new),
        )
        for run in runs[-1:]
    )
    return Standing(lane, tuple(runs), points, jobs, (), {}, is_whole)


@pytest.mark.parametrize(
    ("standing", "sentence"),
    [
        (a_standing(GREEN), "main is green: all 95 executed tests passed; 5 are put off."),
        (a_standing(Counts(declared=1, passed=1)), "main is green: the one executed test passed."),
        (
            a_standing(Counts(declared=2016, passed=1991, skipped=24, xfailed=1)),
            (
                "main is green: all 1,992 executed tests ended as expected; 1,991 passed, 1 failed as expected,"
                " and 25 are put off."
            ),
        ),
        (a_standing(GREEN, RED, new=3), "main is failing: 3 of 95 executed tests fail, none of which did before."),
        (a_standing(GREEN, RED, new=1), "main is failing: 3 of 95 executed tests fail, 1 of them new."),
        (
            a_standing(GREEN, RED, RED),
            "main is failing since 4 Mar 2026, 2 runs in a row: 3 of 95 executed tests fail.",
        ),
        (a_standing(RED, RED), "main is failing in each of its 2 runs: 3 of 95 executed tests fail."),
        (a_standing(RED, RED, is_whole=False), "main is failing for at least 2 runs: 3 of 95 executed tests fail."),
        (
            a_standing(Counts(declared=203, failed=4, errored=25, passed=0, skipped=174)),
            "main is failing: 25 of 29 executed tests end in an error and 4 fail.",
        ),
        (
            a_standing(Counts(declared=3, passed=1, failed=1, errored=1, suite_errors=1)),
            "main is failing: 1 of 3 executed tests ends in an error, one suite breaks outside any test and 1 fails.",
        ),
        (a_standing(Counts(declared=3, passed=3, suite_errors=2)), "main is failing: 2 suites break outside any test."),
        (
            a_standing(GREEN, is_complete=False),
            "main is incomplete: of what arrived, all 95 executed tests passed; 5 are put off.",
        ),
        (a_standing(Counts()), "main sent reports, but none lists a test."),
        (a_standing(Counts(declared=25, skipped=25)), "Nothing ran on main: none of 25 declared tests."),
        (a_standing(), "No run yet."),
        (a_standing(GREEN, lane="a\u202eb"), "a[U+202E]b is green: all 95 executed tests passed; 5 are put off."),
    ],
)
def test_the_status(standing: Standing, sentence: str) -> None:
    assert write_status(standing) == sentence


@pytest.mark.parametrize(
    ("backed", "put_off"),
    [
        (0, "; 5 are put off, none of them backed"),
        (2, "; 5 are put off, 2 of them backed"),
        (5, "; 5 are put off, all of them backed"),
    ],
)
def test_what_passed_is_never_said_without_what_was_put_off(backed: int, put_off: str) -> None:
    all_passed = f"ll 95 executed tests passed{put_off}"
    assert write_status(a_standing(GREEN), backed=backed) == f"main is green: a{all_passed}."
    incomplete = a_standing(GREEN, is_complete=False)
    assert write_status(incomplete, backed=backed) == f"main is incomplete: of what arrived, a{all_passed}."
    for baselines in ([5], []):
        said = write_run(GREEN, Changes(), is_complete=True, baselines=baselines, backed=backed)
        assert said.startswith(f"A{all_passed}.")
    fixed = write_run(GREEN, Changes(fixed=1), is_complete=True, baselines=[5], backed=backed)
    assert fixed == f"A{all_passed}. One test is fixed since run 5."


def test_a_silent_default_branch_is_told_from_an_empty_project() -> None:
    assert write_status(a_standing(), has_other_runs=True) == "No run of main yet."


@pytest.mark.parametrize(
    ("counts", "changes", "baselines", "sentence"),
    [
        (RED, Changes(new=3), [5], "Three tests broke that did not in run 5."),
        (
            RED,
            Changes(new=2, still=1, fixed=1, gone=13),
            [5],
            (
                "Two tests broke that did not in run 5, one test is broken as before, one test is fixed"
                " and 13 tests are gone."
            ),
        ),
        (GREEN, Changes(), [5], "All 95 executed tests passed; 5 are put off."),
        (
            GREEN,
            Changes(fixed=2, gone=1),
            [5],
            "All 95 executed tests passed; 5 are put off. Two tests are fixed and one test is gone since run 5.",
        ),
        (RED, Changes(still=3), [5, 6], "Three tests are broken as before."),
        (RED, Changes(), [], "3 of 95 executed tests fail. There is no earlier whole run to compare with."),
        (
            GREEN,
            Changes(),
            [],
            "All 95 executed tests passed; 5 are put off. There is no earlier whole run to compare with.",
        ),
        (RED, Changes(), [5], "3 of 95 executed tests fail. There is no earlier whole run to compare with."),
        (Counts(), Changes(), [], "No test is listed in what was sent."),
        (Counts(), Changes(), [5], "No test is listed in what was sent, though run 5 had some."),
        (Counts(declared=2, skipped=2), Changes(), [], "None of 2 declared tests ran."),
    ],
)
def test_a_run(counts: Counts, changes: Changes, baselines: list[int], sentence: str) -> None:
    assert write_run(counts, changes, is_complete=True, baselines=baselines) == sentence


def test_an_incomplete_run_says_so_first() -> None:
    said = write_run(GREEN, Changes(), is_complete=False, baselines=[5])
    assert said.startswith("This run is incomplete: what is missing is unknown. Of what arrived, all 95")


def a_trend(*groups: tuple[str, list[DayPoint]]) -> Trends:
    lines = tuple(Group(name, tuple(points)) for name, points in groups)
    return Trends(lines, 0, "main", False, None, None, Offer(("main",), (), (), (), ()))


def a_day(n: int, *, failed: int = 0, declared: int = 10) -> DayPoint:
    day = (START + timedelta(days=n)).date()
    return DayPoint(day, 1, declared, declared - failed, 0, failed, 0, 0, 0, 100_000, float(declared), 100_000.0)


@pytest.mark.parametrize(
    ("trends", "by", "sentence"),
    [
        (a_trend(), "all", "There is nothing to draw yet."),
        (
            a_trend(("all", [a_day(0)])),
            "all",
            "One day so far: 10 of 10 executed tests ended as expected on 2 Mar 2026. A trend needs two.",
        ),
        (
            a_trend(("all", [a_day(0), a_day(1, failed=2, declared=12)])),
            "all",
            "One of two days with runs had a failure; declared tests went from 10 to 12.",
        ),
        (
            a_trend(("all", [a_day(0), a_day(1)])),
            "all",
            "None of two days with runs had a failure; 10 tests are declared, as at first.",
        ),
        (
            a_trend(("unit", [a_day(0)]), ("e2e", [a_day(0, failed=3)])),
            "level",
            "Of 2 levels, e2e passes least: 7 of 10 executed tests ended as expected on 2 Mar 2026.",
        ),
        (a_trend(("a", [a_day(0)]), ("b", [a_day(0)])), "suite", "All two suites drawn end without a failure."),
    ],
)
def test_a_trend(trends: Trends, by: str, sentence: str) -> None:
    assert write_trends(trends, by=by) == sentence
