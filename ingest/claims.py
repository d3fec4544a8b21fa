"""Claim an upload under a lease, keep the lease while its reading goes on, and say how it ended.

Called by `ingest.pipeline` and `ingest.sweep`. All times are the database's: a wrong clock on a worker changes
nothing (F47). Attempts are counted before the work, so a crash counts; each try that came to nothing is kept on the
receipt.
Promise: two workers never hold one upload; a worker that lost its lease changes nothing; a worker whose parser stands
still loses it (`tests/ingest/test_claims.py`). All states and what leads from one to another: `docs/uploads.md`.
"""

import json
import logging
import os
import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Final

from django.conf import settings
from django.db import Error, connection, transaction
from psycopg.types.json import Jsonb

from health.locks import lock_project
from health.rebuild import settle_named_run
from health.revisions import bump_revision
from health.sql import open_cursor
from ingest.errors import is_disk_full
from ingest.metadata import Metadata
from ingest.store import Delivery

log = logging.getLogger(__name__)

_LONGEST_BACKOFF_SECONDS: Final = 3600
# Trouble with a service counts as well once it has lasted for about an hour: 10 s, 40 s, 3 min, 11 min, 43 min.
_MOST_UNCOUNTED_WAITS: Final = 5
_WORKER = f"{socket.gethostname()[:80]}:{os.getpid()}"
# How often the lease's thread looks how far the reading is, and how long that may stand still.
_LOOK_SECONDS: Final = 1.0
_STANDSTILL_SECONDS: Final = 120.0

# What a receipt says of a try that came to nothing, put behind those before it.
_ADD_TRY: Final = """
    jsonb_set(coalesce(receipt, '{{"files": [], "warnings": []}}'), '{{tries}}',
        coalesce(receipt->'tries', '[]') || jsonb_build_object('code', {code}, 'at', clock_timestamp()))
"""

# Fair before first come: a project with a thousand waiting uploads does not hold up another one's single upload.
# One that is still `processing` has lost its worker.
_CLAIM: Final = f"""
    UPDATE health_upload SET state = 'processing', attempts = attempts + 1, lease_epoch = lease_epoch + 1,
        lease_until = clock_timestamp() + make_interval(secs => %(lease)s), worker = %(worker)s, progress = NULL,
        receipt = CASE state WHEN 'processing' THEN {_ADD_TRY.format(code="'worker_crashed'")} ELSE receipt END
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
"""  # noqa: S608 - the parts are constants
# Whoever holds the row at this moment is storing it, or has taken it over: neither is to be waited for.
_TELL: Final = """
    UPDATE health_upload SET progress = %(progress)s,
        lease_until = CASE WHEN NOT %(extend)s THEN lease_until
            ELSE clock_timestamp() + make_interval(secs => %(lease)s) END
    WHERE id = (SELECT id FROM health_upload WHERE id = %(upload)s AND lease_epoch = %(epoch)s
                AND state = 'processing' FOR UPDATE SKIP LOCKED)
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


class Progress:
    """How far an upload's files are read. The worker says which file it reads; the lease's thread looks how far it is.

    Nothing is counted on the way: every stream of a file shares its place in the file with the spool it came from.
    """

    def __init__(self) -> None:
        self._n_expected = 0
        self._n_done = 0
        self._spool: IO[bytes] | None = None
        self._n_bytes = 0

    def expect(self, n_bytes: int) -> None:
        """How many bytes all files together have."""
        self._n_expected = n_bytes

    @contextmanager
    def follow(self, spool: IO[bytes], *, n_bytes: int) -> Iterator[None]:
        """While inside, the file of this many bytes that `spool` holds is being read."""
        self._n_bytes, self._spool = n_bytes, spool
        try:
            yield
        finally:
            self._spool = None
            self._n_done += n_bytes

    def look(self) -> int | None:
        """The place in the file that is being read, or None while none is."""
        spool = self._spool
        try:
            return None if spool is None else os.lseek(spool.fileno(), 0, os.SEEK_CUR)
        except (OSError, ValueError):  # closed between the question and the answer
            return None

    def percent(self, place: int | None) -> int:
        """The share of all bytes that is read; a second look at a file begins at its start again."""
        n_read = self._n_done + min(place or 0, self._n_bytes)
        return min(n_read * 100 // max(self._n_expected, 1), 100)


class _Standstill:
    """For how long the reading has not moved: a parser that will never end must not keep its upload for ever.

    While nothing is being read nothing stands still: the storing has limits of its own.
    """

    def __init__(self) -> None:
        self._place: int | None = None
        self._moved_at = time.monotonic()

    def measure(self, place: int | None) -> float:
        if place is None or place != self._place:
            self._place, self._moved_at = place, time.monotonic()
        return time.monotonic() - self._moved_at


@contextmanager
def keep_lease(delivery: Delivery) -> Iterator[Progress]:
    """Extend the lease from a thread of its own while the work goes on, at most until Celery's hard time limit.

    The same thread writes how far the reading is. An upload that is read within a second costs no statement.
    """
    done, progress = threading.Event(), Progress()
    thread = threading.Thread(target=_tell_until, args=(delivery, progress, done), daemon=True, name="lease")
    thread.start()
    try:
        yield progress
    finally:
        done.set()
        thread.join(timeout=5)


def _tell_until(delivery: Delivery, progress: Progress, done: threading.Event) -> None:
    period = settings.LEASE_SECONDS / 4
    began = extended_at = time.monotonic()
    standstill, told = _Standstill(), 0
    while not done.wait(min(_LOOK_SECONDS, period)) and time.monotonic() - began < settings.CELERY_TASK_TIME_LIMIT:
        place = progress.look()
        percent = progress.percent(place)
        is_moving = standstill.measure(place) < _STANDSTILL_SECONDS
        is_due = is_moving and time.monotonic() - extended_at >= period
        if (percent > told or is_due) and _tell(delivery, max(percent, told), extend=is_due):
            told = max(percent, told)
            extended_at = time.monotonic() if is_due else extended_at
    connection.close()


def _tell(delivery: Delivery, percent: int, *, extend: bool) -> bool:
    """Write one or both; False when the row could not be had, which the work itself will notice at its fence."""
    values = {"progress": percent, "extend": extend, "lease": settings.LEASE_SECONDS}
    try:
        cursor = open_cursor().execute(_TELL, {**values, "upload": delivery.upload_id, "epoch": delivery.lease_epoch})
    except Exception as problem:
        log.warning("upload %d: the lease could not be extended: %s", delivery.upload_id, problem)
        connection.close()
        return False
    return cursor.rowcount == 1


def finish_failed(delivery: Delivery, *, error: dict[str, Any], receipt: dict[str, Any]) -> None:
    """The input cannot be used: final, the user's to mend, and shown."""
    _end(delivery, "failed", error=error, receipt=receipt)


def retry_later(delivery: Delivery, *, error: dict[str, Any], is_counted: bool) -> None:
    """Put an upload back to wait, longer each time; a crash of ours counts, trouble with a service does not.

    After the last counted attempt it is `dead`, and keeps its payload.
    """
    _drop_lost_connection()
    with transaction.atomic():
        row = (
            open_cursor()
            .execute(
                """
                SELECT attempts, n_waits FROM health_upload
                WHERE id = %s AND lease_epoch = %s AND state = 'processing'
                """,
                (delivery.upload_id, delivery.lease_epoch),
            )
            .fetchone()
        )
        if row is None:
            return
        attempts, n_waits = row
        is_counted = is_counted or n_waits >= _MOST_UNCOUNTED_WAITS
        if is_counted and attempts >= settings.MAX_ATTEMPTS:
            _end(delivery, "dead", error=error, receipt=None)
            return
        tries = attempts if is_counted else n_waits + 1
        wait = min(10 * 4 ** (tries - 1), _LONGEST_BACKOFF_SECONDS) * random.uniform(0.8, 1.2)  # noqa: S311
        open_cursor().execute(
            f"""
            UPDATE health_upload SET state = 'retry', lease_until = NULL, progress = NULL, error = %(error)s,
                attempts = attempts - %(forgiven)s, n_waits = n_waits + %(forgiven)s,
                next_attempt_at = clock_timestamp() + make_interval(secs => %(wait)s),
                receipt = {_ADD_TRY.format(code="%(code)s::text")}
            WHERE id = %(upload)s AND lease_epoch = %(epoch)s AND state = 'processing'
            """,  # noqa: S608 - the parts are constants
            {
                "error": Jsonb(error),
                "code": error["code"],
                "forgiven": int(not is_counted),
                "wait": wait,
                "upload": delivery.upload_id,
                "epoch": delivery.lease_epoch,
            },
        )
    with transaction.atomic():  # after it, so that nothing keeps the upload from waiting
        cursor = open_cursor()
        lock_project(cursor, delivery.project_id)
        settle_named_run(cursor, delivery.project_id, upload_id=delivery.upload_id)
        bump_revision(cursor, delivery.project_id)


def _drop_lost_connection() -> None:
    """Let go of a connection that the server ended, so that the next statement opens a new one."""
    raw = connection.connection
    if raw is not None and raw.closed and not connection.in_atomic_block:
        connection.close()


def _end(delivery: Delivery, state: str, *, error: dict[str, Any], receipt: dict[str, Any] | None) -> None:
    with transaction.atomic():
        cursor = open_cursor()
        lock_project(cursor, delivery.project_id)  # before the upload, as the store does it
        cursor.execute(
            """
            UPDATE health_upload SET state = %s, finished_at = clock_timestamp(), lease_until = NULL, progress = NULL,
                error = %s, receipt = coalesce(%s, receipt)
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
        if cursor.rowcount:
            settle_named_run(cursor, delivery.project_id, upload_id=delivery.upload_id)
        # Not a fact about tests, yet the uploads page and the onboarding line show it.
        bump_revision(cursor, delivery.project_id)


def is_passing_trouble(problem: BaseException) -> bool:
    """Whether an error is a service's and will pass: connection, lock, shutdown, deadlock, no room on a disk."""
    import psycopg

    ours = (
        psycopg.DataError
        | psycopg.IntegrityError
        | psycopg.ProgrammingError
        | psycopg.errors.ProgramLimitExceeded  # an index row too large: it will never fit
    )
    is_database = isinstance(problem, Error | psycopg.OperationalError | psycopg.InterfaceError)
    return is_disk_full(problem) or (is_database and not isinstance(problem.__cause__ or problem, ours))
