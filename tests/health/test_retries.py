"""Reading again what came to nothing: one upload, or all with one reason; never what was stored."""

import pytest
from django.contrib.auth.models import User

from health import retries
from health.models import AuditEntry, Project, Upload
from health.retries import read_again, read_all_again
from tests.builders import a_project, a_received_upload, a_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann() -> User:
    return a_user("ann")


def an_ended(project: Project, state: str, code: str = "not_xml") -> Upload:
    upload = a_received_upload(project)
    Upload.objects.filter(pk=upload.pk).update(state=state, attempts=3, error={"code": code, "message": "m"})
    upload.refresh_from_db()
    return upload


@pytest.mark.parametrize(("state", "may"), [(state, state in ("failed", "dead")) for state in Upload.State.values])
def test_only_what_came_to_nothing_waits_again(ann: User, state: str, may: bool) -> None:
    upload = an_ended(a_project(), state)
    before = upload.project.revision
    assert read_again(upload, user=ann) is may
    upload.refresh_from_db()
    upload.project.refresh_from_db()
    assert (upload.state, upload.attempts) == (("retry", 0) if may else (state, 3))
    assert upload.project.revision == before + may
    acts = [(entry.actor, entry.action, entry.subject) for entry in AuditEntry.objects.all()]
    assert acts == ([("ann", "upload.retried", str(upload.public_id))] if may else [])


def test_how_earlier_tries_ended_stays_on_the_receipt(ann: User) -> None:
    upload = an_ended(a_project(), "dead", "worker_crashed")
    read_again(upload, user=ann)
    Upload.objects.filter(pk=upload.pk).update(state="failed", error={"code": "not_xml"})
    read_again(upload, user=ann)
    upload.refresh_from_db()
    assert [ended["code"] for ended in upload.receipt["tries"]] == ["worker_crashed", "not_xml"]
    assert upload.receipt["files"] == upload.receipt["warnings"] == []


def test_all_with_one_reason_wait_again_and_that_is_one_act(ann: User) -> None:
    project, other = a_project(), a_project()
    same = [an_ended(project, state) for state in ("failed", "dead", "failed")]
    others = [an_ended(project, "failed", "bad_json"), an_ended(project, "partial"), an_ended(other, "failed")]
    assert read_all_again(project.pk, code="not_xml", user=ann) == 3
    for upload in (*same, *others):
        upload.refresh_from_db()
    assert {upload.state for upload in same} == {"retry"}
    assert [upload.state for upload in others] == ["failed", "partial", "failed"]
    entry = AuditEntry.objects.get()
    assert (entry.project, entry.action, entry.subject, entry.detail) == (
        *(project, "uploads.retried"),
        *("not_xml", {"n": 3}),
    )
    assert read_all_again(project.pk, code="not_xml", user=ann) == 0
    assert AuditEntry.objects.count() == 1


def test_one_act_is_bounded_and_takes_the_newest_first(ann: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "MOST_AT_ONCE", 2)
    project = a_project()
    old, *new = [an_ended(project, "failed") for _ in range(3)]
    assert read_all_again(project.pk, code="not_xml", user=ann) == 2
    assert Upload.objects.get(pk=old.pk).state == "failed"
    assert set(Upload.objects.filter(state="retry")) == set(new)
