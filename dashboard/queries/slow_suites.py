"""How long suites take, beside what `.suitewatch.yml` says they may.

Used by the queries of slow. A suite without a target is neither within nor over; a target without a run is never
measured. Promise: one statement beside the suites' own (`tests/dashboard/test_slow_queries.py`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from dashboard.queries.run_times import find_usual
from dashboard.queries.scope import Scope
from dashboard.queries.sql import fetch_rows
from dashboard.queries.suite_windows import SuiteMoment, SuiteWindow
from dashboard.templatetags.display import duration
from health.models import Project

OVER: Final = "over"
WITHIN: Final = "within"
NO_TARGET: Final = ""
_RANK: Final = {OVER: 0, WITHIN: 1, NO_TARGET: 1}
_MARKS: Final = {OVER: "stale", WITHIN: "holds", NO_TARGET: "open"}
_WORDS: Final = {OVER: "over its target", WITHIN: "within its target", NO_TARGET: "no target"}


@dataclass(frozen=True, slots=True)
class SuiteTime:
    """A suite in one series: its time in the newest complete run that holds it, against the runs before."""

    suite: str
    level: str
    series: str
    now: SuiteMoment
    usual: float | None  # as `find_usual` says, in seconds
    n_before: int
    target: int | None
    is_slower: bool = False  # than usual, so much that somebody should know

    @property
    def state(self) -> str:
        """Whether it is within its target; nothing without one."""
        if self.target is None:
            return NO_TARGET
        return OVER if self.now.seconds > self.target else WITHIN

    @property
    def mark(self) -> str:
        """The mark's name."""
        return _MARKS[self.state]

    @property
    def word(self) -> str:
        """The state in words."""
        return _WORDS[self.state]

    @property
    def states(self) -> tuple[tuple[str, str], ...]:
        """Marks and words: against its target where it has one, and whether it is slower than usual."""
        against = [(self.mark, self.word)] if self.target is not None else []
        return (*against, *([("stale", "slower than usual")] if self.is_slower else []))

    @property
    def distance(self) -> str:
        """How far from its target: "12 s over", "48 s to spare"."""
        if self.target is None:
            return ""
        gap = self.target - self.now.seconds
        return f"{duration(abs(gap))} {'to spare' if gap >= 0 else 'over'}"


def read_targets(project: Project) -> dict[str, int]:
    """Seconds by suite, as the file in force says; the first entry for a suite counts."""
    if project.configuration is None:
        return {}
    values = {"project": project.pk, "configuration": project.configuration}
    rows = fetch_rows(_TARGETS_SQL, values)
    listed = json.loads(rows[0][0]) if rows and rows[0][0] else []
    return {str(entry["suite"]): int(entry["seconds"]) for entry in reversed(listed)}


def list_suite_times(windows: Sequence[SuiteWindow], scope: Scope, targets: Mapping[str, int]) -> tuple[SuiteTime, ...]:
    """Those over their target first, then those slower than usual, then the longest."""
    titles = scope.titles
    found = [_describe(window, scope, titles[window.series], targets) for window in windows]
    return tuple(sorted(found, key=_rank))


def _rank(time: SuiteTime) -> tuple[int, bool, int, str, str]:
    return (_RANK[time.state], not time.is_slower, -time.now.units, time.suite, time.series)


def _describe(window: SuiteWindow, scope: Scope, title: str, targets: Mapping[str, int]) -> SuiteTime:
    *before, now = window.moments
    suite = scope.suites.get(window.suite)
    name = suite.name if suite else ""
    usual = find_usual([moment.seconds for moment in before if moment.n_executed])
    return SuiteTime(
        suite=name,
        level=suite.level if suite else "",
        series=title,
        now=now,
        usual=usual.seconds if usual else None,
        n_before=usual.n if usual else 0,
        is_slower=usual is not None and usual.is_exceeded_by(now.seconds),
        target=targets.get(name),
    )


_TARGETS_SQL: Final = """
SELECT (content -> 'suite_times')::text FROM health_configuration
WHERE project_id = %(project)s AND number = %(configuration)s
"""
