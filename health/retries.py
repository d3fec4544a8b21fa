"""Put uploads that failed back among the waiting: one, or all that failed for one reason.

Called by the pages of uploads. The sweeper rings for them.
Promise: what was stored is never read twice, because its results are already counted; each act leaves one row in the
history, and how every earlier try ended stays on the receipt (`tests/health/test_retries.py`).
"""

from typing import Final

from django.contrib.auth.models import User
from django.db import transaction

from health.audit import record
from health.locks import lock_project
from health.models import Upload
from health.revisions import bump_revision
from health.sql import Cursor, open_cursor

# One act is one short transaction; whoever has more presses again.
MOST_AT_ONCE: Final = 500

_WAIT_AGAIN: Final = """
    UPDATE health_upload SET state = 'retry', (attempts, n_waits) = (0, 0), next_attempt_at = clock_timestamp(),
        finished_at = NULL,
        receipt = jsonb_set(coalesce(receipt, '{"files": [], "warnings": []}'), '{tries}',
            coalesce(receipt->'tries', '[]') || jsonb_build_object('code', error->>'code', 'at', finished_at))
    WHERE id = ANY(%s::bigint[]) AND state IN ('failed', 'dead')
"""
_NEWEST_WITH_CODE: Final = """
    SELECT id FROM health_upload
    WHERE project_id = %s AND state IN ('failed', 'dead') AND error->>'code' = %s
    ORDER BY id DESC LIMIT %s FOR UPDATE SKIP LOCKED
"""


def read_again(upload: Upload, *, user: User) -> bool:
    """Have one upload read again; False when it is in another state than `failed` or `dead`."""
    with transaction.atomic():
        cursor = open_cursor()
        lock_project(cursor, upload.project_id)
        n = _wait_again(cursor, upload.project_id, [upload.pk])
        if n:
            detail = {"code": (upload.error or {}).get("code", ""), "received_at": upload.received_at.isoformat()}
            record(upload.project_id, user=user, action="upload.retried", subject=str(upload.public_id), detail=detail)
    return bool(n)


def read_all_again(project_id: int, *, code: str, user: User) -> int:
    """Have the newest uploads that failed with this code read again; returns how many."""
    with transaction.atomic():
        cursor = open_cursor()
        lock_project(cursor, project_id)  # before the uploads, as the store does it
        rows = cursor.execute(_NEWEST_WITH_CODE, (project_id, code, MOST_AT_ONCE)).fetchall()
        n = _wait_again(cursor, project_id, [row[0] for row in rows]) if rows else 0
        if n:
            record(project_id, user=user, action="uploads.retried", subject=code, detail={"n": n})
    return n


def _wait_again(cursor: Cursor, project_id: int, uploads: list[int]) -> int:
    n = cursor.execute(_WAIT_AGAIN, (uploads,)).rowcount
    if n:  # no fact changes, but pages show the state
        bump_revision(cursor, project_id)
    return n
