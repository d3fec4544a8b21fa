"""The suite a case is shown under in a run: what the delivery named, else the case's own.

Used where a choice of suites narrows cases: in the SQL of flaky, vanished, slow and causes, whose tables know a case
and a series, not its suite, and by search. (Matrix, run and compare read whole jobs, and the suites with them.) A
delivery that names its suite is counted under that one, whatever the case's own is; so it is looked up where it is
kept, in the tile.
Promise: the same suite as `health.tiles.merge_tiles` would say (`tests/dashboard/test_shown_suites.py`).
"""

from collections.abc import Collection, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from health.aliases import Aliases
from health.models import Project
from health.rollups import fetch_cases
from health.sql import open_cursor
from health.tiles import BLOCK_SIZE, DENSE, NO_SUITE
from health.windows import fetch_outcomes


def write_shown_suite(*, run: str) -> str:
    """SQL for the suite of the row `v` (project_id, series, ord) and its case `c`, in the run that `run` names."""
    return f"""coalesce((
        SELECT t.suite FROM health_tile t
        WHERE t.project_id = v.project_id AND t.series = v.series AND t.block = v.ord / {BLOCK_SIZE} AND t.run = {run}
          AND t.suite IS NOT NULL AND {_HOLDS}
        ORDER BY t.attempt DESC, t.upload DESC LIMIT 1), c.suite)"""  # noqa: S608 - constants, and a column's name


def write_suite_of_run(*, run: str) -> str:
    """The same for a row that knows no series: as one of the jobs of that run says, that which delivered last."""
    return f"""coalesce((
        SELECT t.suite FROM health_job j JOIN health_tile t
          ON t.project_id = j.project_id AND t.series = j.series AND t.block = v.ord / {BLOCK_SIZE} AND t.run = j.run
        WHERE j.project_id = v.project_id AND j.run = {run} AND t.suite IS NOT NULL AND {_HOLDS}
        ORDER BY t.upload DESC LIMIT 1), c.suite)"""  # noqa: S608 - constants, and a column's name


# Whether the tile `t` holds the case of the row `v`.
_HOLDS: Final = f"""CASE
    WHEN t.encoding <> {DENSE} THEN EXISTS (
        SELECT 1 FROM generate_series(0, t.n - 1) AS i
        WHERE get_byte(t.offsets, 2 * i) + 256 * get_byte(t.offsets, 2 * i + 1) = v.ord %% {BLOCK_SIZE})
    WHEN v.ord %% {BLOCK_SIZE} < length(t.outcomes) THEN get_byte(t.outcomes, v.ord %% {BLOCK_SIZE}) <> 0
    ELSE false END"""  # noqa: S608 - constants

# The suites that deliveries named in certain jobs, for all cases of the register at once: a part of WITH that takes the
# values `runs` and `series`. Of several jobs the one that delivered last is believed.
NAMED_SUITES: Final = f"""named AS MATERIALIZED (
    SELECT DISTINCT ON (ord) ord, suite FROM (
        SELECT t.block * {BLOCK_SIZE} + CASE WHEN t.encoding = {DENSE} THEN k
                ELSE get_byte(t.offsets, 2 * k) + 256 * get_byte(t.offsets, 2 * k + 1) END AS ord, t.suite, t.upload
        FROM unnest(%(runs)s::int[], %(series)s::int[]) AS standing(run, series)
        JOIN health_tile t ON t.project_id = %(project)s AND t.series = standing.series AND t.run = standing.run
            AND t.block = ANY(ARRAY(SELECT generate_series(0, (
                SELECT max(ord) / {BLOCK_SIZE} FROM health_deferral WHERE project_id = %(project)s))))
        CROSS JOIN LATERAL generate_series(0, length(t.outcomes) - 1) AS k
        WHERE t.suite IS NOT NULL AND get_byte(t.outcomes, k) <> 0) held
    ORDER BY ord, upload DESC)"""  # noqa: S608 - constants


def list_shown_in(
    project: Project, *, jobs: Sequence[tuple[int, int]], suites: Collection[int], aliases: Aliases
) -> npt.NDArray[np.int32]:
    """The cases that these jobs (run, series), oldest first, show under one of the suites, under all their names."""
    cursor = open_cursor()
    own = fetch_cases(cursor, project.pk, aliases=aliases).suites
    named = fetch_outcomes(cursor, project.pk, jobs=jobs, n_cases=len(own), aliases=aliases).suites
    shown = np.where(named == NO_SUITE, own, named)
    fitting = np.flatnonzero(np.isin(shown, list(suites))).astype(np.int32)
    return aliases.add_former(fitting[aliases.translate(fitting) == fitting])
