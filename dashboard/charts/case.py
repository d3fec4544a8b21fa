"""How long a case took, run by run, with a cross where it broke.

Called by `dashboard.views.case`; pure (`tests/dashboard/test_case_charts.py`).
"""

from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from dashboard.charts.figure import Figure, Pane, choose_ticks, show_unseen, stack_panes, write_seconds

if TYPE_CHECKING:
    from dashboard.queries.case import Timing


@lru_cache(maxsize=128)
def draw_timings(timings: "tuple[Timing, ...]", *, zone: str, series: str, lane: str) -> Figure:
    """One line in milliseconds, oldest run left."""
    days = [f"{timing.ran_at.astimezone(ZoneInfo(zone)):%-d %b %Y}" for timing in timings]
    names = [f"run {t.run}, {day}" for t, day in zip(timings, days, strict=True)]
    slowest, fastest = max(t.seconds for t in timings), min(t.seconds for t in timings)
    pane = Pane(
        title="Time",
        note="milliseconds a run",
        values=tuple(round(timing.seconds * 1000, 2) for timing in timings),
        shape="line",
        end=f"<b>{write_seconds(timings[-1].seconds)}</b> now",
        hover="%{y:,.2f} ms",
        floor=0,
        crosses=tuple(timing.is_broken for timing in timings),
    )
    return Figure(
        id="timings",
        title=f"{len(timings)} runs of {show_unseen(series)}",
        subtitle=f"on {show_unseen(lane)}, oldest first",
        label=(
            f"A line over {len(timings)} runs, between {write_seconds(fastest)} and {write_seconds(slowest)};"
            f" {write_seconds(timings[-1].seconds)} in the newest."
        ),
        plot=stack_panes([pane], x=names, ticks=choose_ticks(days)),
        head=("Run", "Day", "Time", "Broke"),
        rows=tuple(
            (str(timing.run), day, write_seconds(timing.seconds), "yes" if timing.is_broken else "")
            for timing, day in reversed(list(zip(timings, days, strict=True)))
        ),
    )
