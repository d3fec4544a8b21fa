"""Claims and leases: one holder at a time, waits that grow, and an end to trying."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from health.models import Upload
from ingest.claims import claim_next, finish_failed, retry_later
from ingest.store import Delivery
from tests.builders import a_project, a_received_upload

ERROR = {"code": "db_unavailable", "message": "gone", "hint": "wait"}


def claim_again(upload: Upload) -> Delivery:
    """Claim a waiting upload now, however long it still had to wait."""
    Upload.objects.filter(pk=upload.pk).update(next_attempt_at=timezone.now() - timedelta(seconds=1))
    delivery = claim_next()
    assert delivery is not None
    assert delivery.upload_id == upload.pk
    return delivery


def wait_of(upload: Upload) -> float:
    upload.refresh_from_db()
    return (upload.next_attempt_at - timezone.now()).total_seconds()


@pytest.mark.django_db
def test_trouble_with_a_service_is_waited_out_longer_each_time_and_not_counted() -> None:
    upload = a_received_upload(a_project())
    for wanted in (10, 40, 160, 640, 2560):
        retry_later(claim_again(upload), error=ERROR, is_counted=False)
        assert wanted * 0.7 < wait_of(upload) < wanted * 1.3
        assert (upload.state, upload.attempts) == ("retry", 0)


@pytest.mark.django_db
def test_trouble_that_lasts_counts_in_the_end() -> None:
    upload = a_received_upload(a_project())
    Upload.objects.update(lease_epoch=5)
    for attempts, state in ((1, "retry"), (2, "retry"), (3, "dead")):
        retry_later(claim_again(upload), error=ERROR, is_counted=False)
        upload.refresh_from_db()
        assert (upload.state, upload.attempts) == (state, attempts)
    assert claim_next() is None


@pytest.mark.django_db
def test_no_wait_is_longer_than_an_hour() -> None:
    upload = a_received_upload(a_project())
    Upload.objects.update(lease_epoch=500)
    retry_later(claim_again(upload), error=ERROR, is_counted=True)
    assert wait_of(upload) < 3600 * 1.2


@pytest.mark.django_db
@pytest.mark.parametrize(
    "end",
    [
        lambda delivery: retry_later(delivery, error=ERROR, is_counted=True),
        lambda delivery: retry_later(delivery, error=ERROR, is_counted=False),
        lambda delivery: finish_failed(delivery, error=ERROR, receipt={"files": []}),
    ],
)
def test_whoever_lost_the_lease_cannot_end_the_upload(end: Callable[[Delivery], None]) -> None:
    upload = a_received_upload(a_project())
    lost = claim_again(upload)
    Upload.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    held = claim_next()
    assert held is not None
    end(lost)
    upload.refresh_from_db()
    assert (upload.state, upload.attempts, upload.lease_epoch) == ("processing", 2, held.lease_epoch)
    assert (upload.error, upload.receipt) == (None, None)


@pytest.mark.django_db
def test_attempts_are_not_more_than_allowed_even_when_each_worker_dies() -> None:
    upload = a_received_upload(a_project())
    for _ in range(settings.MAX_ATTEMPTS):
        assert claim_next() is not None
        Upload.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert claim_next() is None
    upload.refresh_from_db()
    assert upload.attempts == settings.MAX_ATTEMPTS


@pytest.mark.django_db(transaction=True)
def test_workers_at_the_same_time_never_hold_one_upload_twice() -> None:
    waiting = {a_received_upload(project).pk for project in (a_project(), a_project()) for _ in range(30)}
    claimed: list[int] = []
    gate = threading.Barrier(4)

    def work() -> None:
        try:
            gate.wait(10)
            while (delivery := claim_next()) is not None:
                claimed.append(delivery.upload_id)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claimed) == len(set(claimed))
    # Who meets only rows that others hold at that moment finds nothing; the sweeper rings again.
    while (delivery := claim_next()) is not None:
        claimed.append(delivery.upload_id)
    assert sorted(claimed) == sorted(waiting)
