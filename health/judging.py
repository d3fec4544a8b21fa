"""Conclusions from results, drawn behind each upload: verdicts, vanished cases, speeds and counts of causes.

Called by `ingest.pipeline` after an upload is stored, by the sweeper for what was left behind, and by `rebuild`.
A job row that changed says `is_judged = false` (`health.rollups`, `health.unjudged`); judging it covers its series.
Promise: whatever the order of arrivals and deletions, `judge_project` ends in what judging everything anew gives
(`tests/health/test_judging.py`), and storing an upload never waits for it.
"""

from collections.abc import Collection
from typing import Final

import numpy as np
from django.db import transaction

from health.aliases import Aliases, fetch_aliases
from health.baselines import JobKey
from health.causes import count_causes
from health.cells import Window, open_window, walk_cells
from health.fixes import fetch_epochs, settle_claims
from health.locks import try_lock_project
from health.revisions import bump_revision
from health.rules import outcomes as codes
from health.rules.flakiness import is_mass_failure
from health.rules.lanes import CHANGES
from health.speeds import draw_speeds, write_speeds
from health.sql import Cursor, open_cursor
from health.vanishing import Sightings, settle_vanished
from health.verdicts import draw_verdicts, write_verdicts

_IS_EXECUTED: Final = np.isin(np.arange(codes.N_OUTCOMES), list(codes.EXECUTED))


def judge_project(project_id: int) -> bool:
    """Draw the conclusions of every job that is not judged yet; False when there was none, or somebody is at it.

    A project whose counts do not know of the last merge of names yet waits for its rebuild, which judges it.
    """
    with transaction.atomic():
        cursor = open_cursor()
        if not try_lock_project(cursor, project_id) or not _is_counted(cursor, project_id):
            return False
        settle_claims(cursor, project_id, runs=[key.run for key in _list_unjudged(cursor, project_id)])
        unjudged = _list_unjudged(cursor, project_id)
        if not unjudged:
            return False
        aliases = fetch_aliases(cursor, project_id)
        for series, lane in _fetch_lanes(cursor, project_id, {key.series for key in unjudged}):
            _judge_series(cursor, project_id, series, is_long_lived=lane != CHANGES, aliases=aliases)
        count_causes(cursor, project_id, jobs=unjudged)
        cursor.execute("UPDATE health_job SET is_judged = true WHERE project_id = %s AND NOT is_judged", (project_id,))
        bump_revision(cursor, project_id)
    return True


def find_unjudged_projects(cursor: Cursor) -> list[int]:
    """The projects with jobs that nobody has drawn conclusions from."""
    rows = cursor.execute("SELECT DISTINCT project_id FROM health_job WHERE NOT is_judged ORDER BY 1").fetchall()
    return [project_id for (project_id,) in rows]


def _is_counted(cursor: Cursor, project_id: int) -> bool:
    row = cursor.execute(
        "SELECT identity_epoch = counted_epoch FROM health_project WHERE id = %s", (project_id,)
    ).fetchone()
    return bool(row and row[0])


def _list_unjudged(cursor: Cursor, project_id: int) -> list[JobKey]:
    rows = cursor.execute(
        "SELECT run, series FROM health_job WHERE project_id = %s AND NOT is_judged ORDER BY 1, 2", (project_id,)
    ).fetchall()
    return [JobKey(*row) for row in rows]


def _fetch_lanes(cursor: Cursor, project_id: int, series: Collection[int]) -> list[tuple[int, str]]:
    return cursor.execute(
        "SELECT number, lane FROM health_series WHERE project_id = %s AND number = ANY(%s) ORDER BY 1",
        (project_id, sorted(series)),
    ).fetchall()


def _judge_series(cursor: Cursor, project_id: int, series: int, *, is_long_lived: bool, aliases: Aliases) -> None:
    """Draw the conclusions of one series from its window; it has a job, the one that is not judged."""
    window = open_window(cursor, project_id, series=series, aliases=aliases)
    kept = [place for place, job in enumerate(window.jobs) if not is_mass_failure(job.n_broken, job.n_executed)]
    jobs = [window.jobs[place] for place in kept]
    epochs = fetch_epochs(cursor, project_id, jobs=jobs, aliases=aliases)
    sightings = Sightings(window)
    n_cases, verdicts, speeds = 0, [], []
    for cells in walk_cells(cursor, window):
        n_cases += int(_IS_EXECUTED[cells.outcomes].any(axis=0).sum())
        sightings.look(cells)
        judged = cells if len(kept) == len(window.jobs) else cells.choose_rows(kept)
        verdicts.append(draw_verdicts(judged, jobs=jobs, epochs=epochs, is_long_lived=is_long_lived))
        speeds.append(draw_speeds(judged))
    write_verdicts(cursor, project_id, series=series, verdicts=verdicts)
    write_speeds(cursor, project_id, series=series, speeds=speeds)
    is_known = _write_window(cursor, window, n_excluded=len(window.jobs) - len(kept), n_cases=n_cases)
    if is_long_lived:
        settle_vanished(cursor, window, sightings=sightings, is_known=is_known)


def _write_window(cursor: Cursor, window: Window, *, n_excluded: int, n_cases: int) -> bool:
    """Note what the conclusions stand on; whether there were any before that still count."""
    row = cursor.execute(
        """
        WITH before AS (SELECT 1 FROM health_serieswindow WHERE project_id = %(project)s AND series = %(series)s)
        INSERT INTO health_serieswindow (project_id, series, first_run, last_run, n_runs, n_excluded, n_cases)
        VALUES (%(project)s, %(series)s, %(first)s, %(last)s, %(runs)s, %(excluded)s, %(cases)s)
        ON CONFLICT (project_id, series) DO UPDATE SET (first_run, last_run, n_runs, n_excluded, n_cases) =
            (excluded.first_run, excluded.last_run, excluded.n_runs, excluded.n_excluded, excluded.n_cases)
        RETURNING EXISTS (SELECT 1 FROM before)
        """,
        {
            "project": window.project_id,
            "series": window.series,
            "first": window.jobs[0].run,
            "last": window.jobs[-1].run,
            "runs": len(window.jobs),
            "excluded": n_excluded,
            "cases": n_cases,
        },
    ).fetchone()
    return bool(row and row[0])
