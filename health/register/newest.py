"""Which result speaks for a put-off case: the newest one that put it off, of equally new ones the first series'.

Called by `health.register.entries`, which reads the reason there. It is looked up rather than kept: it moves on with
every upload, of each of what may be 50,000 put-off cases. The job before a stretch's end nearly always has it.
Promise: a bounded number of statements for open stretches (`tests/health/test_register.py`).
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from health.aliases import Aliases
from health.register.facts import NOWHERE, Facts, Moments, Numbers, fetch_moments
from health.rules import outcomes as codes
from health.sql import Cursor, copy_numbers, format_array
from health.tiles import Ords
from health.windows import N_JOBS, fetch_grid

# Stretches that ended all over a history: a piece may need as many jobs as it has cases.
_ENDED_AT_ONCE: Final = 2_000
_ALL: Final = 2**31 - 1
_IS_PUT_OFF: Final = np.isin(np.arange(codes.N_OUTCOMES), list(codes.DEFERRED))


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest put-off result of each of some cases, ascending by `ords`."""

    ords: Ords
    run: Numbers
    series: Numbers
    outcome: Numbers

    def choose(self, mask: Numbers) -> "Newest":
        """Those of some cases."""
        return Newest(self.ords[mask], self.run[mask], self.series[mask], self.outcome[mask])


@dataclass(frozen=True, slots=True)
class _Jobs:
    """The jobs of some series: one series after the other, each in its order."""

    series: Numbers
    run: Numbers

    def find_ends(self, spans: Numbers) -> Numbers:
        """The place of the job that ended each of these; of open ones the one behind the newest of their series."""
        keys = self.series.astype(np.int64) << 32 | self.run
        order = np.argsort(keys)
        wanted = spans["series"].astype(np.int64) << 32 | spans["ended"]
        places = order[np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)]
        return np.where(keys[places] == wanted, places, np.searchsorted(self.series, spans["series"], side="right"))


def find_newest(cursor: Cursor, project_id: int, *, facts: Facts, aliases: Aliases) -> Newest:
    """The newest put-off result of each case; of one that is in none of a window's jobs, the stretch's first.

    First where it is put off now. What ended elsewhere before that is older.
    """
    spans = facts.newest.copy()
    if not len(spans):
        return Newest(facts.ords, *(np.zeros(0, np.int64) for _ in range(3)))
    is_open = spans["ended"] == NOWHERE
    _look_back(cursor, project_id, spans, np.flatnonzero(is_open), aliases)
    moments = fetch_moments(cursor, project_id, runs=np.unique([spans["first"], spans["ended"]]).tolist())
    of_case = np.searchsorted(facts.ords, spans["ord"])
    newest = np.full(len(facts.ords), NOWHERE)
    np.maximum.at(newest, of_case[is_open], moments.rank(spans["first"])[is_open])
    late = np.flatnonzero(~is_open & (moments.rank(spans["ended"]) >= newest[of_case]))
    for start in range(0, len(late), _ENDED_AT_ONCE):
        _look_back(cursor, project_id, spans, late[start : start + _ENDED_AT_ONCE], aliases)
    if len(late):
        moments = fetch_moments(cursor, project_id, runs=np.unique(spans["first"]).tolist())
    is_open[late] = True
    return _choose_newest(spans[is_open], moments)


def _choose_newest(spans: Numbers, moments: Moments) -> Newest:
    spans = spans[np.lexsort((-spans["series"], moments.rank(spans["first"]), spans["ord"]))]
    last = np.flatnonzero(np.append(spans["ord"][1:] != spans["ord"][:-1], True))
    return Newest(*(spans[name][last] for name in ("ord", "first", "series", "outcome")))


def _list_jobs(cursor: Cursor, project_id: int, spans: Numbers) -> _Jobs:
    rows = copy_numbers(
        cursor,
        """
        SELECT j.series, j.run FROM unnest(%(series)s::int[]) AS wanted(number) CROSS JOIN LATERAL (
            SELECT series, run, ordered_at, ran_at FROM health_job
            WHERE project_id = %(project)s AND series = wanted.number
            ORDER BY ordered_at DESC, ran_at DESC, run DESC LIMIT %(limit)s) j
        ORDER BY j.series, j.ordered_at, j.ran_at, j.run
        """,
        {
            "project": project_id,
            "series": format_array(np.unique(spans["series"]).tolist()),
            "limit": N_JOBS if (spans["ended"] == NOWHERE).all() else _ALL,
        },
        series="i4",
        run="i4",
    )
    return _Jobs(rows["series"], rows["run"])


def _look_back(cursor: Cursor, project_id: int, spans: Numbers, left: Numbers, aliases: Aliases) -> None:
    """Write over the first run and outcome of some spans with the newest ones, step by step into the past."""
    if not len(left):
        return
    jobs = _list_jobs(cursor, project_id, spans[left])
    ends = jobs.find_ends(spans)
    begins = np.searchsorted(jobs.series, spans["series"])
    back = 0
    while len(left) and back < N_JOBS:
        until = min(max(2 * back, 1), N_JOBS)
        places = ends[left, None] - 1 - np.arange(back, until)
        is_job = places >= begins[left, None]
        said = _fetch_outcomes(cursor, project_id, spans["ord"][left], places, is_job, jobs, aliases)
        is_off = _IS_PUT_OFF[said]
        is_found, at = is_off.any(axis=1), is_off.argmax(axis=1)
        rows = np.flatnonzero(is_found)
        spans["first"][left[rows]] = jobs.run[places[rows, at[rows]]]
        spans["outcome"][left[rows]] = said[rows, at[rows]]
        left = left[~is_found]
        back = until


def _fetch_outcomes(
    cursor: Cursor, project_id: int, ords: Numbers, places: Numbers, is_job: Numbers, jobs: _Jobs, aliases: Aliases
) -> Any:
    """What the jobs at these places, a row for each of `ords`, say of it."""
    said = np.zeros(places.shape, np.uint8)
    wanted, cases = np.unique(places[is_job]), np.unique(ords)
    keys = list(zip(jobs.run[wanted].tolist(), jobs.series[wanted].tolist(), strict=True))
    grid = fetch_grid(cursor, project_id, jobs=keys, ords=cases, aliases=aliases)
    columns = np.broadcast_to(np.searchsorted(cases, ords)[:, None], places.shape)
    said[is_job] = grid.outcomes[np.searchsorted(wanted, places[is_job]), columns[is_job]]
    return said
