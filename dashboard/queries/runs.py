"""The list of runs, newest first, a page at a time.

Called by `dashboard.views.runs`. Promise: four statements for any page of any list, one more where a run lacks
something, and three where one put tests off (`tests/dashboard/test_runs_queries.py`).
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from django.utils.text import capfirst

from dashboard.filters import Filters
from dashboard.queries.backed import read_backed_in_newest
from dashboard.queries.covered import LevelFact, read_of_runs
from dashboard.queries.facts import RUN_COLUMNS, RunFact, name_jobs, read_run
from dashboard.queries.missing import read_missing
from dashboard.queries.sql import fetch_rows
from dashboard.queries.two_axes import tell_backed
from dashboard.templatetags.display import find_crowded_days
from health.completeness import Missing
from health.models import Project, Run, Series

N_ROWS: Final = 50


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run, in words the jobs it is made of, and what it measured. `is_bare`: coverage, and no test results."""

    run: RunFact
    what: str
    coverage: tuple[LevelFact, ...] = ()
    is_bare: bool = False
    missing: str = ""  # what it lacks, as a sentence; empty when it is whole
    backed: int | None = None  # how many of its deferred tests are; None for all but the newest one

    @property
    def told_backed(self) -> str:
        """What follows the number of deferred tests."""
        return tell_backed(self.run.counts, backed=self.backed)


@dataclass(frozen=True, slots=True)
class RunList:
    """One page of runs. `next_before` is the number the next page starts behind, empty on the last one."""

    lines: tuple[RunLine, ...]
    branches: tuple[str, ...]
    next_before: str

    @property
    def crowded(self) -> frozenset[date]:
        """The days on which several of the runs shown were."""
        return find_crowded_days(line.run.ran_at for line in self.lines)

    @property
    def has_coverage(self) -> bool:
        """Whether any of the runs shown brought coverage."""
        return any(line.coverage for line in self.lines)

    @property
    def n_red(self) -> int:
        """How many of the runs shown are red."""
        return sum(line.run.counts.is_red for line in self.lines)

    @property
    def n_incomplete(self) -> int:
        """How many of the runs shown lack something."""
        return sum(not line.run.is_complete for line in self.lines)


def list_runs(project: Project, filters: Filters) -> RunList:
    """The runs of all lanes, or of one (`filters.branch`), behind `filters.before`."""
    lanes = Series.objects.filter(project=project).values_list("lane", flat=True).distinct()
    branches = tuple(sorted(lanes, key=lambda lane: (lane != project.default_branch, lane)))
    rows = fetch_rows(*_write_statement(project, filters))
    runs = [read_run(row) for row in rows]
    shown = runs[:N_ROWS]
    numbers = [run.number for run in shown]
    jobs = _read_jobs(project, numbers)
    coverage = read_of_runs(project, numbers=numbers)
    missing = read_missing(project, shown)
    lines = [
        _write_line(run, jobs[run.number], coverage.get(run.number, ()), _tell(missing.get(run.number)))
        for run in shown
    ]
    return RunList(
        lines=tuple(_add_backed(project, lines)),
        branches=branches,
        next_before=str(shown[-1].number) if len(runs) > N_ROWS else "",
    )


def _write_line(
    run: RunFact, jobs: Sequence[tuple[str, str]], coverage: tuple[LevelFact, ...], missing: str
) -> RunLine:
    is_bare = bool(coverage) and not jobs
    return RunLine(run, "" if is_bare else name_jobs(jobs), coverage, is_bare, missing)


def _add_backed(project: Project, lines: Sequence[RunLine]) -> list[RunLine]:
    """Say it of the run that the branch stands on; of older ones nobody knows what was backed then."""
    if not any(line.run.counts.deferred for line in lines):
        return list(lines)
    number, now = read_backed_in_newest(project) or (0, None)
    return [
        replace(line, backed=now.count_backed(line.run.counts)) if now and line.run.number == number else line
        for line in lines
    ]


def _tell(missing: Missing | None) -> str:
    told = missing.tell() if missing else ""
    return capfirst(told)


def _write_statement(project: Project, filters: Filters) -> tuple[str, dict[str, Any]]:
    values: dict[str, Any] = {"project": project.pk, "lane": filters.branch, "limit": N_ROWS + 1}
    conditions = ["AND r.lane = %(lane)s"] if filters.branch else []
    last = _find_last(project, filters.before)
    if last is not None:
        values |= {"ordered_at": last.ordered_at, "ran_at": last.ran_at, "number": last.number}
        conditions.append(
            "AND r.ordered_at <= %(ordered_at)s"
            " AND (r.ordered_at, r.ran_at, r.number) < (%(ordered_at)s, %(ran_at)s, %(number)s)"
        )
    return _RUNS_SQL.format(" ".join(conditions)), values


def _find_last(project: Project, before: str) -> Run | None:
    if not before.isascii() or not before.isdigit() or len(before) > 9:
        return None
    return Run.objects.filter(project=project, number=int(before)).only("ordered_at", "ran_at", "number").first()


def _read_jobs(project: Project, numbers: list[int]) -> dict[int, list[tuple[str, str]]]:
    jobs: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for number, job, variant in fetch_rows(_JOBS_SQL, {"project": project.pk, "runs": numbers}):
        jobs[number].append((job, variant))
    return jobs


_RUNS_SQL: Final = f"""
SELECT {RUN_COLUMNS.format("r")}
FROM health_run r
WHERE r.project_id = %(project)s {{}}
ORDER BY r.ordered_at DESC, r.ran_at DESC, r.number DESC
LIMIT %(limit)s
"""  # noqa: S608 - the columns are constants

_JOBS_SQL: Final = """
SELECT j.run, s.job, s.variant
FROM health_job j JOIN health_series s ON s.project_id = j.project_id AND s.number = j.series
WHERE j.project_id = %(project)s AND j.run = ANY(%(runs)s)
ORDER BY j.run, s.job, s.variant
"""
