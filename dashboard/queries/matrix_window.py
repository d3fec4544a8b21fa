"""The newest runs of a branch and what they say of every case: what the matrix is cut out of.

Used by `dashboard.queries.matrix`. Read once for each revision of a project and kept in this process, bounded: a
branch of 100,000 cases takes a fifth of a second to read, and nobody changes it by looking.
Promise: four statements, or two where it is kept, and never more than _MOST_KEPT bytes of it, names and all
(`tests/dashboard/test_matrix_queries.py`).
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from threading import Lock
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from dashboard.queries.cases import read_aliases
from dashboard.queries.matrix_places import Census, Numbers, Places, read_census
from dashboard.queries.scope import Scope
from dashboard.queries.sql import fetch_rows
from health.models import Project
from health.rules import outcomes as codes
from health.sql import open_cursor
from health.tiles import NO_SUITE
from health.windows import fetch_outcomes

N_COLUMNS: Final = 52
# Bytes kept over all projects: cells, what was counted of them, and where the cases live.
_MOST_KEPT: Final = 24_000_000

Ords = npt.NDArray[np.intp]
Cells = npt.NDArray[np.uint8]


def table_of(outcomes: frozenset[int]) -> npt.NDArray[np.bool_]:
    """A table by outcome code: whether it is one of these."""
    return np.isin(np.arange(codes.N_OUTCOMES), sorted(outcomes))


IS_BROKEN: Final = table_of(codes.BROKEN)
IS_EXECUTED: Final = table_of(codes.EXECUTED)
IS_AS_EXPECTED: Final = table_of(codes.AS_EXPECTED)
SEVERITY: Final = np.array(codes.SEVERITY, np.uint8)
OF_SEVERITY: Final = np.argsort(SEVERITY).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class Column:
    """One run. `repeat` counts the runs of one commit that the same jobs did again, from 1; 0 for a commit's only."""

    run: int
    commit: str
    ran_at: datetime
    is_complete: bool
    series: tuple[int, ...]
    repeat: int = 0


@dataclass(frozen=True)
class Window:
    """All cases by number × the columns, oldest first. Where several jobs ran a case in a run, the worst counts."""

    columns: tuple[Column, ...]
    outcomes: Cells  # [cases, columns]
    places: Places
    place_of: Numbers  # by case number
    suite_of: Numbers

    @property
    def n_bytes(self) -> int:
        """What it holds once all was counted, without its places: those are shared."""
        n_jobs = sum(len(column.series) for column in self.columns)
        cells = self.outcomes.nbytes + self.place_of.nbytes + self.suite_of.nbytes
        return cells + len(self.outcomes) * _COUNTED + len(self.columns) * _COLUMN + n_jobs * _JOB

    @cached_property
    def n_seen(self) -> Numbers:
        """In how many of the runs each case was."""
        return _count(self.outcomes != codes.ABSENT)

    @cached_property
    def n_broken(self) -> Numbers:
        """In how many it was broken."""
        return _count(IS_BROKEN[self.outcomes])

    @cached_property
    def n_troubled(self) -> Numbers:
        """In how many it was broken, or passed only on a retry."""
        return self.n_broken + _count(self.outcomes == codes.PASS_ON_RETRY)

    @cached_property
    def states(self) -> Cells:
        """Which outcomes each case had in any of the runs: bit k stands for code k."""
        bits = np.left_shift(1, np.arange(codes.N_OUTCOMES)).astype(np.uint8)
        states: Cells = np.bitwise_or.reduce(bits[self.outcomes], axis=1, initial=0)
        return states

    @cached_property
    def newest(self) -> Cells:
        """The newest word on each case."""
        backwards = self.outcomes[:, ::-1]
        first = np.argmax(backwards != codes.ABSENT, axis=1)
        newest: Cells = backwards[np.arange(len(backwards)), first]
        return newest

    @cached_property
    def last_troubled(self) -> Numbers:
        """The newest column in which each case was broken or passed on a retry; -1 for none."""
        troubled = IS_BROKEN[self.outcomes] | (self.outcomes == codes.PASS_ON_RETRY)
        last = len(self.columns) - 1 - np.argmax(troubled[:, ::-1], axis=1)
        return np.where(self.n_troubled > 0, last, -1).astype(np.int32)

    @cached_property
    def last_changed(self) -> Numbers:
        """The newest column in which each case ended otherwise than the time before; -1 for none."""
        last = np.full(len(self.outcomes), -1, np.int32)
        before = np.zeros(len(self.outcomes), np.uint8)
        for at in range(len(self.columns)):
            now = self.outcomes[:, at]
            last[(now != codes.ABSENT) & (before != codes.ABSENT) & (now != before)] = at
            before = np.where(now == codes.ABSENT, before, now)
        return last


def read_window(project: Project, scope: Scope) -> Window:
    """The newest runs of the scope's series with all cases; kept until the project's facts change."""
    key = (project.pk, project.revision, project.identity_epoch, scope.lane, *scope.numbers)
    kept = _take(key)
    if isinstance(kept, Window):
        return kept
    columns = _read_columns(project, scope)
    window = _read_cells(project, columns) if columns else _make_empty()
    _keep(key, window)
    return window


def _count(cells: npt.NDArray[np.bool_]) -> Numbers:
    counts: Numbers = cells.sum(axis=1, dtype=np.int32)
    return counts


def _make_empty() -> Window:
    nothing = np.zeros(0, np.int32)
    return Window((), np.zeros((0, 1), np.uint8), Places(), nothing, nothing)


def _read_columns(project: Project, scope: Scope) -> tuple[Column, ...]:
    """The newest runs that hold a job of the scope, oldest first."""
    values = {"project": project.pk, "lane": scope.lane, "series": scope.numbers, "limit": N_COLUMNS}
    rows = reversed(fetch_rows(_COLUMNS_SQL, values))
    columns = [Column(run, commit, ran_at, whole, tuple(series)) for run, commit, ran_at, whole, series in rows]
    return _number_repeats(columns)


def _number_repeats(columns: Sequence[Column]) -> tuple[Column, ...]:
    """Runs of one commit that the same jobs did once more; another job's run of that commit is no repeat."""
    groups: list[list[Column]] = []
    for column in columns:
        if groups and _is_again(column, groups[-1][0]):
            groups[-1].append(column)
        else:
            groups.append([column])
    return tuple(
        replace(column, repeat=place if len(group) > 1 else 0)
        for group in groups
        for place, column in enumerate(group, 1)
    )


def _is_again(column: Column, first: Column) -> bool:
    return bool(column.commit) and column.commit == first.commit and not set(column.series).isdisjoint(first.series)


def _read_cells(project: Project, columns: Sequence[Column]) -> Window:
    census = _read_census(project)
    jobs = [(column.run, series) for column in columns for series in column.series]
    aliases = read_aliases(project)
    found = fetch_outcomes(open_cursor(), project.pk, jobs=jobs, n_cases=census.n, aliases=aliases)
    outcomes = found.outcomes
    suites = np.where(found.suites == NO_SUITE, census.suite_of, found.suites)
    starts = np.cumsum([0, *(len(column.series) for column in columns[:-1])])
    if len(jobs) > len(columns):
        outcomes = OF_SEVERITY[np.maximum.reduceat(SEVERITY[outcomes], starts, axis=0)]
    return Window(tuple(columns), np.ascontiguousarray(outcomes.T), census.places, census.place_of, suites)


def _read_census(project: Project) -> Census:
    """Where each case lives; after the first time, only the cases numbered since are read."""
    key = ("cases", project.pk, project.identity_epoch)
    known = _take(key)
    census = read_census(open_cursor(), project, known=known if isinstance(known, Census) else None)
    if census is not known:
        _keep(key, census)
    return census


# By the project's number, revision and scope; and where the cases of a project live, by its number and epoch.
_kept: "OrderedDict[tuple[Any, ...], Window | Census]" = OrderedDict()
_lock: Final = Lock()


def forget_windows() -> None:
    """Drop all that is kept; for tests, whose projects come and go."""
    with _lock:
        _kept.clear()


def weigh_kept() -> int:
    """The bytes of all that is kept; places that several hold count once."""
    places = {id(held.places): held.places.n_bytes for held in _kept.values()}
    return sum(held.n_bytes for held in _kept.values()) + sum(places.values())


def _take(key: tuple[Any, ...]) -> Window | Census | None:
    with _lock:
        if key in _kept:
            _kept.move_to_end(key)
        return _kept.get(key)


def _keep(key: tuple[Any, ...], held: Window | Census) -> None:
    """Let the longest unused ones go until it fits; what is larger than all there is room for is not kept."""
    if held.n_bytes + held.places.n_bytes > _MOST_KEPT:
        return
    n = 2 if isinstance(held, Census) else 1
    with _lock:
        for old in [old for old in _kept if old[:n] == key[:n] and old[n] != key[n]]:
            del _kept[old]  # of an earlier revision or epoch
        _kept[key] = held
        while weigh_kept() > _MOST_KEPT or len(_kept) > _MOST_HELD:
            _kept.popitem(last=False)


_MOST_HELD: Final = 80
# Bytes of what is counted of a case (five numbers and two codes), of a column and of a job in it.
_COUNTED: Final = 22
_COLUMN: Final = 500
_JOB: Final = 40

_COLUMNS_SQL: Final = """
SELECT r.number, r.commit, r.ran_at, r.is_complete,
    (SELECT array_agg(j.series ORDER BY j.series) FROM health_job j
     WHERE j.project_id = r.project_id AND j.run = r.number AND j.series = ANY(%(series)s))
FROM health_run r
WHERE r.project_id = %(project)s AND r.lane = %(lane)s AND EXISTS (
    SELECT FROM health_job j WHERE j.project_id = r.project_id AND j.run = r.number AND j.series = ANY(%(series)s))
ORDER BY r.ordered_at DESC, r.ran_at DESC, r.number DESC LIMIT %(limit)s
"""
