"""How much one project may send: uploads a minute, uploads that wait, bytes a day, and bytes that are not kept.

Called by `ingest.views` before a body is read and when it was read for nothing, and by `ingest.receive` as the last
statement of the accepting transaction; the buckets are `health.allowances`. Promise: what is refused leaves no upload
behind, a repeat of a known delivery costs no upload, what has to be read for nothing is bounded, and other projects
notice nothing (`tests/ingest/test_quotas.py`).
"""

import logging
import math
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import psycopg
from django.conf import settings
from django.db import Error, transaction

from health import allowances
from health.models import Upload, UploadToken
from health.sql import fetch_together, open_cursor
from ingest.errors import IngestError

log = logging.getLogger(__name__)

_SECONDS_PER_DAY: Final = 86_400
# Of what is read and not kept, in deliveries as large as there can be. A build whose steps all send the wrong file does
# not come near it; whoever sends bombs has it used up in seconds.
_UNKEPT_AT_ONCE: Final = 20
_UNKEPT_PER_MINUTE: Final = 3
_QUEUE_SECONDS: Final = 30
# Counting stops at the limit: a long queue does not make the look at it slow.
_COUNT_WAITING: Final = """
    SELECT count(*) FROM (
        SELECT 1 FROM health_upload WHERE project_id = %s AND state IN ('received', 'retry') LIMIT %s) waiting
"""


class _Bucket(NamedTuple):
    """One allowance of a project, what an upload takes out of it, and what is said when that is not there."""

    key: str
    rate: float
    burst: float
    cost: float
    refuse: Callable[[float], IngestError]


def refuse_early(token: UploadToken, *, n_bytes: int, idempotency_key: str) -> None:
    """Look, without taking, whether an upload of this size may come in now. Raises IngestError."""
    most = settings.UPLOAD_MAX_WAITING
    unkept, buckets = _find_unkept(token), _list_buckets(token, n_bytes)
    asked = [allowances.ask(bucket.key, rate=bucket.rate, burst=bucket.burst) for bucket in (unkept, *buckets)]
    waiting, held_unkept, *held = fetch_together(open_cursor(), (_COUNT_WAITING, (token.project_id, most)), *asked)
    # A repeat, too: that it is one is known only when it was unpacked.
    _refuse_if_short(unkept, held_unkept)
    try:
        if waiting[0][0] >= most:
            raise _queue_full(waiting[0][0])
        for bucket, rows in zip(buckets, held, strict=True):
            _refuse_if_short(bucket, rows)
    except IngestError:
        # A sender that lost our answer asks again; that costs no upload and should not wait.
        if not idempotency_key or not _is_known(token, idempotency_key):
            raise


def take_share(token: UploadToken, *, n_bytes: int) -> None:
    """Charge an upload to its project. Raises IngestError, and with it ends the transaction that accepts."""
    for bucket in _list_buckets(token, n_bytes):
        if seconds := allowances.take(bucket.key, rate=bucket.rate, burst=bucket.burst, cost=bucket.cost):
            raise bucket.refuse(seconds)


def charge_unkept(token: UploadToken, *, n_bytes: int) -> None:
    """Charge what was read and is not kept, because it was refused or is there already.

    In a transaction of its own, so that it holds although the delivery is refused; a bucket may owe it then. Best
    effort: it turns no answer into another.
    """
    bucket = _find_unkept(token)
    try:
        with transaction.atomic():
            open_cursor().execute("SET LOCAL synchronous_commit = off")  # nothing is lost with it that anybody needs
            allowances.charge(bucket.key, rate=bucket.rate, burst=bucket.burst, cost=float(n_bytes))
    except (Error, psycopg.Error) as problem:
        log.warning("a delivery that is not kept could not be charged: %s", problem)


def _refuse_if_short(bucket: _Bucket, rows: list[tuple[Any, ...]]) -> None:
    left = rows[0][0] if rows else bucket.burst
    if seconds := allowances.wait_for(left, rate=bucket.rate, cost=min(bucket.cost, bucket.burst)):
        raise bucket.refuse(seconds)


def _find_unkept(token: UploadToken) -> _Bucket:
    """Bytes, as they were sent and as they were unpacked. A next delivery may come in while any are left."""
    largest = float(settings.UPLOAD_MAX_WIRE_BYTES + settings.UPLOAD_MAX_PLAIN_BYTES)
    rate, burst = largest * _UNKEPT_PER_MINUTE / 60, largest * _UNKEPT_AT_ONCE
    return _Bucket(f"unkept:{token.project_id}", rate, burst, 1.0, _too_much_unkept)


def _list_buckets(token: UploadToken, n_bytes: int) -> list[_Bucket]:
    """Always in the same order: each stays locked until the upload is in."""
    rate, burst = settings.UPLOAD_RATE_PER_MINUTE / 60, float(settings.UPLOAD_BURST)
    uploads = _Bucket(f"upload:{token.project_id}", rate, burst, 1.0, _rate_limited)
    most = float(settings.UPLOAD_MAX_BYTES_PER_DAY)
    if not most:
        return [uploads]
    return [
        uploads,
        _Bucket(f"bytes:{token.project_id}", most / _SECONDS_PER_DAY, most, float(n_bytes), _quota_exceeded),
    ]


def _is_known(token: UploadToken, idempotency_key: str) -> bool:
    return Upload.objects.filter(project_id=token.project_id, idempotency_key=idempotency_key).exists()


def _rate_limited(seconds: float) -> IngestError:
    most, rate = settings.UPLOAD_BURST, settings.UPLOAD_RATE_PER_MINUTE
    text = f"The project sent {most:,} uploads at once; {rate:,} more are taken each minute."
    return IngestError("rate_limited", text, limit=most, actual=most + 1, retry_after=math.ceil(seconds))


def _too_much_unkept(seconds: float) -> IngestError:
    largest = settings.UPLOAD_MAX_WIRE_BYTES + settings.UPLOAD_MAX_PLAIN_BYTES
    most, rate = largest * _UNKEPT_AT_ONCE, largest * _UNKEPT_PER_MINUTE
    text = (
        f"The project's deliveries that were refused or repeated came to more than {most:,} bytes, unpacked; "
        f"{rate:,} more are read each minute."
    )
    actual = most + math.ceil(seconds * rate / 60)
    return IngestError("rate_limited", text, limit=most, actual=actual, retry_after=math.ceil(seconds))


def _queue_full(n_waiting: int) -> IngestError:
    most = settings.UPLOAD_MAX_WAITING
    text = f"{n_waiting:,} uploads of the project wait to be read; more are taken when there are fewer."
    return IngestError("queue_full", text, limit=most, actual=n_waiting, retry_after=_QUEUE_SECONDS)


def _quota_exceeded(seconds: float) -> IngestError:
    most = settings.UPLOAD_MAX_BYTES_PER_DAY
    text = f"The project's quota of {most:,} bytes a day is used up."
    actual = most + math.ceil(seconds * most / _SECONDS_PER_DAY)
    return IngestError("quota_exceeded", text, limit=most, actual=actual, retry_after=math.ceil(seconds))
