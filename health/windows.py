"""The newest jobs of a series and what each said of the cases: a grid of jobs × cases, read from tiles in one go.

Used by `health.judging` (all cases of a series) and by the matrix (the cases of one page).
Promise: a column says what `merge_tiles` says of that job (`tests/health/test_windows.py`).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from health.aliases import NO_ALIASES, Aliases
from health.rules.durations import decode_units
from health.sql import Cursor
from health.tiles import BLOCK_SIZE, Ords, Outcomes, StoredTile, fetch_tiles_in_blocks, merge_tiles

# Windows of verdicts count runs, not days, so that a quiet project keeps its verdicts (DESIGN, section 2, Time).
N_JOBS: Final = 50


@dataclass(frozen=True, slots=True)
class WindowJob:
    """One job of the window, with what verdicts need of it."""

    run: int
    series: int
    commit: str
    branch: str
    pull_request: str
    ordered_at: datetime
    ran_at: datetime
    is_complete: bool
    n_executed: int
    n_broken: int


@dataclass(frozen=True, slots=True)
class Grid:
    """Jobs (rows, as they were asked for) × cases (columns, in the order of `ords`)."""

    ords: Ords
    outcomes: Outcomes  # [n_jobs, n_cases]
    units: npt.NDArray[np.int64]  # [n_jobs, n_cases], of 10 µs


def list_window(cursor: Cursor, project_id: int, *, series: int, limit: int = N_JOBS) -> list[WindowJob]:
    """The newest jobs of a series, oldest first."""
    rows = cursor.execute(
        """
        SELECT j.run, j.series, r.commit, j.branch, j.pull_request, j.ordered_at, j.ran_at, j.is_complete,
            j.n_declared - j.n_skipped, j.n_failed + j.n_errored
        FROM (SELECT * FROM health_job WHERE project_id = %s AND series = %s
              ORDER BY ordered_at DESC, ran_at DESC, run DESC LIMIT %s) j
        JOIN health_run r ON r.project_id = j.project_id AND r.number = j.run
        ORDER BY j.ordered_at, j.ran_at, j.run
        """,
        (project_id, series, limit),
    ).fetchall()
    return [WindowJob(*row) for row in rows]


def fetch_grid(
    cursor: Cursor, project_id: int, *, jobs: Sequence[tuple[int, int]], ords: Ords, aliases: Aliases = NO_ALIASES
) -> Grid:
    """What each job (run, series) says of each of the cases `ords`: ascending, the newest name of each."""
    grid = Grid(ords, np.zeros((len(jobs), len(ords)), np.uint8), np.zeros((len(jobs), len(ords)), np.int64))
    if not len(ords) or not jobs:
        return grid
    blocks = np.unique(aliases.add_former(ords) // BLOCK_SIZE).tolist()
    tiles = fetch_tiles_in_blocks(cursor, project_id, jobs=jobs, blocks=blocks)
    places = {job: place for place, job in enumerate(jobs)}
    slots = np.full(int(max(ords[-1] + 1, (blocks[-1] + 1) * BLOCK_SIZE)), -1, np.int32)
    slots[ords] = np.arange(len(ords), dtype=np.int32)
    for job, of_job in _group(tiles).items():
        _fill_row(grid, places[job], of_job, slots, aliases)
    return grid


def _group(tiles: Iterable[StoredTile]) -> dict[tuple[int, int], list[StoredTile]]:
    groups: dict[tuple[int, int], list[StoredTile]] = defaultdict(list)
    for tile in tiles:
        groups[tile.run, tile.series].append(tile)
    return groups


def _fill_row(grid: Grid, place: int, tiles: list[StoredTile], slots: npt.NDArray[np.int32], aliases: Aliases) -> None:
    outcomes, units = grid.outcomes[place], grid.units[place]
    if len({tile.upload for tile in tiles}) == 1 and not any(aliases.touch(tile.ords) for tile in tiles):
        # One delivery says each thing once: nothing to merge, and nearly every job is like that.
        for tile in tiles:
            slot = slots[tile.ords]
            wanted = slot >= 0
            outcomes[slot[wanted]] = tile.outcomes[wanted]
            units[slot[wanted]] = decode_units(tile.durations[wanted])
        return
    merged = merge_tiles(tiles, n_cases=len(slots), aliases=aliases)
    outcomes[:] = merged.outcomes[grid.ords]
    units[:] = merged.units[grid.ords]
