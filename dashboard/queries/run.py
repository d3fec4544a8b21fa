"""One run: what it counts, what broke and what it said, what changed since its baseline, what it was made of.

Called by `dashboard.views.run`.
Promise: a bounded number of statements, and the lists agree with the counts of the rollups
(`tests/dashboard/test_run_queries.py`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from dashboard.filters import Filters
from dashboard.queries.backed import read_backed_in_run
from dashboard.queries.cases import CaseName, read_case_names
from dashboard.queries.changes import JobChange, read_changes
from dashboard.queries.covered import LevelFact, read_of_run
from dashboard.queries.entry_marks import read_marks
from dashboard.queries.facts import (
    JOB_COLUMNS,
    RUN_COLUMNS,
    Changes,
    Counts,
    JobFact,
    RunFact,
    Verdict,
    judge,
    name_job,
    read_job,
    read_run,
    sum_changes,
    sum_counts,
)
from dashboard.queries.failures import MOST_CASES, Failures, pick_broken, read_failures
from dashboard.queries.missing import read_missing
from dashboard.queries.outcome_pairs import PairTable, tabulate_pairs
from dashboard.queries.owners import read_owners
from dashboard.queries.put_off import MOST_CASES as MOST_PUT_OFF
from dashboard.queries.put_off import PutOff, pick_put_off, read_put_off
from dashboard.queries.renames import State, list_proposals
from dashboard.queries.run_deliveries import Deliveries, read_deliveries
from dashboard.queries.scope import read_scope
from dashboard.queries.sql import fetch_rows
from dashboard.queries.two_axes import tell_axes, tell_backed
from health.completeness import Missing
from health.models import Project
from health.rules import outcomes as codes

_MOST_JOBS: Final = 24  # compared case by case; of more, the reader chooses one
_MOST_LISTED: Final = 100
N_OWNED: Final = 5_000  # of a list, in which an owner's cases are looked for


@dataclass(frozen=True, slots=True)
class SuiteLine:
    """One suite over the jobs shown."""

    name: str
    level: str
    counts: Counts
    n_jobs: int
    numbers: tuple[int, ...] = ()  # a suite is a name at a level, and may have had several numbers
    backed: int | None = None  # how many of its deferred results are; None where nobody knows

    @property
    def line(self) -> str:
        """Executed of declared and backed of deferred, in one line; empty where nothing was put off."""
        return tell_axes(self.counts, backed=self.backed) if self.counts.deferred else ""

    @property
    def told_backed(self) -> str:
        """What follows the number of deferred tests."""
        return tell_backed(self.counts, backed=self.backed)

    @property
    def mark(self) -> str:
        """The mark's name; a suite of nothing but skips is absent."""
        if self.counts.errored:
            return "error"
        if self.counts.failed:
            return "fail"
        return "pass" if self.counts.executed else "absent"


@dataclass(frozen=True, slots=True)
class NamedCase:
    """A case in a list of changes, with the job it is about."""

    case: CaseName
    job: JobFact


@dataclass(frozen=True, slots=True)
class CaseList:
    """Fixed, gone or retried cases; `n` counts them all, `cases` are the first of them."""

    n: int
    cases: tuple[NamedCase, ...]


@dataclass(frozen=True, slots=True)
class RunPage:
    """All the page shows. `shown` are the jobs the lists are about: all, or the chosen one."""

    run: RunFact
    jobs: tuple[JobFact, ...]
    shown: tuple[JobFact, ...]
    chosen: JobFact | None
    is_cut: bool
    counts: Counts
    suites: tuple[SuiteLine, ...]
    failures: Failures
    fixed: CaseList
    gone: CaseList
    retried: CaseList
    put_off: PutOff
    pairs: PairTable | None
    deliveries: Deliveries
    coverage: tuple[LevelFact, ...]  # of the whole run, whatever jobs are shown
    baselines: tuple[int, ...]
    is_kept: bool
    previous: int | None
    following: int | None
    missing: Missing | None = None
    narrowed: Changes | None = None  # counted anew where only some suites are shown
    n_renamed: int = 0  # cases that vanished and look like others that appeared, still to be decided
    n_gone_renamed: int = 0  # of those gone, how many look renamed
    same_commit: tuple[int, ...] = ()  # the runs it is compared with, where all of them are of its own commit
    backed: int | None = None  # how many of the deferred results shown are; None for a run that stands no more

    @property
    def line(self) -> str:
        """Executed of declared and backed of deferred, in one line."""
        return tell_axes(self.counts, backed=self.backed)

    @property
    def is_complete(self) -> bool:
        """Whether the run, or the chosen job of it, lacks nothing."""
        return self.chosen.is_complete if self.chosen else self.run.is_complete

    @property
    def told_missing(self) -> str:
        """What it lacks, as a clause; empty when that is nothing."""
        return self.missing.tell() if self.missing and not self.is_complete else ""

    @property
    def is_bare(self) -> bool:
        """Whether it brought coverage and no test results."""
        return bool(self.coverage) and not self.jobs

    @property
    def has_jobs(self) -> bool:
        """Whether the lists are about several jobs, so that each row names its own."""
        return len(self.shown) > 1

    @property
    def has_levels(self) -> bool:
        """Whether any suite's test level is known."""
        return any(suite.level for suite in self.suites)

    @property
    def is_branch_assumed(self) -> bool:
        """Whether no delivery named a branch, so that the run counts for the default one."""
        return bool(self.deliveries.n) and not self.deliveries.has_branch

    @property
    def what(self) -> str:
        """The jobs shown, in words."""
        jobs = [(job.job, job.variant) for job in self.shown]
        if len(jobs) > 1:
            return f"these {len(jobs)} jobs"
        return f"job {name_job(*jobs[0])}" if jobs and any(jobs[0]) else ""

    @property
    def verdict(self) -> Verdict:
        """Mark and word of what is shown."""
        if self.is_bare and self.is_complete:
            return Verdict("absent", "no test results")
        return judge(self.counts, is_complete=self.is_complete)

    @property
    def changes(self) -> Changes:
        """What became of the cases shown since their baselines."""
        return self.narrowed or sum_changes(job.changes for job in self.shown)

    @property
    def n_fixed(self) -> int:
        """Broken in the baseline, passed here."""
        return self.changes.fixed

    @property
    def n_gone(self) -> int:
        """In the baseline, not here."""
        return self.changes.gone

    @property
    def n_new(self) -> int:
        """Broken here and not in the baseline, where they held, were skipped, or were not there at all."""
        return self.changes.new

    @property
    def n_still(self) -> int:
        """Failures the baseline had already."""
        return self.changes.still


def read_run_page(
    project: Project, *, number: int, series: str = "", for_owner: bool = False, filters: Filters | None = None
) -> RunPage | None:
    """The run of that number, narrowed to the job of one series when asked; None when there is none.

    `filters` may choose a suite, a level, and an owner of the cases listed. Only an owner of the project is shown what
    looks like a secret.
    """
    rows = fetch_rows(_RUN_SQL, {"project": project.pk, "number": number})
    if not rows:
        return None
    run = read_run(rows[0][:-2])
    previous, following = rows[0][-2:]
    job_rows = fetch_rows(_JOBS_SQL, {"project": project.pk, "number": number})
    jobs = tuple(read_job(row) for row in job_rows)
    commits = {job.baseline.run: row[-1] for job, row in zip(jobs, job_rows, strict=True) if job.baseline}
    chosen = next((job for job in jobs if str(job.key.series) == series), None)
    shown = (chosen,) if chosen else jobs
    compared = sorted(shown, key=lambda job: (job.counts.broken, job.changes.gone), reverse=True)[:_MOST_JOBS]
    filters = filters or Filters()
    suites = tuple(read_scope(project, filters).suites) if filters.suite or filters.level else None
    changes = read_changes(project, jobs=compared, suites=suites)
    picked = [pick_broken(changes), pick_put_off(changes), *_pick_lists(changes)]
    if filters.owner:
        picked = _keep_owned(project, picked, filters.owner)
    broken, put_off, *lists = picked
    marked = {ord_ for _, ord_ in (*broken[:MOST_CASES], *put_off[:MOST_PUT_OFF])}
    ords = marked | {ord_ for found in lists for _, ord_ in found[:_MOST_LISTED]}
    names = read_case_names(project.pk, project.slug, ords=sorted(ords))
    entries = read_marks(project, ords=marked)
    fixed, gone, retried = (_list(found, names) for found in lists)
    lines = _read_suites(project, number, [job.key.series for job in shown], suites)
    backed = read_backed_in_run(project, jobs=shown, changes=changes)
    if backed is not None:
        lines = tuple(replace(line, backed=sum(backed.by_suite.get(n, 0) for n in line.numbers)) for line in lines)
    baselines = tuple(sorted({job.baseline.run for job in shown if job.baseline}))
    renamed = [proposal.old for proposal in list_proposals(project, states=[State.PROPOSED], run=number)]
    return RunPage(
        run=run,
        jobs=jobs,
        shown=shown,
        chosen=chosen,
        is_cut=len(compared) < len(shown),
        counts=sum_counts(job.counts for job in shown) if suites is None else sum_counts(line.counts for line in lines),
        suites=lines,
        failures=read_failures(project, broken=broken, names=names, entries=entries, for_owner=for_owner),
        fixed=fixed,
        gone=gone,
        retried=retried,
        put_off=read_put_off(project, picked=put_off, names=names, entries=entries),
        pairs=tabulate_pairs(change for change in changes if change.is_comparable),
        deliveries=read_deliveries(project, number=number, jobs=shown, is_whole=chosen is None),
        coverage=read_of_run(project, number=number),
        baselines=baselines,
        is_kept=all(change.is_kept for change in changes),
        previous=previous,
        following=following,
        missing=_read_missing(project, run, chosen),
        narrowed=None if suites is None else sum_changes(Changes(*change.transitions.count()) for change in changes),
        n_renamed=len(renamed),
        n_gone_renamed=_count_gone(changes, renamed),
        same_commit=baselines if run.commit and all(commits[one] == run.commit for one in baselines) else (),
        backed=backed.n if backed else None,
    )


def _count_gone(changes: Sequence[JobChange], ords: Sequence[int]) -> int:
    """How many results of these cases are gone, over all jobs."""
    return sum(int(change.transitions.gone[list(ords)].sum()) for change in changes if change.is_comparable)


def _read_missing(project: Project, run: RunFact, chosen: JobFact | None) -> Missing | None:
    missing = read_missing(project, [run]).get(run.number)
    title = ", ".join(part for part in (chosen.job, chosen.variant) if part) if chosen else ""
    return missing.narrow(title) if missing and chosen else missing


def _pick_lists(changes: Sequence[JobChange]) -> list[list[tuple[JobChange, int]]]:
    return [_pick(changes, "fixed"), _pick(changes, "gone"), _pick_retried(changes)]


def _keep_owned(
    project: Project, picked: Sequence[Sequence[tuple[JobChange, int]]], owner: str
) -> list[list[tuple[JobChange, int]]]:
    """Of each list the cases that somebody owns; the first N_OWNED of each are looked at."""
    lists = [found[:N_OWNED] for found in picked]
    ords = {ord_ for found in lists for _, ord_ in found}
    names = read_case_names(project.pk, project.slug, ords=sorted(ords))
    owners = read_owners(project, cases=list(names.values()))
    return [[entry for entry in found if owner in owners.get(entry[1], ())] for found in lists]


def _pick(changes: Iterable[JobChange], name: str) -> list[tuple[JobChange, int]]:
    return [
        (change, ord_)
        for change in changes
        if change.is_comparable
        for ord_ in np.flatnonzero(getattr(change.transitions, name)).tolist()
    ]


def _pick_retried(changes: Iterable[JobChange]) -> list[tuple[JobChange, int]]:
    return [
        (change, ord_)
        for change in changes
        for ord_ in np.flatnonzero(change.now.outcomes == codes.PASS_ON_RETRY).tolist()
    ]


def _list(picked: Sequence[tuple[JobChange, int]], names: dict[int, CaseName]) -> CaseList:
    cases = tuple(NamedCase(names[ord_], change.job) for change, ord_ in picked[:_MOST_LISTED] if ord_ in names)
    return CaseList(len(picked), cases)


def _read_suites(
    project: Project, number: int, series: Sequence[int], suites: Sequence[int] | None
) -> tuple[SuiteLine, ...]:
    chosen = None if suites is None else list(suites)
    rows = fetch_rows(_SUITES_SQL, {"project": project.pk, "number": number, "series": list(series), "suites": chosen})
    lines = [
        SuiteLine(name, level, Counts(*counts), n_jobs, tuple(numbers))
        for name, level, n_jobs, numbers, *counts in rows
    ]
    return tuple(sorted(lines, key=lambda line: (-line.counts.errored, -line.counts.failed, line.name)))


_NEIGHBOUR: Final = """
(SELECT n.number FROM health_run n
 WHERE n.project_id = r.project_id AND n.lane = r.lane AND n.ordered_at {1} r.ordered_at
   AND (n.ordered_at, n.ran_at, n.number) {0} (r.ordered_at, r.ran_at, r.number)
 ORDER BY n.ordered_at {2}, n.ran_at {2}, n.number {2} LIMIT 1)
"""

_RUN_SQL: Final = f"""
SELECT {RUN_COLUMNS.format("r")},
    {_NEIGHBOUR.format("<", "<=", "DESC")}, {_NEIGHBOUR.format(">", ">=", "ASC")}
FROM health_run r
WHERE r.project_id = %(project)s AND r.number = %(number)s
"""  # noqa: S608 - the columns are constants

_JOBS_SQL: Final = f"""
SELECT {JOB_COLUMNS.format("j", "s")}, b.commit
FROM health_job j JOIN health_series s ON s.project_id = j.project_id AND s.number = j.series
LEFT JOIN health_run b ON b.project_id = j.project_id AND b.number = j.baseline_run
WHERE j.project_id = %(project)s AND j.run = %(number)s
ORDER BY s.job, s.variant, s.lane
"""  # noqa: S608 - the columns are constants

_SUITES_SQL: Final = """
SELECT s.name, s.level, count(*), array_agg(DISTINCT s.number), sum(c.n_declared), sum(c.n_passed), sum(c.n_failed),
       sum(c.n_errored), sum(c.n_skipped), sum(c.n_xfailed), sum(c.n_flaky), sum(c.duration)::bigint
FROM health_runsuite c JOIN health_suite s ON s.project_id = c.project_id AND s.number = c.suite
WHERE c.project_id = %(project)s AND c.run = %(number)s AND c.series = ANY(%(series)s)
  AND (%(suites)s::int[] IS NULL OR c.suite = ANY(%(suites)s))
GROUP BY s.name, s.level
"""
