"""The suite a case is shown under in a run: what the delivery named, else the case's own.

Used in the SQL of flaky, vanished and slow, whose tables know a case and a series, not its suite. A delivery that
names its suite is counted under that one, whatever the case's own is; so it is looked up where it is kept, in the tile.
Promise: the same suite as `health.tiles.merge_tiles` would say (`tests/dashboard/test_shown_suites.py`).
"""

from health.tiles import BLOCK_SIZE, DENSE


def write_shown_suite(*, run: str) -> str:
    """SQL for the suite of the row `v` (project_id, series, ord) and its case `c`, in the run that `run` names."""
    return f"""coalesce((
        SELECT t.suite FROM health_tile t
        WHERE t.project_id = v.project_id AND t.series = v.series AND t.block = v.ord / {BLOCK_SIZE} AND t.run = {run}
          AND t.suite IS NOT NULL AND CASE
            WHEN t.encoding <> {DENSE} THEN EXISTS (
                SELECT 1 FROM generate_series(0, t.n - 1) AS i
                WHERE get_byte(t.offsets, 2 * i) + 256 * get_byte(t.offsets, 2 * i + 1) = v.ord %% {BLOCK_SIZE})
            WHEN v.ord %% {BLOCK_SIZE} < length(t.outcomes) THEN get_byte(t.outcomes, v.ord %% {BLOCK_SIZE}) <> 0
            ELSE false END
        ORDER BY t.attempt DESC, t.upload DESC LIMIT 1), c.suite)"""  # noqa: S608 - constants, and a column's name
