"""How much one project may send: uploads a minute, uploads that wait, bytes a day.

Called by `ingest.views` before a body is read, and by `ingest.receive` as the last statement of the accepting
transaction; the buckets are `health.allowances`. Promise: what is refused leaves nothing behind, a repeat of a known
delivery costs nothing, and other projects notice nothing (`tests/ingest/test_quotas.py`).
"""

import math
from typing import Final

from django.conf import settings

from health import allowances
from health.models import Upload, UploadToken
from health.sql import fetch_together, open_cursor
from ingest.errors import IngestError

_SECONDS_PER_DAY: Final = 86_400
_QUEUE_SECONDS: Final = 30
# Counting stops at the limit: a long queue does not make the look at it slow.
_COUNT_WAITING: Final = """
    SELECT count(*) FROM (
        SELECT 1 FROM health_upload WHERE project_id = %s AND state IN ('received', 'retry') LIMIT %s) waiting
"""


def refuse_early(token: UploadToken, *, n_bytes: int, idempotency_key: str) -> None:
    """Look, without taking, whether an upload of this size may come in now. Raises IngestError."""
    most = settings.UPLOAD_MAX_WAITING
    buckets = [(_uploads_bucket(token), 1.0)]
    if settings.UPLOAD_MAX_BYTES_PER_DAY:
        buckets.append((_bytes_bucket(token), float(n_bytes)))
    asked = [allowances.ask(key, rate=rate, burst=burst) for (key, rate, burst), _ in buckets]
    waiting, *held = fetch_together(open_cursor(), (_COUNT_WAITING, (token.project_id, most)), *asked)
    try:
        if waiting[0][0] >= most:
            raise _queue_full(waiting[0][0])
        for ((_, rate, burst), cost), rows in zip(buckets, held, strict=True):
            left = rows[0][0] if rows else burst
            if seconds := allowances.wait_for(left, rate=rate, cost=min(cost, burst)):
                raise (_rate_limited if cost == 1.0 else _quota_exceeded)(seconds)
    except IngestError:
        # A sender that lost our answer asks again; that costs nothing and should not wait.
        if not idempotency_key or not _is_known(token, idempotency_key):
            raise


def take_share(token: UploadToken, *, n_bytes: int) -> None:
    """Charge an upload to its project. Raises IngestError, and with it ends the transaction that accepts."""
    if settings.UPLOAD_MAX_BYTES_PER_DAY:
        key, rate, burst = _bytes_bucket(token)
        if seconds := allowances.take(key, rate=rate, burst=burst, cost=n_bytes):
            raise _quota_exceeded(seconds)
    key, rate, burst = _uploads_bucket(token)
    if seconds := allowances.take(key, rate=rate, burst=burst):
        raise _rate_limited(seconds)


def _uploads_bucket(token: UploadToken) -> tuple[str, float, float]:
    return f"upload:{token.project_id}", settings.UPLOAD_RATE_PER_MINUTE / 60, float(settings.UPLOAD_BURST)


def _bytes_bucket(token: UploadToken) -> tuple[str, float, float]:
    most = settings.UPLOAD_MAX_BYTES_PER_DAY
    return f"bytes:{token.project_id}", most / _SECONDS_PER_DAY, float(most)


def _is_known(token: UploadToken, idempotency_key: str) -> bool:
    return Upload.objects.filter(project_id=token.project_id, idempotency_key=idempotency_key).exists()


def _rate_limited(seconds: float) -> IngestError:
    most, rate = settings.UPLOAD_BURST, settings.UPLOAD_RATE_PER_MINUTE
    text = f"The project sent {most:,} uploads at once; {rate:,} more are taken each minute."
    return IngestError("rate_limited", text, limit=most, actual=most + 1, retry_after=math.ceil(seconds))


def _queue_full(n_waiting: int) -> IngestError:
    most = settings.UPLOAD_MAX_WAITING
    text = f"{n_waiting:,} uploads of the project wait to be read; more are taken when there are fewer."
    return IngestError("queue_full", text, limit=most, actual=n_waiting, retry_after=_QUEUE_SECONDS)


def _quota_exceeded(seconds: float) -> IngestError:
    most = settings.UPLOAD_MAX_BYTES_PER_DAY
    text = f"The project's quota of {most:,} bytes a day is used up."
    actual = most + math.ceil(seconds * most / _SECONDS_PER_DAY)
    return IngestError("quota_exceeded", text, limit=most, actual=actual, retry_after=math.ceil(seconds))
