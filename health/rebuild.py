"""Recompute everything derived of a project from its tiles and coverage, and take uploads and runs away.

Called by the `rebuild` command, by settings that change what words mean, and by deletion.
Promise: `rebuild_project` after any history of arrivals and deletions changes nothing, and it never touches days
older than the oldest kept tile (`tests/health/test_rebuild.py`).
"""

import time
from typing import Any, Final

from django.db import connection, transaction

from health.allowances import charge, peek
from health.baselines import JobKey
from health.completeness import NAMES_RUN, UNREAD
from health.coverage import rebuild_coverage, settle_coverage
from health.in_force import is_due, settle_configuration
from health.judging import judge_project
from health.lanes import settle_lanes
from health.locks import lock_project
from health.register import settle_register
from health.register.renames import follow_renames
from health.revisions import bump_revision
from health.rollups import Cases, fetch_cases, refresh_job, settle_run
from health.sql import Cursor, open_cursor
from health.suites import name_cases_anew
from health.unjudged import forget_project, forget_series

_LOCK_SPACE: Final = 0x5357_0003
# Rebuilds that nobody asked for by hand: five minutes of a worker at once, then a tenth of one.
_MOST_SECONDS: Final = 300.0
_SHARE: Final = 0.1
_FREE_SECONDS: Final = 1.0
# The run that the upload `u` is part of, or else names.
_RUN_OF = f"coalesce(u.run, (SELECT r.number FROM health_run r WHERE {NAMES_RUN}))"  # noqa: S608 - a constant


def rebuild_project(project_id: int) -> int:
    """Recompute everything derived of every job that still has its tiles, conclusions too; returns how many jobs."""
    with transaction.atomic():
        n_jobs = recount_project(project_id)
        judge_project(project_id)
        settle_register(open_cursor(), project_id)
    return n_jobs


def recount_project(project_id: int) -> int:
    """The same without conclusions, which are left to be drawn: lanes, counts, transitions, days, coverage."""
    with transaction.atomic():
        cursor = open_cursor()
        # Held to the end: `rebuild_if_due` leaves alone what somebody is at.
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", (_LOCK_SPACE, project_id))
        lock_project(cursor, project_id)
        settle_lanes(cursor, project_id)
        settle_configuration(cursor, project_id)
        _follow_rules(cursor, project_id)
        follow_renames(cursor, project_id)
        keys = _find_jobs_with_tiles(cursor, project_id)
        cases = fetch_cases(cursor, project_id)
        for key in keys:
            refresh_job(cursor, project_id, key=key, cases=cases)
        for run in _find_runs_without_jobs(cursor, project_id):
            settle_run(cursor, project_id, run=run)
        rebuild_coverage(cursor, project_id)
        forget_project(cursor, project_id)
        bump_revision(cursor, project_id)
    return len(keys)


def rebuild_if_due(project_id: int) -> bool:
    """Rebuild a project whose figures follow other rules or names than those in force; False when none is due.

    What another process is at is left alone: waiting for it would only take a worker from other projects. So is a
    project whose rebuilds took all of the workers' time it may have: rules made to be slow cost others nothing.
    """
    bucket: dict[str, Any] = {"key": f"rebuild:{project_id}", "rate": _SHARE, "burst": _MOST_SECONDS}
    began = time.monotonic()
    try:
        with transaction.atomic():
            cursor = open_cursor()
            if not is_due(cursor, project_id) or peek(**bucket) <= 0:
                return False
            row = cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", (_LOCK_SPACE, project_id)).fetchone()
            if not row or not row[0]:
                return False
            rebuild_project(project_id)
    finally:
        if (spent := time.monotonic() - began) > _FREE_SECONDS:
            if not connection.in_atomic_block:  # the server may have ended the session while we only computed
                connection.close_if_unusable_or_obsolete()
            charge(**bucket, cost=spent)
    return True


def _follow_rules(cursor: Cursor, project_id: int) -> None:
    """Name cases by the rules in force. What workers know of their suites ends with the epoch."""
    n_epochs = int(name_cases_anew(cursor, project_id))
    cursor.execute(
        """
        UPDATE health_project SET rules_of = configuration, identity_epoch = identity_epoch + %(more)s,
            counted_epoch = identity_epoch + %(more)s
        WHERE id = %(project)s
        """,
        {"more": n_epochs, "project": project_id},
    )


def _find_jobs_with_tiles(cursor: Cursor, project_id: int) -> list[JobKey]:
    """Oldest first, so that most baselines are already right when a job is compared with them.

    A stored job without a single case has no tile, yet nothing of it can be lost: it is rebuilt as well.
    """
    rows = cursor.execute(
        """
        SELECT DISTINCT j.ordered_at, j.ran_at, j.run, j.series FROM health_job j
        WHERE j.project_id = %(project)s AND (j.n_declared = 0 OR EXISTS (
            SELECT 1 FROM health_tile t
            WHERE t.project_id = j.project_id AND t.series = j.series AND t.run = j.run))
        ORDER BY 1, 2, 3, 4
        """,
        {"project": project_id},
    ).fetchall()
    return [JobKey(run, series) for _, _, run, series in rows]


def _find_runs_without_jobs(cursor: Cursor, project_id: int) -> list[int]:
    """Runs that only coverage was sent for."""
    rows = cursor.execute(
        """
        SELECT r.number FROM health_run r WHERE r.project_id = %s AND NOT EXISTS (
            SELECT 1 FROM health_job j WHERE j.project_id = r.project_id AND j.run = r.number)
        ORDER BY 1
        """,
        (project_id,),
    ).fetchall()
    return [run for (run,) in rows]


def settle_run_and_coverage(cursor: Cursor, project_id: int, *, run: int) -> None:
    """Bring a run up to date with what was said of it and what became of its uploads; the caller holds the lock."""
    settle_run(cursor, project_id, run=run)
    settle_coverage(cursor, project_id, run=run)


def settle_named_run(cursor: Cursor, project_id: int, *, upload_id: int) -> None:
    """Bring the run up to date that an upload names, if it is there; the caller holds the lock."""
    row = cursor.execute(
        f"SELECT {_RUN_OF} FROM health_upload u WHERE u.project_id = %s AND u.id = %s",  # noqa: S608 - a constant
        (project_id, upload_id),
    ).fetchone()
    if row and row[0] is not None:
        settle_run_and_coverage(cursor, project_id, run=row[0])


def settle_unread(cursor: Cursor, project_id: int) -> None:
    """Bring the runs up to date of which something is still to be read: the door that let it in did not."""
    rows = cursor.execute(
        f"SELECT number FROM health_run r WHERE project_id = %s AND EXISTS ({UNREAD}) ORDER BY number",  # noqa: S608
        (project_id,),
    ).fetchall()
    for (run,) in rows:
        settle_run_and_coverage(cursor, project_id, run=run)


def delete_upload(project_id: int, upload_id: int) -> None:
    """Take one upload away with its payload, tiles, failures and texts, as if it had never been sent."""
    with transaction.atomic():
        cursor = open_cursor()
        lock_project(cursor, project_id)
        row = cursor.execute(
            f"SELECT {_RUN_OF}, u.series FROM health_upload u WHERE u.project_id = %s AND u.id = %s",  # noqa: S608
            (project_id, upload_id),
        ).fetchone()
        if row is None:
            return
        cases = fetch_cases(cursor, project_id)
        _delete_facts(cursor, project_id, upload_id, *row)
        if row[0] is not None:
            _settle_rest(cursor, project_id, run=row[0], lost={row[1]}, cases=cases)
        settle_configuration(cursor, project_id)
        judge_project(project_id)
        settle_register(cursor, project_id)  # with the last job of a series there is nothing left to judge
        bump_revision(cursor, project_id)


def delete_run(project_id: int, number: int) -> None:
    """Take a run away with all its uploads, also those nothing came of; what is unread comes as a new one."""
    with transaction.atomic():
        cursor = open_cursor()
        lock_project(cursor, project_id)
        cases = fetch_cases(cursor, project_id)
        uploads = cursor.execute(
            f"""
            SELECT u.id, u.series FROM health_run r JOIN health_upload u ON u.project_id = r.project_id
            WHERE r.project_id = %s AND r.number = %s
              AND (u.run = r.number OR (u.state IN ('failed', 'dead') AND {NAMES_RUN}))
            """,  # noqa: S608 - a constant
            (project_id, number),
        ).fetchall()
        for upload_id, series in uploads:
            _delete_facts(cursor, project_id, upload_id, number, series)
        _settle_rest(cursor, project_id, run=number, lost={series for _, series in uploads}, cases=cases)
        settle_configuration(cursor, project_id)
        judge_project(project_id)
        settle_register(cursor, project_id)  # with the last job of a series there is nothing left to judge
        bump_revision(cursor, project_id)


def _settle_rest(cursor: Cursor, project_id: int, *, run: int, lost: set[int | None], cases: Cases) -> None:
    """Bring up to date what uploads left behind that were taken away: their jobs, their run, its coverage."""
    for series in sorted(series for series in lost if series is not None):
        refresh_job(cursor, project_id, key=JobKey(run, series), cases=cases)
        forget_series(cursor, project_id, series=series)
    settle_run(cursor, project_id, run=run)
    settle_coverage(cursor, project_id, run=run, has_lost=True)


def _delete_facts(cursor: Cursor, project_id: int, upload_id: int, run: int | None, series: int | None) -> None:
    cursor.execute(
        "DELETE FROM health_tile WHERE project_id = %s AND series = %s AND run = %s AND upload = %s",
        (project_id, series, run, upload_id),
    )
    cursor.execute(
        "DELETE FROM health_failure WHERE project_id = %s AND run = %s AND series = %s AND upload = %s",
        (project_id, run, series, upload_id),
    )
    cursor.execute("DELETE FROM health_failuretext WHERE project_id = %s AND upload = %s", (project_id, upload_id))
    cursor.execute("DELETE FROM health_coveragereport WHERE project_id = %s AND upload = %s", (project_id, upload_id))
    cursor.execute(
        """
        DELETE FROM health_payloadchunk WHERE file_id IN (SELECT id FROM health_uploadfile WHERE upload_id = %s)
        """,
        (upload_id,),
    )
    cursor.execute("DELETE FROM health_uploadfile WHERE upload_id = %s", (upload_id,))
    cursor.execute("DELETE FROM health_upload WHERE id = %s", (upload_id,))
