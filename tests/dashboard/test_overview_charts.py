"""The overview's small trend, and the same numbers as a table."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from dashboard.charts.overview import draw_trend
from dashboard.queries.facts import Changes, Counts, RunFact
from dashboard.queries.standing import Point

START = datetime(2026, 3, 2, 23, 30, tzinfo=UTC)


def points(*history: Counts) -> tuple[Point, ...]:
    return tuple(
        Point(
            RunFact(n, "c", "main", "main", "", "", START + timedelta(days=n), START, None, 1, counts, Changes(), True),
            counts,
            True,
            1,
        )
        for n, counts in enumerate(history, 1)
    )


GREEN = Counts(declared=10, passed=10, units=100_000)
RED = Counts(declared=12, passed=10, failed=1, errored=1, units=250_000)


def test_each_run_is_one_step_and_one_row() -> None:
    figure = draw_trend(points(GREEN, RED, GREEN), zone="UTC", lane="main")
    declared = next(trace for trace in figure.plot["data"] if trace["y"] == [10, 12, 10])
    assert declared["x"] == ["run 1, 3 Mar 2026", "run 2, 4 Mar 2026", "run 3, 5 Mar 2026"]
    assert figure.rows[1] == ("2", "4 Mar 2026", "2", "10 of 12, 83.3 %", "12", "2.5 s")
    assert [row[0] for row in figure.rows] == ["3", "2", "1"]


def test_a_run_is_red_for_what_broke_in_it_not_for_what_is_broken_beside_it() -> None:
    green, red = points(GREEN, RED)
    figure = draw_trend((red, replace(green, counts=RED)), zone="UTC", lane="main")
    assert "1 runs were red" in figure.label
    assert [row[2] for row in figure.rows] == ["0", "2"]


def test_it_is_told_aloud() -> None:
    figure = draw_trend(points(GREEN, RED), zone="UTC", lane="main")
    assert figure.label == (
        "Three lines over 2 runs: 1 runs were red; declared tests went from 10 to 12; test time from 1.0 s to 2.5 s."
    )


def test_what_is_told_aloud_compares_as_many_jobs() -> None:
    first, *rest = points(RED, GREEN, GREEN)
    figure = draw_trend((first, *(replace(point, n_jobs=2) for point in rest)), zone="UTC", lane="main")
    assert "declared tests went from 10 to 10" in figure.label


def test_days_are_the_project_s_own() -> None:
    figure = draw_trend(points(GREEN, GREEN), zone="Pacific/Auckland", lane="main")
    assert [row[1] for row in figure.rows] == ["5 Mar 2026", "4 Mar 2026"]


def test_the_same_facts_are_drawn_once() -> None:
    facts = points(GREEN, RED)
    assert draw_trend(facts, zone="UTC", lane="main") is draw_trend(points(GREEN, RED), zone="UTC", lane="main")
