"""The evidence for why cases vanished: proposed renames, silent suites, missing parts, classes without a case left.

Called by `health.vanishing`; which suspicion wins is in `health.rules.vanishing`.
Promise: a bounded number of statements, however many cases vanished (`tests/health/test_vanishing.py`).
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from health.rules.vanishing import suspect
from health.sql import Cursor, format_array
from health.tiles import BLOCK_SIZE, list_ords
from health.windows import Window

Numbers = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]


def suspect_causes(
    cursor: Cursor,
    window: Window,
    *,
    newest: int,
    held: Mask,
    ords: Numbers,
    last_runs: Numbers,
    last_places: Numbers,
    is_part_missing: Mask,
) -> tuple[npt.NDArray[np.uint8], dict[int, int]]:
    """The suspicion of each of these cases, and what those that were renamed may be now.

    `newest` is the run of the newest complete job, which holds the cases `held`; `last_runs` held these, and stand at
    `last_places` in the order of the series.
    """
    if not len(ords):
        return np.zeros(0, np.uint8), {}
    others = _find_renamed(cursor, window.project_id, ords)
    is_renamed = np.isin(ords, list(others))
    is_suite_silent = _find_silent(cursor, window, newest, ords, last_runs)
    is_class_gone = np.zeros(len(ords), np.bool_)
    if (~is_renamed & ~is_suite_silent & ~is_part_missing).any():
        is_class_gone = _find_classless(cursor, window.project_id, ords, held, last_places)
    reasons = suspect(
        is_renamed, is_suite_silent=is_suite_silent, is_part_missing=is_part_missing, is_class_gone=is_class_gone
    )
    return reasons, others


def _find_renamed(cursor: Cursor, project_id: int, ords: Numbers) -> dict[int, int]:
    rows = cursor.execute(
        """
        SELECT old, new FROM health_renameproposal
        WHERE project_id = %s AND state <> 'dismissed' AND old = ANY(%s::int[]) ORDER BY old, new
        """,
        (project_id, format_array(ords.tolist())),
    ).fetchall()
    return dict(rows)


def _find_silent(cursor: Cursor, window: Window, newest: int, ords: Numbers, last_runs: Numbers) -> Mask:
    """Which cases belong to a suite that the newest complete job does not report."""
    rows = cursor.execute(
        "SELECT suite FROM health_runsuite WHERE project_id = %s AND run = %s AND series = %s AND n_declared > 0",
        (window.project_id, newest, window.series),
    ).fetchall()
    reporting = {suite for (suite,) in rows}
    own: dict[int, int] = dict(
        cursor.execute(
            "SELECT ord, suite FROM health_case WHERE project_id = %s AND ord = ANY(%s::int[])",
            (window.project_id, format_array(ords.tolist())),
        ).fetchall()
    )
    places = list(zip(ords.tolist(), last_runs.tolist(), strict=True))
    named = _fetch_named_suites(cursor, window, window.aliases.expand(places))
    suites = [named.get(place, {own.get(place[0])}) for place in places]
    return np.array([reporting.isdisjoint(some) for some in suites], np.bool_)


def _fetch_named_suites(
    cursor: Cursor, window: Window, names: Sequence[tuple[int, int, int]]
) -> dict[tuple[int, int], set[int | None]]:
    """The suites that deliveries named for cases, by case and run; `names`: each of its names, the case, the run."""
    places = sorted({(run, name // BLOCK_SIZE) for name, _, run in names})
    rows = cursor.execute(
        """
        SELECT t.run, t.block, t.suite, t.encoding, t.offsets, t.outcomes
        FROM unnest(%s::int[], %s::int[]) AS place(run, block)
        JOIN health_tile t ON t.project_id = %s AND t.series = %s AND t.block = place.block AND t.run = place.run
        WHERE t.suite IS NOT NULL
        """,
        (*(format_array(column) for column in zip(*places, strict=True)), window.project_id, window.series),
        binary=True,
    ).fetchall()
    held = defaultdict(list)
    for run, block, suite, *packed in rows:
        held[run, block].append((suite, set(list_ords(block, *packed).tolist())))
    named: dict[tuple[int, int], set[int | None]] = defaultdict(set)
    for name, ord_, run in names if rows else ():
        for suite, ords in held.get((run, name // BLOCK_SIZE), ()):
            if name in ords:
                named[ord_, run].add(suite)
    return dict(named)


def _find_classless(cursor: Cursor, project_id: int, ords: Numbers, held: Mask, last_places: Numbers) -> Mask:
    """Which cases went together with the last of their class, or file: the newest complete job holds none of it."""
    rows = cursor.execute(_CLASSES_SQL, {"project": project_id, "ords": format_array(ords.tolist())}, binary=True)
    classes, members = np.array(rows.fetchall(), np.int32).reshape(-1, 2).T
    is_held = members < len(held)
    is_held[is_held] = held[members[is_held]]
    order = np.argsort(members)
    class_of = classes[order][np.searchsorted(members[order], ords)]
    ended = np.full(len(classes) + 1, -1, np.int32)
    np.maximum.at(ended, class_of, last_places)
    went_last: Mask = last_places == ended[class_of]
    return ~np.isin(class_of, classes[is_held]) & went_last


_CLASSES_SQL: Final = """
    WITH classes AS MATERIALIZED (
        SELECT namespace, suite_path, class_name, (row_number() OVER ())::int AS number FROM (
            SELECT DISTINCT namespace, suite_path, class_name FROM health_case
            WHERE project_id = %(project)s AND ord = ANY(%(ords)s::int[])) distinct_classes)
    SELECT k.number, c.ord FROM classes k
    JOIN health_case c ON c.project_id = %(project)s AND c.namespace = k.namespace AND c.suite_path = k.suite_path
      AND c.class_name = k.class_name
"""
