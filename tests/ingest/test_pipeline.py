"""From a waiting row to facts: claims, leases, errors, and what becomes of each."""

import gzip
import threading
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone

from health.models import Job, PayloadChunk, Project, Run, Upload
from ingest import claims, pipeline
from ingest.cases import forget_names
from ingest.claims import claim_next
from ingest.pipeline import process_next
from tests.builders import a_project, a_received_upload, a_token
from tests.ingest.test_door import REPORT, post

pytestmark = pytest.mark.django_db

OTHER = (
    b'<testsuite name="s"><testcase classname="c" name="other">'
    b'<failure message="boom">text</failure></testcase></testsuite>'
)


@pytest.fixture(autouse=True)
def _fresh_names() -> None:
    forget_names()


@pytest.fixture
def project() -> Project:
    return a_project("pipe")


def send(project: Project, *files: tuple[str, bytes], **fields: str) -> Upload:
    response = post(a_token(project), *files, **fields)
    assert response.status_code == 202, response.content
    return Upload.objects.latest("id")


def test_a_file_becomes_a_run_and_a_receipt(project: Project) -> None:
    upload = send(project, ("a.xml", OTHER), branch="main", job="unit", run_id="5", provider="github")
    assert process_next()
    upload.refresh_from_db()
    assert (upload.state, upload.run, upload.attempts) == ("stored", 1, 1)
    (file,) = upload.receipt["files"]
    assert (file["name"], file["format"], file["tests"], file["failed"]) == ("a.xml", "junit", 1, 1)
    run = Run.objects.get(project=project)
    assert (run.provider, run.external_id, run.branch, run.n_failed) == ("github", "5", "main", 1)
    assert not process_next()


def test_several_files_are_one_job(project: Project) -> None:
    send(project, ("a.xml", REPORT), ("b.xml", gzip.compress(OTHER)))
    process_next()
    assert Job.objects.get(project=project).n_declared == 2


def test_a_case_in_two_files_is_kept_twice(project: Project) -> None:
    upload = send(project, ("a.xml", REPORT), ("b.xml", REPORT))
    process_next()
    upload.refresh_from_db()
    assert Job.objects.get(project=project).n_declared == 2
    assert [warning["code"] for warning in upload.receipt["warnings"]] == ["repeated_name"]


def test_a_bad_file_takes_no_good_one_down(project: Project) -> None:
    upload = send(project, ("good.xml", REPORT), ("bad.xml", b"<html><body>Sign in</body></html>"))
    process_next()
    upload.refresh_from_db()
    assert upload.state == "partial"
    good, bad = upload.receipt["files"]
    assert (good["state"], bad["state"]) == ("stored", "failed")
    assert bad["error"]["code"] in ("not_a_report", "xml_malformed")
    assert Job.objects.get(project=project).n_declared == 1
    assert not Job.objects.get(project=project).is_complete


def test_an_upload_of_only_bad_files_fails_with_the_reason(project: Project) -> None:
    upload = send(project, ("bad.xml", b"<!DOCTYPE x [<!ENTITY a 'b'>]><testsuite>&a;</testsuite>"))
    process_next()
    upload.refresh_from_db()
    assert (upload.state, upload.error["code"]) == ("failed", "xml_entities_forbidden")
    assert upload.error["line"] == 1
    assert not Run.objects.filter(project=project).exists()


def test_a_cut_file_keeps_what_came_before(project: Project) -> None:
    upload = send(project, ("cut.xml", REPORT[: REPORT.index(b"</testsuite>")]))
    process_next()
    upload.refresh_from_db()
    assert upload.state == "partial"
    assert upload.receipt["files"][0]["error"]["code"] == "report_truncated"


def test_too_many_cases(project: Project, settings: Any) -> None:
    settings.UPLOAD_MAX_CASES = 1
    upload = send(project, ("a.xml", REPORT.replace(b"/></", b"/><testcase name='b'/></")))
    process_next()
    upload.refresh_from_db()
    assert (upload.state, upload.error["code"]) == ("failed", "too_many_cases")


def test_a_payload_that_is_gone_is_said(project: Project) -> None:
    upload = send(project, ("a.xml", REPORT))
    PayloadChunk.objects.all().delete()
    process_next()
    upload.refresh_from_db()
    assert (upload.state, upload.error["code"]) == ("failed", "payload_missing")


def test_claims_are_fair_between_projects(project: Project) -> None:
    for _ in range(5):
        a_received_upload(project)
    other = a_received_upload(a_project())
    first, second = claim_next(), claim_next()
    assert first is not None
    assert second is not None
    assert second.upload_id == other.pk


def test_what_is_claimed_is_not_claimed_again_until_its_lease_ends(project: Project) -> None:
    upload = a_received_upload(project)
    first = claim_next()
    assert first is not None
    assert claim_next() is None
    Upload.objects.filter(pk=upload.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    again = claim_next()
    assert again is not None
    assert (again.upload_id, again.lease_epoch) == (first.upload_id, first.lease_epoch + 1)


def test_a_worker_that_lost_its_lease_changes_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = send(project)

    def lose(*args: Any, **kwargs: Any) -> Any:
        Upload.objects.filter(pk=upload.pk).update(lease_epoch=99)
        return original(*args, **kwargs)

    original = pipeline.read_report
    monkeypatch.setattr(pipeline, "read_report", lose)
    assert process_next()
    assert not Run.objects.filter(project=project).exists()
    upload.refresh_from_db()
    assert (upload.state, upload.lease_epoch) == ("processing", 99)


@pytest.mark.parametrize(
    ("problem", "code"),
    [(MemoryError(), "out_of_memory"), (RecursionError(), "internal"), (KeyError("x"), "internal")],
)
def test_a_crash_is_counted_then_the_upload_is_dead(
    project: Project, monkeypatch: pytest.MonkeyPatch, problem: BaseException, code: str
) -> None:
    upload = send(project)

    def fail(*_: Any, **__: Any) -> Any:
        raise problem

    monkeypatch.setattr(pipeline, "read_report", fail)
    for attempt, state in ((1, "retry"), (2, "retry"), (3, "dead")):
        Upload.objects.update(next_attempt_at=timezone.now())
        assert process_next()
        upload.refresh_from_db()
        assert (upload.attempts, upload.state, upload.error["code"]) == (attempt, state, code)
    assert not process_next()
    assert PayloadChunk.objects.exists()


def test_trouble_with_the_database_is_not_counted(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = send(project)

    def fail(*_: Any, **__: Any) -> Any:
        raise OperationalError("gone") from psycopg.OperationalError("server closed the connection")

    monkeypatch.setattr(pipeline, "store_contents", fail)
    process_next()
    upload.refresh_from_db()
    assert (upload.state, upload.attempts, upload.error["code"]) == ("retry", 0, "db_unavailable")
    assert upload.next_attempt_at > timezone.now()


def test_an_upload_is_answered_although_the_bell_is_broken(
    project: Project, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    monkeypatch.setattr("ingest.receive.ring", lambda upload_id: 1 / 0)
    with django_capture_on_commit_callbacks(execute=True):
        assert post(a_token(project)).status_code == 202


@pytest.mark.django_db(transaction=True)
def test_the_lease_is_extended_while_the_work_goes_on(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.LEASE_SECONDS = 0.2
    a_received_upload(a_project())
    delivery = claim_next()
    assert delivery is not None
    extended = threading.Event()
    original = claims.open_cursor

    def watch() -> Any:
        if threading.current_thread().name == "lease":
            extended.set()
        return original()

    monkeypatch.setattr(claims, "open_cursor", watch)
    with claims.keep_lease(delivery):
        assert extended.wait(10)
    assert not any(thread.name == "lease" for thread in threading.enumerate())


def test_status_tells_the_end(project: Project) -> None:
    token = a_token(project)
    upload = send(project, run_id="9")
    process_next()
    body = Client().get(f"/api/v1/uploads/{upload.public_id}", headers={"authorization": f"Bearer {token}"}).json()
    assert (body["state"], body["run"]["number"], body["error"]) == ("stored", 1, None)
    assert body["receipt"]["files"][0]["accepted"] == 1
    assert connection.in_atomic_block


def test_a_message_with_an_unknown_id_does_nothing() -> None:
    from ingest.tasks import process_upload, sweep_uploads

    process_upload(4711)
    sweep_uploads()
    assert not Upload.objects.exists()
