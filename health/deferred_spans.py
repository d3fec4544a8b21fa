"""Since when a case of a long-lived branch is put off, and when it was before: the spans of a series' history.

Called by `health.judging`; what a span is, is in `health.rules.deferred_spans`, and `health.register` reads them.
The window's jobs say what began and ended in them, the kept rows what older jobs said. Where these may not hold any
more, or an older job is new, the whole history is read again, a few blocks and jobs at a time.
Promise: both ways end alike (`tests/health/test_deferred_spans.py`).
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from health.rules.deferred_spans import (
    ENDED,
    FIRST,
    MOST_SPANS,
    N_COLUMNS,
    NO_SPANS,
    NOBODY,
    ORD,
    OUTCOME,
    Mask,
    Table,
    count_spans,
    extend_spans,
    keep_newest,
    list_keys,
    restore_spans,
    sort_by_case,
)
from health.sql import Cursor, copy_numbers, format_array
from health.tiles import BLOCK_SIZE
from health.windows import N_JOBS, Grid, Window, WindowJob, list_window, walk_window

# A piece of the history that is read at once: about 5 MB, and the tiles it is read from as much again.
_JOBS_AT_ONCE: Final = 1_000
_TILES_AT_ONCE: Final = 3_000
_ALL: Final = 2**31 - 1
_COLUMNS: Final = {"ord": "i4", "first_run": "i4", "outcome": "i2", "ended_run": "i4"}
_UNSEEN: Final = -1  # instead of an outcome


class SpanSightings:
    """What the window's jobs say of put-off cases, after what was said of older ones."""

    def __init__(self, cursor: Cursor, window: Window) -> None:
        """Nothing was looked at yet."""
        self.runs = np.array([job.run for job in window.jobs], np.int32)
        self.is_whole = len(window.jobs) < N_JOBS
        self.kept = fetch_spans(cursor, window, ended_in=None if self.is_whole else self.runs.tolist())
        self._unseen = np.array([job.n_declared > 0 for job in window.jobs])
        self._tables: list[Table] = []
        begun = NO_SPANS if self.is_whole else self.kept[~np.isin(self.kept[:, FIRST], self.runs)]
        # As what it was put off last is for the window to say, if that was in it.
        self._carried = begun.copy()
        self._carried[:, ENDED] = NOBODY
        self._carried[:, OUTCOME] = _UNSEEN

    def look(self, grid: Grid) -> None:
        """Note what all jobs of the window say of some cases."""
        if self._unseen.any():
            self._unseen &= grid.outcomes.max(axis=1, initial=0) == 0
        blocks = np.unique(grid.ords // BLOCK_SIZE)
        is_here = np.isin(self._carried[:, ORD] // BLOCK_SIZE, blocks)
        before, self._carried = self._carried[is_here], self._carried[~is_here]
        self._tables.append(extend_spans(before, grid.outcomes, ords=grid.ords, runs=self.runs))

    def has_lost(self) -> bool:
        """Whether the tiles of a job are no longer kept."""
        return bool(self._unseen.any())

    def read(self) -> tuple[Table, Mask]:
        """The spans that reach into the window; and of which of them only older jobs can say the outcome.

        Where no job of the window put it off before its end, the kept outcome holds, unless it now ends elsewhere:
        then it may be that of a run behind the end.
        """
        table = sort_by_case(np.concatenate([NO_SPANS, self._carried, *self._tables]))
        unseen = np.flatnonzero(table[:, OUTCOME] == _UNSEEN)
        before = self.kept[np.searchsorted(list_keys(self.kept), list_keys(table[unseen]))]
        table[unseen, OUTCOME] = before[:, OUTCOME]
        is_unsure = np.zeros(len(table), np.bool_)
        is_unsure[unseen] = before[:, ENDED] != table[unseen, ENDED]
        return table, is_unsure


def settle_spans(
    cursor: Cursor, window: Window, *, sightings: SpanSightings, is_known: bool, runs: Collection[int]
) -> int:
    """Bring the spans of the window's series up to date; returns how many rows changed.

    `is_known`: what was concluded before still counts; then only `runs` are new, or what the window holds.
    """
    outside = sorted(set(runs) - set(sightings.runs.tolist()))
    if not sightings.has_lost() and (sightings.is_whole or (is_known and not outside)):
        return _settle_window(cursor, window, sightings)
    if _is_more_to_come(cursor, window, runs):
        return 0  # each look through all jobs would cost as much as the last one, which has to be
    kept = fetch_spans(cursor, window)
    return _write(cursor, window, kept, _read_history(cursor, window, kept, blocks=window.blocks))


def fetch_spans(cursor: Cursor, window: Window, *, ended_in: Sequence[int] | None = None) -> Table:
    """The kept spans of the window's series by case, no end as NOBODY; or those open or ended in some runs only."""
    among = "" if ended_in is None else "AND (ended_run IS NULL OR ended_run = ANY(%(runs)s::int[]))"
    rows = copy_numbers(
        cursor,
        f"""
        SELECT ord, first_run, outcome, coalesce(ended_run, {NOBODY}) FROM health_deferredspan
        WHERE project_id = %(project)s AND series = %(series)s {among} ORDER BY ord, first_run
        """,  # noqa: S608 - constants
        {"project": window.project_id, "series": window.series, "runs": format_array(ended_in or ())},
        **_COLUMNS,
    )
    table = np.zeros((len(rows), N_COLUMNS), np.int64)
    for place, name in enumerate(_COLUMNS):
        table[:, place] = rows[name]
    return table


# --- by the window ---------------------------------------------------------------------------------------------


def _settle_window(cursor: Cursor, window: Window, sightings: SpanSightings) -> int:
    """What ended before the window stays; the rest is as the window says."""
    kept, (live, is_unsure) = sightings.kept, sightings.read()
    unsure = live[is_unsure, ORD]
    newest = keep_newest(live)
    if sightings.is_whole or (not len(unsure) and np.array_equal(list_keys(newest), list_keys(kept))):
        return _write(cursor, window, kept, newest)
    is_live, kept = list_keys(kept), fetch_spans(cursor, window)
    done = _put_in_order(cursor, window, kept[~np.isin(list_keys(kept), is_live)])
    table = sort_by_case(np.concatenate([done, live]))
    unsure = np.concatenate([unsure, _find_cut_off(kept, table)])
    table = keep_newest(table)
    if len(unsure):
        blocks = np.unique(unsure // BLOCK_SIZE)
        again = _read_history(cursor, window, kept, blocks=blocks.tolist())
        table = np.concatenate([table[~_is_in(table, blocks)], again[_is_in(again, blocks)]])
    return _write(cursor, window, kept, table)


def _find_cut_off(kept: Table, table: Table) -> Table:
    """The cases that changed and have room now for spans older than the kept ones, if there are any."""
    changed = np.unique(np.setxor1d(list_keys(kept), list_keys(keep_newest(table))) >> 32)
    has_room = (count_spans(kept, changed) >= MOST_SPANS) & (count_spans(table, changed) <= MOST_SPANS)
    return changed[has_room]


def _is_in(table: Table, blocks: Table) -> Mask:
    return np.isin(table[:, ORD] // BLOCK_SIZE, blocks)


def _put_in_order(cursor: Cursor, window: Window, table: Table) -> Table:
    """The same spans by case, those of one case by when they began."""
    if not len(table):
        return table
    places = _fetch_places(cursor, window, np.unique(table[:, FIRST]).tolist())
    began = np.array([places.get(run, -1) for run in table[:, FIRST].tolist()])
    return table[np.lexsort((began, table[:, ORD]))]


# --- by the whole history --------------------------------------------------------------------------------------


def _is_more_to_come(cursor: Cursor, window: Window, runs: Collection[int]) -> bool:
    """Whether an older job than the window's waits to be judged after these."""
    oldest = window.jobs[0]
    row = cursor.execute(
        """
        SELECT 1 FROM health_job WHERE project_id = %s AND series = %s AND NOT is_judged AND run <> ALL(%s::int[])
          AND (ordered_at, ran_at, run) < (%s, %s, %s) LIMIT 1
        """,
        (window.project_id, window.series, format_array(runs), oldest.ordered_at, oldest.ran_at, oldest.run),
    ).fetchone()
    return row is not None


def _read_history(cursor: Cursor, window: Window, kept: Table, *, blocks: Sequence[int]) -> Table:
    """The spans of cases in these blocks, from all jobs whose tiles are kept; from older ones as was concluded then."""
    jobs = list_window(cursor, window.project_id, series=window.series, limit=_ALL)
    before = NO_SPANS
    if (lost := _find_lost(cursor, window)) is not None:
        place = next(place for place, job in enumerate(jobs) if job.run == lost)
        kept = kept.copy()
        kept[:, ORD] = window.aliases.translate(kept[:, ORD].astype(np.int32))
        before = restore_spans(kept, {job.run: place for place, job in enumerate(jobs)}, until=place)
        jobs = jobs[place + 1 :]
    tables = [before[~_is_in(before, np.array(blocks))]]
    for some in _cut(blocks, n_jobs=len(jobs)):
        table = before[_is_in(before, np.array(some))]
        for at in range(0, len(jobs), _JOBS_AT_ONCE):
            table = _read_piece(cursor, window, table, jobs=jobs[at : at + _JOBS_AT_ONCE], blocks=some)
        tables.append(table)
    return sort_by_case(np.concatenate(tables))


def _read_piece(cursor: Cursor, window: Window, table: Table, *, jobs: list[WindowJob], blocks: Sequence[int]) -> Table:
    runs = np.array([job.run for job in jobs], np.int32)
    for grid in walk_window(cursor, replace(window, jobs=jobs, blocks=list(blocks))):
        table = keep_newest(extend_spans(table, grid.outcomes, ords=grid.ords, runs=runs))
    return table


def _cut(blocks: Sequence[int], *, n_jobs: int) -> Iterator[Sequence[int]]:
    n_at_once = max(1, _TILES_AT_ONCE // max(1, min(n_jobs, _JOBS_AT_ONCE)))
    for start in range(0, len(blocks), n_at_once):
        yield blocks[start : start + n_at_once]


def _find_lost(cursor: Cursor, window: Window) -> int | None:
    """The newest job whose tiles are no longer kept: of those before it nobody knows what is missing."""
    row = cursor.execute(
        """
        SELECT j.run FROM health_job j WHERE j.project_id = %(project)s AND j.series = %(series)s AND j.n_declared > 0
          AND (SELECT true FROM health_tile t WHERE t.project_id = %(project)s AND t.series = %(series)s
               AND t.block = ANY(%(blocks)s::int[]) AND t.run = j.run LIMIT 1) IS NULL
        ORDER BY j.ordered_at DESC, j.ran_at DESC, j.run DESC LIMIT 1
        """,
        {"project": window.project_id, "series": window.series, "blocks": format_array(window.blocks)},
    ).fetchone()
    return row[0] if row else None


def _fetch_places(cursor: Cursor, window: Window, runs: Collection[int]) -> dict[int, int]:
    """The place of each of these runs among them, in the order of the series' jobs."""
    rows = cursor.execute(
        """
        SELECT run FROM health_job WHERE project_id = %s AND series = %s AND run = ANY(%s::int[])
        ORDER BY ordered_at, ran_at, run
        """,
        (window.project_id, window.series, format_array(runs)),
    ).fetchall()
    return {run: place for place, (run,) in enumerate(rows)}


# --- what is written -------------------------------------------------------------------------------------------


def _write(cursor: Cursor, window: Window, kept: Table, table: Table) -> int:
    """Make `table` of what is kept; returns how many rows changed."""
    if np.array_equal(kept, table):
        return 0
    old, new = list_keys(kept), list_keys(table)
    gone, fresh = kept[~np.isin(old, new)], table[~np.isin(new, old)]
    stays, was = table[np.isin(new, old)], kept[np.isin(old, new)]
    stays, was = stays[np.argsort(list_keys(stays))], was[np.argsort(list_keys(was))]
    is_changed = (stays != was).any(axis=1)
    _send(cursor, window, _DELETE, gone)
    _send(cursor, window, _UPDATE, stays[is_changed])
    _send(cursor, window, _INSERT, fresh)
    return len(gone) + int(is_changed.sum()) + len(fresh)


def _send(cursor: Cursor, window: Window, statement: str, rows: Table) -> None:
    if len(rows):
        arrays = {name: format_array(rows[:, place].tolist()) for place, name in enumerate(_COLUMNS)}
        cursor.execute(statement, {"project": window.project_id, "series": window.series, **arrays})


_DELETE: Final = """
DELETE FROM health_deferredspan s USING unnest(%(ord)s::int[], %(first_run)s::int[]) AS gone(ord, first_run)
WHERE s.project_id = %(project)s AND s.series = %(series)s AND s.ord = gone.ord AND s.first_run = gone.first_run
"""
_UPDATE: Final = f"""
UPDATE health_deferredspan s
SET outcome = new.outcome, ended_run = nullif(new.ended_run, {NOBODY})
FROM unnest(%(ord)s::int[], %(first_run)s::int[], %(outcome)s::int[], %(ended_run)s::int[])
    AS new(ord, first_run, outcome, ended_run)
WHERE s.project_id = %(project)s AND s.series = %(series)s AND s.ord = new.ord AND s.first_run = new.first_run
"""  # noqa: S608 - a constant
_INSERT: Final = f"""
INSERT INTO health_deferredspan (project_id, series, ord, first_run, outcome, ended_run)
SELECT %(project)s, %(series)s, ord, first_run, outcome, nullif(ended_run, {NOBODY})
FROM unnest(%(ord)s::int[], %(first_run)s::int[], %(outcome)s::int[], %(ended_run)s::int[])
    AS new(ord, first_run, outcome, ended_run)
"""  # noqa: S608 - a constant
