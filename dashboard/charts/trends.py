"""Trends as small multiples over one time axis: all measures of everything, or one measure of each group.

Called by `dashboard.views.trends`; pure (`tests/dashboard/test_trends_charts.py`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from dashboard.charts.figure import (
    Figure,
    Pane,
    escape_label,
    find_floor,
    show_unseen,
    stack_panes,
    write_seconds,
    write_share,
)

if TYPE_CHECKING:
    from datetime import date

    from dashboard.queries.coverage import LevelTrend
    from dashboard.queries.covered import Covered
    from dashboard.queries.trends import DayPoint, Group

_MOST_ROWS: Final = 60


@dataclass(frozen=True, slots=True)
class _Measure:
    """How one measure of a day is drawn and written."""

    title: str
    note: str
    shape: str
    take: "Callable[[DayPoint], float | None]"
    write: "Callable[[DayPoint], str]"
    hover: str
    suffix: str = ""
    whole: str = ""  # what stands at the end of the line instead of 100 % where something is put off


def _share(part: int, whole: int) -> float | None:
    """In per cent, one decimal as it is written, rounded down; None of nothing."""
    return part * 1000 // whole / 10 if whole else None


def _write_share(point: "DayPoint", part: int, whole: int) -> str:
    """A share of a day; all of it is never said without what was put off."""
    put_off = f", {point.deferred:,} put off" if part == whole and whole and point.deferred else ""
    return f"{write_share(part, whole)}{put_off}"


def _write_declared(point: "DayPoint") -> str:
    return "unknown" if point.declared_once is None else f"{point.declared_once:,.0f}"


def _write_time(point: "DayPoint") -> str:
    return "unknown" if point.seconds_once is None else write_seconds(point.seconds_once)


_MEASURES: Final[dict[str, _Measure]] = {
    "passed": _Measure(
        "As expected",
        "of executed",
        "line",
        lambda p: _share(p.as_expected, p.executed),
        lambda p: _write_share(p, p.as_expected, p.executed),
        "%{y:.1f} % as expected",
        " %",
        "0 broke",
    ),
    "executed": _Measure(
        "Executed",
        "of declared",
        "line",
        lambda p: _share(p.executed, p.declared),
        lambda p: _write_share(p, p.executed, p.declared),
        "%{y:.1f} % executed",
        " %",
        "all ran",
    ),
    "declared": _Measure(
        "Declared",
        "tests in one run of each job, a day's mean",
        "step",
        lambda p: None if p.declared_once is None else round(p.declared_once, 1),
        _write_declared,
        "%{y:,.0f} declared",
    ),
    "failed": _Measure(
        "Broken",
        "tests failed or errored, a day",
        "bars",
        lambda p: p.broken,
        lambda p: f"{p.broken:,}",
        "%{y:,} broken",
    ),
    "time": _Measure(
        "Test time",
        "seconds in one run of each job, a day's mean",
        "line",
        lambda p: None if p.seconds_once is None else round(p.seconds_once, 3),
        _write_time,
        "%{y:,.1f} s in tests",
    ),
}


@lru_cache(maxsize=64)
def draw_all(group: "Group", *, is_weekly: bool, coverage: "tuple[LevelTrend, ...]" = ()) -> Figure:
    """Every measure of one group, under each other, and the line coverage of each level where there is any."""
    measured = [_take_coverage(trend, is_weekly=is_weekly) for trend in coverage]
    dates = sorted({point.day for point in group.points}.union(*measured))
    points = _spread(group.points, dates)
    panes = [
        _make_pane(measure, points, title=measure.title, note=_note(measure, group.points, is_weekly), last=group.last)
        for measure in _MEASURES.values()
    ]
    panes += [_make_coverage_pane(trend, days, dates) for trend, days in zip(coverage, measured, strict=True) if days]
    days, last = [date.isoformat() for date in dates], group.last
    return Figure(
        id="trends",
        title=f"{len(group.points)} {'week' if is_weekly else 'day'}{'' if len(group.points) == 1 else 's'} with runs",
        subtitle="oldest left",
        label=(
            f"{len(panes)} lines over {len(days)} points. At the end as expected: {_MEASURES['passed'].write(last)};"
            f" executed: {_MEASURES['executed'].write(last)}; tests declared: {_write_declared(last)}."
        ),
        plot=stack_panes(panes, x=days),
        head=(
            "Week of" if is_weekly else "Day",
            "Jobs",
            "As expected, of executed",
            "Executed, of declared",
            "Broken",
            "Declared",
            "Test time",
            *(f"Lines that ran{f', {show_unseen(trend.level)}' if trend.level else ''}" for trend in coverage),
        ),
        rows=tuple(
            (*_write_row(point), *(_write_covered(days.get(point.day)) for days in measured))
            for point in reversed(group.points[-_MOST_ROWS:])
        ),
    )


@lru_cache(maxsize=64)
def draw_groups(groups: "tuple[Group, ...]", *, measure: str, is_weekly: bool, by: str) -> Figure:
    """One measure, a pane a group, all over the same days and, for shares, the same height."""
    chosen = _MEASURES[measure]
    days = sorted({point.day for group in groups for point in group.points})
    low = find_floor([chosen.take(p) for group in groups for p in group.points]) if chosen.suffix else None
    panes = [
        _make_pane(chosen, _spread(group.points, days), title=group.name, note="", low=low, last=group.last)
        for group in groups
    ]
    return Figure(
        id="trends",
        title=f"{chosen.title}, {chosen.note}",
        subtitle=f"by {by}",
        label=f"{len(groups)} lines, one a {by}, over {len(days)} {'weeks' if is_weekly else 'days'}.",
        plot=stack_panes(panes, x=[day.isoformat() for day in days]),
        head=(by.capitalize(), "Days", "Newest", "Lowest", "Highest"),
        rows=tuple(_write_group(group, chosen) for group in groups),
    )


def _take_coverage(trend: "LevelTrend", *, is_weekly: bool) -> "dict[date, Covered]":
    """A level's coverage by the days of the axis; of a week the last."""
    return {
        point.day - timedelta(days=point.day.weekday() if is_weekly else 0): point.covered
        for point in trend.points
        if point.covered.lines_valid
    }


def _make_coverage_pane(trend: "LevelTrend", days: "dict[date, Covered]", dates: "Sequence[date]") -> Pane:
    values = tuple(_share(days[at].lines_covered, days[at].lines_valid) if at in days else None for at in dates)
    low = find_floor(values)
    newest = max(days)
    level = f" by the {trend.level} tests" if trend.level else ""
    return Pane(
        title="Line coverage",
        note=f"of lines{level}{f'; the axis starts at {low:.0f} %' if low else ''}",
        values=values,
        shape="line",
        end=f"<b>{write_share(days[newest].lines_covered, days[newest].lines_valid)}</b> {newest:%-d %b}",
        hover="%{y:.1f} % of lines ran",
        floor=low,
        ceiling=100.0,
        tick_suffix=" %",
    )


def _write_covered(covered: "Covered | None") -> str:
    if covered is None:
        return ""
    return f"{covered.lines_covered:,} of {covered.lines_valid:,}"


def _make_pane(
    measure: _Measure,
    points: "Sequence[DayPoint | None]",
    *,
    title: str,
    note: str,
    low: float | None = None,
    last: "DayPoint | None" = None,
) -> Pane:
    values = tuple(None if point is None else measure.take(point) for point in points)
    newest = last or next(point for point in reversed(points) if point is not None)
    n_broken = sum(value is not None and value > 0 for value in values)
    end = (
        f"<b>{n_broken}</b> of {sum(value is not None for value in values)} red"
        if measure.shape == "bars"
        else f"<b>{_write_end(measure, newest)}</b> {newest.day:%-d %b}"
    )
    if low is None:
        low = find_floor(values) if measure.suffix else 0.0 if measure.shape != "step" else None
    return Pane(
        title=title,
        note=note,
        values=values,
        shape=measure.shape,
        end=end,
        hover=f"{escape_label(title)}: {measure.hover}" if note == "" else measure.hover,
        floor=low,
        ceiling=100.0 if measure.suffix else None,
        tick_suffix=measure.suffix,
        is_low=not note,
    )


def _write_end(measure: _Measure, point: "DayPoint") -> str:
    """There is little room at the end of a line."""
    return measure.whole if measure.suffix and measure.take(point) == 100 and point.deferred else measure.write(point)


def _note(measure: _Measure, points: "Sequence[DayPoint]", is_weekly: bool) -> str:
    note = measure.note.replace("a day", "a week") if is_weekly else measure.note
    if not measure.suffix:
        return note
    low = find_floor([measure.take(point) for point in points])
    return f"{note}; the axis starts at {low:.0f} %" if low else note


def _spread(points: "Sequence[DayPoint]", days: "Sequence[date]") -> "list[DayPoint | None]":
    by_day = {point.day: point for point in points}
    return [by_day.get(day) for day in days]


def _write_row(point: "DayPoint") -> tuple[str, ...]:
    return (
        f"{point.day:%-d %b %Y}",
        f"{point.n_jobs:,}",
        f"{point.as_expected:,} of {point.executed:,}, {_write_share(point, point.as_expected, point.executed)}",
        f"{point.executed:,} of {point.declared:,}",
        f"{point.broken:,}",
        _write_declared(point),
        _write_time(point),
    )


def _write_group(group: "Group", measure: _Measure) -> tuple[str, ...]:
    known = [point for point in group.points if measure.take(point) is not None]
    lowest = min(known, key=lambda point: measure.take(point) or 0, default=group.last)
    highest = max(known, key=lambda point: measure.take(point) or 0, default=group.last)
    return (
        show_unseen(group.name),
        f"{len(group.points):,}",
        measure.write(group.last),
        f"{measure.write(lowest)}, {lowest.day:%-d %b %Y}",
        f"{measure.write(highest)}, {highest.day:%-d %b %Y}",
    )
