"""The newest runs of a branch and what they say of every case: what the matrix is cut out of.

Used by `dashboard.queries.matrix`. Read once for each revision of a project and kept in this process, bounded: a
branch of 100,000 cases takes a fifth of a second to read, and nobody changes it by looking.
Promise: four statements, or two where it is kept (`tests/dashboard/test_matrix_queries.py`).
"""

import re
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
from dashboard.queries.scope import Scope
from dashboard.queries.sql import fetch_rows
from health.models import Project
from health.rules import outcomes as codes
from health.rules.identity import STEP
from health.sql import open_cursor
from health.tiles import NO_SUITE
from health.windows import fetch_outcomes

N_COLUMNS: Final = 52
# As many cells as are kept over all projects, a byte each.
_MOST_KEPT: Final = 24_000_000

Ords = npt.NDArray[np.intp]
Numbers = npt.NDArray[np.int32]
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
    places: tuple[str, ...]
    place_of: Numbers  # by case number
    suite_of: Numbers

    @cached_property
    def prefixes(self) -> tuple[tuple[str, ...], ...]:
        """For each place, the paths that lead to it, from the shortest to itself."""
        return tuple(list_prefixes(place) for place in self.places)

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
    if kept is not None:
        return kept
    columns = _read_columns(project, scope)
    window = _read_cells(project, columns) if columns else _make_empty()
    _keep(key, window)
    return window


def list_prefixes(place: str) -> tuple[str, ...]:
    """The paths that lead to a place, itself the last: "tests.api.pets" lies in "tests" and "tests.api".

    A path with slashes is only cut there and at "::": the dot in it is a file's. Prose is not cut at all.
    """
    if " " in place:
        return (place,)
    sign = _STEPS if "/" in place or "::" in place else _DOTS
    return (*(place[: found.start()] for found in sign.finditer(place) if found.start()), place)


def is_below(place: str, path: str) -> bool:
    """Whether a place is this path or lies in it."""
    return place == path or (place.startswith(path) and place[len(path)] in "/.:")


def _count(cells: npt.NDArray[np.bool_]) -> Numbers:
    counts: Numbers = cells.sum(axis=1, dtype=np.int32)
    return counts


def _make_empty() -> Window:
    nothing = np.zeros(0, np.int32)
    return Window((), np.zeros((0, 1), np.uint8), (), nothing, nothing)


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
    places, place_of, suite_of = _read_census(project)
    jobs = [(column.run, series) for column in columns for series in column.series]
    aliases = read_aliases(project)
    found = fetch_outcomes(open_cursor(), project.pk, jobs=jobs, n_cases=len(place_of), aliases=aliases)
    outcomes = found.outcomes
    suites = np.where(found.suites == NO_SUITE, suite_of, found.suites)
    starts = np.cumsum([0, *(len(column.series) for column in columns[:-1])])
    if len(jobs) > len(columns):
        outcomes = OF_SEVERITY[np.maximum.reduceat(SEVERITY[outcomes], starts, axis=0)]
    return Window(tuple(columns), np.ascontiguousarray(outcomes.T), places, place_of, suites)


def _read_census(project: Project) -> tuple[tuple[str, ...], Numbers, Numbers]:
    """Where each case lives, and its suite. Numbers come packed: 100,000 of them one by one would take a second."""
    rows = open_cursor().execute(_CENSUS_SQL, (project.pk,), binary=True).fetchall()
    groups = [np.frombuffer(packed, ">i4") for *_, packed in rows]
    n_cases = max((int(ords.max()) + 1 for ords in groups), default=0)
    places: dict[str, int] = {}
    place_of, suite_of = np.zeros(n_cases, np.int32), np.zeros(n_cases, np.int32)
    for (namespace, class_name, suite_path, suite, _), ords in zip(rows, groups, strict=True):
        place = _name_place(namespace, class_name, suite_path)
        place_of[ords] = places.setdefault(place, len(places))
        suite_of[ords] = suite
    return tuple(places), place_of, suite_of


def _name_place(namespace: str, class_name: str, suite_path: str) -> str:
    """Its class, else its innermost suite, inside its namespace."""
    steps = [step for step in suite_path.split(STEP) if step]
    place = class_name or (steps[-1] if steps else "")
    return "/".join(part for part in (namespace, place) if part)


_kept: "OrderedDict[tuple[Any, ...], Window]" = OrderedDict()
_lock: Final = Lock()


def forget_windows() -> None:
    """Drop all that is kept; for tests, whose projects come and go."""
    with _lock:
        _kept.clear()


def _take(key: tuple[Any, ...]) -> Window | None:
    with _lock:
        if key in _kept:
            _kept.move_to_end(key)
        return _kept.get(key)


def _keep(key: tuple[Any, ...], window: Window) -> None:
    """Let the longest unused ones go until it fits; what is larger than all there is room for is not kept."""
    if window.outcomes.size > _MOST_KEPT:
        return
    with _lock:
        for old in [old for old in _kept if old[0] == key[0] and old[1] != key[1]]:
            del _kept[old]  # of an earlier revision
        _kept[key] = window
        while sum(kept.outcomes.size for kept in _kept.values()) > _MOST_KEPT or len(_kept) > _MOST_WINDOWS:
            _kept.popitem(last=False)


_MOST_WINDOWS: Final = 50
_STEPS: Final = re.compile(r"/|::")
_DOTS: Final = re.compile(r"\.")

_COLUMNS_SQL: Final = """
SELECT r.number, r.commit, r.ran_at, r.is_complete,
    (SELECT array_agg(j.series ORDER BY j.series) FROM health_job j
     WHERE j.project_id = r.project_id AND j.run = r.number AND j.series = ANY(%(series)s))
FROM health_run r
WHERE r.project_id = %(project)s AND r.lane = %(lane)s AND EXISTS (
    SELECT FROM health_job j WHERE j.project_id = r.project_id AND j.run = r.number AND j.series = ANY(%(series)s))
ORDER BY r.ordered_at DESC, r.ran_at DESC, r.number DESC LIMIT %(limit)s
"""

_CENSUS_SQL: Final = """
SELECT namespace, class_name, suite_path, suite, string_agg(int4send(ord), ''::bytea) FROM health_case
WHERE project_id = %s GROUP BY 1, 2, 3, 4
"""
