"""Verdicts of a series' window: one row for each case that did not always plainly pass in it.

Called by `health.judging`; the rule is in `health.rules.flakiness`.
Promise: only rows that changed are written (`tests/health/test_judging.py`).
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from health.rules.flakiness import VERDICTS, Jobs, judge_grid
from health.sql import Cursor, format_array, replace_rows
from health.windows import Grid, WindowJob

_COLUMNS: Final = {
    "ord": "int",
    "verdict": "text",
    "n_ran": "int",
    "n_broken": "int",
    "n_retried": "int",
    "n_disagreed": "int",
    "n_flips": "int",
    "n_streak": "int",
    "last_broken_run": "int",
    "last_run": "int",
}

Table = npt.NDArray[np.int64]  # a row per case, in the order of _COLUMNS; a verdict as its place, no run as -1
Mask = npt.NDArray[np.bool_]


def draw_verdicts(grid: Grid, *, jobs: Sequence[WindowJob], epochs: Mapping[int, Mask], is_long_lived: bool) -> Table:
    """What these jobs, which are no mass failures, say of each case; `epochs`: which of them count for a fixed one."""
    outcomes = _leave_out_before(grid, epochs)
    facts = Jobs([job.commit for job in jobs], [(job.branch, job.pull_request) for job in jobs], is_long_lived)
    tally = judge_grid(outcomes, jobs=facts)
    runs = np.array([job.run for job in jobs] + [-1], np.int64)  # the last one is what -1 points at
    columns = (
        grid.ords[tally.places],
        tally.verdicts,
        tally.n_ran,
        tally.n_broken,
        tally.n_retried,
        tally.n_disagreed,
        tally.n_flips,
        tally.n_streak,
        runs[tally.last_broken],
        runs[tally.last_ran],
    )
    return np.column_stack([column.astype(np.int64) for column in columns])


def _leave_out_before(grid: Grid, epochs: Mapping[int, Mask]) -> npt.NDArray[np.uint8]:
    """The outcomes without those from before the last claimed fix of their case."""
    claimed = np.flatnonzero(np.isin(grid.ords, list(epochs)))
    if not len(claimed):
        return grid.outcomes
    outcomes = grid.outcomes.copy()
    for place in claimed.tolist():
        outcomes[~epochs[int(grid.ords[place])], place] = 0
    return outcomes


def write_verdicts(cursor: Cursor, project_id: int, *, series: int, verdicts: Sequence[Table]) -> int:
    """Make these the verdicts of the series; returns how many rows changed."""
    table = np.concatenate([np.zeros((0, len(_COLUMNS)), np.int64), *verdicts])
    values: list[object] = [format_array(column) for column in table.T.tolist()]
    names = list(_COLUMNS)
    values[names.index("verdict")] = [VERDICTS[place] for place in table[:, names.index("verdict")].tolist()]
    last_broken = table[:, names.index("last_broken_run")].tolist()
    values[names.index("last_broken_run")] = [run if run >= 0 else None for run in last_broken]
    return replace_rows(cursor, "health_caseverdict", project_id, series=series, columns=_COLUMNS, values=values)
