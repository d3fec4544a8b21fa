"""The two sides of a comparison: a run, or the newest complete state of a branch.

Used by `dashboard.queries.compare`. A side is asked for by a run's number or a branch's name; a branch is the newest
complete job of each of its job × variants, among its newest runs.
Promise: six statements at most (`tests/dashboard/test_compare_queries.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dashboard.filters import Filters
from dashboard.queries.facts import JOB_COLUMNS, RUN_COLUMNS, JobFact, RunFact, read_job, read_run
from dashboard.queries.missing import read_missing
from dashboard.queries.sql import fetch_rows
from dashboard.templatetags.display import plain
from health.models import Project
from health.rules.lanes import CHANGES

N_RUNS: Final = 30  # of a branch, in which its jobs are looked for


@dataclass(frozen=True, slots=True)
class Side:
    """What one side of a comparison is made of. `runs`: newest first, those its jobs and its coverage are from."""

    asked: str
    is_branch: bool
    runs: tuple[RunFact, ...]
    jobs: tuple[JobFact, ...]
    lacks: str = ""  # what the run lacks, as a clause; empty when it is whole

    @property
    def title(self) -> str:
        """In words: "run 12", "main"."""
        return plain(self.asked) if self.is_branch else f"run {self.asked}"

    @property
    def newest(self) -> RunFact:
        """The run, or the newest of the branch that its jobs are from."""
        numbers = {job.key.run for job in self.jobs}
        return next((run for run in self.runs if run.number in numbers), self.runs[0])


@dataclass(frozen=True, slots=True)
class Sides:
    """Both sides as far as they exist; `start` and `end` are what was asked for, or stands in for it."""

    start: str
    end: str
    before: Side | None
    now: Side | None


def read_sides(project: Project, filters: Filters) -> Sides:
    """What the address asks for. It may leave out either side: then the default branch and its newest run stand in."""
    start, end = filters.start, filters.end
    if filters.branch:
        start, end = _name_default(project), filters.branch
    if not end:
        end = _find_newest(project)
    is_run = _is_number(end) and not filters.branch
    if not start:
        start = _find_previous(project, int(end)) if is_run else _name_default(project)
    asked = {int(word) for word, is_named in ((start, False), (end, bool(filters.branch))) if _is_run(word, is_named)}
    runs = _read_runs(project, sorted(asked))
    before = _choose(project, start, runs, is_named=bool(filters.branch))
    now = before if start == end else _choose(project, end, runs, is_named=bool(filters.branch))
    return Sides(start, end, before, now)


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) <= 9


def _is_run(word: str, is_named: bool) -> bool:
    """A number is a run, unless it stands where only a branch can."""
    return _is_number(word) and not is_named


def _choose(project: Project, asked: str, runs: dict[int, Side], *, is_named: bool) -> Side | None:
    if _is_run(asked, is_named):
        return runs.get(int(asked))
    return _read_branch(project, asked) if asked else None


def _read_runs(project: Project, numbers: Sequence[int]) -> dict[int, Side]:
    """Single runs with all their jobs."""
    if not numbers:
        return {}
    found = [read_run(row) for row in fetch_rows(_RUNS_SQL, {"project": project.pk, "numbers": list(numbers)})]
    jobs = _read_jobs(project, [run.number for run in found])
    missing = read_missing(project, found)
    return {
        run.number: Side(
            asked=str(run.number),
            is_branch=False,
            runs=(run,),
            jobs=tuple(job for job in jobs if job.key.run == run.number),
            lacks=missing[run.number].tell(f"run {run.number}") if run.number in missing else "",
        )
        for run in found
    }


def _read_branch(project: Project, branch: str) -> Side | None:
    """The newest complete job of each job × variant that reported in the branch's newest runs."""
    values = {"project": project.pk, "branch": branch, "changes": CHANGES, "limit": N_RUNS}
    runs = tuple(read_run(row) for row in fetch_rows(_BRANCH_SQL, values))
    if not runs:
        return None
    places = {run.number: place for place, run in enumerate(runs)}
    newest: dict[tuple[str, str], JobFact] = {}
    for job in sorted(_read_jobs(project, list(places)), key=lambda job: places[job.key.run], reverse=True):
        if job.is_complete:
            newest[job.job, job.variant] = job
    jobs = sorted(newest.values(), key=lambda job: (job.job, job.variant))
    return Side(asked=branch, is_branch=True, runs=runs, jobs=tuple(jobs))


def _read_jobs(project: Project, runs: Sequence[int]) -> list[JobFact]:
    return [read_job(row) for row in fetch_rows(_JOBS_SQL, {"project": project.pk, "runs": list(runs)})]


def _name_default(project: Project) -> str:
    """The default branch; where nobody named one, the long-lived branch that ran last."""
    if project.default_branch:
        return project.default_branch
    rows = fetch_rows(_LAST_LANE_SQL, {"project": project.pk, "changes": CHANGES})
    return str(rows[0][0]) if rows else ""


def _find_newest(project: Project) -> str:
    """The newest run of the default branch, else of any; empty when there is none."""
    values = {"project": project.pk, "lane": project.default_branch}
    rows = fetch_rows(_NEWEST_SQL, values) or fetch_rows(_NEWEST_OF_ALL_SQL, values)
    return str(rows[0][0]) if rows else ""


def _find_previous(project: Project, number: int) -> str:
    """The run before it on its long-lived branch; of any other run, the default branch; else the run itself."""
    rows = fetch_rows(_PREVIOUS_SQL, {"project": project.pk, "number": number})
    lane, previous = rows[0] if rows else ("", None)
    if lane == CHANGES:
        return _name_default(project) or str(number)
    return str(previous or number)


_ORDER: Final = "ORDER BY r.ordered_at DESC, r.ran_at DESC, r.number DESC"

_RUNS_SQL: Final = f"""
SELECT {RUN_COLUMNS.format("r")} FROM health_run r WHERE r.project_id = %(project)s AND r.number = ANY(%(numbers)s)
"""  # noqa: S608 - the columns are constants

# A pull request from a branch called as the default one is not that branch.
_BRANCH_SQL: Final = f"""
SELECT {RUN_COLUMNS.format("r")} FROM health_run r
WHERE r.project_id = %(project)s AND (r.lane = %(branch)s AND r.lane <> %(changes)s
    OR r.lane = %(changes)s AND r.branch = %(branch)s AND NOT EXISTS (
        SELECT FROM health_series s
        WHERE s.project_id = r.project_id AND s.lane = %(branch)s AND s.lane <> %(changes)s))
{_ORDER} LIMIT %(limit)s
"""  # noqa: S608 - the columns are constants

_JOBS_SQL: Final = f"""
SELECT {JOB_COLUMNS.format("j", "s")}
FROM health_job j JOIN health_series s ON s.project_id = j.project_id AND s.number = j.series
WHERE j.project_id = %(project)s AND j.run = ANY(%(runs)s)
ORDER BY s.job, s.variant, s.lane
"""  # noqa: S608 - the columns are constants

_NEWEST_SQL: Final = f"""
SELECT r.number FROM health_run r WHERE r.project_id = %(project)s AND r.lane = %(lane)s {_ORDER} LIMIT 1
"""  # noqa: S608 - constants
_NEWEST_OF_ALL_SQL: Final = f"""
SELECT r.number FROM health_run r WHERE r.project_id = %(project)s {_ORDER} LIMIT 1
"""  # noqa: S608 - constants

_LAST_LANE_SQL: Final = f"""
SELECT r.lane FROM health_run r WHERE r.project_id = %(project)s AND r.lane <> %(changes)s {_ORDER} LIMIT 1
"""  # noqa: S608 - constants

_PREVIOUS_SQL: Final = """
SELECT mine.lane, (
    SELECT r.number FROM health_run r
    WHERE r.project_id = mine.project_id AND r.lane = mine.lane AND r.ordered_at <= mine.ordered_at
      AND (r.ordered_at, r.ran_at, r.number) < (mine.ordered_at, mine.ran_at, mine.number)
    ORDER BY r.ordered_at DESC, r.ran_at DESC, r.number DESC LIMIT 1)
FROM health_run mine WHERE mine.project_id = %(project)s AND mine.number = %(number)s
"""
