"""Every state of an upload × everything that may happen to it: the table that `docs/uploads.md` draws.

An event that means nothing in a state changes nothing. No end is reached without a reason that can be shown.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from health.models import Upload
from health.models.uploads import FINAL_STATES
from health.retries import read_again, read_all_again
from ingest.claims import claim_next, finish_failed, retry_later
from ingest.metadata import Metadata
from ingest.store import Contents, Delivery, LeaseLostError, store_contents
from ingest.sweep import sweep
from tests.builders import a_project, a_received_upload, a_report, a_user
from tests.scenes import green

pytestmark = pytest.mark.django_db

ERROR = {"code": "internal", "message": "It broke.", "hint": ""}
DOCS = Path(__file__).resolve().parents[2] / "docs" / "uploads.md"


def held(upload: Upload) -> Delivery:
    """What a worker holds that claimed the upload before it came into this state, or after."""
    upload.refresh_from_db()
    return Delivery(upload.pk, upload.project_id, upload.lease_epoch, upload.received_at, Metadata())


def store(upload: Upload, state: str) -> None:
    receipt = {"files": [{"name": "a.xml", "state": state, "error": ERROR if state == "partial" else None}]}
    with suppress(LeaseLostError):
        store_contents(held(upload), Contents(a_report(green())), state=state, receipt=receipt)


def crash(upload: Upload, attempts: int) -> None:
    """The worker dies; nothing is said until its lease is over and the sweeper comes by."""
    Upload.objects.filter(pk=upload.pk, state="processing").update(
        lease_until=timezone.now() - timedelta(seconds=1), attempts=attempts
    )
    sweep()


def retry(upload: Upload, *, attempts: int, is_counted: bool) -> None:
    Upload.objects.filter(pk=upload.pk).update(attempts=attempts)
    retry_later(held(upload), error=ERROR, is_counted=is_counted)


def take_over(upload: Upload) -> None:
    Upload.objects.filter(pk=upload.pk, state="processing").update(lease_until=timezone.now() - timedelta(seconds=1))
    claim_next()


EVENTS: dict[str, Callable[[Upload], object]] = {
    "claimed": lambda upload: claim_next(),
    "lease over, claimed": take_over,
    "stored whole": lambda upload: store(upload, "stored"),
    "stored in part": lambda upload: store(upload, "partial"),
    "nothing readable": lambda upload: finish_failed(held(upload), error=ERROR, receipt={"files": []}),
    "a service is away": lambda upload: retry(upload, attempts=1, is_counted=False),
    "our error": lambda upload: retry(upload, attempts=1, is_counted=True),
    "our error, the last time": lambda upload: retry(upload, attempts=settings.MAX_ATTEMPTS, is_counted=True),
    "worker dead": lambda upload: crash(upload, attempts=1),
    "worker dead, the last time": lambda upload: crash(upload, attempts=settings.MAX_ATTEMPTS),
    "read it again": lambda upload: read_again(upload, user=a_user()),
    "read all again": lambda upload: read_all_again(upload.project_id, code="internal", user=a_user()),
}
WAITING = {"claimed": "processing", "lease over, claimed": "processing"}
NOTHING = {"read it again": "retry", "read all again": "retry"}
# What is not named here changes nothing.
TABLE: dict[str, dict[str, str]] = {
    "received": WAITING,
    "retry": WAITING,
    "processing": {
        "stored whole": "stored",
        "stored in part": "partial",
        "nothing readable": "failed",
        "a service is away": "retry",
        "our error": "retry",
        "our error, the last time": "dead",
        "worker dead, the last time": "dead",
    },
    "stored": {},
    "partial": {},
    "failed": NOTHING,
    "dead": NOTHING,
    "cancelled": {},
}


def an_upload_that_is(state: str) -> Upload:
    upload = a_received_upload(a_project())
    if state != "received":
        assert claim_next() is not None
    has_error = state in ("retry", "failed", "dead")
    upload.refresh_from_db()
    Upload.objects.filter(pk=upload.pk).update(
        state=state,
        error=ERROR if has_error else None,
        lease_until=upload.lease_until if state == "processing" else None,
        finished_at=timezone.now() if state in FINAL_STATES else None,
        next_attempt_at=timezone.now() - timedelta(minutes=1),
    )
    upload.refresh_from_db()
    return upload


@pytest.fixture(autouse=True)
def _a_bell_that_only_rings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.sweep.ring", lambda upload_id, **_: True)


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("state", Upload.State.values)
def test_what_an_event_makes_of_a_state(state: str, event: str) -> None:
    upload = an_upload_that_is(state)
    EVENTS[event](upload)
    upload.refresh_from_db()
    assert upload.state == TABLE[state].get(event, state)
    if upload.state != state:
        check_reason(upload)


def check_reason(upload: Upload) -> None:
    """What came to nothing, or waits once more, says why; what is over says since when, and holds no lease."""
    is_over = upload.state in FINAL_STATES
    if upload.state in ("failed", "dead", "retry"):
        assert upload.error["message"]
    if upload.state == "partial":
        assert any(file["error"] for file in upload.receipt["files"])
    assert (upload.finished_at is not None) is is_over
    assert (upload.lease_until is not None) is (upload.state == "processing")
    assert upload.progress is None


def test_nothing_ends_as_cancelled_but_by_somebodys_word() -> None:
    """The word is kept for a page that would say so; today a deleted project takes its uploads with it."""
    assert "cancelled" not in {after for events in TABLE.values() for after in events.values()}
    upload = an_upload_that_is("processing")
    lost = held(upload)
    upload.project.delete()
    assert not Upload.objects.exists()
    finish_failed(lost, error=ERROR, receipt={"files": []})
    retry_later(lost, error=ERROR, is_counted=True)
    with pytest.raises(LeaseLostError):
        store_contents(lost, Contents(), state="stored", receipt={"files": []})
    assert not Upload.objects.exists()


def test_the_documents_name_every_state_and_every_end() -> None:
    text = DOCS.read_text()
    words = [f"| `{state}` | {state.label} |" for state in Upload.State]
    assert [row for row in words if row not in text] == []
