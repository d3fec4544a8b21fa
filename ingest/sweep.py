"""Find what was left behind: uploads that wait, or crashed too often, runs overdue, rules not followed, jobs unjudged.

Called by beat every SWEEP_SECONDS through `ingest.tasks`. Two sweeps at once are harmless: the claim decides.
Promise: what goes wrong with one project holds up no other (`tests/ingest/test_sweep.py`).
"""

import logging
import time
from collections.abc import Callable, Iterable
from typing import Final

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import transaction
from psycopg.types.json import Jsonb

from health.allowances import forget_old
from health.closings import close_overdue_runs, find_overdue_projects
from health.in_force import find_due_projects
from health.judging import find_unjudged_projects, judge_project
from health.locks import try_lock_project
from health.rebuild import rebuild_if_due, settle_named_run
from health.revisions import bump_revision
from health.sql import open_cursor
from ingest.bell import ring, ring_rebuild
from ingest.claims import is_passing_trouble
from ingest.errors import IngestError
from ingest.pipeline import process_next

log = logging.getLogger(__name__)

_MOST_RINGS: Final = 200
# The time limit of a sweep is that of the upload it happens to read last, which must have enough of it left.
_MOST_INLINE_SECONDS: Final = 60.0


def sweep() -> int:
    """Give up hopeless uploads, ring for due ones; returns how many were due."""
    try:
        _for_each(_find_hopeless(), _bury, "cannot be given up")
        forget_old()
        due = _find_due()
        _ring_for(due)
        # After the uploads, and never in their way.
        _for_each(find_overdue_projects(open_cursor()), close_overdue_runs, "waits for its runs")
        _for_each(find_due_projects(open_cursor()), _follow_rules, "does not follow its rules yet")
        _for_each(find_unjudged_projects(open_cursor()), judge_project, "waits for its conclusions")
    except Exception as problem:
        if not is_passing_trouble(problem):
            raise
        log.warning("nothing can be swept: %s", problem)
        return 0
    return len(due)


def _for_each(projects: Iterable[int], act: Callable[[int], object], words: str) -> None:
    """What goes wrong with one project must not hold up the others, at this one again each time."""
    for project_id in projects:
        try:
            act(project_id)
        except SoftTimeLimitExceeded:
            raise
        except Exception:
            log.exception("project %d %s", project_id, words)


def _ring_for(due: Iterable[int]) -> None:
    """Where the bell cannot ring although a task got here, the sweeper does the work itself, for a while."""
    began = time.monotonic()
    for upload_id in due:
        if not ring(upload_id, seconds=settings.SWEEP_SECONDS):
            process_next()
            if time.monotonic() - began > _MOST_INLINE_SECONDS:
                return


def _follow_rules(project_id: int) -> None:
    """For a project whose rebuild was cut off: a worker's crash must not leave old suites."""
    if not ring_rebuild(project_id, seconds=settings.SWEEP_SECONDS):
        rebuild_if_due(project_id)


def _find_due() -> list[int]:
    """Uploads that have waited for longer than a bell takes to be answered, and expired leases."""
    rows = (
        open_cursor()
        .execute(
            """
            SELECT id FROM health_upload
            WHERE (state IN ('received', 'retry') AND attempts < %s
                   AND next_attempt_at <= clock_timestamp() - interval '1 second')
               OR (state = 'processing' AND lease_until < clock_timestamp() AND attempts < %s)
            ORDER BY received_at LIMIT %s
            """,
            (settings.MAX_ATTEMPTS, settings.MAX_ATTEMPTS, _MOST_RINGS),
        )
        .fetchall()
    )
    return [row[0] for row in rows]


def _find_hopeless() -> list[int]:
    """The projects of uploads that were tried as often as they may be, and have no end yet."""
    statement = f"SELECT DISTINCT project_id FROM health_upload WHERE {_HOPELESS} ORDER BY project_id"  # noqa: S608
    return [row[0] for row in open_cursor().execute(statement, {"most": settings.MAX_ATTEMPTS}).fetchall()]


def _bury(project_id: int) -> None:
    """Make them `dead`: kept, shown, and tried no more by themselves. A project that is being written to waits.

    Its worker died each time, or it waits for a try that it may no longer have since fewer are allowed.
    """
    error = IngestError(
        "worker_crashed", f"The worker died {settings.MAX_ATTEMPTS} times while it worked on this upload."
    )
    values = {"project": project_id, "most": settings.MAX_ATTEMPTS, "error": Jsonb(error.to_json())}
    with transaction.atomic():
        cursor = open_cursor()
        rows = cursor.execute(_BURY, values).fetchall() if try_lock_project(cursor, project_id) else []
        for upload_id, _ in rows:
            settle_named_run(cursor, project_id, upload_id=upload_id)
        if rows:
            bump_revision(cursor, project_id)
    for upload_id, code in rows:
        log.warning("upload %d is dead after %d tries: %s", upload_id, settings.MAX_ATTEMPTS, code)


_HOPELESS: Final = """
    attempts >= %(most)s AND (state = 'retry' OR (state = 'processing' AND lease_until < clock_timestamp()))
"""
_BURY: Final = f"""
    UPDATE health_upload SET state = 'dead', finished_at = clock_timestamp(), lease_until = NULL, progress = NULL,
        error = CASE state WHEN 'retry' THEN coalesce(error, %(error)s) ELSE %(error)s END
    WHERE project_id = %(project)s AND {_HOPELESS}
    RETURNING id, error ->> 'code'
"""  # noqa: S608 - a constant
