"""The overview's small trend: failures, declared tests and test time, one step a run.

Called by `dashboard.views.overview`; pure (`tests/dashboard/test_overview_charts.py`).
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from dashboard.charts.figure import Figure, Pane, choose_ticks, show_unseen, stack_panes, write_seconds, write_share

if TYPE_CHECKING:
    from dashboard.queries.facts import Counts
    from dashboard.queries.standing import Point


@lru_cache(maxsize=64)
def draw_trend(points: "tuple[Point, ...]", *, zone: str, lane: str) -> Figure:
    """Runs stand side by side, oldest left: two on one day are as far apart as two in a quarter."""
    days = [f"{p.run.ran_at.astimezone(ZoneInfo(zone)):%-d %b %Y}" for p in points]
    names = [f"run {p.run.number}, {day}" for p, day in zip(points, days, strict=True)]
    counts = [point.counts for point in points]
    # A run's own: what another job broke before it is on the branch still, and not its doing.
    broken = tuple(p.run.counts.broken + p.run.counts.suite_errors for p in points)
    n_red = sum(point.run.counts.is_red for point in points)
    panes = (
        Pane(
            "Broken",
            "tests failed or errored in the run",
            broken,
            "bars",
            f"<b>{n_red}</b> of {len(points)} runs red",
            "%{y:,} broken",
            floor=0,
        ),
        Pane(
            "Declared",
            "tests",
            tuple(c.declared for c in counts),
            "step",
            f"<b>{counts[-1].declared:,}</b> now",
            "%{y:,} declared",
        ),
        Pane(
            "Test time",
            "seconds, added up",
            tuple(round(c.seconds, 3) for c in counts),
            "line",
            f"<b>{write_seconds(counts[-1].seconds)}</b> now",
            "%{y:,.2f} s in tests",
            floor=0,
        ),
    )
    return Figure(
        id="trend",
        title=f"{len(points)} runs on {show_unseen(lane)}",
        subtitle="oldest first",
        label=_say(points, n_red),
        plot=stack_panes(panes, x=names, ticks=choose_ticks(days)),
        head=("Run", "Day", "Broken in it", "As expected on the branch, of executed", "Declared", "Test time"),
        rows=tuple(
            (
                str(point.run.number),
                day,
                f"{n_broken:,}",
                f"{c.as_expected:,} of {c.executed:,}, {_write_share(c)}",
                f"{c.declared:,}",
                write_seconds(c.seconds),
            )
            for point, n_broken, c, day in reversed(list(zip(points, broken, counts, days, strict=True)))
        ),
    )


def _write_share(counts: "Counts") -> str:
    """All of it is never said without what was put off."""
    is_whole = counts.as_expected == counts.executed > 0
    put_off = f", {counts.deferred:,} put off" if is_whole and counts.deferred else ""
    return f"{write_share(counts.as_expected, counts.executed)}{put_off}"


def _say(points: "Sequence[Point]", n_red: int) -> str:
    # Only with as many jobs as now can a sum be compared.
    alike = [point.counts for point in points if point.is_complete and point.n_jobs == points[-1].n_jobs]
    first, last = (alike or [points[-1].counts])[0], points[-1].counts
    return (
        f"Three lines over {len(points)} runs: {n_red} runs were red; declared tests went from {first.declared:,} to"
        f" {last.declared:,}; test time from {write_seconds(first.seconds)} to {write_seconds(last.seconds)}."
    )
