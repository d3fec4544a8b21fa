"""Claim an upload under a lease, keep the lease while working, and say how it ended.

Called by `ingest.pipeline` and `ingest.sweep`. All times are the database's: a wrong clock on a worker changes
nothing (F47). Attempts are counted before the work, so a crash counts.
Promise: two workers never hold one upload; a worker that lost its lease changes nothing
(`tests/ingest/test_claims.py`).
"""

import json
import logging
import os
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.conf import settings
from django.db import Error, connection, transaction
from psycopg.types.json import Jsonb

from health.revisions import bump_revision
from health.sql import open_cursor
from ingest.metadata import Metadata
from ingest.store import Delivery

log = logging.getLogger(__name__)

_LONGEST_BACKOFF_SECONDS: Final = 3600
# Trouble with a service counts as well once it has lasted for about an hour: 10 s, 40 s, 3 min, 11 min, 43 min.
_MOST_UNCOUNTED_CLAIMS: Final = 5
_WORKER = f"{socket.gethostname()[:80]}:{os.getpid()}"

# Fair before first come: a project with a thousand waiting uploads does not hold up another one's single upload.
_CLAIM = """
    UPDATE health_upload SET state = 'processing', attempts = attempts + 1, lease_epoch = lease_epoch + 1,
        lease_until = clock_timestamp() + make_interval(secs => %(lease)s), worker = %(worker)s
    WHERE id = (
        SELECT u.id FROM health_upload u
        LEFT JOIN (SELECT project_id, count(*) AS n FROM health_upload WHERE state = 'processing' GROUP BY 1) busy
            ON busy.project_id = u.project_id
        WHERE ((u.state IN ('received', 'retry') AND u.next_attempt_at <= clock_timestamp())
               OR (u.state = 'processing' AND u.lease_until < clock_timestamp()))
          AND u.attempts < %(most)s
        ORDER BY coalesce(busy.n, 0), u.received_at, u.id
        FOR UPDATE OF u SKIP LOCKED LIMIT 1)
    RETURNING id, project_id, lease_epoch, received_at, metadata
"""


def claim_next() -> Delivery | None:
    """Take the upload whose turn it is, or None when nothing waits."""
    with transaction.atomic():
        row = (
            open_cursor()
            .execute(
                _CLAIM,
                {"lease": settings.LEASE_SECONDS, "worker": _WORKER, "most": settings.MAX_ATTEMPTS},
            )
            .fetchone()
        )
    if row is None:
        return None
    upload_id, project_id, lease_epoch, received_at, metadata = row
    # Django's connections hand jsonb over as text.
    return Delivery(upload_id, project_id, lease_epoch, received_at, Metadata.from_json(json.loads(metadata)))


@contextmanager
def keep_lease(delivery: Delivery) -> Iterator[None]:
    """Extend the lease from a thread of its own while the work goes on, at most until Celery's hard time limit."""
    done = threading.Event()
    thread = threading.Thread(target=_extend_until, args=(delivery, done), daemon=True, name="lease")
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(timeout=5)


def _extend_until(delivery: Delivery, done: threading.Event) -> None:
    period = settings.LEASE_SECONDS / 4
    for _ in range(int(settings.CELERY_TASK_TIME_LIMIT / period) + 1):
        if done.wait(period):
            break
        try:
            open_cursor().execute(
                """
                UPDATE health_upload SET lease_until = clock_timestamp() + make_interval(secs => %s)
                WHERE id = %s AND lease_epoch = %s AND state = 'processing'
                """,
                (settings.LEASE_SECONDS, delivery.upload_id, delivery.lease_epoch),
            )
        except Exception as problem:  # the lease may run out, the work itself notices at its fence
            log.warning("upload %d: the lease could not be extended: %s", delivery.upload_id, problem)
            connection.close()
    connection.close()


def finish_failed(delivery: Delivery, *, error: dict[str, Any], receipt: dict[str, Any]) -> None:
    """The input cannot be used: final, the user's to mend, and shown."""
    _end(delivery, "failed", error=error, receipt=receipt)


def retry_later(delivery: Delivery, *, error: dict[str, Any], is_counted: bool) -> None:
    """Put an upload back to wait, longer each time; a crash of ours counts, trouble with a service does not.

    After the last counted attempt it is `dead`, and keeps its payload.
    """
    _drop_lost_connection()
    is_counted = is_counted or delivery.lease_epoch > _MOST_UNCOUNTED_CLAIMS
    with transaction.atomic():
        row = (
            open_cursor()
            .execute(
                "SELECT attempts FROM health_upload WHERE id = %s AND lease_epoch = %s AND state = 'processing'",
                (delivery.upload_id, delivery.lease_epoch),
            )
            .fetchone()
        )
        if row is None:
            return
        if is_counted and row[0] >= settings.MAX_ATTEMPTS:
            _end(delivery, "dead", error=error, receipt=None)
            return
        tries = row[0] if is_counted else delivery.lease_epoch
        wait = min(10 * 4 ** (tries - 1), _LONGEST_BACKOFF_SECONDS) * random.uniform(0.8, 1.2)  # noqa: S311
        open_cursor().execute(
            """
            UPDATE health_upload SET state = 'retry', lease_until = NULL, error = %s, attempts = attempts - %s,
                next_attempt_at = clock_timestamp() + make_interval(secs => %s)
            WHERE id = %s AND lease_epoch = %s AND state = 'processing'
            """,
            (Jsonb(error), 0 if is_counted else 1, wait, delivery.upload_id, delivery.lease_epoch),
        )


def _drop_lost_connection() -> None:
    """Let go of a connection that the server ended, so that the next statement opens a new one."""
    raw = connection.connection
    if raw is not None and raw.closed and not connection.in_atomic_block:
        connection.close()


def _end(delivery: Delivery, state: str, *, error: dict[str, Any], receipt: dict[str, Any] | None) -> None:
    with transaction.atomic():
        cursor = open_cursor()
        cursor.execute(
            """
            UPDATE health_upload SET state = %s, finished_at = clock_timestamp(), lease_until = NULL, error = %s,
                receipt = coalesce(%s, receipt)
            WHERE id = %s AND lease_epoch = %s AND state = 'processing'
            """,
            (
                state,
                Jsonb(error),
                Jsonb(receipt) if receipt else None,
                delivery.upload_id,
                delivery.lease_epoch,
            ),
        )
        # Not a fact about tests, yet the uploads page and the onboarding line show it.
        bump_revision(cursor, delivery.project_id)


def is_passing_trouble(problem: BaseException) -> bool:
    """Whether an error is the database's and will pass: connection, lock, shutdown, deadlock, no room."""
    import psycopg

    ours = (
        psycopg.DataError
        | psycopg.IntegrityError
        | psycopg.ProgrammingError
        | psycopg.errors.ProgramLimitExceeded  # an index row too large: it will never fit
    )
    is_database = isinstance(problem, Error | psycopg.OperationalError | psycopg.InterfaceError)
    return is_database and not isinstance(problem.__cause__ or problem, ours)
