"""Drawings of coverage: what is drawn, what stands in the table, and that names stay text."""

from datetime import UTC, date, datetime

from dashboard.charts.coverage import draw_file, draw_level, draw_levels
from dashboard.charts.trends import draw_all
from dashboard.queries.coverage import LevelTrend, TrendPoint
from dashboard.queries.coverage_file import FilePoint
from dashboard.queries.covered import Covered
from dashboard.queries.trends import DayPoint, Group


def a_trend(level: str, *shares: int, branches: int = 0) -> LevelTrend:
    points = (
        TrendPoint(date(2026, 3, k), k, Covered(200, share * 2, branches, branches // 2))
        for k, share in enumerate(shares, 1)
    )
    return LevelTrend(level, tuple(points))


def values(plot: dict, pane: int = 0) -> list[float | None]:  # type: ignore[type-arg]
    return list(plot["data"][pane]["y"])


def test_one_level_is_its_lines_and_its_branches() -> None:
    figure = draw_level(a_trend("unit", 80, 85, branches=4))
    assert values(figure.plot) == [80.0, 85.0]
    assert values(figure.plot, 1) == [50.0, 50.0]
    assert figure.head == ("Day", "Run", "Lines that ran", "Branches taken")
    assert figure.rows[0] == ("2 Mar 2026", "2", "170 of 200, 85.0 %", "2 of 4, 50.0 %")
    assert "the axis starts at 80 %" in str(figure.plot["layout"])
    assert figure.label == "Level unit over 2 days with coverage: from 160 of 200, 80.0 % to 170 of 200, 85.0 %."


def test_without_branches_there_is_one_pane() -> None:
    figure = draw_level(a_trend("", 10, 20))
    assert len(figure.plot["data"]) == 1
    assert figure.head == ("Day", "Run", "Lines that ran")


def test_levels_stand_over_the_same_days_and_height() -> None:
    short = LevelTrend("e2e", (TrendPoint(date(2026, 3, 2), 9, Covered(10, 9)),))
    figure = draw_levels((a_trend("unit", 82, 85), short))
    assert values(figure.plot, 1) == [None, 90.0]
    assert [trace["mode"] for trace in figure.plot["data"]] == ["lines", "markers"]  # one point is no line
    ranges = [axis["range"] for name, axis in figure.plot["layout"].items() if name.startswith("yaxis")]
    assert ranges[0] == ranges[1]
    assert figure.rows[1] == (
        "e2e",
        "1",
        "9 of 10, 90.0 %",
        "9 of 10, 90.0 %, 2 Mar 2026",
        "9 of 10, 90.0 %, 2 Mar 2026",
    )


def test_a_level_s_name_is_text() -> None:
    hostile = "<b>x</b>\u202e"
    figure = draw_levels((a_trend(hostile, 82, 85), a_trend("unit", 1, 2)))
    assert "<b>x" not in str(figure.plot["layout"]["annotations"])
    assert "\u202e" not in str(figure)


def test_a_day_without_a_line_that_could_run_is_a_gap() -> None:
    trend = LevelTrend("", (TrendPoint(date(2026, 3, 1), 1, Covered()), TrendPoint(date(2026, 3, 2), 2, Covered(2, 1))))
    figure = draw_level(trend)
    assert values(figure.plot) == [None, 50.0]
    assert figure.rows[-1] == ("1 Mar 2026", "1", "none")


def test_a_file_run_by_run() -> None:
    points = tuple(FilePoint(k, datetime(2026, 3, k, 23, 30, tzinfo=UTC), Covered(10, k)) for k in (1, 2))
    figure = draw_file(points, level="unit", zone="Europe/Berlin")
    assert values(figure.plot) == [10.0, 20.0]
    assert figure.rows[0] == ("2", "3 Mar 2026", "2 of 10, 20.0 %")


def a_day(day: date) -> DayPoint:
    return DayPoint(day, 1, 10, 9, 0, 1, 0, 0, 0, 100, 10.0, 100.0)


def test_trends_of_everything_end_with_coverage() -> None:
    group = Group("all", (a_day(date(2026, 3, 1)), a_day(date(2026, 3, 3))))
    figure = draw_all(group, is_weekly=False, coverage=(a_trend("unit", 40, 60),))
    assert values(figure.plot, -1) == [40.0, 60.0, None]
    assert values(figure.plot, 0) == [90.0, None, 90.0]
    assert figure.head[-1] == "Lines that ran, unit"
    assert [row[-1] for row in figure.rows] == ["", "80 of 200"]
    assert "of 2 red" in str(figure.plot["layout"]["annotations"])
    assert figure.title == "2 days with runs"


def test_in_weeks_the_last_coverage_of_a_week_counts() -> None:
    group = Group("all", (a_day(date(2026, 2, 23)), a_day(date(2026, 3, 2))))
    figure = draw_all(group, is_weekly=True, coverage=(a_trend("", 40, 50, 60),))  # 1 March is a Sunday
    assert values(figure.plot, -1) == [40.0, 60.0]
