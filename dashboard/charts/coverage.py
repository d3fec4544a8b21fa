"""Coverage over time: lines and branches of one level, or the lines of each level under each other.

Called by `dashboard.views.coverage`; pure (`tests/dashboard/test_coverage_charts.py`).
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from dashboard.charts.figure import (
    Figure,
    Pane,
    choose_ticks,
    escape_label,
    find_floor,
    show_unseen,
    stack_panes,
    write_share,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from dashboard.queries.coverage import LevelTrend, TrendPoint
    from dashboard.queries.coverage_file import FilePoint

_MOST_ROWS: Final = 60


@lru_cache(maxsize=64)
def draw_level(trend: "LevelTrend") -> Figure:
    """One level: its lines, and its branches where they are counted."""
    points = trend.points
    days = [point.day.isoformat() for point in points]
    panes = [_make_pane("Line coverage", "of lines", points, _lines)]
    has_branches = any(point.covered.branches_valid for point in points)
    if has_branches:
        panes.append(_make_pane("Branch coverage", "of branches", points, _branches))
    return Figure(
        id="coverage",
        title=_count_days(len(points)),
        subtitle="oldest left",
        label=_say(trend),
        plot=stack_panes(panes, x=days),
        head=("Day", "Run", "Lines that ran", *(("Branches taken",) if has_branches else ())),
        rows=tuple(_write_day(point, has_branches=has_branches) for point in reversed(points[-_MOST_ROWS:])),
    )


@lru_cache(maxsize=64)
def draw_levels(trends: "tuple[LevelTrend, ...]") -> Figure:
    """A pane a level, all over the same days and of the same height."""
    days = sorted({point.day for trend in trends for point in trend.points})
    low = find_floor([_share(*_lines(point)) for trend in trends for point in trend.points])
    panes = [
        _make_pane(trend.name, "", _spread(trend.points, days), _lines, low=low, last=trend.last) for trend in trends
    ]
    return Figure(
        id="coverage",
        title=f"Lines that ran, of all that could, over {_count_days(len(days))}",
        subtitle=f"by level; the axes start at {low:.0f} %" if low else "by level",
        label=" ".join(_say(trend) for trend in trends),
        plot=stack_panes(panes, x=[day.isoformat() for day in days]),
        head=("Level", "Days", "Newest", "Lowest", "Highest"),
        rows=tuple(_write_level(trend) for trend in trends),
    )


@lru_cache(maxsize=64)
def draw_file(points: "tuple[FilePoint, ...]", *, level: str, zone: str) -> Figure:
    """A file at one level, run by run."""
    days = [f"{point.ran_at.astimezone(ZoneInfo(zone)):%-d %b %Y}" for point in points]
    names = [f"run {point.run}, {day}" for point, day in zip(points, days, strict=True)]
    pane = _make_pane("Line coverage", "of lines", points, _lines)
    return Figure(
        id="history",
        title=f"{len(points)} runs{f', level {show_unseen(level)}' if level else ''}",
        subtitle="oldest left",
        label=f"A line over {len(points)} runs: from {_write(points[0])} to {_write(points[-1])}.",
        plot=stack_panes([pane], x=names, ticks=choose_ticks(days)),
        head=("Run", "Day", "Lines that ran"),
        rows=tuple(
            (str(point.run), day, _write(point)) for point, day in reversed(list(zip(points, days, strict=True)))
        ),
    )


def _make_pane(
    title: str,
    note: str,
    points: "Sequence[TrendPoint | FilePoint | None]",
    take_figures: "Callable[[TrendPoint | FilePoint], tuple[int, int]]",
    *,
    low: float | None = None,
    last: "TrendPoint | None" = None,
) -> Pane:
    values = tuple(None if point is None else _share(*take_figures(point)) for point in points)
    newest = last or next(point for point in reversed(points) if point is not None)
    part, whole = take_figures(newest)
    floor = find_floor(values) if low is None else low
    is_cut = bool(floor and note)
    return Pane(
        title=title,
        note=f"{note}; the axis starts at {floor:.0f} %" if is_cut else note,
        values=values,
        shape="line",
        end=f"<b>{write_share(part, whole)}</b> now",
        hover="%{y:.1f} %" if note else f"{escape_label(title)}: %{{y:.1f}} %",
        floor=floor,
        ceiling=100.0,
        tick_suffix=" %",
        is_low=not note,
    )


def _lines(point: "TrendPoint | FilePoint") -> tuple[int, int]:
    return point.covered.lines_covered, point.covered.lines_valid


def _branches(point: "TrendPoint | FilePoint") -> tuple[int, int]:
    return point.covered.branches_covered, point.covered.branches_valid


def _share(part: int, whole: int) -> float | None:
    """In per cent, one decimal, rounded down; None of nothing."""
    return part * 1000 // whole / 10 if whole else None


def _spread(points: "Sequence[TrendPoint]", days: "Sequence[date]") -> "list[TrendPoint | None]":
    by_day = {point.day: point for point in points}
    return [by_day.get(day) for day in days]


def _write(point: "TrendPoint | FilePoint") -> str:
    return _write_fraction(point.covered.lines_covered, point.covered.lines_valid)


def _write_fraction(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,}, {write_share(part, whole)}" if whole else "none"


def _write_day(point: "TrendPoint", *, has_branches: bool) -> tuple[str, ...]:
    row = (f"{point.day:%-d %b %Y}", str(point.run), _write(point))
    if not has_branches:
        return row
    return (*row, _write_fraction(point.covered.branches_covered, point.covered.branches_valid))


def _write_level(trend: "LevelTrend") -> tuple[str, ...]:
    known = [point for point in trend.points if point.covered.lines_valid] or [trend.last]
    lowest = min(known, key=lambda point: _share(*_lines(point)) or 0)
    highest = max(known, key=lambda point: _share(*_lines(point)) or 0)
    return (
        show_unseen(trend.name),
        f"{len(trend.points):,}",
        _write(trend.last),
        *(f"{_write(point)}, {point.day:%-d %b %Y}" for point in (lowest, highest)),
    )


def _count_days(n: int) -> str:
    return f"{n:,} day{'' if n == 1 else 's'} with coverage"


def _say(trend: "LevelTrend") -> str:
    first, last = trend.points[0], trend.last
    what = f"Level {show_unseen(trend.level)}" if trend.level else "Lines that ran"
    return f"{what} over {_count_days(len(trend.points))}: from {_write(first)} to {_write(last)}."
