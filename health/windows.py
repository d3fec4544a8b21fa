"""The newest jobs of a series and what jobs say of cases: grids of jobs × cases, read from tiles in one go.

Used by `health.judging` (all cases of a window, piece by piece, to stay small in memory), by `health.causes` and the
search (some cases) and by the matrix (the outcomes of all).
Promise: a job's row says what `merge_tiles` says of it, whichever way it is read (`tests/health/test_windows.py`).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from health.aliases import NO_ALIASES, Aliases
from health.rules.durations import UNITS_PER_SECOND, Words, encode_seconds
from health.sql import Cursor
from health.tiles import BLOCK_SIZE, NO_SUITE, SPARSE, Ords, Outcomes, StoredTile, fetch_tiles_in_blocks, merge_tiles

# Windows of verdicts count runs, not days, so that a quiet project keeps its verdicts (DESIGN, section 2, Time).
N_JOBS: Final = 50
# 16,384 cases × 50 jobs are 2.5 MB, and the tiles they are read from four times as many.
_BLOCKS_AT_ONCE: Final = 32

JobNumbers = tuple[int, int]  # run and series


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
class Window:
    """The newest jobs of a series, oldest first, and the blocks that hold results of the series at all."""

    project_id: int
    series: int
    jobs: list[WindowJob]
    blocks: list[int]
    aliases: Aliases


@dataclass(frozen=True, slots=True)
class Grid:
    """Jobs (rows, as they were asked for) × cases (columns, in the order of `ords`); former names are empty."""

    ords: Ords
    outcomes: Outcomes
    words: Words  # durations as tiles keep them (`health.rules.durations`)

    def choose_rows(self, rows: Sequence[int]) -> "Grid":
        """What some of the jobs say."""
        return Grid(self.ords, self.outcomes[rows], self.words[rows])


# --- the window of a series ------------------------------------------------------------------------------------


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


def open_window(cursor: Cursor, project_id: int, *, series: int, aliases: Aliases) -> Window:
    """The window of a series as it is now."""
    jobs = list_window(cursor, project_id, series=series)
    return Window(project_id, series, jobs, _list_blocks(cursor, project_id, series, aliases), aliases)


def _list_blocks(cursor: Cursor, project_id: int, series: int, aliases: Aliases) -> list[int]:
    """The blocks that hold results of a series, and those of the newest names of cases in them."""
    rows = cursor.execute(
        """
        WITH RECURSIVE found(block) AS (
            SELECT min(block) FROM health_tile WHERE project_id = %(project)s AND series = %(series)s
            UNION ALL
            SELECT (SELECT min(block) FROM health_tile
                    WHERE project_id = %(project)s AND series = %(series)s AND block > found.block)
            FROM found WHERE found.block IS NOT NULL)
        SELECT block FROM found WHERE block IS NOT NULL
        """,
        {"project": project_id, "series": series},
    ).fetchall()
    blocks = {block for (block,) in rows}
    newest = {aliases.canonical(old) // BLOCK_SIZE for old in aliases.next_name if old // BLOCK_SIZE in blocks}
    return sorted(blocks | newest)


def walk_window(cursor: Cursor, window: Window) -> Iterator[Grid]:
    """What the window's jobs say of all cases, piece by piece."""
    for start in range(0, len(window.blocks), _BLOCKS_AT_ONCE):
        yield _fetch_piece(cursor, window, window.blocks[start : start + _BLOCKS_AT_ONCE])


def _fetch_piece(cursor: Cursor, window: Window, blocks: Sequence[int]) -> Grid:
    jobs = [(job.run, window.series) for job in window.jobs]
    starts = np.array(blocks, np.int32)[:, None] * BLOCK_SIZE
    grid = _make_grid(len(jobs), np.ravel(starts + np.arange(BLOCK_SIZE, dtype=np.int32)))
    runs = [job.run for job in window.jobs]
    tiles = cursor.execute(_WINDOW_SQL, (window.project_id, window.series, list(blocks), runs), binary=True)
    disputed = sorted(_lay_side_by_side(grid, tiles, jobs, blocks))
    if disputed:
        _fill_rows(cursor, window.project_id, grid, jobs=jobs, rows=disputed, aliases=window.aliases)
    if window.aliases:
        _merge_names(cursor, window, grid, jobs)
    return grid


def _merge_names(cursor: Cursor, window: Window, grid: Grid, jobs: Sequence[JobNumbers]) -> None:
    """Read the results of renamed cases under their newest names; the former ones may be in another piece."""
    aliases = window.aliases
    is_former = aliases.translate(grid.ords) != grid.ords
    grid.outcomes[:, is_former] = 0
    newest = aliases.translate(np.array(list(aliases.next_name), np.int32))
    renamed = np.flatnonzero(np.isin(grid.ords, newest) & ~is_former)
    merged = fetch_grid(cursor, window.project_id, jobs=jobs, ords=grid.ords[renamed], aliases=aliases)
    grid.outcomes[:, renamed], grid.words[:, renamed] = merged.outcomes, merged.words


_WINDOW_SQL: Final = """
SELECT run, series, suite, block, encoding, offsets, outcomes, durations FROM health_tile
WHERE project_id = %s AND series = %s AND block = ANY(%s) AND run = ANY(%s)
"""


# --- some cases of any jobs ------------------------------------------------------------------------------------


def fetch_grid(
    cursor: Cursor, project_id: int, *, jobs: Sequence[JobNumbers], ords: Ords, aliases: Aliases = NO_ALIASES
) -> Grid:
    """What each job (run, series) says of each of the cases `ords`: ascending, the newest name of each."""
    grid = _make_grid(len(jobs), ords)
    if not len(ords) or not jobs:
        return grid
    blocks = np.unique(aliases.add_former(ords) // BLOCK_SIZE).tolist()
    tiles = fetch_tiles_in_blocks(cursor, project_id, jobs=jobs, blocks=blocks)
    places = {job: place for place, job in enumerate(jobs)}
    # A tile may hold others than these, too, which go on under any number.
    highest = max(int(ords[-1]), (blocks[-1] + 1) * BLOCK_SIZE - 1, *aliases.next_name.values())
    slots = np.full(highest + 1, -1, np.int32)
    slots[ords] = np.arange(len(ords), dtype=np.int32)
    for job, of_job in _group(tiles).items():
        _fill_row(grid, places[job], of_job, slots, aliases)
    return grid


def _make_grid(n_jobs: int, ords: Ords) -> Grid:
    return Grid(ords, np.zeros((n_jobs, len(ords)), np.uint8), np.zeros((n_jobs, len(ords)), np.uint16))


def _group(tiles: Iterable[StoredTile]) -> dict[JobNumbers, list[StoredTile]]:
    groups: dict[JobNumbers, list[StoredTile]] = defaultdict(list)
    for tile in tiles:
        groups[tile.run, tile.series].append(tile)
    return groups


def _fill_row(grid: Grid, place: int, tiles: list[StoredTile], slots: npt.NDArray[np.int32], aliases: Aliases) -> None:
    outcomes, words = grid.outcomes[place], grid.words[place]
    if len({tile.upload for tile in tiles}) == 1 and not any(aliases.touch(tile.ords) for tile in tiles):
        # One delivery says each thing once: nothing to merge, and nearly every job is like that.
        for tile in tiles:
            slot = slots[tile.ords]
            wanted = slot >= 0
            outcomes[slot[wanted]] = tile.outcomes[wanted]
            words[slot[wanted]] = tile.durations[wanted]
        return
    merged = merge_tiles(tiles, n_cases=len(slots), aliases=aliases)
    outcomes[:] = merged.outcomes[grid.ords]
    # What a tile keeps of a time survives being unpacked and packed again.
    words[:] = encode_seconds(merged.units[grid.ords] / UNITS_PER_SECOND)


# --- all cases of any jobs -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Everything:
    """What jobs say of all cases of a project, times apart."""

    outcomes: Outcomes  # [jobs, cases]
    suites: npt.NDArray[np.int32]  # the suite the newest delivery named, NO_SUITE where the case's own holds


def fetch_outcomes(
    cursor: Cursor, project_id: int, *, jobs: Sequence[JobNumbers], n_cases: int, aliases: Aliases = NO_ALIASES
) -> Everything:
    """What each job, oldest first, says of every case of a project: a tenth of what `fetch_grid` costs."""
    blocks = range(-(-n_cases // BLOCK_SIZE))
    ords = np.arange(len(blocks) * BLOCK_SIZE, dtype=np.int32)
    grid, suites = _make_grid(len(jobs), ords), np.full(len(ords), NO_SUITE, np.int32)
    if jobs and n_cases:
        values = (*_split(jobs), project_id, list(blocks))
        tiles = cursor.execute(_OUTCOMES_SQL, values, binary=True).fetchall()
        disputed = _lay_side_by_side(grid, tiles, jobs, blocks)
        _name_suites(suites, tiles, jobs)
        disputed |= _rename_columns(grid.outcomes, suites, aliases)
        if disputed:
            _fill_rows(cursor, project_id, grid, jobs=jobs, rows=sorted(disputed), aliases=aliases)
    return Everything(grid.outcomes[:, :n_cases], suites[:n_cases])


def _name_suites(suites: npt.NDArray[np.int32], tiles: Iterable[tuple[Any, ...]], jobs: Sequence[JobNumbers]) -> None:
    """Write down the suites that deliveries named, the newest job's last."""
    places = {job: place for place, job in enumerate(jobs)}
    named = [tile for tile in tiles if tile[2] is not None]
    for _, _, suite, block, encoding, offsets, outcomes, _ in sorted(named, key=lambda tile: places[tile[:2]]):
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
SELECT run, series, suite, block, encoding, offsets, outcomes, NULL FROM health_tile
JOIN unnest(%s::int[], %s::int[]) AS job(job_run, job_series) ON run = job_run AND series = job_series
WHERE project_id = %s AND block = ANY(%s)
"""


# --- tiles of many jobs at once --------------------------------------------------------------------------------


def _split(jobs: Sequence[JobNumbers]) -> tuple[list[int], list[int]]:
    return [run for run, _ in jobs], [series for _, series in jobs]


def _lay_side_by_side(
    grid: Grid, tiles: Iterable[tuple[Any, ...]], jobs: Sequence[JobNumbers], blocks: Sequence[int]
) -> set[int]:
    """Fill a grid of whole blocks; returns the rows in which two deliveries speak of the same case.

    Deliveries of one job that speak of different cases only have to be put side by side. Where two speak of the same
    one, `merge_tiles` decides: such rows are left as they came out.
    """
    places = {job: place for place, job in enumerate(jobs)}
    starts = {block: index * BLOCK_SIZE for index, block in enumerate(blocks)}
    filled, disputed = set(), set()
    for run, series, _, block, encoding, offsets, outcomes, durations in tiles:
        place, start = places[run, series], starts[block]
        said = np.frombuffer(outcomes, np.uint8)
        slots = _find_slots(encoding, offsets, len(said))
        held = grid.outcomes[place, start : start + BLOCK_SIZE]
        words = None if durations is None else np.frombuffer(durations, "<u2")
        times = grid.words[place, start : start + BLOCK_SIZE]
        if (place, block) not in filled:
            filled.add((place, block))
        elif np.any((held[slots] != 0) & (said != 0)):
            disputed.add(place)
            continue
        else:
            words = None if words is None else np.where(said != 0, words, times[slots])
            said = np.maximum(said, held[slots])
        held[slots] = said
        if words is not None:
            times[slots] = words
    return disputed


def _fill_rows(
    cursor: Cursor, project_id: int, grid: Grid, *, jobs: Sequence[JobNumbers], rows: Sequence[int], aliases: Aliases
) -> None:
    """Read these jobs again by the slow way, which knows which delivery is believed."""
    merged = fetch_grid(cursor, project_id, jobs=[jobs[row] for row in rows], ords=grid.ords, aliases=aliases)
    grid.outcomes[rows], grid.words[rows] = merged.outcomes, merged.words


def _find_slots(encoding: int, offsets: bytes | None, n: int) -> slice | npt.NDArray[np.uint16]:
    return np.frombuffer(offsets, "<u2") if encoding == SPARSE and offsets is not None else slice(n)
