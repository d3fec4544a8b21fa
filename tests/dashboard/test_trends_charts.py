"""Trends drawn: every measure of everything, or one measure of each group."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from dashboard.charts.trends import draw_all, draw_groups
from dashboard.queries.trends import DayPoint, Group

START = date(2026, 3, 2)


def a_day(n: int, *, declared: int = 10, failed: int = 0, skipped: int = 0) -> DayPoint:
    passed = declared - failed - skipped
    return DayPoint(
        START + timedelta(days=n), 1, declared, passed, 0, failed, 0, skipped, 0, 100_000, float(declared), 100_000.0
    )


def titles(plot: dict[str, object]) -> list[str]:
    annotations = plot["layout"]["annotations"]  # type: ignore[index]
    return [note["text"] for note in annotations if note["x"] == 0]


def test_all_measures_stand_under_each_other() -> None:
    group = Group("all", (a_day(0), a_day(1, failed=1), a_day(3, declared=12, skipped=6)))
    figure = draw_all(group, is_weekly=False)
    assert [title.split("<b>")[1].split("</b>")[0] for title in titles(figure.plot)] == [
        *("As expected", "Executed", "Declared", "Broken", "Test time"),
    ]
    lines = [trace for trace in figure.plot["data"] if trace["mode"] == "lines" and trace.get("hoverinfo") != "skip"]
    assert [line["y"] for line in lines] == [[100, 90, 100], [100, 100, 50], [10, 10, 12], [1, 1, 1]]
    assert figure.rows[0] == ("5 Mar 2026", "1", "6 of 6, 100 %, 6 put off", "6 of 12", "0", "12", "1.0 s")


def test_days_are_named_whole_and_one_day_once() -> None:
    one = draw_all(Group("all", (a_day(0),)), is_weekly=False)
    assert one.title == "1 day with runs"
    axis = one.plot["layout"]["xaxis"]
    assert (axis["tickvals"], axis["hoverformat"]) == (["2026-03-02"], "%-d %b %Y")
    assert "tickvals" not in draw_all(Group("all", (a_day(0), a_day(1))), is_weekly=False).plot["layout"]["xaxis"]


def test_an_axis_that_does_not_start_at_zero_says_so() -> None:
    calm = draw_all(Group("all", (a_day(0, declared=1000), a_day(1, declared=1000, failed=1))), is_weekly=False)
    assert any("the axis starts at 99 %" in title for title in titles(calm.plot))
    rough = draw_all(Group("all", (a_day(0), a_day(1, failed=9))), is_weekly=True)
    assert not any("As expected" in title and "axis starts" in title for title in titles(rough.plot))


def test_a_share_is_never_drawn_as_all_unless_it_is() -> None:
    group = Group("all", (a_day(0, declared=100_000, failed=1), a_day(1)))
    passed = draw_all(group, is_weekly=False).plot["data"][0]
    assert passed["y"] == [99.9, 100]  # one decimal, as it is written when pointed at


@pytest.mark.parametrize("measure", ["passed", "executed", "declared", "failed", "time"])
def test_groups_share_their_days(measure: str) -> None:
    groups = (Group("unit", (a_day(0), a_day(2))), Group("e2e <b>", (a_day(1, failed=2),)))
    figure = draw_groups(groups, measure=measure, is_weekly=False, by="level")
    assert len(titles(figure.plot)) == 2
    assert "e2e &lt;b&gt;" in titles(figure.plot)[1]
    days = {x for trace in figure.plot["data"] for x in trace["x"] if x}
    assert days <= {"2026-03-02", "2026-03-03", "2026-03-04"}
    assert [row[:2] for row in figure.rows] == [("unit", "2"), ("e2e <b>", "1")]
    assert figure.head[0] == "Level"


def test_the_lowest_and_the_highest_day_of_a_group_are_named() -> None:
    group = Group("unit", (a_day(0), a_day(1, failed=5), a_day(2, failed=1)))
    (row,) = draw_groups((group,), measure="passed", is_weekly=False, by="level").rows
    assert row == ("unit", "3", "90.0 %", "50.0 %, 3 Mar 2026", "100 %, 2 Mar 2026")


def test_days_on_which_nothing_ran_have_no_rate() -> None:
    group = Group("all", (a_day(0, skipped=10), a_day(1)))
    figure = draw_all(group, is_weekly=False)
    assert figure.plot["data"][0]["y"] == [None, 100]
    assert figure.rows[1][2] == "0 of 0, none"


def test_what_no_whole_run_has_told_is_unknown() -> None:
    cut = replace(a_day(0), declared_once=None, units_once=None)
    figure = draw_all(Group("all", (cut,)), is_weekly=False)
    assert figure.rows[0][-2:] == ("unknown", "unknown")
    assert figure.label.endswith("executed: 100 %; tests declared: unknown.")


def test_the_end_of_a_line_is_no_100_where_something_is_put_off() -> None:
    def ends(*points: DayPoint) -> list[str]:
        figure = draw_all(Group("all", points), is_weekly=False)
        return [note["text"] for note in figure.plot["layout"]["annotations"] if "Mar" in note["text"]]

    assert any("<b>0 broke</b>" in end for end in ends(a_day(0, declared=12, skipped=6)))
    assert not any("100 %" in end for end in ends(a_day(0, declared=12, skipped=6)))
    assert sum("<b>100 %</b>" in end for end in ends(a_day(0))) == 2
