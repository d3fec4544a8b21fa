"""What CI says of put-off cases on the branch the register is of: read from spans and the standing jobs, in arrays.

Called by `health.register.entries`. Nothing is written here.
Promise: a bounded number of statements, however many cases are put off (`tests/health/test_register.py`).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from health.aliases import Aliases
from health.rules import outcomes as codes
from health.sql import Cursor, copy_numbers, format_array
from health.standing import Standing
from health.tiles import Ords
from health.windows import N_JOBS, fetch_grid, list_window

NOWHERE: Final = -1  # stands for a run, series or entry that there is none of

Numbers = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

_RUNS_ELSEWHERE: Final = np.isin(np.arange(codes.N_OUTCOMES), list(codes.EXECUTED - codes.DEFERRED))
_IS_PASSED: Final = np.isin(np.arange(codes.N_OUTCOMES), list(codes.PASSED))
_IS_THERE: Final = np.arange(codes.N_OUTCOMES) != codes.ABSENT


@dataclass(frozen=True, slots=True)
class Moments:
    """Runs in their order: the place of each, and when it ran."""

    places: dict[int, int]
    ran_at: dict[int, datetime]

    def rank(self, runs: Numbers) -> Numbers:
        """The places of these; NOWHERE for what is no run."""
        known = np.array(sorted(self.places), np.int64)
        if not len(known):
            return np.full(len(runs), NOWHERE)
        ranks = np.array([self.places[run] for run in known.tolist()])
        at = np.minimum(np.searchsorted(known, runs), len(known) - 1)
        return np.where(known[at] == runs, ranks[at], NOWHERE)


@dataclass(frozen=True, slots=True)
class Facts:
    """One entry for each case that was ever put off on the branch, ascending by `ords`.

    Of each series its newest stretch counts; of these the open ones, where there are any, else those that ended last.
    """

    ords: Ords
    n_put_off: Numbers  # standing jobs that put it off now
    opened: Numbers  # the first run
    n_openings: Numbers
    ended: Numbers  # where none is open: the run since which none is, by running it or without it; else NOWHERE
    has_run: Mask  # whether a series executed it since
    is_reporting: Mask  # whether any of the series in which it was put off still has it
    gone: dict[int, int]  # by case, of those that a series no longer has: the newest run that lacks it
    newest: Numbers  # the newest stretch of each series; one that is gone ended with the run that lacks it

    def choose(self, mask: Mask) -> "Facts":
        """Those of some cases."""
        chosen = {name: getattr(self, name)[mask] for name in _BY_CASE}
        return replace(self, **chosen, newest=self.newest[np.isin(self.newest["ord"], chosen["ords"])])

    def look_up(self, ords: Ords) -> Numbers:
        """The place of each of these cases here, NOWHERE of others."""
        at = np.minimum(np.searchsorted(self.ords, ords), max(len(self.ords) - 1, 0))
        return np.where(np.isin(ords, self.ords), at, NOWHERE)


_BY_CASE: Final = ("ords", "n_put_off", "opened", "n_openings", "ended", "has_run", "is_reporting")


def fetch_facts(cursor: Cursor, project_id: int, *, standing: Standing) -> Facts:
    """Read the spans of the standing series."""
    series = format_array(standing.series)
    spans = copy_numbers(
        cursor,
        """
        SELECT ord, series, first_run, outcome, coalesce(ended_run, -1) FROM health_deferredspan
        WHERE project_id = %s AND series = ANY(%s::int[])
        """,
        (project_id, series),
        ord="i4",
        series="i4",
        first="i4",
        outcome="i2",
        ended="i4",
    )
    vanished = copy_numbers(
        cursor,
        "SELECT series, ord, gone_run FROM health_vanishedcase WHERE project_id = %s AND series = ANY(%s::int[])",
        (project_id, series),
        series="i4",
        ord="i4",
        run="i4",
    )
    vanished = vanished[np.isin(_pair(vanished), _pair(spans))]
    runs = np.unique(np.concatenate([spans["first"], spans["ended"], vanished["run"]]))
    moments = fetch_moments(cursor, project_id, runs=runs.tolist())
    return _sum_up(spans, vanished, moments)


def _pair(rows: Numbers) -> Numbers:
    pairs: Numbers = rows["series"].astype(np.int64) << 32 | rows["ord"]
    return pairs


def _sum_up(spans: Numbers, vanished: Numbers, moments: Moments) -> Facts:
    n_openings = _count_openings(spans)
    spans = spans[np.lexsort((moments.rank(spans["first"]), spans["series"], spans["ord"]))]
    spans = spans[np.append(np.diff(_pair(spans)) != 0, True)[: len(spans)]]  # the newest of each series
    lacking = _find_lacking(spans, vanished)
    is_open = (spans["ended"] == NOWHERE) & (lacking == NOWHERE)
    ended = np.where(spans["ended"] == NOWHERE, lacking, spans["ended"])
    ended_place = np.where(is_open, np.iinfo(np.int64).max, moments.rank(ended))  # an open one ends last of all
    ords, starts, of_case = np.unique(spans["ord"], return_index=True, return_inverse=True)
    ends = np.append(starts[1:], len(spans))[: len(starts)] - 1
    latest = np.lexsort((ended_place, spans["ord"]))[ends]
    counts = ended_place == ended_place[latest][of_case]
    first_place = np.where(counts, moments.rank(spans["first"]), np.iinfo(np.int64).max)
    n_put_off = _reduce(np.add, is_open.astype(np.int16), starts)
    vanished = vanished[np.argsort(moments.rank(vanished["run"]), kind="stable")]
    newest = spans.copy()
    newest["ended"] = ended
    return Facts(
        ords=ords,
        n_put_off=n_put_off,
        opened=spans["first"][np.lexsort((first_place, spans["ord"]))[starts]],
        n_openings=n_openings,
        ended=np.where(n_put_off > 0, NOWHERE, ended[latest]),
        has_run=_reduce(np.logical_or, spans["ended"] != NOWHERE, starts),
        is_reporting=_reduce(np.logical_or, lacking == NOWHERE, starts),
        gone=dict(zip(vanished["ord"].tolist(), vanished["run"].tolist(), strict=True)),
        newest=newest,
    )


def _find_lacking(spans: Numbers, vanished: Numbers) -> Numbers:
    """The newest run without the case, where its series no longer has it; NOWHERE."""
    if not len(vanished):
        return np.full(len(spans), NOWHERE)
    order = np.argsort(_pair(vanished))
    keys, wanted = _pair(vanished)[order], _pair(spans)
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, vanished["run"][order][places], NOWHERE)


def _count_openings(spans: Numbers) -> Numbers:
    """The most stretches that any one series has of each case: what was put off in four jobs was so once."""
    pairs, counts = np.unique(spans["ord"].astype(np.int64) << 32 | spans["series"], return_counts=True)
    starts = np.flatnonzero(np.diff(pairs >> 32, prepend=-1))
    most: Numbers = np.minimum(_reduce(np.maximum, counts, starts), np.iinfo(np.int16).max)
    return most


def _reduce(operation: np.ufunc, values: Numbers, starts: Numbers) -> Any:
    """For each group of values that begins at one of `starts`; numpy fails where there is none."""
    return operation.reduceat(values, starts) if len(starts) else values[:0]


def fetch_moments(cursor: Cursor, project_id: int, *, runs: Iterable[int]) -> Moments:
    """Where these runs stand, and when they ran."""
    rows = cursor.execute(
        """
        SELECT number, ran_at FROM health_run WHERE project_id = %s AND number = ANY(%s::int[])
        ORDER BY ordered_at, ran_at, number
        """,
        (project_id, format_array(runs)),
    ).fetchall()
    return Moments({run: place for place, (run, _) in enumerate(rows)}, dict(rows))


# --- where cases run -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Of some cases: in how many standing jobs each is executed otherwise than put off, and in which; who has it."""

    n_running: Numbers
    run: Numbers  # the newest of these jobs' runs, NOWHERE
    is_there: Mask


def find_running(cursor: Cursor, project_id: int, *, standing: Standing, ords: Ords, aliases: Aliases) -> Whereabouts:
    """What the standing jobs say of these cases, ascending."""
    jobs = [(job.run, job.series) for job in standing.jobs]
    if not len(ords) or not jobs:
        nothing = np.zeros(len(ords), np.int64)
        return Whereabouts(nothing, nothing + NOWHERE, np.zeros(len(ords), np.bool_))
    grid = fetch_grid(cursor, project_id, jobs=jobs, ords=ords, aliases=aliases)
    is_running = _RUNS_ELSEWHERE[grid.outcomes]
    runs = np.array([run for run, _ in jobs])[:, None]
    return Whereabouts(
        n_running=is_running.sum(axis=0),
        run=np.where(is_running, runs, NOWHERE).max(axis=0),
        is_there=_IS_THERE[grid.outcomes].any(axis=0),
    )


@dataclass(frozen=True, slots=True)
class Passes:
    """What standing series say of some cases: commit by commit (rows), and since when nothing but passes.

    Whatever does not plainly pass is something else, in whichever standing series: so is being put off.
    """

    ords: Ords  # ascending
    passed: Mask
    is_other: Mask
    last_other: Numbers  # the place of the job that said so last, NOWHERE
    places: dict[int, int]  # of each run's first job

    def count(self, group: Ords) -> int:
        """On how many distinct commits in a row, up to the newest, all of these cases that ran passed."""
        columns = np.searchsorted(self.ords, group)
        passed, is_other = (mask[:, columns].max(axis=1, initial=False) for mask in (self.passed, self.is_other))
        return int(_count_behind(passed, is_other))

    def count_each(self) -> Numbers:
        """The same of each case for itself."""
        return _count_behind(self.passed, self.is_other)

    def find_unbroken(self, since: Numbers) -> Mask:
        """Which of the cases did nothing but pass from these runs on, a run for each."""
        found: Mask = self.last_other < np.array([self.places.get(run, 0) for run in since.tolist()], np.int64)
        return found


def _count_behind(passed: Numbers, is_other: Numbers) -> Numbers:
    """How many there are behind the last of the others, in each column."""
    is_behind = np.cumsum(is_other[::-1], axis=0)[::-1] == 0
    counts: Numbers = (passed & is_behind).sum(axis=0)
    return counts


def fetch_passes(
    cursor: Cursor, project_id: int, *, standing: Standing, ords: Ords, aliases: Aliases, limit: int = N_JOBS
) -> Passes:
    """Read the newest jobs of each standing series, as many as `limit` at most; commits are those of its window."""
    ords = np.unique(ords).astype(np.int32)
    windows = [list_window(cursor, project_id, series=job.series, limit=limit) for job in standing.jobs if len(ords)]
    jobs = sorted((job for window in windows for job in window), key=lambda job: (job.ordered_at, job.ran_at, job.run))
    keys = [(job.run, job.series) for job in jobs]
    outcomes = fetch_grid(cursor, project_id, jobs=keys, ords=ords, aliases=aliases).outcomes
    is_other = (_IS_THERE & ~_IS_PASSED)[outcomes]
    recent = {(job.run, job.series) for window in windows for job in window[-N_JOBS:]}
    chosen = [place for place, key in enumerate(keys) if key in recent]
    names = [jobs[place].commit or f" run {jobs[place].run}" for place in chosen]
    commits = {name: at for at, name in enumerate(names)}  # the newest job of each
    by_commit = np.zeros((2, len(names), len(ords)), np.bool_)
    of_commit = [commits[name] for name in names]
    np.logical_or.at(by_commit[0], of_commit, _IS_PASSED[outcomes[chosen]])
    np.logical_or.at(by_commit[1], of_commit, is_other[chosen])
    return Passes(
        ords,
        passed=by_commit[0],
        is_other=by_commit[1],
        last_other=np.where(is_other, np.arange(len(jobs))[:, None], NOWHERE).max(axis=0, initial=NOWHERE),
        places={run: place for place, (run, _) in reversed(list(enumerate(keys)))},
    )
