"""The house style of a drawing: what Plotly is given."""

import json
import re
from itertools import pairwise

import pytest

from dashboard.charts.figure import (
    Pane,
    choose_lines,
    choose_ticks,
    escape_label,
    stack_panes,
    write_seconds,
    write_share,
)
from dashboard.templatetags.display import percent_of

DAYS = ["2026-03-01", "2026-03-02", "2026-03-05"]


def a_pane(*values: float | None, title: str = "Declared", shape: str = "line", **more: object) -> Pane:
    return Pane(title, "tests", values, shape, "<b>3</b> now", "%{y}", **more)  # type: ignore[arg-type]


def test_panes_stand_under_each_other_and_never_overlap() -> None:
    plot = stack_panes([a_pane(1, 2, 3), a_pane(1, 0, 2, shape="bars"), a_pane(3, 3, 3, shape="step")], x=DAYS)
    domains = [plot["layout"][name]["domain"] for name in ("yaxis", "yaxis2", "yaxis3")]
    assert all(low < high for low, high in domains)
    assert all(above[0] > below[1] for above, below in pairwise(domains))
    assert domains[-1][0] == 0
    assert plot["layout"]["xaxis"]["anchor"] == "y3"


def test_every_colour_is_a_token_and_the_theme_is_ours() -> None:
    plot = stack_panes([a_pane(1, 0, 3, shape="bars"), a_pane(1, 2, 3, crosses=(False, True, False))], x=DAYS)
    written = json.dumps(plot)
    assert "template" not in plot["layout"] or plot["layout"]["template"] is None
    assert not re.findall(r"#[0-9a-f]{3,8}\b|rgba?\(", written)
    assert {"var(--ink)", "var(--fail)", "var(--hair)"} <= set(re.findall(r"var\(--[\w-]+\)", written))


def test_a_figure_is_small() -> None:
    plot = stack_panes([a_pane(*range(400)) for _ in range(5)], x=[f"2026-01-{d % 28 + 1:02}" for d in range(400)])
    assert len(json.dumps(plot)) < 60_000


def test_names_are_shown_and_not_obeyed() -> None:
    plot = stack_panes([a_pane(1, title="<a href='x'>\u202ename</a>")], x=DAYS[:1])
    title = plot["layout"]["annotations"][0]["text"]
    assert "&lt;a href='x'&gt;[U+202E]name&lt;/a&gt;" in title
    assert escape_label("a & b") == "a &amp; b"


def test_bars_are_strokes_red_where_something_broke() -> None:
    ticks, failures, hover = stack_panes([a_pane(0, 2, 200, shape="bars")], x=DAYS)["data"]
    assert (ticks["line"]["color"], ticks["x"]) == ("var(--ink-3)", [DAYS[0], DAYS[0], None])
    assert (failures["line"]["color"], failures["x"][::3]) == ("var(--fail)", DAYS[1:])
    # Two of 200 would not be seen; the hover tells the truth.
    assert failures["y"][1::3] == [50, 200]
    assert hover["y"] == [0, 2, 200]


def test_a_single_point_is_a_dot() -> None:
    (trace,) = stack_panes([a_pane(3)], x=DAYS[:1])["data"]
    assert trace["mode"] == "markers"


def test_gaps_are_bridged_and_all_gaps_are_drawn_without_harm() -> None:
    (trace,) = stack_panes([a_pane(1, None, 3)], x=DAYS)["data"]
    assert (trace["y"], trace["connectgaps"]) == ([1, None, 3], True)
    plot = stack_panes([a_pane(None, None, None)], x=DAYS)
    assert len(plot["layout"]["annotations"]) == 1


def test_named_places_keep_their_order() -> None:
    names = ["run 2", "run 10", "run 1"]
    axis = stack_panes([a_pane(1, 0, 1)], x=names, ticks=[(0, "1 Mar\n2026")])["layout"]["xaxis"]
    assert (axis["type"], axis["categoryarray"], axis["tickvals"]) == ("category", names, ["run 2"])


def test_a_time_axis_has_room_for_half_a_stroke() -> None:
    axis = stack_panes([a_pane(1, 2, 3)], x=DAYS)["layout"]["xaxis"]
    assert axis["range"][0] < "2026-03-01" < "2026-03-05" < axis["range"][1]


@pytest.mark.parametrize(
    ("low", "high", "options", "labels"),
    [
        (0, 6.84, {}, ["5"]),
        (657, 2016, {}, ["1,000", "2,000"]),
        (99, 100, {"suffix": " %"}, ["99.5 %", "100.0 %"]),
        (99, 100, {"most": 1}, ["100"]),
        (657, 658, {"is_whole": True}, ["658"]),
        (0, 0.03, {}, ["0.02"]),
        (0, 1_234_567, {}, ["500,000", "1,000,000"]),
    ],
)
def test_lines_stand_at_round_values(low: float, high: float, options: dict[str, object], labels: list[str]) -> None:
    assert [text for _, text in choose_lines(low, high, **options)] == labels  # type: ignore[arg-type]


def test_a_few_runs_are_named_and_the_year_where_it_changes() -> None:
    days = [f"{d} Dec 2025" for d in range(1, 5)] + [f"{d} Jan 2026" for d in range(1, 5)]
    assert choose_ticks(days) == ((0, "1 Dec\n2025"), (2, "3 Dec"), (4, "1 Jan\n2026"), (6, "3 Jan"))
    assert choose_ticks([]) == ()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.34, "340 ms"),
        (0.9996, "1.0 s"),
        (6.84, "6.8 s"),
        (59.97, "1 min 0 s"),
        (271, "4 min 31 s"),
        (3_900, "1 h 5 min"),
    ],
)
def test_times_for_labels(seconds: float, text: str) -> None:
    assert write_seconds(seconds) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(0, 0, "none"), (3, 3, "100 %"), (9_999, 10_000, "99.9 %"), (0, 5, "0.0 %"), (1, 5_000, "under 0.1 %")],
)
def test_shares_for_labels_are_never_rounded_up_and_read_as_in_tables(part: int, whole: int, text: str) -> None:
    assert write_share(part, whole) == text
    assert percent_of(part, whole) == text.removesuffix(" %")


def test_no_label_of_the_axis_reaches_back_into_the_one_before() -> None:
    pane = Pane("Lines", "", (1.0, 2.0), "line", "", "")
    plot = stack_panes([pane], x=["a", "b"], ticks=((0, "1 Mar"), (1, "2 Mar")))
    assert {note["xanchor"] for note in plot["layout"]["annotations"]} == {"left"}
