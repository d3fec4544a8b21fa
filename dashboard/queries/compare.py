"""Two runs, or a branch against the default one: which cases ended differently, and coverage and times beside them.

Called by `dashboard.views.compare`. Jobs are matched by job and variant; those that only one side has are counted
apart. Promise: a bounded number of statements, every count is as long as its list, and what an incomplete run lacks is
absent, never gone (`tests/dashboard/test_compare_queries.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from dashboard.filters import Filters
from dashboard.queries.cases import CaseName, read_case_names
from dashboard.queries.changes import JobChange, read_changes
from dashboard.queries.compare_cell import CellList, pick_cell, read_cell
from dashboard.queries.compare_coverage import CoverageChange, read_coverage_change
from dashboard.queries.compare_sides import Side, Sides, read_sides
from dashboard.queries.compare_times import CaseTime, SuiteTime, pick_case_times, read_suite_times
from dashboard.queries.facts import Changes, JobFact, sum_changes
from dashboard.queries.outcome_pairs import PairTable, tabulate_pairs
from dashboard.queries.renames import find_renamed
from dashboard.queries.scope import Offer, read_scope
from health.models import Project
from health.rules import outcomes as codes

_MOST_JOBS: Final = 24  # compared case by case; of more, the reader chooses one


@dataclass(frozen=True, slots=True)
class Matched:
    """The jobs of both sides: those both have, as (before, now), and those only one of them has."""

    pairs: tuple[tuple[JobFact, JobFact], ...]
    only_before: tuple[JobFact, ...]
    only_now: tuple[JobFact, ...]


@dataclass(frozen=True, slots=True)
class Compare:
    """All the page shows. Without both sides there is nothing but what could be chosen."""

    sides: Sides
    offer: Offer
    is_narrowed: bool = False
    matched: Matched = Matched((), (), ())
    compared: tuple[JobFact, ...] = ()  # of the matched jobs, those compared case by case
    pruned: tuple[JobFact, ...] = ()  # matched, but results of a side are no longer kept
    is_cut: bool = False
    table: PairTable | None = None
    changes: Changes = field(default_factory=Changes)
    n_alike: int = 0
    n_added: int = 0
    n_absent: int = 0  # absent now, gone or not
    n_renamed: int = 0  # of those gone, how many look renamed
    cell: CellList | None = None
    suites: tuple[SuiteTime, ...] = ()
    slower: tuple[CaseTime, ...] = ()
    names: dict[int, CaseName] | None = None
    coverage: CoverageChange | None = None

    @property
    def both(self) -> tuple[Side, Side] | None:
        """The two sides, where both exist."""
        before, now = self.sides.before, self.sides.now
        return (before, now) if before and now else None

    @property
    def is_itself(self) -> bool:
        """Whether a side is compared with itself."""
        return self.both is not None and self.sides.start == self.sides.end

    @property
    def is_backwards(self) -> bool:
        """Whether the side compared with is the newer one."""
        if self.both is None or self.is_itself:
            return False
        before, now = (side.newest for side in self.both)
        return (before.ordered_at, before.ran_at, before.number) > (now.ordered_at, now.ran_at, now.number)

    @property
    def lacking(self) -> tuple[Side, ...]:
        """The sides that lack something."""
        sides = dict.fromkeys(side for side in self.both or () if side.lacks)
        return tuple(sides)

    @property
    def has_levels(self) -> bool:
        """Whether any suite's test level is known."""
        return any(suite.level for suite in self.suites)


def read_compare(project: Project, filters: Filters) -> Compare:
    """What the address asks for, narrowed to a job, variant, suite, level or owner."""
    sides, scope = read_sides(project, filters), read_scope(project, filters)
    empty = Compare(sides, scope.offer, is_narrowed=scope.is_narrowed)
    if empty.both is None:
        return empty
    before, now = empty.both
    matched = _match(before, now, filters)
    suites = tuple(scope.suites) if scope.is_narrowed else None
    ranked = sorted(matched.pairs, key=lambda pair: pair[0].counts.broken + pair[1].counts.broken, reverse=True)
    chosen = sorted(ranked[:_MOST_JOBS], key=lambda pair: pair[1].title)
    read = read_changes(project, jobs=[replace(new, baseline=old.key) for old, new in chosen], suites=suites)
    changes = [change for change, (old, _) in zip(read, chosen, strict=True) if _is_kept(change, old)]
    compared = {change.job.key for change in changes}
    table = tabulate_pairs(changes)
    times = pick_case_times(changes)
    cell = pick_cell(changes, asked=filters.cell)
    return replace(
        empty,
        matched=matched,
        compared=tuple(change.job for change in changes),
        pruned=tuple(new for _, new in chosen if new.key not in compared),
        is_cut=len(chosen) < len(matched.pairs),
        table=table,
        changes=sum_changes(Changes(*change.transitions.count()) for change in changes),
        n_alike=table.n_cases - table.n_changed if table else 0,
        n_added=_count(changes, before=codes.ABSENT),
        n_absent=_count(changes, now=codes.ABSENT),
        n_renamed=_count_renamed(project, changes),
        cell=read_cell(project, changes, cell, start=filters.before, owner=filters.owner) if cell else None,
        suites=read_suite_times(project, matched.pairs, suites=suites),
        slower=times,
        names=read_case_names(project.pk, project.slug, ords=[time.ord for time in times]) if times else {},
        coverage=_read_coverage(project, before, now, filters),
    )


def _match(before: Side, now: Side, filters: Filters) -> Matched:
    old, new = ({(job.job, job.variant): job for job in _narrow(side.jobs, filters)} for side in (before, now))
    return Matched(
        pairs=tuple((old[place], job) for place, job in new.items() if place in old),
        only_before=tuple(job for place, job in old.items() if place not in new),
        only_now=tuple(job for place, job in new.items() if place not in old),
    )


def _narrow(jobs: Sequence[JobFact], filters: Filters) -> list[JobFact]:
    return [job for job in jobs if filters.job in ("", job.job) and filters.variant in ("", job.variant)]


def _is_kept(change: JobChange, old: JobFact) -> bool:
    """Whether the results of both sides are still there, or there never were any."""
    return change.is_kept and (change.has_before or not old.counts.declared)


def _count(changes: Sequence[JobChange], *, before: int | None = None, now: int | None = None) -> int:
    """How many results there are on one side only."""
    n = 0
    for change in changes:
        is_there = (change.before.outcomes != codes.ABSENT) if before is None else (change.before.outcomes == before)
        is_here = (change.now.outcomes != codes.ABSENT) if now is None else (change.now.outcomes == now)
        n += int((is_there & is_here).sum())
    return n


def _count_renamed(project: Project, changes: Sequence[JobChange]) -> int:
    """How many of the results that are gone are of cases that look renamed."""
    gone = [np.flatnonzero(change.transitions.gone) for change in changes]
    if not any(len(ords) for ords in gone):
        return 0
    every = np.concatenate(gone)
    return int(np.isin(every, find_renamed(project, ords=np.unique(every).tolist())).sum())


def _read_coverage(project: Project, before: Side, now: Side, filters: Filters) -> CoverageChange | None:
    """Coverage is of a run and a level; of one job, variant or suite nobody knows it."""
    if filters.job or filters.variant or filters.suite:
        return None
    return read_coverage_change(project, before, now, level=filters.level)
