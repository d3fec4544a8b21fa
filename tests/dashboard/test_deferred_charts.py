"""The figure of what was put off: two lines, and the same numbers as a table."""

from datetime import date, timedelta

from dashboard.charts.deferred import draw_debt
from dashboard.queries.deferred_trend import DebtDay, DebtTrend

FIRST = date(2026, 4, 1)


def a_trend(n: int, *, step: int = 1) -> DebtTrend:
    return DebtTrend(tuple(DebtDay(FIRST + timedelta(days=at * step), at, at * at) for at in range(n)), step)


def test_tests_and_their_debt_are_two_lines_over_one_axis() -> None:
    figure = draw_debt(a_trend(30))
    tests, debt = [trace for trace in figure.plot["data"] if trace["mode"] == "lines"][:2]
    assert tests["y"][-1] == 29
    assert tests["line"]["shape"] == "hv"
    assert debt["y"][-1] == 841
    titles = " ".join(note["text"] for note in figure.plot["layout"]["annotations"])
    assert "<b>29</b> now" in titles
    assert "<b>841</b> now" in titles


def test_the_table_has_the_newest_first() -> None:
    figure = draw_debt(a_trend(100, step=7))
    assert figure.title == "Put off and debt, a point a week"
    assert figure.rows[0] == ("23 Feb 2028", "99", "9,801")
    assert len(figure.rows) == 60
    assert figure.label.startswith("Two lines over 100 points, from 0 tests put off on 1 Apr 2026 to 99")


def test_it_is_drawn_once() -> None:
    trend = a_trend(180)
    first = draw_debt(trend)
    assert draw_debt(trend) is first
