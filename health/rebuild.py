"""Recompute everything derived of a project from its tiles, and take uploads and runs away.

Called by the `rebuild` command, by settings that change what words mean, and by deletion.
Promise: `rebuild_project` after any history of arrivals and deletions changes nothing, and it never touches days
older than the oldest kept tile (`tests/health/test_rebuild.py`).
"""

from django.db import transaction

from health.baselines import JobKey
from health.lanes import settle_lanes
from health.revisions import bump_revision
from health.rollups import fetch_cases, refresh_job
from health.sql import Cursor, open_cursor


def lock_project(cursor: Cursor, project_id: int) -> None:
    """Take the row lock under which a project's facts change, one transaction after another."""
    cursor.execute("SELECT 1 FROM health_project WHERE id = %s FOR NO KEY UPDATE", (project_id,))


def rebuild_project(project_id: int) -> int:
    """Recompute lanes, counts, transitions and days of every job that still has its tiles; returns how many jobs."""
    with transaction.atomic():
        cursor = open_cursor()
        lock_project(cursor, project_id)
        settle_lanes(cursor, project_id)
        keys = _find_jobs_with_tiles(cursor, project_id)
        cases = fetch_cases(cursor, project_id)
        for key in keys:
            refresh_job(cursor, project_id, key=key, cases=cases)
        bump_revision(cursor, project_id)
    return len(keys)


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
            refresh_job(cursor, project_id, key=JobKey(*row), cases=cases)
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
        for key in sorted({JobKey(run, series) for _, run, series in uploads}, key=lambda k: k.series):
            refresh_job(cursor, project_id, key=key, cases=cases)
        bump_revision(cursor, project_id)


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
    cursor.execute(
        """
        DELETE FROM health_payloadchunk WHERE file_id IN (SELECT id FROM health_uploadfile WHERE upload_id = %s)
        """,
        (upload_id,),
    )
    cursor.execute("DELETE FROM health_uploadfile WHERE upload_id = %s", (upload_id,))
    cursor.execute("DELETE FROM health_upload WHERE id = %s", (upload_id,))
