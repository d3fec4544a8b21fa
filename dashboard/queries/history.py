"""The jobs of a series in time, newest first: what strips, streaks and a case's history are laid out along.

Used by the queries of run, case and what needs attention. Promise: one statement, at most `limit` jobs a series.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Final, NamedTuple

from dashboard.queries.facts import JobFact
from dashboard.queries.sql import Row, fetch_rows
from health.models import Project


class Moment(NamedTuple):
    """A job of a series in time: which run, of which branch, when, and whether it was whole."""

    run: int
    branch: str
    ran_at: datetime
    ordered_at: datetime
    is_complete: bool


def read_moments(project: Project, *, series: Iterable[int], limit: int) -> dict[int, list[Moment]]:
    """The newest jobs of each series, newest first."""
    rows = fetch_rows(_NEWEST_SQL, {"project": project.pk, "series": sorted(set(series)), "limit": limit})
    return _group(rows)


def read_moments_until(project: Project, *, jobs: Iterable[JobFact], limit: int) -> dict[int, list[Moment]]:
    """Each of these jobs and those before it in its series, of its branch and pull request; newest first."""
    last = {job.key.series: job for job in jobs}
    values = {
        "project": project.pk,
        "limit": limit,
        "series": list(last),
        "ordered": [job.ordered_at for job in last.values()],
        "ran": [job.ran_at for job in last.values()],
        "runs": [job.key.run for job in last.values()],
    }
    return _group(fetch_rows(_UNTIL_SQL, values))


def _group(rows: Iterable[Row]) -> dict[int, list[Moment]]:
    moments: dict[int, list[Moment]] = defaultdict(list)
    for number, *moment in rows:
        moments[number].append(Moment(*moment))
    return dict(moments)


_NEWEST_SQL: Final = """
SELECT wanted.series, j.run, j.branch, j.ran_at, j.ordered_at, j.is_complete
FROM unnest(%(series)s::int[]) AS wanted(series)
CROSS JOIN LATERAL (
    SELECT run, branch, ran_at, ordered_at, is_complete FROM health_job
    WHERE project_id = %(project)s AND series = wanted.series
    ORDER BY ordered_at DESC, ran_at DESC, run DESC LIMIT %(limit)s) j
ORDER BY wanted.series, j.ordered_at DESC, j.ran_at DESC, j.run DESC
"""

# `ordered_at` once more on its own: the index can be entered there.
_UNTIL_SQL: Final = """
SELECT wanted.series, j.run, j.branch, j.ran_at, j.ordered_at, j.is_complete
FROM unnest(%(series)s::int[], %(ordered)s::timestamptz[], %(ran)s::timestamptz[], %(runs)s::int[])
    AS wanted(series, ordered_at, ran_at, run)
JOIN health_job mine ON mine.project_id = %(project)s AND mine.run = wanted.run AND mine.series = wanted.series
CROSS JOIN LATERAL (
    SELECT run, branch, ran_at, ordered_at, is_complete FROM health_job h
    WHERE h.project_id = %(project)s AND h.series = wanted.series AND h.branch = mine.branch
      AND h.pull_request = mine.pull_request AND h.ordered_at <= wanted.ordered_at
      AND (h.ordered_at, h.ran_at, h.run) <= (wanted.ordered_at, wanted.ran_at, wanted.run)
    ORDER BY ordered_at DESC, ran_at DESC, run DESC LIMIT %(limit)s) j
ORDER BY wanted.series, j.ordered_at DESC, j.ran_at DESC, j.run DESC
"""
