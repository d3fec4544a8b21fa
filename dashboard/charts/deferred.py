"""How many tests were put off over time, and the test-days they came to.

Called by `dashboard.views.deferred`; pure (`tests/dashboard/test_deferred_charts.py`).
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from dashboard.charts.figure import Figure, Pane, stack_panes

if TYPE_CHECKING:
    from dashboard.queries.deferred_trend import DebtTrend

_MOST_ROWS: Final = 60


@lru_cache(maxsize=64)
def draw_debt(trend: "DebtTrend") -> Figure:
    """A step line of tests, and below it the line of their debt, to the same day."""
    points, each = trend.points, "day" if trend.step == 1 else "week"
    first, last = points[0], points[-1]
    panes = (
        Pane(
            "Put off",
            "tests",
            tuple(point.n for point in points),
            "step",
            f"<b>{last.n:,}</b> now",
            "%{y:,} put off",
            floor=0,
        ),
        Pane(
            "Debt",
            "test-days open",
            tuple(point.debt for point in points),
            "line",
            f"<b>{last.debt:,}</b> now",
            "%{y:,} test-days",
            floor=0,
        ),
    )
    return Figure(
        id="debt-trend",
        title=f"Put off and debt, a point a {each}",
        subtitle="as the newest reports of the branch say",
        label=(
            f"Two lines over {len(points)} points, from {first.n:,} tests put off on {first.day:%-d %b %Y} to"
            f" {last.n:,} on {last.day:%-d %b %Y}, with {last.debt:,} test-days open."
        ),
        plot=stack_panes(panes, x=[point.day.isoformat() for point in points]),
        head=("Day", "Put off", "Test-days open"),
        rows=tuple(
            (f"{point.day:%-d %b %Y}", f"{point.n:,}", f"{point.debt:,}") for point in reversed(points[-_MOST_ROWS:])
        ),
    )
