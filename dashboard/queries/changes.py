"""What became of every case between jobs and their baselines, case by case.

Used by the pages of runs and of comparisons and by what needs attention; the same functions as in the rollups, so
lists and counts agree (`tests/dashboard/test_changes.py`). Promise: two statements, however many jobs and cases.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from dashboard.queries.cases import read_aliases
from dashboard.queries.facts import JobFact, JobKey
from health.models import Project
from health.rollups import Cases, effective_suites, fetch_cases
from health.rules import outcomes as codes
from health.rules.transitions import Transitions, compare_outcomes
from health.sql import Cursor, open_cursor
from health.tiles import BLOCK_SIZE, NO_SUITE, Results, StoredTile, fetch_tiles_of_jobs, merge_tiles

_MOST_KNOWN_PROJECTS: Final = 50
# The suite of every case of a project, by identity epoch; only what was numbered since is read again.
_known: dict[int, tuple[int, Cases]] = {}


@dataclass(frozen=True, slots=True)
class JobChange:
    """A job and its baseline, result by result; arrays are indexed by case number."""

    job: JobFact
    now: Results
    before: Results
    transitions: Transitions
    has_now: bool  # results of either, whatever suites are looked at
    has_before: bool
    suites: npt.NDArray[np.int32]  # the one each case is shown under here

    @property
    def is_kept(self) -> bool:
        """Whether the job's results are still there: retention keeps counts longer than results."""
        return self.has_now or not self.job.counts.declared

    @property
    def is_comparable(self) -> bool:
        """Whether there is a baseline with results to compare with."""
        return self.job.baseline is not None and self.is_kept and self.has_before

    def count_pairs(self) -> list[list[int]]:
        """How many cases went from one outcome (row) to another (column)."""
        pairs = self.before.outcomes.astype(np.int64) * codes.N_OUTCOMES + self.now.outcomes
        table = np.bincount(pairs, minlength=codes.N_OUTCOMES**2).reshape(codes.N_OUTCOMES, codes.N_OUTCOMES)
        return [[int(n) for n in row] for row in table]


def read_changes(
    project: Project, *, jobs: Sequence[JobFact], suites: Collection[int] | None = None
) -> tuple[JobChange, ...]:
    """Compare each job with its baseline, as the rollups did when they counted; of these suites only, where named."""
    if not jobs:
        return ()
    cursor = open_cursor()
    cases = _fetch_known_cases(cursor, project)
    wanted = {job.key for job in jobs} | {job.baseline for job in jobs if job.baseline}
    tiles = fetch_tiles_of_jobs(cursor, project.pk, jobs=sorted(wanted), n_cases=cases.n)
    results = _merge_by_job(tiles, wanted, cases)
    return tuple(_compare(job, results, cases, suites) for job in jobs)


def _compare(
    job: JobFact, results: dict[JobKey, Results], cases: Cases, suites: Collection[int] | None = None
) -> JobChange:
    now = results[job.key]
    before = results[job.baseline] if job.baseline else merge_tiles([], n_cases=cases.n)
    has_now, has_before = bool(now.outcomes.any()), bool(before.outcomes.any())
    if suites is not None:
        now, before = _narrow(now, before, cases, suites)
    shown_in = effective_suites(cases, now)
    if job.baseline is None:
        nothing = np.zeros(cases.n, np.bool_)
        transitions = Transitions(nothing, nothing, nothing, nothing)
    else:
        transitions = compare_outcomes(now.outcomes, before.outcomes, suites=shown_in, is_complete=job.is_complete)
    return JobChange(job, now, before, transitions, has_now, has_before, shown_in)


def _narrow(now: Results, before: Results, cases: Cases, suites: Collection[int]) -> tuple[Results, Results]:
    """Both without the cases of other suites; where a case is absent now, the suite it was in before decides."""
    is_absent = now.outcomes == codes.ABSENT
    of = np.where(is_absent, effective_suites(cases, before), effective_suites(cases, now))
    outside = ~np.isin(of, list(suites))
    return _leave_out(now, outside), _leave_out(before, outside)


def _leave_out(results: Results, outside: npt.NDArray[np.bool_]) -> Results:
    return replace(results, outcomes=np.where(outside, np.uint8(codes.ABSENT), results.outcomes))


def _merge_by_job(tiles: Iterable[StoredTile], wanted: set[JobKey], cases: Cases) -> dict[JobKey, Results]:
    groups: dict[JobKey, list[StoredTile]] = {key: [] for key in wanted}
    for tile in tiles:
        groups[JobKey(tile.run, tile.series)].append(tile)
    return {key: merge_tiles(group, n_cases=cases.n, aliases=cases.aliases) for key, group in groups.items()}


def _fetch_known_cases(cursor: Cursor, project: Project) -> Cases:
    epoch, known = _known.get(project.pk, (-1, None))
    known = known if epoch == project.identity_epoch else None
    cases = fetch_cases(cursor, project.pk, known=known, aliases=read_aliases(project))
    if len(_known) >= _MOST_KNOWN_PROJECTS:
        _known.clear()
    _known[project.pk] = (project.identity_epoch, cases)
    return _fill_block(cases)


def _fill_block(cases: Cases) -> Cases:
    """Room for cases that are numbered between this statement and the next; they are not in any suite yet."""
    room = -cases.n % BLOCK_SIZE
    return Cases(np.pad(cases.suites, (0, room), constant_values=NO_SUITE), cases.aliases)
