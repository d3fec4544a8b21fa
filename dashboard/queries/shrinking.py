"""Suites whose declared tests slide away although nothing has to fail: the newest complete run against its window.

Used by the queries of vanished and of what needs attention. The rule is in `health.rules.shrinking`; what is only
listed as renamed is no loss.
Promise: two statements (`tests/dashboard/test_vanished_queries.py`).
"""

from collections import defaultdict
from dataclasses import dataclass
from statistics import median
from typing import Final

from dashboard.queries.scope import Scope
from dashboard.queries.shown_suites import write_shown_suite
from dashboard.queries.sql import fetch_rows
from dashboard.queries.suite_windows import SuiteMoment, SuiteWindow, read_suite_windows
from dashboard.templatetags.display import in_words
from health.models import Project, VanishedCase
from health.rules.shrinking import MIN_FEWER, MIN_RUNS, MIN_SHARE, MIN_STEPS, count_steps, find_loss
from health.windows import N_JOBS


@dataclass(frozen=True, slots=True)
class Shrinking:
    """A suite in one series that declares fewer tests than it did."""

    suite: str
    level: str
    series: str
    now: int
    usual: float
    most: SuiteMoment
    newest: SuiteMoment | None  # None: the newest complete run lacks the suite
    n_back: int  # complete runs since it declared most
    n_steps: int  # how many of them lost some
    n_renamed: int
    n_runs: int
    line: tuple[int, ...]  # declared in each complete run that held it, oldest first, and now

    @property
    def n_fewer(self) -> int:
        """How many fewer than the most it declared."""
        return self.most.n_declared - self.now

    @property
    def told(self) -> str:
        """How it slid: "104 fewer than 30 runs ago, in six steps"."""
        ago = "one run" if self.n_back == 1 else f"{self.n_back} runs"
        steps = f", in {in_words(self.n_steps)} steps" if self.n_steps > 1 else ", at once"
        renamed = f"; {self.n_renamed:,} of them look renamed" if self.n_renamed else ""
        return f"{self.n_fewer:,} fewer than {ago} ago{steps}{renamed}"

    @property
    def path(self) -> str:
        """The line as an SVG path in a box of 100 × 30."""
        top, step = max(self.line), 100 / max(len(self.line) - 1, 1)
        return " ".join(f"{at * step:.1f},{28 - 26 * n / top if top else 28:.1f}" for at, n in enumerate(self.line))


def read_shrinking(project: Project, scope: Scope) -> tuple[Shrinking, ...]:
    """The suites of a scope that shrink, the largest loss first."""
    windows = read_suite_windows(project, scope)
    found = [(window, now) for window in windows if (now := _find_loss(window)) is not None]
    if not found:
        return ()
    renamed = _count_renamed(project, scope)
    shrinking = [_describe(window, now, scope, renamed[window.series, window.suite]) for window, now in found]
    shrinking = [suite for suite in shrinking if suite.n_fewer > suite.n_renamed]
    return tuple(sorted(shrinking, key=lambda suite: (-suite.n_fewer, suite.suite, suite.series)))


def _find_loss(window: SuiteWindow) -> int | None:
    return find_loss([(moment.at, moment.n_declared) for moment in window.moments], n_jobs=window.n_jobs)


def write_rule() -> str:
    """When a suite is said to shrink, with its numbers."""
    return (
        f"Of the newest {N_JOBS} runs of each job the complete ones count, {MIN_RUNS} at least. A suite shrinks when "
        f"the newest declares fewer tests than the median of those before and it fell {in_words(MIN_STEPS)} times or "
        f"more since the most, or when it declares {MIN_SHARE * 100:.0f}\u00a0% and at least {in_words(MIN_FEWER)} "
        "tests fewer than the most. Tests that look renamed are no loss."
    )


def _describe(window: SuiteWindow, now: int, scope: Scope, n_renamed: int) -> Shrinking:
    before = [moment for moment in window.moments if moment.at < window.n_jobs - 1]
    most = max(before, key=lambda moment: (moment.n_declared, moment.at))
    line = [*(moment.n_declared for moment in before), now]
    slide = [*(moment.n_declared for moment in before if moment.at >= most.at), now]
    suite = scope.suites.get(window.suite)
    return Shrinking(
        suite=suite.name if suite else "",
        level=suite.level if suite else "",
        series=scope.titles[window.series],
        now=now,
        usual=median(moment.n_declared for moment in before),
        most=most,
        newest=window.newest,
        n_back=window.n_jobs - 1 - most.at,
        n_steps=count_steps(slide),
        n_renamed=n_renamed,
        n_runs=window.n_jobs,
        line=tuple(line),
    )


def _count_renamed(project: Project, scope: Scope) -> dict[tuple[int, int], int]:
    values = {"project": project.pk, "series": scope.numbers, "renamed": VanishedCase.Suspicion.RENAMED}
    counted: dict[tuple[int, int], int] = defaultdict(int)
    for series, suite, n in fetch_rows(_RENAMED_SQL, values):
        counted[series, suite] = n
    return counted


_RENAMED_SQL: Final = f"""
SELECT v.series, {write_shown_suite(run="v.last_run")} AS suite, count(*) FROM health_vanishedcase v
JOIN health_case c ON c.project_id = v.project_id AND c.ord = v.ord
WHERE v.project_id = %(project)s AND v.series = ANY(%(series)s) AND v.suspicion = %(renamed)s
GROUP BY 1, 2
"""  # noqa: S608 - constants
