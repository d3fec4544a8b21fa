"""Conclusions from results, drawn behind each upload: verdicts, vanished cases, speeds and counts of causes.

Called by `ingest.pipeline` after an upload is stored, by the sweeper for what was left behind, and by `rebuild`.
A job row that changed says `is_judged = false` (`health.rollups`, `health.unjudged`); judging it covers its series.
Promise: whatever the order of arrivals and deletions, `judge_project` ends in what judging everything anew gives, and
storing an upload never waits for more than one series and 200 of its jobs (`tests/health/test_judging.py`).
"""

from collections.abc import Collection, Sequence
from typing import Final

import numpy as np
from django.db import transaction

from health.aliases import Aliases, fetch_aliases
from health.baselines import JobKey
from health.causes import count_causes
from health.deferred_spans import SpanSightings, settle_spans
from health.fixes import fetch_epochs, settle_claims
from health.locks import try_lock_project
from health.register import settle_register
from health.revisions import bump_revision
from health.rules import outcomes as codes
from health.rules.flakiness import is_mass_failure
from health.rules.lanes import CHANGES
from health.speeds import draw_speeds, write_speeds
from health.sql import Cursor, open_cursor
from health.vanishing import Sightings, settle_vanished
from health.verdicts import draw_verdicts, write_verdicts
from health.windows import Window, open_window, walk_window

# So many jobs of a series are judged in one transaction: an upload waits for its end.
_JOBS_AT_ONCE: Final = 200
_IS_EXECUTED: Final = np.isin(np.arange(codes.N_OUTCOMES), list(codes.EXECUTED))


def judge_project(project_id: int) -> bool:
    """Draw the conclusions of every job that is not judged yet; False when there was none, or somebody is at it.

    In transactions of their own, one series after another: between them others may have the project's lock, and what
    is left then waits for the next call.
    """
    has_judged = False
    while judge_next(project_id):
        has_judged = True
    return has_judged


def judge_next(project_id: int) -> bool:
    """One such transaction: the newest unjudged jobs of a series, and the series that a claimed fix of theirs names.

    A project whose counts do not know of the last merge of names yet waits for its rebuild, which judges it.
    """
    with transaction.atomic():
        cursor = open_cursor()
        if not try_lock_project(cursor, project_id) or not _is_counted(cursor, project_id):
            return False
        jobs = _list_unjudged(cursor, project_id)
        if not jobs:
            return False
        runs, aliases = [job.run for job in jobs], fetch_aliases(cursor, project_id)
        doubted = settle_claims(cursor, project_id, runs=runs)
        lanes = _fetch_lanes(cursor, project_id, {jobs[0].series, *doubted})
        for series, lane in lanes:
            fresh = runs if series == jobs[0].series else []
            _judge_series(cursor, project_id, series, is_long_lived=lane != CHANGES, aliases=aliases, runs=fresh)
        if any(lane != CHANGES for _, lane in lanes):
            settle_register(cursor, project_id, jobs=jobs, lanes={lane for _, lane in lanes})
        count_causes(cursor, project_id, jobs=jobs)
        _note_judged(cursor, project_id, jobs)
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
    """The newest of the series that waits longest."""
    rows = cursor.execute(
        """
        SELECT run, series FROM health_job
        WHERE project_id = %(project)s AND NOT is_judged AND series = (
            SELECT series FROM health_job WHERE project_id = %(project)s AND NOT is_judged ORDER BY run, series LIMIT 1)
        ORDER BY run DESC LIMIT %(most)s
        """,
        {"project": project_id, "most": _JOBS_AT_ONCE},
    ).fetchall()
    return [JobKey(*row) for row in rows]


def _note_judged(cursor: Cursor, project_id: int, jobs: Sequence[JobKey]) -> None:
    cursor.execute(
        "UPDATE health_job SET is_judged = true WHERE project_id = %s AND series = %s AND run = ANY(%s)",
        (project_id, jobs[0].series, [job.run for job in jobs]),
    )


def _fetch_lanes(cursor: Cursor, project_id: int, series: Collection[int]) -> list[tuple[int, str]]:
    return cursor.execute(
        """
        SELECT number, lane FROM health_series s WHERE project_id = %s AND number = ANY(%s) AND EXISTS (
            SELECT 1 FROM health_job j WHERE j.project_id = s.project_id AND j.series = s.number)
        """,
        (project_id, sorted(series)),
    ).fetchall()


def _judge_series(
    cursor: Cursor, project_id: int, series: int, *, is_long_lived: bool, aliases: Aliases, runs: Collection[int]
) -> None:
    """Draw the conclusions of one series from its window; it has a job. `runs` are those of its jobs that are new."""
    window = open_window(cursor, project_id, series=series, aliases=aliases)
    kept = [place for place, job in enumerate(window.jobs) if not is_mass_failure(job.n_broken, job.n_executed)]
    jobs = [window.jobs[place] for place in kept]
    epochs = fetch_epochs(cursor, project_id, jobs=jobs, aliases=aliases)
    sightings = Sightings(window)
    spans = SpanSightings(cursor, window) if is_long_lived else None
    n_cases, verdicts, speeds = 0, [], []
    for grid in walk_window(cursor, window):
        n_cases += int(_IS_EXECUTED[grid.outcomes].any(axis=0).sum())
        sightings.look(grid)
        if spans:
            spans.look(grid)
        judged = grid if len(kept) == len(window.jobs) else grid.choose_rows(kept)
        verdicts.append(draw_verdicts(judged, jobs=jobs, epochs=epochs, is_long_lived=is_long_lived))
        is_running = sightings.find_running(grid.ords) if is_long_lived else np.ones(len(grid.ords), np.bool_)
        speeds.append(draw_speeds(judged, is_running=is_running))
    write_verdicts(cursor, project_id, series=series, verdicts=verdicts)
    write_speeds(cursor, project_id, series=series, speeds=speeds)
    is_known = _write_window(cursor, window, n_excluded=len(window.jobs) - len(kept), n_cases=n_cases)
    if is_long_lived:
        settle_vanished(cursor, window, sightings=sightings, is_known=is_known, runs=runs)
    if spans:
        settle_spans(cursor, window, sightings=spans, is_known=is_known, runs=runs)


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
