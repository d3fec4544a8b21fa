"""The windows that conclusions are drawn from: as of which run they are, and the newest runs of series one by one.

Used by the queries of flaky, vanished, slow, causes and case. Promise: one statement each, and at most N_JOBS jobs a
series (`tests/dashboard/test_scope.py`, `test_flaky_queries.py`).
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dashboard.queries.scope import Scope
from dashboard.queries.sql import fetch_rows
from health.models import Project
from health.rules.flakiness import is_mass_failure
from health.windows import N_JOBS


@dataclass(frozen=True, slots=True)
class Windows:
    """What verdicts of a scope stand on: as of which run, from how many, and how many runs are not judged yet."""

    run: int | None
    ran_at: datetime | None
    n_runs: int  # of the series that has most
    n_excluded: int  # left out as mass failures, over all series
    n_unjudged: int


@dataclass(frozen=True, slots=True)
class JobMoment:
    """One job of a window, with what its results come to."""

    series: int
    run: int
    commit: str
    branch: str
    ran_at: datetime
    ordered_at: datetime
    is_complete: bool
    n_executed: int
    n_broken: int

    @property
    def is_mass_failure(self) -> bool:
        """Whether so much broke at once that it says nothing of single cases."""
        return is_mass_failure(self.n_broken, self.n_executed)

    @property
    def place(self) -> tuple[datetime, datetime, int]:
        """Where it stands among the runs."""
        return (self.ordered_at, self.ran_at, self.run)


def read_windows(project: Project, scope: Scope) -> Windows:
    """As of which run the verdicts of a scope are, and what they were drawn from."""
    rows = fetch_rows(_WINDOWS_SQL, {"project": project.pk, "series": scope.numbers})
    return Windows(*rows[0])


def read_jobs_of_windows(project: Project, *, series: Iterable[int], limit: int = N_JOBS) -> dict[int, list[JobMoment]]:
    """The window of each series, newest first."""
    values = {"project": project.pk, "series": sorted(set(series)), "limit": limit}
    windows: dict[int, list[JobMoment]] = defaultdict(list)
    for row in fetch_rows(_JOBS_SQL, values):
        windows[row[0]].append(JobMoment(*row))
    return dict(windows)


_JOBS_SQL: Final = """
SELECT wanted.series, j.run, r.commit, j.branch, j.ran_at, j.ordered_at, j.is_complete,
    j.n_declared - j.n_skipped, j.n_failed + j.n_errored
FROM unnest(%(series)s::int[]) AS wanted(series)
CROSS JOIN LATERAL (
    SELECT * FROM health_job WHERE project_id = %(project)s AND series = wanted.series
    ORDER BY ordered_at DESC, ran_at DESC, run DESC LIMIT %(limit)s) j
JOIN health_run r ON r.project_id = j.project_id AND r.number = j.run
ORDER BY wanted.series, j.ordered_at DESC, j.ran_at DESC, j.run DESC
"""

_WINDOWS_SQL: Final = """
WITH seen AS (
    SELECT w.last_run, w.n_runs, w.n_excluded, r.ran_at, r.ordered_at FROM health_serieswindow w
    JOIN health_run r ON r.project_id = w.project_id AND r.number = w.last_run
    WHERE w.project_id = %(project)s AND w.series = ANY(%(series)s)
), newest AS (SELECT last_run, ran_at FROM seen ORDER BY ordered_at DESC, ran_at DESC, last_run DESC LIMIT 1)
SELECT (SELECT last_run FROM newest), (SELECT ran_at FROM newest),
    (SELECT coalesce(max(n_runs), 0) FROM seen), (SELECT coalesce(sum(n_excluded), 0) FROM seen)::int,
    (SELECT count(*) FROM health_job j
     WHERE j.project_id = %(project)s AND j.series = ANY(%(series)s) AND NOT j.is_judged)
"""
