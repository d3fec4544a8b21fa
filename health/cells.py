"""Everything a window of one series holds, piece by piece: outcomes and packed times of jobs × cases.

Used by `health.judging`, which needs all cases of all jobs of a window and must stay small in memory.
Promise: a job's row says what `merge_tiles` says of it (`tests/health/test_cells.py`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from health.aliases import Aliases
from health.rules.durations import UNITS_PER_SECOND, Words, encode_seconds
from health.sql import Cursor
from health.tiles import BLOCK_SIZE, SPARSE, Ords, Outcomes
from health.windows import Grid, WindowJob, fetch_grid, list_window

# 16,384 cases × 50 jobs are 2.5 MB, and the tiles they are read from four times as many.
_BLOCKS_AT_ONCE: Final = 32


@dataclass(frozen=True, slots=True)
class Window:
    """The newest jobs of a series, oldest first, and the blocks that hold results of the series at all."""

    project_id: int
    series: int
    jobs: list[WindowJob]
    blocks: list[int]
    aliases: Aliases


@dataclass(frozen=True, slots=True)
class Cells:
    """Jobs (rows, as they were asked for) × cases (columns, in the order of `ords`); former names are empty."""

    ords: Ords
    outcomes: Outcomes
    words: Words  # durations as tiles keep them (`health.rules.durations`)

    def choose_rows(self, rows: Sequence[int]) -> "Cells":
        """What some of the jobs say."""
        return Cells(self.ords, self.outcomes[rows], self.words[rows])


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


def list_ords(blocks: Sequence[int]) -> Ords:
    """The numbers of all cases in these blocks."""
    starts = np.array(blocks, np.int32)[:, None] * BLOCK_SIZE
    return np.ravel(starts + np.arange(BLOCK_SIZE, dtype=np.int32))


def walk_cells(cursor: Cursor, window: Window) -> Iterator[Cells]:
    """What the window's jobs say of all cases, piece by piece."""
    for start in range(0, len(window.blocks), _BLOCKS_AT_ONCE):
        yield _fetch_cells(cursor, window, window.blocks[start : start + _BLOCKS_AT_ONCE])


def _fetch_cells(cursor: Cursor, window: Window, blocks: Sequence[int]) -> Cells:
    ords, runs = list_ords(blocks), [job.run for job in window.jobs]
    cells = Cells(ords, np.zeros((len(runs), len(ords)), np.uint8), np.zeros((len(runs), len(ords)), np.uint16))
    values = (window.project_id, window.series, list(blocks), runs)
    disputed = _fill(cells, cursor.execute(_CELLS_SQL, values, binary=True), runs, blocks)
    if disputed:
        _replace(cells, _merge(cursor, window, rows=disputed, ords=ords), rows=disputed)
    if window.aliases:
        _merge_names(cursor, window, cells)
    return cells


def _merge(cursor: Cursor, window: Window, *, rows: Sequence[int], ords: Ords) -> Grid:
    """The same by the slow way, which knows which delivery is believed."""
    jobs = [(window.jobs[row].run, window.series) for row in rows]
    return fetch_grid(cursor, window.project_id, jobs=jobs, ords=ords, aliases=window.aliases)


def _fill(cells: Cells, rows: Iterator[tuple[Any, ...]], runs: Sequence[int], blocks: Sequence[int]) -> list[int]:
    """Put tiles side by side; returns the rows in which two deliveries speak of the same case."""
    places = {run: place for place, run in enumerate(runs)}
    starts = {block: index * BLOCK_SIZE for index, block in enumerate(blocks)}
    filled, disputed = set(), set()
    for run, block, encoding, offsets, outcomes, durations in rows:
        place, start = places[run], starts[block]
        said, words = np.frombuffer(outcomes, np.uint8), np.frombuffer(durations, "<u2")
        slots = np.frombuffer(offsets, "<u2") if encoding == SPARSE else slice(len(said))
        of_job = cells.outcomes[place, start : start + BLOCK_SIZE]
        times = cells.words[place, start : start + BLOCK_SIZE]
        if (place, block) not in filled:
            filled.add((place, block))
            of_job[slots], times[slots] = said, words
        elif np.any((of_job[slots] != 0) & (said != 0)):
            disputed.add(place)
        else:
            times[slots] = np.where(said != 0, words, times[slots])
            of_job[slots] = np.maximum(of_job[slots], said)
    return sorted(disputed)


def _replace(cells: Cells, grid: Grid, *, rows: Any, columns: Any = slice(None)) -> None:
    """Put what was merged in its place; what a tile keeps of a time survives being unpacked and packed again."""
    place = (rows, columns) if isinstance(columns, slice) else np.ix_(rows, columns)
    cells.outcomes[place] = grid.outcomes
    cells.words[place] = encode_seconds(grid.units / UNITS_PER_SECOND)


def _merge_names(cursor: Cursor, window: Window, cells: Cells) -> None:
    """Read the results of renamed cases under their newest names."""
    aliases, rows = window.aliases, range(len(window.jobs))
    is_former = aliases.translate(cells.ords) != cells.ords
    cells.outcomes[:, is_former] = 0
    newest = aliases.translate(np.array(list(aliases.next_name), np.int32))
    renamed = np.isin(cells.ords, newest) & ~is_former
    if renamed.any():
        grid = _merge(cursor, window, rows=rows, ords=cells.ords[renamed])
        _replace(cells, grid, rows=rows, columns=np.flatnonzero(renamed))


_CELLS_SQL: Final = """
SELECT run, block, encoding, offsets, outcomes, durations FROM health_tile
WHERE project_id = %s AND series = %s AND block = ANY(%s) AND run = ANY(%s)
"""
