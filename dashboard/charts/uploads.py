"""What became of the deliveries, day by day.

Called by `dashboard.views.uploads`; pure (`tests/dashboard/test_uploads_charts.py`).
"""

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from dashboard.charts.figure import Figure, Pane, stack_panes

if TYPE_CHECKING:
    from dashboard.queries.deliveries import DeliveryDay

# Title, note, what is counted, how it is said of one day, colour. Only what happened at all has a pane.
_TROUBLE: Final[tuple[tuple[str, str, "Callable[[DeliveryDay], int]", str, str], ...]] = (
    ("Partly stored", "deliveries", lambda day: day.partial, "partly stored", "var(--flaky)"),
    ("Failed", "deliveries; given up ones too", lambda day: day.failed, "failed", "var(--fail)"),
    ("Refused", "tries at the door; nothing of them was kept", lambda day: day.refused, "refused", "var(--fail)"),
)


@lru_cache(maxsize=64)
def draw_days(days: "tuple[DeliveryDay, ...]") -> Figure:
    """Bars of what was stored, and of each kind of trouble there was."""
    whole = tuple(day.whole for day in days)
    panes = [
        Pane(
            "Stored",
            f"deliveries; most in a day: {max(whole):,}" if any(whole) else "deliveries",
            whole,
            "bars",
            f"<b>{sum(whole):,}</b> of {sum(day.n_kept for day in days):,}",
            "%{y:,} stored",
            floor=0,
            colour="var(--ink)",
        )
    ]
    for title, note, take, said, colour in _TROUBLE:
        values = tuple(take(day) for day in days)
        if any(values):
            hover = f"%{{y:,}} {said}"
            end = f"<b>{sum(values):,}</b> in all"
            panes.append(Pane(title, note, values, "bars", end, hover, floor=0, colour=colour))
    return Figure(
        id="days",
        title=f"Deliveries of the last {len(days)} days",
        subtitle="by the day they arrived",
        label=_say(days),
        plot=stack_panes(panes, x=[day.day.isoformat() for day in days]),
        head=("Day", "Stored", "Partly stored", "Failed", "Refused", "Not yet read"),
        rows=tuple(
            (
                f"{day.day:%-d %b %Y}",
                *(f"{n:,}" for n in (day.whole, day.partial, day.failed, day.refused, day.open)),
            )
            for day in reversed(days)
            if day.n_kept or day.refused
        ),
    )


def _say(days: "tuple[DeliveryDay, ...]") -> str:
    told = ", ".join(f"{sum(take(day) for day in days):,} {said}" for _, _, take, said, _ in _TROUBLE)
    return f"Over {len(days)} days {sum(day.whole for day in days):,} deliveries were stored, {told}."
