"""Find what the bell did not reach: waiting uploads, expired leases, those that crashed too often, runs overdue.

Called by beat every SWEEP_SECONDS through `ingest.tasks`. Two sweeps at once are harmless: the claim decides.
"""

import logging
from typing import Final

from django.conf import settings
from django.db import transaction
from psycopg.types.json import Jsonb

from health.allowances import forget_old
from health.closings import close_overdue_runs
from health.in_force import find_due_projects
from health.rebuild import rebuild_if_due
from health.revisions import bump_revision
from health.sql import open_cursor
from ingest.bell import ring, ring_rebuild
from ingest.claims import is_passing_trouble
from ingest.errors import IngestError
from ingest.pipeline import process_next

log = logging.getLogger(__name__)

_MOST_RINGS: Final = 200


def sweep() -> int:
    """Give up hopeless uploads, ring for due ones; returns how many were due.

    Where the bell cannot ring although a task got here, the sweeper does the work itself.
    """
    try:
        _bury_crashed()
        forget_old()
        due = _find_due()
    except Exception as problem:
        if not is_passing_trouble(problem):
            raise
        log.warning("nothing can be swept: %s", problem)
        return 0
    for upload_id in due:
        if not ring(upload_id):
            process_next()
    _close_overdue()
    _follow_rules()
    return len(due)


def _close_overdue() -> None:
    """Runs that wait for what does not come; after the uploads, and never in their way."""
    try:
        closed = close_overdue_runs()
    except Exception as problem:
        if not is_passing_trouble(problem):
            raise
        log.warning("no run can be closed: %s", problem)
        return
    if closed:
        log.info("%d runs were closed", closed)


def _follow_rules() -> None:
    """Projects whose rules changed and whose rebuild was cut off: a worker's crash must not leave old suites."""
    try:
        for project_id in find_due_projects(open_cursor()):
            if not ring_rebuild(project_id):
                rebuild_if_due(project_id)
    except Exception as problem:
        if not is_passing_trouble(problem):
            raise
        log.warning("no project can be rebuilt: %s", problem)


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


def _bury_crashed() -> None:
    """An upload whose worker died each time it was tried is `dead`: kept, shown, and tried no more by itself."""
    error = IngestError(
        "worker_crashed", f"The worker died {settings.MAX_ATTEMPTS} times while it worked on this upload."
    )
    with transaction.atomic():
        rows = (
            open_cursor()
            .execute(
                """
                UPDATE health_upload SET state = 'dead', finished_at = clock_timestamp(),
                    lease_until = NULL, error = %s
                WHERE state = 'processing' AND lease_until < clock_timestamp() AND attempts >= %s
                RETURNING id, project_id
                """,
                (Jsonb(error.to_json()), settings.MAX_ATTEMPTS),
            )
            .fetchall()
        )
        for project_id in sorted({row[1] for row in rows}):
            bump_revision(open_cursor(), project_id)
    for upload_id, _ in rows:
        log.warning("upload %d is dead: its worker crashed %d times", upload_id, settings.MAX_ATTEMPTS)
