"""The newest jobs of a series and what each said of the cases: a grid of jobs × cases, read from tiles in one go.

Used by `health.judging` (all cases of a series) and by the matrix (their outcomes alone).
Promise: a job's row says what `merge_tiles` says of it (`tests/health/test_windows.py`).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from health.aliases import NO_ALIASES, Aliases
from health.rules.durations import decode_units
from health.sql import Cursor
from health.tiles import BLOCK_SIZE, NO_SUITE, SPARSE, Ords, Outcomes, StoredTile, fetch_tiles_in_blocks, merge_tiles

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
    n_declared: int
    is_judged: bool


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
            j.n_declared - j.n_skipped, j.n_failed + j.n_errored, j.n_declared, j.is_judged
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


@dataclass(frozen=True, slots=True)
class Everything:
    """What jobs say of all cases of a project, times apart."""

    outcomes: Outcomes  # [jobs, cases]
    suites: npt.NDArray[np.int32]  # the suite the newest delivery named, NO_SUITE where the case's own holds


def fetch_outcomes(
    cursor: Cursor, project_id: int, *, jobs: Sequence[tuple[int, int]], n_cases: int, aliases: Aliases = NO_ALIASES
) -> Everything:
    """What each job, oldest first, says of every case of a project: a tenth of what `fetch_grid` costs.

    Deliveries of one job that speak of different cases only have to be put side by side. Where two speak of the same
    one, `merge_tiles` decides.
    """
    n_blocks = -(-n_cases // BLOCK_SIZE)
    grid = np.zeros((len(jobs), n_blocks * BLOCK_SIZE), np.uint8)
    suites = np.full(n_blocks * BLOCK_SIZE, NO_SUITE, np.int32)
    if jobs and n_cases:
        values = (*_split(jobs), project_id, list(range(n_blocks)))
        rows = cursor.execute(_OUTCOMES_SQL, values, binary=True).fetchall()
        places = {job: place for place, job in enumerate(jobs)}
        disputed = _lay_side_by_side(grid, rows, places)
        _name_suites(suites, rows, places)
        disputed |= _rename_columns(grid, suites, aliases)
        _settle(cursor, project_id, grid[:, :n_cases], {place: jobs[place] for place in sorted(disputed)}, aliases)
    return Everything(grid[:, :n_cases], suites[:n_cases])


def _settle(
    cursor: Cursor, project_id: int, grid: Outcomes, disputed: Mapping[int, tuple[int, int]], aliases: Aliases
) -> None:
    """Read the jobs again, tile by tile, in which two deliveries speak of one case."""
    if disputed:
        ords = np.arange(grid.shape[1], dtype=np.int32)
        merged = fetch_grid(cursor, project_id, jobs=list(disputed.values()), ords=ords, aliases=aliases)
        grid[list(disputed)] = merged.outcomes


def _split(jobs: Sequence[tuple[int, int]]) -> tuple[list[int], list[int]]:
    return [run for run, _ in jobs], [series for _, series in jobs]


def _lay_side_by_side(
    grid: Outcomes, rows: Iterable[tuple[Any, ...]], places: Mapping[tuple[int, int], int]
) -> set[int]:
    """Fill the grid; the places of the jobs in which two deliveries speak of the same case."""
    disputed, filled = set(), set()
    for run, series, _, block, encoding, offsets, outcomes in rows:
        place, said = places[run, series], np.frombuffer(outcomes, np.uint8)
        part = grid[place, block * BLOCK_SIZE : (block + 1) * BLOCK_SIZE]
        slots = _find_slots(encoding, offsets, len(said))
        if (place, block) in filled:
            if np.any((part[slots] != 0) & (said != 0)):
                disputed.add(place)
            said = np.maximum(part[slots], said)
        filled.add((place, block))
        part[slots] = said
    return disputed


def _find_slots(encoding: int, offsets: bytes | None, n: int) -> slice | npt.NDArray[np.uint16]:
    return np.frombuffer(offsets, "<u2") if encoding == SPARSE and offsets is not None else slice(n)


def _name_suites(
    suites: npt.NDArray[np.int32], rows: Iterable[tuple[Any, ...]], places: Mapping[tuple[int, int], int]
) -> None:
    """Write down the suites that deliveries named, the newest job's last."""
    named = [row for row in rows if row[2] is not None]
    for _, _, suite, block, encoding, offsets, outcomes in sorted(named, key=lambda row: places[row[:2]]):
        said = np.frombuffer(outcomes, np.uint8)
        slots = _find_slots(encoding, offsets, len(said))
        part = suites[block * BLOCK_SIZE : (block + 1) * BLOCK_SIZE]
        part[slots] = np.where(said != 0, suite, part[slots])


def _rename_columns(grid: Outcomes, suites: npt.NDArray[np.int32], aliases: Aliases) -> set[int]:
    """Bring results under the newest names; the places of the jobs in which two names of one case ran."""
    former = np.array([ord_ for ord_ in aliases.next_name if ord_ < grid.shape[1]], np.int32)
    disputed: set[int] = set()
    for old, new in zip(former.tolist(), aliases.translate(former).tolist(), strict=True):
        disputed |= set(np.flatnonzero((grid[:, old] != 0) & (grid[:, new] != 0)).tolist())
        grid[:, new] = np.maximum(grid[:, new], grid[:, old])
        grid[:, old] = 0
        suites[new] = suites[old] if suites[new] == NO_SUITE else suites[new]
    return disputed


_OUTCOMES_SQL: Final = """
SELECT run, series, suite, block, encoding, offsets, outcomes FROM health_tile
JOIN unnest(%s::int[], %s::int[]) AS job(job_run, job_series) ON run = job_run AND series = job_series
WHERE project_id = %s AND block = ANY(%s)
"""
