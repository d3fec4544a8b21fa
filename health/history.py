"""One case over many jobs, without reading the other 511 cases of its tiles.

Called by the case page and by whatever says since when a case fails; stands on `health.tiles`.
Promise: a job's answer is the one `merge_tiles` gives (`tests/health/test_history.py`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import numpy as np

from health.aliases import NO_ALIASES, Aliases
from health.rules import outcomes as codes
from health.rules.durations import decode_units
from health.sql import Cursor
from health.tiles import BLOCK_SIZE, DENSE, StoredTile, merge_tiles


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What one job says of one case; `units` are of 10 µs. `n_names`: under how many of its names it ran there."""

    ord: int
    run: int
    series: int
    outcome: int
    units: int
    n_names: int = 1


# The slot of a case in a tile: its own place in a dense one, to be looked up in the short list of a sparse one.
# The blocks once more as a list: the index can be entered there. OFFSET 0: a slot is worked out once, not per use.
_SLOTS: Final = f"""
SELECT wanted.ord, t.run, t.series, wanted.name, t.upload, t.attempt, t.suite,
       get_byte(t.outcomes, slot.number),
       get_byte(t.durations, 2 * slot.number) + 256 * get_byte(t.durations, 2 * slot.number + 1)
FROM {{wanted}}
JOIN health_tile t ON t.project_id = %s AND t.series = {{job}}.series AND t.block = wanted.name / {BLOCK_SIZE}
    AND t.run = {{job}}.run AND t.block = ANY(%s)
CROSS JOIN LATERAL (
    SELECT CASE t.encoding
        WHEN {DENSE} THEN
            CASE WHEN wanted.name %% {BLOCK_SIZE} < length(t.outcomes) THEN wanted.name %% {BLOCK_SIZE} END
        ELSE (SELECT i FROM generate_series(0, t.n - 1) AS i
              WHERE get_byte(t.offsets, 2 * i) + 256 * get_byte(t.offsets, 2 * i + 1) = wanted.name %% {BLOCK_SIZE})
    END AS number
    OFFSET 0
) slot
WHERE slot.number IS NOT NULL AND get_byte(t.outcomes, slot.number) <> {codes.ABSENT}
ORDER BY wanted.ord, t.run, t.series
"""  # noqa: S608 - the numbers are constants
_ALL_IN_ALL_SQL: Final = _SLOTS.format(
    wanted="unnest(%s::int[], %s::int[]) AS wanted(name, ord)"
    " CROSS JOIN unnest(%s::int[], %s::int[]) AS job(run, series)",
    job="job",
)
_EXACT_SQL: Final = _SLOTS.format(
    wanted="unnest(%s::int[], %s::int[], %s::int[], %s::int[]) AS wanted(name, ord, run, series)", job="wanted"
)


def fetch_case_results(
    cursor: Cursor,
    project_id: int,
    *,
    ords: Sequence[int],
    jobs: Sequence[tuple[int, int]],
    aliases: Aliases = NO_ALIASES,
) -> list[CaseResult]:
    """What the given jobs (run, series) say of the given cases; a job in which a case is absent is left out.

    What is asked for by the newest name is answered from all its names.
    """
    if not ords or not jobs:
        return []
    runs, series = [run for run, _ in jobs], [number for _, number in jobs]
    names = aliases.expand((ord_,) for ord_ in ords)
    blocks = sorted({name // BLOCK_SIZE for name, _ in names})
    values = ([name for name, _ in names], [ord_ for _, ord_ in names], runs, series, project_id, blocks)
    return _merge_rows(cursor.execute(_ALL_IN_ALL_SQL, values).fetchall())


def fetch_exact_results(
    cursor: Cursor, project_id: int, *, wanted: Iterable[tuple[int, int, int]], aliases: Aliases = NO_ALIASES
) -> list[CaseResult]:
    """The same for single results, each asked for as (ord, run, series) and each once."""
    rows = aliases.expand(wanted)
    if not rows:
        return []
    names, ords, runs, series = (list(column) for column in zip(*rows, strict=True))
    blocks = sorted({name // BLOCK_SIZE for name in names})
    return _merge_rows(cursor.execute(_EXACT_SQL, (names, ords, runs, series, project_id, blocks)).fetchall())


def _merge_rows(rows: Sequence[tuple[Any, ...]]) -> list[CaseResult]:
    units = decode_units(np.array([row[8] for row in rows], np.uint16)).tolist()
    results = []
    at = 0
    for (ord_, run, number), group in groupby(rows, key=lambda row: row[:3]):
        found = list(group)
        if len(found) == 1:  # nearly always, and a page asks for thousands
            results.append(CaseResult(ord_, run, number, found[0][7], units[at]))
        else:
            merged = merge_tiles([_as_tile(row) for row in found], n_cases=1)
            outcome, spent, n_names = int(merged.outcomes[0]), int(merged.units[0]), len({row[3] for row in found})
            results.append(CaseResult(ord_, run, number, outcome, spent, n_names))
        at += len(found)
    return results


def _as_tile(row: tuple[Any, ...]) -> StoredTile:
    """One slot as a tile that holds this case alone, under number 0."""
    _, run, series, _, upload, attempt, suite, outcome, word = row
    return StoredTile(
        series=series,
        run=run,
        upload=upload,
        attempt=attempt,
        suite=suite,
        ords=np.zeros(1, np.int32),
        outcomes=np.array([outcome], np.uint8),
        durations=np.array([word], np.uint16),
    )
