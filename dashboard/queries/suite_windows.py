"""Suites over the newest complete runs of their series: how many tests each declared, and how long they took.

Used by the queries of shrinking suites and of slow. Promise: one statement, at most N_JOBS runs a series
(`tests/dashboard/test_vanished_queries.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from dashboard.queries.scope import Scope
from dashboard.queries.sql import fetch_rows
from health.models import Project
from health.rules.durations import UNITS_PER_SECOND
from health.windows import N_JOBS


@dataclass(frozen=True, slots=True)
class SuiteMoment:
    """A suite in one complete run of its series; `at`: where that run stands among them, 0 is the oldest."""

    at: int
    run: int
    ran_at: datetime
    n_declared: int
    n_executed: int
    n_broken: int
    units: int

    @property
    def seconds(self) -> float:
        """The time in its cases, added up."""
        return self.units / UNITS_PER_SECOND


@dataclass(frozen=True, slots=True)
class SuiteWindow:
    """A suite in one series, the runs that hold it oldest first; `n_jobs` complete ones there are in all."""

    series: int
    suite: int
    n_jobs: int
    moments: tuple[SuiteMoment, ...]

    @property
    def newest(self) -> SuiteMoment | None:
        """What the newest complete run says of it; None where that run lacks it."""
        last = self.moments[-1]
        return last if last.at == self.n_jobs - 1 else None


def read_suite_windows(project: Project, scope: Scope) -> list[SuiteWindow]:
    """Every suite of a scope that was in a complete run of its series' windows."""
    values = {"project": project.pk, "series": scope.numbers, "suites": scope.suite_numbers, "limit": N_JOBS}
    return [
        SuiteWindow(series, suite, n_jobs, _read_moments(columns))
        for series, suite, n_jobs, *columns in fetch_rows(_SUITES_SQL, values)
    ]


def _read_moments(columns: Sequence[Sequence[Any]]) -> tuple[SuiteMoment, ...]:
    return tuple(SuiteMoment(*entry) for entry in zip(*columns, strict=True))


_SUITES_SQL: Final = """
WITH jobs AS (
    SELECT wanted.series, j.run, j.ran_at,
        count(*) OVER (PARTITION BY wanted.series) AS n_jobs,
        row_number() OVER (PARTITION BY wanted.series ORDER BY j.ordered_at, j.ran_at, j.run) - 1 AS at
    FROM unnest(%(series)s::int[]) AS wanted(series)
    CROSS JOIN LATERAL (
        SELECT run, ran_at, ordered_at, is_complete FROM health_job
        WHERE project_id = %(project)s AND series = wanted.series
        ORDER BY ordered_at DESC, ran_at DESC, run DESC LIMIT %(limit)s) j
    WHERE j.is_complete
)
SELECT jobs.series, s.suite, max(jobs.n_jobs),
    array_agg(jobs.at ORDER BY jobs.at), array_agg(jobs.run ORDER BY jobs.at),
    array_agg(jobs.ran_at ORDER BY jobs.at), array_agg(s.n_declared ORDER BY jobs.at),
    array_agg(s.n_declared - s.n_skipped ORDER BY jobs.at), array_agg(s.n_failed + s.n_errored ORDER BY jobs.at),
    array_agg(s.duration ORDER BY jobs.at)
FROM jobs JOIN health_runsuite s ON s.project_id = %(project)s AND s.run = jobs.run AND s.series = jobs.series
WHERE %(suites)s::int[] IS NULL OR s.suite = ANY(%(suites)s)
GROUP BY jobs.series, s.suite ORDER BY jobs.series, s.suite
"""
