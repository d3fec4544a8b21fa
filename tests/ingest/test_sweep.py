"""The sweeper: rings for what waits, gives up what is hopeless, and no project holds up another."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from health.models import Project, Run, Upload
from ingest import bell, pipeline, sweep
from ingest.cases import forget_names
from ingest.claims import claim_next
from ingest.tasks import process_upload
from tests.builders import FIRST_MOMENT, a_project, a_received_upload, a_token, an_upload
from tests.ingest.test_door import post

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    forget_names()
    return a_project()


def send(project: Project, **fields: str) -> Upload:
    assert post(a_token(project), **fields).status_code == 202
    Upload.objects.update(next_attempt_at=timezone.now() - timedelta(minutes=1))
    return Upload.objects.filter(project=project).latest("pk")


def test_the_sweeper_rings_for_what_waits(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = a_received_upload(project)
    expired = a_received_upload(project)
    Upload.objects.filter(pk=expired.pk).update(
        state="processing", lease_until=timezone.now() - timedelta(seconds=1), attempts=1
    )
    fresh = a_received_upload(project)
    Upload.objects.filter(pk=fresh.pk).update(next_attempt_at=timezone.now() + timedelta(hours=1))
    rung: list[int] = []
    monkeypatch.setattr("ingest.sweep.ring", lambda upload_id, **_: rung.append(upload_id) or True)
    assert sweep.sweep() == 2
    assert sorted(rung) == [waiting.pk, expired.pk]


def test_the_sweeper_buries_what_crashed_too_often(project: Project) -> None:
    upload = a_received_upload(project)
    Upload.objects.filter(pk=upload.pk).update(
        state="processing", lease_until=timezone.now() - timedelta(seconds=1), attempts=3
    )
    assert sweep.sweep() == 0
    upload.refresh_from_db()
    assert (upload.state, upload.error["code"]) == ("dead", "worker_crashed")


def test_the_sweeper_works_itself_when_the_bell_is_broken(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = send(project)
    monkeypatch.setattr("ingest.sweep.ring", lambda upload_id, **_: False)
    sweep.sweep()
    upload.refresh_from_db()
    assert upload.state == "stored"


def test_a_bell_that_cannot_ring_is_silent_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    from kombu.exceptions import OperationalError as BrokerError

    calls: list[int] = []

    def refuse(args: tuple[int], **_: object) -> None:
        calls.append(args[0])
        raise BrokerError("refused")

    monkeypatch.setattr(bell, "_silent_until", 0.0)
    monkeypatch.setattr("ingest.tasks.process_upload.apply_async", refuse)
    assert not bell.ring(1)
    assert not bell.ring(2)
    assert calls == [1]


def test_bells_that_are_rung_again_do_not_pile_up(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each sweep rings for all that waits; whoever comes late to a bell finds the next one."""
    published: list[dict[str, Any]] = []
    monkeypatch.setattr(bell, "_silent_until", 0.0)
    monkeypatch.setattr(process_upload, "apply_async", lambda args, **options: published.append(options))
    send(project)
    sweep.sweep()
    assert bell.ring(1)
    assert [options["expires"] for options in published] == [15, None]


def test_the_sweeper_works_itself_for_a_while_only(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its time limit would else hit, and count against, the upload it happens to read."""
    for number in range(3):
        send(project, run_id=str(number))
    monkeypatch.setattr(sweep, "ring", lambda upload_id, **_: False)
    monkeypatch.setattr(sweep, "_MOST_INLINE_SECONDS", 0.0)
    assert sweep.sweep() == 3
    assert Upload.objects.filter(state="stored").count() == 1


def test_who_waits_for_a_try_that_is_no_longer_allowed_is_given_up(project: Project, settings: Any) -> None:
    error = {"code": "time_limit", "message": "too long", "hint": ""}
    upload = a_received_upload(project)
    Upload.objects.update(state="retry", attempts=2, error=error, next_attempt_at=timezone.now() + timedelta(hours=1))
    sweep.sweep()
    upload.refresh_from_db()
    assert upload.state == "retry"
    settings.MAX_ATTEMPTS = 2
    sweep.sweep()
    upload.refresh_from_db()
    assert (upload.state, upload.error, upload.finished_at is not None) == ("dead", error, True)


def test_what_goes_wrong_with_one_project_holds_up_no_other(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = a_project(), a_project()
    for project in (first, second):
        an_upload(project, {"a": "pass"}, run_id="1", shard="1/2", ran_at=FIRST_MOMENT)
        a_received_upload(project)
        assert claim_next() is not None
    Upload.objects.filter(state="stored").update(received_at=timezone.now() - timedelta(days=1))
    Upload.objects.filter(state="processing").update(lease_until=timezone.now() - timedelta(seconds=1), attempts=3)
    monkeypatch.setattr(sweep, "find_due_projects", lambda _: [first.pk, second.pk])
    followed: list[int] = []
    monkeypatch.setattr(sweep, "ring_rebuild", lambda project_id, **_: followed.append(project_id) or True)
    for name in ("_bury", "close_overdue_runs", "_follow_rules"):
        act = getattr(sweep, name)
        monkeypatch.setattr(
            sweep, name, lambda project_id, act=act: 1 / 0 if project_id == first.pk else act(project_id)
        )
    sweep.sweep()
    assert list(Upload.objects.filter(state="dead").values_list("project", flat=True)) == [second.pk]
    assert list(Run.objects.filter(closed="timer").values_list("project", flat=True)) == [second.pk]
    assert followed == [second.pk]
    told = [record.getMessage() for record in caplog.records if record.exc_info]
    assert told == [
        f"project {first.pk} {words}"
        for words in ("cannot be given up", "waits for its runs", "does not follow its rules yet")
    ]


def test_names_that_keep_changing_are_nobodys_fault(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The upload waits as for a service that is away, and not for the end of its lease as if its worker had died."""

    def never_settle(*_: object, **__: object) -> None:
        raise pipeline.StaleEpochError

    upload = send(project)
    monkeypatch.setattr(pipeline, "store_contents", never_settle)
    assert pipeline.process_next()
    upload.refresh_from_db()
    assert (upload.state, upload.attempts, upload.n_waits) == ("retry", 0, 1)
    assert "renamed" in upload.error["message"]
