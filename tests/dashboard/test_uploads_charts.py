"""The figure of the uploads page: bars of what went well, and of what did not."""

from datetime import date, timedelta

from dashboard.charts.uploads import draw_days
from dashboard.queries.deliveries import DeliveryDay

FIRST = date(2026, 4, 1)


def test_only_trouble_that_happened_has_a_pane() -> None:
    calm = draw_days(tuple(DeliveryDay(FIRST + timedelta(days=step), whole=step) for step in range(3)))
    assert [axis for axis in calm.plot["layout"] if axis.startswith("yaxis")] == ["yaxis"]
    troubled = draw_days((DeliveryDay(FIRST, failed=2), DeliveryDay(FIRST + timedelta(days=1), whole=1, refused=4)))
    titles = [note["text"] for note in troubled.plot["layout"]["annotations"]]
    assert len([title for title in titles if "<b>Failed</b>" in title or "<b>Refused</b>" in title]) == 2
    assert not any("Partly" in title for title in titles)


def test_the_table_has_the_same_numbers_newest_first_and_leaves_out_empty_days() -> None:
    days = (DeliveryDay(FIRST, 1, 2, 3, 4, 5), DeliveryDay(FIRST + timedelta(days=1)))
    figure = draw_days((*days, DeliveryDay(FIRST + timedelta(days=2), whole=1200)))
    assert figure.rows == (
        ("3 Apr 2026", "1,200", "0", "0", "0", "0"),
        ("1 Apr 2026", "1", "2", "3", "4", "5"),
    )
    assert figure.label.startswith("Over 3 days 1,201 deliveries were stored, 2 partly stored")


def test_each_day_is_a_bar_of_its_own() -> None:
    days = tuple(DeliveryDay(FIRST + timedelta(days=step), whole=whole) for step, whole in enumerate((0, 3, 0, 12)))
    _, bars, hover = draw_days(days).plot["data"]
    assert (bars["line"]["color"], bars["x"]) == (
        "var(--ink)",
        ["2026-04-02"] * 2 + [None] + ["2026-04-04"] * 2 + [None],
    )
    assert bars["y"] == [0, 3, None, 0, 12, None]
    assert hover["y"] == [0, 3, 0, 12]
