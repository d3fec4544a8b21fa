"""How much is put off now, and how much of that is backed: of a branch as it stands, of a run's jobs, of a suite.

Used by the queries of overview, projects, runs, run and trends. The register is about one branch and its standing jobs
(`health.standing`); of other branches and older runs nobody knows what was backed, and None is said. A result is a test
in one job, as all counts of runs are. Where the register knows less or more than a page counted, so much is called
backed as is so in any case. Promise: one statement for any number of projects, three for a run
(`tests/dashboard/test_backed.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from dashboard.queries.changes import JobChange
from dashboard.queries.facts import Counts, JobFact
from dashboard.queries.sql import fetch_rows
from health.models import Project
from health.rules import outcomes as codes
from health.rules.lanes import CHANGES
from health.sql import open_cursor
from health.standing import fetch_standing


@dataclass(frozen=True, slots=True)
class PutOffNow:
    """What the register says of its branch: how many tests, and how many results of its standing jobs."""

    lane: str
    n_tests: int
    n_backed_tests: int
    n_results: int
    n_backed: int

    def count_backed(self, counts: Counts) -> int:
        """How many of these deferred results are backed."""
        n_unbacked = self.n_results - self.n_backed
        return max(min(self.n_backed, counts.deferred - n_unbacked), 0)

    def find_backed(self, counts: Counts, *, lane: str) -> int | None:
        """The same for the counts of a branch as it stands; None for one the register is not about."""
        return self.count_backed(counts) if lane == self.lane else None


@dataclass(frozen=True, slots=True)
class BackedInRun:
    """How many deferred results of a run are backed, in all and by number of the suite they are shown under."""

    n: int
    by_suite: Mapping[int, int]


def read_put_off_now(project_ids: Sequence[int]) -> dict[int, PutOffNow]:
    """By project."""
    rows = fetch_rows(_NOW_SQL, {"projects": list(project_ids), "changes": CHANGES})
    return {project_id: PutOffNow(*facts) for project_id, *facts in rows}


def read_backed_in_newest(project: Project) -> tuple[int, PutOffNow] | None:
    """The run all standing jobs are of, with what the register says; None where they are of several."""
    standing = fetch_standing(open_cursor(), project.pk)
    runs = {job.run for job in standing.jobs}
    if len(runs) != 1:
        return None
    return runs.pop(), read_put_off_now([project.pk])[project.pk]


def read_backed_in_run(
    project: Project, *, jobs: Sequence[JobFact], changes: Sequence[JobChange]
) -> BackedInRun | None:
    """Of these jobs of a run, result by result; None where not all of them stand, or some were not read."""
    is_read = len(changes) == len(jobs) and all(change.is_kept for change in changes)
    if not jobs or not is_read or any(job.lane == CHANGES for job in jobs):
        return None
    if not any(job.counts.deferred for job in jobs):
        return BackedInRun(0, {})
    standing = {(job.run, job.series) for job in fetch_standing(open_cursor(), project.pk).jobs}
    if not {(job.key.run, job.key.series) for job in jobs} <= standing:
        return None
    backed = _read_backed_ords(project)
    suites = [_find_suites(change, backed) for change in changes]
    numbers, counted = np.unique(np.concatenate(suites), return_counts=True)
    by_suite = dict(zip(numbers.tolist(), counted.tolist(), strict=True))
    return BackedInRun(sum(by_suite.values()), by_suite)


def _find_suites(change: JobChange, backed: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """The suite of each result that is put off and backed."""
    here = backed[backed < len(change.now.outcomes)]
    put_off = here[np.isin(change.now.outcomes[here], sorted(codes.DEFERRED))]
    return change.suites[put_off].astype(np.int32)


def _read_backed_ords(project: Project) -> npt.NDArray[np.int32]:
    """The cases that are put off now and backed."""
    rows = fetch_rows(_ORDS_SQL, {"project": project.pk})
    return np.array(rows[0][0], np.int32)


# The branch as in `health.standing`. Patterns are left out: the cases they name have entries of their own.
_NOW_SQL: Final = """
SELECT p.id,
    coalesce(
        nullif(p.default_branch, ''),
        (SELECT n.lane FROM health_run n WHERE n.project_id = p.id AND n.lane <> %(changes)s
         ORDER BY n.ordered_at DESC, n.number DESC LIMIT 1),
        ''),
    d.n_tests, d.n_backed_tests, d.n_results, d.n_backed
FROM health_project p
CROSS JOIN LATERAL (
    SELECT coalesce(sum(by_backing.n_tests), 0)::int AS n_tests,
        coalesce(sum(by_backing.n_tests) FILTER (WHERE b.state = 'backed'), 0)::int AS n_backed_tests,
        coalesce(sum(by_backing.n_results), 0)::int AS n_results,
        coalesce(sum(by_backing.n_results) FILTER (WHERE b.state = 'backed'), 0)::int AS n_backed
    FROM (SELECT backing_id, count(*) AS n_tests, sum(n_put_off) AS n_results FROM health_deferral
          WHERE project_id = p.id AND closed_at IS NULL AND is_put_off AND ord IS NOT NULL
          GROUP BY backing_id) AS by_backing
    LEFT JOIN health_backing b ON b.id = by_backing.backing_id
) d
WHERE p.id = ANY(%(projects)s)
"""

_ORDS_SQL: Final = """
SELECT coalesce(array_agg(d.ord), '{}')
FROM health_backing b
JOIN health_deferral d ON d.backing_id = b.id AND d.closed_at IS NULL AND d.is_put_off AND d.ord IS NOT NULL
WHERE b.project_id = %(project)s AND b.state = 'backed'
"""
