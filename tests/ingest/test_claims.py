"""Claims and leases: one holder at a time, waits that grow, and an end to trying."""

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import IO, Any

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from health.locks import lock_project
from health.models import Project, Upload
from health.retries import read_again, read_all_again
from health.sql import open_cursor
from ingest import claims
from ingest.cases import forget_names
from ingest.claims import Progress, claim_next, finish_failed, keep_lease, retry_later
from ingest.pipeline import process_next
from ingest.store import Delivery
from ingest.sweep import sweep
from tests.builders import a_project, a_received_upload, a_token, a_user
from tests.ingest.test_door import post
from tests.stack import wait_for

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
    Upload.objects.update(n_waits=5)
    for attempts, state in ((1, "retry"), (2, "retry"), (3, "dead")):
        retry_later(claim_again(upload), error=ERROR, is_counted=False)
        upload.refresh_from_db()
        assert (upload.state, upload.attempts) == (state, attempts)
    assert claim_next() is None


@pytest.mark.django_db
def test_after_somebody_had_it_read_again_a_service_may_be_away_for_as_long_again() -> None:
    upload = a_received_upload(a_project())
    Upload.objects.update(lease_epoch=9, n_waits=5, attempts=3, state="dead", error=ERROR)
    assert read_again(upload, user=a_user())
    for wanted in (10, 40, 160, 640, 2560):
        retry_later(claim_again(upload), error=ERROR, is_counted=False)
        assert wanted * 0.7 < wait_of(upload) < wanted * 1.3
        assert (upload.state, upload.attempts) == ("retry", 0)


@pytest.mark.django_db
def test_tries_that_count_take_nothing_from_the_patience_with_services() -> None:
    upload = a_received_upload(a_project())
    retry_later(claim_again(upload), error=ERROR, is_counted=True)
    retry_later(claim_again(upload), error=ERROR, is_counted=False)
    assert 7 < wait_of(upload) < 13
    assert (upload.attempts, upload.n_waits) == (1, 1)


@pytest.mark.django_db
def test_no_wait_is_longer_than_an_hour(settings: Any) -> None:
    upload = a_received_upload(a_project())
    Upload.objects.update(attempts=8)
    settings.MAX_ATTEMPTS = 20
    retry_later(claim_again(upload), error=ERROR, is_counted=True)
    assert 3600 * 0.7 < wait_of(upload) < 3600 * 1.2


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
    assert upload.error is None
    assert [held_before["code"] for held_before in upload.receipt["tries"]] == ["worker_crashed"]
    assert upload.receipt["files"] == []


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


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("end", ["failed", "dead", "buried", "read again", "all read again"])
def test_whoever_ends_an_upload_waits_for_its_project_and_holds_nothing_meanwhile(end: str, settings: Any) -> None:
    """The store locks the project, then the upload; the other way round each would wait for the other."""
    settings.MAX_ATTEMPTS = 1
    project, user = a_project(), a_user()
    upload = a_received_upload(project)
    delivery = claim_again(upload)
    if end.endswith("again"):
        Upload.objects.update(state="failed", error=ERROR, lease_until=None)
    if end == "buried":
        Upload.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    act: dict[str, Callable[[], object]] = {
        "failed": lambda: finish_failed(delivery, error=ERROR, receipt={"files": []}),
        "dead": lambda: retry_later(delivery, error=ERROR, is_counted=True),
        "buried": sweep,
        "read again": lambda: read_again(upload, user=user),
        "all read again": lambda: read_all_again(project.pk, code=ERROR["code"], user=user),
    }

    def work() -> None:
        try:
            act[end]()
        finally:
            connection.close()

    before = Upload.objects.get().state
    thread = threading.Thread(target=work)
    with transaction.atomic():
        lock_project(open_cursor(), project.pk)
        thread.start()
        thread.join(0.3)
        assert Upload.objects.select_for_update(nowait=True).get().state == before
    thread.join(10)
    if end == "buried":  # such a project's turn is the next sweep
        assert before == Upload.objects.get().state
        sweep()
    assert Upload.objects.get().state == {"failed": "failed"}.get(end, "retry" if "again" in end else "dead")
    assert Project.objects.get().revision > project.revision


@contextmanager
def a_spool(n_bytes: int) -> Iterator[IO[bytes]]:
    """A file of so many bytes, as the worker keeps it while a parser reads it."""
    with tempfile.TemporaryFile() as spool:
        spool.write(bytes(n_bytes))
        spool.flush()
        spool.seek(0)
        yield spool


def test_progress_is_where_any_reader_of_the_file_stands() -> None:
    progress = Progress()
    progress.expect(400)
    assert (progress.look(), progress.percent(progress.look())) == (None, 0)
    with a_spool(100) as spool, progress.follow(spool, n_bytes=100):
        with os.fdopen(os.dup(spool.fileno()), "rb", buffering=0) as reader:
            reader.read(60)
        assert progress.percent(progress.look()) == 15
    assert (progress.look(), progress.percent(progress.look())) == (None, 25)
    with a_spool(300) as spool, progress.follow(spool, n_bytes=300):
        os.lseek(spool.fileno(), 0, os.SEEK_END)
        assert progress.percent(progress.look()) == 100


def test_a_file_that_was_closed_meanwhile_is_no_error() -> None:
    progress = Progress()
    with a_spool(5) as spool, progress.follow(spool, n_bytes=5):
        spool.close()
        assert progress.look() is None


def test_more_bytes_than_were_announced_are_no_more_than_all() -> None:
    progress = Progress()
    assert progress.percent(None) == 0
    progress.expect(10)
    with a_spool(500) as spool, progress.follow(spool, n_bytes=500):
        os.lseek(spool.fileno(), 0, os.SEEK_END)
        assert progress.percent(progress.look()) == 100


def lease_of(delivery: Delivery) -> datetime:
    found: datetime = Upload.objects.values_list("lease_until", flat=True).get(pk=delivery.upload_id)
    return found


def percent_of(delivery: Delivery) -> int | None:
    return Upload.objects.values_list("progress", flat=True).get(pk=delivery.upload_id)


@pytest.fixture
def quick_lease(settings: Any) -> None:
    """A lease of a few tenths of a second, looked at as much more often."""
    settings.LEASE_SECONDS = 0.4


def claim_new() -> Delivery:
    a_received_upload(a_project())
    delivery = claim_next()
    assert delivery is not None
    return delivery


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("quick_lease")
def test_how_far_the_reading_is_stands_in_the_row_and_never_goes_back() -> None:
    delivery = claim_new()
    with keep_lease(delivery) as progress, a_spool(1000) as spool:
        progress.expect(1000)
        with progress.follow(spool, n_bytes=1000):
            spool.seek(430)
            wait_for(lambda: percent_of(delivery) == 43, what="the share of bytes read")
            spool.seek(0)  # a second look
            began = lease_of(delivery)
            wait_for(lambda: lease_of(delivery) > began, what="a longer lease")
            assert percent_of(delivery) == 43
    finish_failed(delivery, error=ERROR, receipt={"files": []})
    assert percent_of(delivery) is None


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("quick_lease")
def test_a_parser_that_stands_still_loses_its_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "_STANDSTILL_SECONDS", 0.3)
    delivery = claim_new()
    with keep_lease(delivery) as progress, a_spool(10) as spool:
        progress.expect(10)
        with progress.follow(spool, n_bytes=10):
            wait_for(lambda: lease_of(delivery) < timezone.now(), what="the end of the lease")
            taken_over = claim_next()
            assert taken_over is not None
            until = lease_of(taken_over)
            spool.seek(7)
            time.sleep(0.3)
            assert (lease_of(taken_over), percent_of(taken_over)) == (until, None)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("quick_lease")
def test_work_that_is_no_reading_is_no_standstill(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "_STANDSTILL_SECONDS", 0.05)
    delivery = claim_new()
    with keep_lease(delivery):
        for _ in range(2):
            began = lease_of(delivery)
            wait_for(lambda began=began: lease_of(delivery) > began, what="a longer lease")  # type: ignore[misc]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("quick_lease")
def test_the_lease_waits_for_nobody_who_stores(caplog: pytest.LogCaptureFixture) -> None:
    delivery = claim_new()
    with keep_lease(delivery), transaction.atomic():
        Upload.objects.select_for_update().get(pk=delivery.upload_id)
        time.sleep(0.4)
        began = time.monotonic()
    assert time.monotonic() - began < 1
    assert caplog.text == ""


@pytest.mark.django_db
def test_what_is_read_within_a_second_asks_the_database_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    delivery = claim_new()
    monkeypatch.setattr(claims, "open_cursor", lambda: pytest.fail("a statement was sent"))
    with keep_lease(delivery) as progress:
        progress.expect(10)


@pytest.mark.django_db
def test_a_big_file_is_followed_from_its_start_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    monkeypatch.setattr(claims, "_tell", lambda delivery, percent, *, extend: told.append(percent) or True)
    monkeypatch.setattr(claims, "_LOOK_SECONDS", 0.005)
    forget_names()
    case = "<testcase classname='c' name='case{}' time='0.1'><system-out>{}</system-out></testcase>"
    cases = "".join(case.format(number, "x" * 10_000) for number in range(1_600))
    report = f"<testsuite name='s'>{cases}</testsuite>".encode()
    assert post(a_token(a_project()), ("big.xml", report)).status_code == 202
    assert process_next()
    upload = Upload.objects.get()
    assert (upload.state, upload.progress) == ("stored", None)
    assert told == sorted(told)
    assert any(0 < percent < 100 for percent in told)  # how often depends on the machine
