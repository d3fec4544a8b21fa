"""Cases that stopped running: in a job of a long-lived branch before, and in none since its newest complete one.

Called by `health.judging`; the suspicions are in `health.rules.vanishing`, their evidence in `health.suspicions`.
Of most cases the window says it. Of one that ran before the window only, what was concluded earlier is kept: nothing
but an older job that is new can change it. Where results were taken away, or nothing is known of the series yet, its
older jobs are looked through for cases that the window does not hold.
Promise: both ways end alike (`tests/health/test_judging.py`).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from health.aliases import Aliases
from health.rules.vanishing import SUSPICIONS, find_vanished
from health.sql import Cursor, format_array, replace_rows
from health.suspicions import suspect_causes
from health.tiles import BLOCK_SIZE, fetch_ords_of_jobs
from health.windows import N_JOBS, Grid, Window

# So many tiles are looked through at once: about 20 MB.
_TILES_AT_ONCE: Final = 20_000
_COLUMNS: Final = {"ord": "int", "last_run": "int", "gone_run": "int", "suspicion": "text", "other": "int"}

Numbers = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]


class Sightings:
    """Which job of the window holds each case last, and which cases the newest complete one holds."""

    def __init__(self, window: Window) -> None:
        """Nothing was looked at yet."""
        size = (window.blocks[-1] + 1) * BLOCK_SIZE if window.blocks else 0
        complete = [place for place, job in enumerate(window.jobs) if job.is_complete]
        self.newest = complete[-1] if complete else None  # its place in the window
        self.last = np.full(size, -1, np.int32)
        self.held = np.zeros(size, np.bool_)

    def look(self, grid: Grid) -> None:
        """Note what all jobs of the window say of some cases."""
        is_there = grid.outcomes != 0
        last = len(is_there) - 1 - np.argmax(is_there[::-1], axis=0)
        self.last[grid.ords] = np.where(is_there.any(axis=0), last, -1)
        if self.newest is not None:
            self.held[grid.ords] = is_there[self.newest]

    def find_running(self, ords: Numbers) -> Mask:
        """Which of these cases the newest complete job holds, or one after it; all where there is none."""
        if self.newest is None:
            return np.ones(len(ords), np.bool_)
        return ~find_vanished(self.last[ords], self.newest)


def settle_vanished(
    cursor: Cursor, window: Window, *, sightings: Sightings, is_known: bool, runs: Collection[int]
) -> int:
    """Bring the vanished cases of the window's series up to date; returns how many rows changed.

    `is_known`: what was concluded before still counts; then only `runs` are new, or what the window holds.
    """
    is_kept = is_known and any(job.is_complete and job.is_judged for job in window.jobs)
    outside = _list_outside(cursor, window, among=runs if is_kept else None) if len(window.jobs) >= N_JOBS else []
    newest = _find_newest(cursor, window, sightings, outside)
    if newest is None:
        return _replace(cursor, window, ["{}"] * len(_COLUMNS))
    run, held = newest
    if not held.any() and _has_lost_tiles(cursor, window, run):
        return 0  # its tiles are no longer kept: what was concluded when they were is all we know
    noted = _fetch_noted(cursor, window, is_kept=is_kept)
    older = [run for run, _ in outside]
    places = _put_in_order(cursor, window, [*older, *noted.values()])
    last = _see_last(cursor, window, sightings, places, older)
    last = _add_noted(last, noted, places, sightings, window.aliases)
    ords = np.flatnonzero(find_vanished(last, places[run])).astype(np.int32)
    names = {place: number for number, place in places.items()}
    last_runs = np.array([names[place] for place in last[ords].tolist()], np.int32)
    gone = _find_gone(cursor, window, np.unique(last_runs).tolist())
    reasons, others = suspect_causes(
        cursor,
        window,
        newest=run,
        held=held,
        ords=ords,
        last_runs=last_runs,
        last_places=last[ords],
        is_part_missing=np.array([gone[run][1] for run in last_runs.tolist()], np.bool_),
    )
    values = [
        format_array(ords.tolist()),
        format_array(last_runs.tolist()),
        format_array(gone[run][0] for run in last_runs.tolist()),
        [SUSPICIONS[reason] for reason in reasons.tolist()],
        [others.get(ord_) for ord_ in ords.tolist()],
    ]
    return _replace(cursor, window, values)


def _replace(cursor: Cursor, window: Window, values: Sequence[object]) -> int:
    table = "health_vanishedcase"
    return replace_rows(cursor, table, window.project_id, series=window.series, columns=_COLUMNS, values=values)


# --- jobs in their order ---------------------------------------------------------------------------------------


def _list_outside(cursor: Cursor, window: Window, *, among: Collection[int] | None) -> list[tuple[int, bool]]:
    """The jobs older than the window, the newest first, and whether each is complete; some of them or all."""
    oldest = window.jobs[0]
    place = (oldest.ordered_at, oldest.ran_at, oldest.run)
    return cursor.execute(
        """
        SELECT run, is_complete FROM health_job
        WHERE project_id = %s AND series = %s AND ordered_at <= %s AND (ordered_at, ran_at, run) < (%s, %s, %s)
          AND (%s::int[] IS NULL OR run = ANY(%s::int[]))
        ORDER BY ordered_at DESC, ran_at DESC, run DESC
        """,
        (window.project_id, window.series, oldest.ordered_at, *place, *[None if among is None else list(among)] * 2),
    ).fetchall()


def _find_newest(
    cursor: Cursor, window: Window, sightings: Sightings, outside: Iterable[tuple[int, bool]]
) -> tuple[int, Mask] | None:
    """The run of the newest complete job, and which cases it holds."""
    if sightings.newest is not None:
        return window.jobs[sightings.newest].run, sightings.held
    run = next((run for run, is_complete in outside if is_complete), None)
    if run is None:
        return None
    held = np.zeros_like(sightings.held)
    jobs = [(run, window.series)]
    for _, _, ords in fetch_ords_of_jobs(cursor, window.project_id, jobs=jobs, blocks=window.blocks):
        held[window.aliases.translate(ords)] = True
    return run, held


def _has_lost_tiles(cursor: Cursor, window: Window, run: int) -> bool:
    row = cursor.execute(
        "SELECT n_declared > 0 FROM health_job WHERE project_id = %s AND run = %s AND series = %s",
        (window.project_id, run, window.series),
    ).fetchone()
    return bool(row and row[0])


def _put_in_order(cursor: Cursor, window: Window, others: Iterable[int]) -> dict[int, int]:
    """The place of each of these runs among them, in the order of the series' jobs."""
    known = {job.run for job in window.jobs}
    older = set(others) - known
    if not older:
        return {job.run: place for place, job in enumerate(window.jobs)}
    rows = cursor.execute(
        """
        SELECT run FROM health_job WHERE project_id = %s AND series = %s AND run = ANY(%s::int[])
        ORDER BY ordered_at, ran_at, run
        """,
        (window.project_id, window.series, format_array(older | known)),
    ).fetchall()
    return {run: place for place, (run,) in enumerate(rows)}


def _find_gone(cursor: Cursor, window: Window, runs: Sequence[int]) -> dict[int, tuple[int, bool]]:
    """For each run the first complete one after it, and whether one came before that which lacks a part."""
    rows = cursor.execute(
        """
        SELECT last.run, gone.run, next.run <> gone.run FROM health_job last
        CROSS JOIN LATERAL (
            SELECT run FROM health_job j
            WHERE j.project_id = last.project_id AND j.series = last.series AND j.ordered_at >= last.ordered_at
              AND (j.ordered_at, j.ran_at, j.run) > (last.ordered_at, last.ran_at, last.run)
            ORDER BY j.ordered_at, j.ran_at, j.run LIMIT 1) next
        CROSS JOIN LATERAL (
            SELECT run FROM health_job j
            WHERE j.project_id = last.project_id AND j.series = last.series AND j.ordered_at >= last.ordered_at
              AND (j.ordered_at, j.ran_at, j.run) > (last.ordered_at, last.ran_at, last.run) AND j.is_complete
            ORDER BY j.ordered_at, j.ran_at, j.run LIMIT 1) gone
        WHERE last.project_id = %s AND last.series = %s AND last.run = ANY(%s::int[])
        """,
        (window.project_id, window.series, format_array(runs)),
    ).fetchall()
    return {last: (gone, is_part_missing) for last, gone, is_part_missing in rows}


# --- who was seen where ----------------------------------------------------------------------------------------


def _see_last(
    cursor: Cursor, window: Window, sightings: Sightings, places: Mapping[int, int], outside: Sequence[int]
) -> Numbers:
    """The place of the newest job that holds each case, -1 where none does; `outside`: older jobs, the newest first."""
    in_window = np.array([places[job.run] for job in window.jobs] + [-1], np.int32)  # -1 points at the last one
    last = in_window[sightings.last]
    names = window.aliases.translate(np.arange(len(last), dtype=np.int32))[: _count_cases(cursor, window.project_id)]
    at = 0
    while at < len(outside):
        # Most blocks hold no case that was not seen yet, and of those that do a few jobs mostly tell.
        blocks = np.unique(np.flatnonzero(last[names] < 0) // BLOCK_SIZE).tolist()
        n_at_once = max(1, _TILES_AT_ONCE // max(1, len(blocks)))
        jobs = [(run, window.series) for run in outside[at : at + n_at_once]] if blocks else []
        for run, _, ords in fetch_ords_of_jobs(cursor, window.project_id, jobs=jobs, blocks=blocks):
            held = window.aliases.translate(ords)
            last[held] = np.maximum(last[held], places[run])
        at += n_at_once
    return last


def _count_cases(cursor: Cursor, project_id: int) -> int:
    row = cursor.execute("SELECT max(ord) + 1 FROM health_case WHERE project_id = %s", (project_id,)).fetchone()
    return (row and row[0]) or 0


def _fetch_noted(cursor: Cursor, window: Window, *, is_kept: bool) -> dict[int, int]:
    """The cases that were found to have vanished before, each with the last run that held it.

    Where all jobs are looked through, only those that nobody can find any more: the tiles of that run are gone.
    """
    rows = cursor.execute(
        f"""
        SELECT v.ord, v.last_run FROM health_vanishedcase v
        JOIN health_job j ON j.project_id = v.project_id AND j.series = v.series AND j.run = v.last_run
        WHERE v.project_id = %s AND v.series = %s
          {"" if is_kept else _NO_TILES}
        """,  # noqa: S608 - one of two constants
        (window.project_id, window.series),
    ).fetchall()
    return dict(rows)


_NO_TILES: Final = """
    AND NOT EXISTS (SELECT 1 FROM health_tile t
                    WHERE t.project_id = v.project_id AND t.series = v.series AND t.run = v.last_run)
"""


def _add_noted(
    last: Numbers, noted: Mapping[int, int], places: Mapping[int, int], sightings: Sightings, aliases: Aliases
) -> Numbers:
    """With what was noted of cases that the window does not hold."""
    if not noted:
        return last
    size = max(len(last), max(noted) + 1)
    seen = np.concatenate([last, np.full(size - len(last), -1, np.int32)])
    for ord_, run in noted.items():
        is_in_window = ord_ < len(sightings.last) and sightings.last[ord_] >= 0
        if not is_in_window and aliases.canonical(ord_) == ord_:
            seen[ord_] = max(seen[ord_], places[run])
    return seen
