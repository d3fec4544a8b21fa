"""Recompute everything derived of a project from its tiles and coverage, and take uploads and runs away.

Called by the `rebuild` command, by settings that change what words mean, and by deletion.
Promise: `rebuild_project` after any history of arrivals and deletions changes nothing, and it never touches days
older than the oldest kept tile (`tests/health/test_rebuild.py`).
"""

from django.db import transaction

from health.baselines import JobKey
from health.coverage import rebuild_coverage, refresh_coverage
from health.in_force import is_due, settle_configuration
from health.lanes import settle_lanes
from health.revisions import bump_revision
from health.rollups import Cases, fetch_cases, refresh_job, settle_run
from health.sql import Cursor, open_cursor
from health.suites import name_cases_anew

_LOCK_SPACE = 0x5357_0003


def lock_project(cursor: Cursor, project_id: int) -> None:
    """Take the row lock under which a project's facts change, one transaction after another."""
    cursor.execute("SELECT 1 FROM health_project WHERE id = %s FOR NO KEY UPDATE", (project_id,))


def rebuild_project(project_id: int) -> int:
    """Recompute lanes, counts, transitions and days of every job that still has its tiles; returns how many jobs."""
    with transaction.atomic():
        cursor = open_cursor()
        lock_project(cursor, project_id)
        settle_lanes(cursor, project_id)
        settle_configuration(cursor, project_id)
        _follow_rules(cursor, project_id)
        keys = _find_jobs_with_tiles(cursor, project_id)
        cases = fetch_cases(cursor, project_id)
        for key in keys:
            refresh_job(cursor, project_id, key=key, cases=cases)
        for run in _find_runs_without_jobs(cursor, project_id):
            settle_run(cursor, project_id, run=run)
        rebuild_coverage(cursor, project_id)
        bump_revision(cursor, project_id)
    return len(keys)


def rebuild_if_due(project_id: int) -> bool:
    """Rebuild a project whose figures follow other rules than those in force; False when there is nothing to do.

    Nor is there when another process is at it: waiting for it would only take a worker from other projects.
    """
    with transaction.atomic():
        cursor = open_cursor()
        if not is_due(cursor, project_id):
            return False
        row = cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", (_LOCK_SPACE, project_id)).fetchone()
        if not row or not row[0]:
            return False
        rebuild_project(project_id)
    return True


def _follow_rules(cursor: Cursor, project_id: int) -> None:
    """Name cases by the rules in force. What workers know of their suites ends with the epoch."""
    n_epochs = int(name_cases_anew(cursor, project_id))
    cursor.execute(
        "UPDATE health_project SET rules_of = configuration, identity_epoch = identity_epoch + %s WHERE id = %s",
        (n_epochs, project_id),
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


def delete_upload(project_id: int, upload_id: int) -> None:
    """Take one upload away with its payload, tiles, failures and texts, as if it had never been sent."""
    with transaction.atomic():
        cursor = open_cursor()
        lock_project(cursor, project_id)
        row = cursor.execute(
            "SELECT run, series FROM health_upload WHERE project_id = %s AND id = %s", (project_id, upload_id)
        ).fetchone()
        if row is None:
            return
        cases = fetch_cases(cursor, project_id)
        _delete_facts(cursor, project_id, upload_id, row[0], row[1])
        if row[0] is not None:
            _refresh_rest(cursor, project_id, run=row[0], lost={row[1]}, cases=cases)
        settle_configuration(cursor, project_id)
        bump_revision(cursor, project_id)


def delete_run(project_id: int, number: int) -> None:
    """Take a run away with all its uploads."""
    with transaction.atomic():
        cursor = open_cursor()
        lock_project(cursor, project_id)
        cases = fetch_cases(cursor, project_id)
        uploads = cursor.execute(
            "SELECT id, run, series FROM health_upload WHERE project_id = %s AND run = %s",
            (project_id, number),
        ).fetchall()
        for upload_id, run, series in uploads:
            _delete_facts(cursor, project_id, upload_id, run, series)
        _forget_closing(cursor, project_id, number)
        _refresh_rest(cursor, project_id, run=number, lost={series for _, _, series in uploads}, cases=cases)
        settle_configuration(cursor, project_id)
        bump_revision(cursor, project_id)


def _forget_closing(cursor: Cursor, project_id: int, run: int) -> None:
    """Sent again, the run would else be over from the start."""
    cursor.execute(
        """
        DELETE FROM health_runclosing c USING health_run r
        WHERE r.project_id = %s AND r.number = %s AND c.project_id = r.project_id AND c.provider = r.provider
          AND c.external_id = r.external_id
        """,
        (project_id, run),
    )


def _refresh_rest(cursor: Cursor, project_id: int, *, run: int, lost: set[int | None], cases: Cases) -> None:
    """Bring up to date what uploads left behind that were taken away: their jobs, their run, its coverage."""
    for series in sorted(series for series in lost if series is not None):
        refresh_job(cursor, project_id, key=JobKey(run, series), cases=cases)
    settle_run(cursor, project_id, run=run)
    refresh_coverage(cursor, project_id, run=run, has_lost=True)


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
