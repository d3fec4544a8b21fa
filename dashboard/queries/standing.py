"""How a lane stands: after each of its runs, the newest word of every job that still reports.

Used by the overview and the case page. One run is not enough to say how a branch is: two workflows, or a matrix
without run ids, are several runs, and the newest of them would hide what another one found.
Promise: two queries, however many runs there are, and one more where something is missing
(`tests/dashboard/test_standing.py`).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from dashboard.queries.facts import (
    JOB_COLUMNS,
    RUN_COLUMNS,
    Counts,
    JobFact,
    RunFact,
    Verdict,
    judge,
    read_job,
    read_run,
    sum_counts,
)
from dashboard.queries.missing import read_missing
from dashboard.queries.sql import fetch_rows
from health.completeness import Missing
from health.models import Project
from health.rules.lanes import CHANGES

N_RUNS: Final = 30  # how many runs are shown, and for how many a job that has fallen silent still counts
DEPTH: Final = 2 * N_RUNS + 1  # so many runs with tests are read: what stood at the first one shown was heard before


@dataclass(frozen=True, slots=True)
class Point:
    """The lane after one run: the sum over the newest jobs of its series."""

    run: RunFact
    counts: Counts
    is_complete: bool
    n_jobs: int

    @property
    def is_red(self) -> bool:
        """Whether anything on the lane was broken then."""
        return self.counts.is_red

    @property
    def is_green(self) -> bool:
        """Whether it was whole, something ran, and nothing was broken."""
        return self.is_complete and bool(self.counts.executed) and not self.counts.is_red


@dataclass(frozen=True, slots=True)
class Standing:
    """A lane with its newest runs, oldest first, what it came to after each, and the jobs it now consists of."""

    lane: str
    runs: tuple[RunFact, ...]
    points: tuple[Point, ...]
    jobs: tuple[JobFact, ...]
    silent: tuple[JobFact, ...]  # their sisters reported in a newer run, they did not
    jobs_of_runs: Mapping[int, Sequence[JobFact]]  # by run number
    is_whole: bool  # whether these are all points the lane has
    all_runs: Mapping[int, RunFact] = field(default_factory=dict)  # by number, those too that are too old to be shown
    missing: Mapping[int, Missing] = field(default_factory=dict)  # of the incomplete runs it stands on, by number

    @property
    def head(self) -> Point | None:
        """How it stands now."""
        return self.points[-1] if self.points else None

    @property
    def has_bare(self) -> bool:
        """Whether some of its runs brought coverage and no test results: they are no points."""
        return not {run.number for run in self.runs} <= {point.run.number for point in self.points}

    @property
    def verdict(self) -> Verdict:
        """The state's mark and word."""
        if self.head is None:
            return Verdict("open", "no runs")
        counts = self.head.counts
        verdict = judge(counts, is_complete=self.head.is_complete)
        words = {"error": "errors", "fail": "failing", "stale": "incomplete", "pass": "passing"}
        return Verdict(verdict.mark, words.get(verdict.mark, verdict.word))

    @property
    def red_since(self) -> Point | None:
        """The first point of the red time that lasts until now; the oldest one known when it began before."""
        first = None
        for point in reversed(self.points):
            if not point.is_red:
                break
            first = point
        return first


def read_standing(project: Project, *, lane: str = "") -> Standing:
    """This lane, else the one the project is judged by: its default branch, else the long-lived one that ran last."""
    values = {"project": project.pk, "lane": lane, "changes": CHANGES, "depth": DEPTH, "shown": N_RUNS}
    run_rows = fetch_rows(_RUNS_SQL, values)
    runs = [read_run(row) for row in reversed(run_rows)]
    job_rows = fetch_rows(_JOBS_SQL, {"project": project.pk, "runs": [run.number for run in runs]})
    jobs: dict[int, list[JobFact]] = defaultdict(list)
    for row in job_rows:
        job = read_job(row)
        jobs[job.key.run].append(job)
    points, standing, silent = fold_jobs(runs, jobs)
    return Standing(
        lane=runs[-1].lane if runs else project.default_branch,
        runs=tuple(runs[-N_RUNS:]),
        points=points[-N_RUNS:],
        jobs=standing,
        silent=silent,
        jobs_of_runs=jobs,
        is_whole=len(points) <= N_RUNS,
        all_runs={run.number: run for run in runs},
        missing=_read_missing(project, runs, points, standing),
    )


def _read_missing(
    project: Project, runs: Sequence[RunFact], points: Sequence[Point], standing: Sequence[JobFact]
) -> dict[int, Missing]:
    if not points or points[-1].is_complete:
        return {}
    counted = {job.key.run for job in standing}
    newest = runs[runs.index(points[-1].run) :]
    return read_missing(project, [run for run in runs if run.number in counted or run in newest])


def fold_jobs(
    runs: Sequence[RunFact], jobs: Mapping[int, Sequence[JobFact]]
) -> tuple[tuple[Point, ...], tuple[JobFact, ...], tuple[JobFact, ...]]:
    """Walk the runs from the oldest: the point after each, the jobs that stand at the end, and the silent ones.

    A run without a job brought no test results, only coverage: it says nothing about how the lane stands, unless it
    is the newest and waits for them.
    """
    standing: dict[int, JobFact] = {}
    silent: dict[int, JobFact] = {}
    heard_at: dict[int, int] = {}
    lacking = {run.number for run in runs if _lacks_jobs(run, jobs.get(run.number, ()))}
    points = []
    for at, run in enumerate(run for run in runs if jobs.get(run.number)):
        here = jobs[run.number]
        for series in _find_left_out(standing, here, jobs):
            silent[series] = standing.pop(series)
        for job in here:
            standing[job.key.series] = job
            silent.pop(job.key.series, None)
            heard_at[job.key.series] = at
        for series in [series for series, heard in heard_at.items() if at - heard >= N_RUNS]:
            standing.pop(series, None)
            silent.pop(series, None)
            del heard_at[series]
        points.append(
            Point(
                run=run,
                counts=sum_counts(job.counts for job in standing.values()),
                is_complete=all(job.is_complete for job in standing.values())
                and lacking.isdisjoint({run.number, *(job.key.run for job in standing.values())}),
                n_jobs=len(standing),
            )
        )
    if points and any(not run.is_complete for run in runs[runs.index(points[-1].run) + 1 :]):
        points[-1] = replace(points[-1], is_complete=False)
    return tuple(points), _sort(standing), _sort(silent)


def _lacks_jobs(run: RunFact, jobs: Sequence[JobFact]) -> bool:
    """Whether whole jobs have not come; a job that is not whole itself is replaced by its next run."""
    return not run.is_complete and all(job.is_complete for job in jobs)


def _find_left_out(
    standing: Mapping[int, JobFact], here: Sequence[JobFact], jobs: Mapping[int, Sequence[JobFact]]
) -> list[int]:
    """The series that ran together with one of these jobs' series before, under the same job name, and not now."""
    reported = {job.key.series for job in here}
    names = {job.job for job in here}
    return [
        series
        for series, last in standing.items()
        if series not in reported
        and last.job in names
        and any(other.job == last.job and other.key.series in reported for other in jobs[last.key.run])
    ]


def _sort(jobs: Mapping[int, JobFact]) -> tuple[JobFact, ...]:
    return tuple(sorted(jobs.values(), key=lambda job: (job.job, job.variant)))


def write_newest(*, project: str, lane: str) -> str:
    """SQL: the newest runs of a lane, and so many of those with tests that runs of coverage alone displace none."""
    order = "ORDER BY n.ordered_at DESC, n.ran_at DESC, n.number DESC"
    of_lane = f"SELECT * FROM health_run n WHERE n.project_id = {project} AND n.lane = {lane}"  # noqa: S608
    has_tests = "EXISTS (SELECT FROM health_job j WHERE j.project_id = n.project_id AND j.run = n.number)"
    return f"({of_lane} AND {has_tests} {order} LIMIT %(depth)s) UNION ({of_lane} {order} LIMIT %(shown)s)"


_RUNS_SQL: Final = f"""
WITH lane AS (
    SELECT coalesce(
        nullif(%(lane)s, ''),
        nullif(p.default_branch, ''),
        (SELECT n.lane FROM health_run n WHERE n.project_id = p.id AND n.lane <> %(changes)s
         ORDER BY n.ordered_at DESC, n.number DESC LIMIT 1),
        %(changes)s) AS name
    FROM health_project p WHERE p.id = %(project)s
)
SELECT {RUN_COLUMNS.format("r")} FROM lane
CROSS JOIN LATERAL ({write_newest(project="%(project)s", lane="lane.name")}) r
ORDER BY r.ordered_at DESC, r.ran_at DESC, r.number DESC
"""  # noqa: S608 - the columns are constants

_JOBS_SQL: Final = f"""
SELECT {JOB_COLUMNS.format("j", "s")}
FROM health_job j JOIN health_series s ON s.project_id = j.project_id AND s.number = j.series
WHERE j.project_id = %(project)s AND j.run = ANY(%(runs)s)
ORDER BY j.run, j.series
"""  # noqa: S608 - the columns are constants
