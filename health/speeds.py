"""Speeds of a series' window: how long its slowest cases take, and which became slower.

Called by `health.judging`; the rule is in `health.rules.speeds`. What stopped running takes no time any more.
Promise: only rows that changed are written (`tests/health/test_judging.py`).
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from health.rules.speeds import choose_kept, measure_grid
from health.sql import Cursor, format_array, replace_rows
from health.windows import Grid

_COLUMNS: Final = {
    "ord": "int",
    "n": "int",
    "median": "bigint",
    "n_before": "int",
    "median_before": "bigint",
    "is_slower": "bool",
}

Table = npt.NDArray[np.int64]  # a row per case, in the order of _COLUMNS
Mask = npt.NDArray[np.bool_]


def draw_speeds(grid: Grid, *, is_running: Mask) -> Table:
    """How long each case takes that still runs and is among the slowest of these, or became slower."""
    speeds = measure_grid(grid.outcomes, words=grid.words)
    columns = (grid.ords, speeds.n, speeds.median, speeds.n_before, speeds.median_before, speeds.is_slower)
    table = np.column_stack([column.astype(np.int64) for column in columns])
    return _keep(table[(speeds.n > 0) & is_running])


def write_speeds(cursor: Cursor, project_id: int, *, series: int, speeds: Sequence[Table]) -> int:
    """Make these the speeds of the series, of all of them those that are kept; returns how many rows changed."""
    kept = _keep(np.concatenate([np.zeros((0, len(_COLUMNS)), np.int64), *speeds]))
    values: list[object] = [format_array(column) for column in kept.T.tolist()]
    values[-1] = [bool(slower) for slower in kept[:, -1].tolist()]
    return replace_rows(cursor, "health_casespeed", project_id, series=series, columns=_COLUMNS, values=values)


def _keep(table: Table) -> Table:
    return table[choose_kept(table[:, 2], ords=table[:, 0], is_slower=table[:, 5] > 0)]
