"""Which jobs stand for a project now: on the branch it is judged by, the newest whole one of each series that reports.

Used by `health.register`, `health.backings` and `health.gate`. The branch is the default one, else the long-lived one
that ran last. A series counts while it reported in one of the newest 30 runs of the branch, as on the overview.
Promise: two statements, however long the history (`tests/health/test_standing.py`).
"""

from dataclasses import dataclass
from typing import Final

from health.baselines import JobKey
from health.rules.lanes import CHANGES
from health.sql import Cursor

N_RUNS: Final = 30


@dataclass(frozen=True, slots=True)
class Standing:
    """The branch ("" when none ran yet) and its jobs, in the order of their series; `run` is the newest run of it."""

    lane: str
    run: int | None
    jobs: tuple[JobKey, ...]

    @property
    def series(self) -> list[int]:
        """The series by number."""
        return [job.series for job in self.jobs]


def fetch_standing(cursor: Cursor, project_id: int) -> Standing:
    """The jobs that stand now; a series of which no job is whole stands with its newest one."""
    row = cursor.execute(_LANE_SQL, {"project": project_id, "changes": CHANGES}).fetchone()
    lane = row[0] if row else None
    if not lane:
        return Standing("", None, ())
    rows = cursor.execute(_JOBS_SQL, {"project": project_id, "lane": lane, "runs": N_RUNS}).fetchall()
    newest = rows[0][2] if rows else None
    return Standing(lane, newest, tuple(JobKey(run, series) for run, series, _ in rows))


_LANE_SQL: Final = """
SELECT coalesce(
    nullif(p.default_branch, ''),
    (SELECT n.lane FROM health_run n WHERE n.project_id = p.id AND n.lane <> %(changes)s
     ORDER BY n.ordered_at DESC, n.number DESC LIMIT 1))
FROM health_project p WHERE p.id = %(project)s
"""

_JOBS_SQL: Final = """
WITH recent AS MATERIALIZED (
    SELECT number, ordered_at, ran_at FROM health_run r WHERE r.project_id = %(project)s AND r.lane = %(lane)s
      AND EXISTS (SELECT FROM health_job j WHERE j.project_id = r.project_id AND j.run = r.number)
    ORDER BY r.ordered_at DESC, r.ran_at DESC, r.number DESC LIMIT %(runs)s)
SELECT coalesce(
        (SELECT run FROM health_job j WHERE j.project_id = %(project)s AND j.series = reporting.series AND j.is_complete
         ORDER BY j.ordered_at DESC, j.ran_at DESC, j.run DESC LIMIT 1),
        (SELECT run FROM health_job j WHERE j.project_id = %(project)s AND j.series = reporting.series
         ORDER BY j.ordered_at DESC, j.ran_at DESC, j.run DESC LIMIT 1)),
    reporting.series,
    (SELECT number FROM recent ORDER BY ordered_at DESC, ran_at DESC, number DESC LIMIT 1)
FROM (SELECT DISTINCT j.series FROM recent JOIN health_job j ON j.project_id = %(project)s AND j.run = recent.number)
    AS reporting
ORDER BY reporting.series
"""
