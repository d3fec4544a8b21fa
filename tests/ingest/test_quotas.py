"""What one project may send, and that its neighbours notice nothing; who guesses tokens is slowed."""

import json
import pkgutil
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from health.models import Allowance, Project, Upload, UploadToken
from ingest.errors import IngestError
from ingest.quotas import refuse_early
from tests.builders import a_project, a_token

pytestmark = pytest.mark.django_db

REPORT = b'<testsuite name="s"><testcase classname="c" name="n" time="0.1"/></testsuite>'


@pytest.fixture(autouse=True)
def _slow_gain(settings: Any) -> None:
    """So that nothing comes back while a test runs."""
    settings.UPLOAD_RATE_PER_MINUTE = 1


@pytest.fixture
def project() -> Project:
    return a_project("busy")


@pytest.fixture
def token(project: Project) -> str:
    return a_token(project)


def post(token: str, run_id: str, *, address: str = "127.0.0.1", **headers: str) -> HttpResponse:
    sent = {"authorization": f"Bearer {token}", **headers}
    fields = {"run_id": run_id, "file": SimpleUploadedFile("a.xml", REPORT)}
    return Client(REMOTE_ADDR=address).post("/api/v1/uploads", fields, headers=sent)  # type: ignore[return-value]


def refused(response: HttpResponse, code: str) -> dict[str, Any]:
    assert response.status_code == 429, response.content
    found: dict[str, Any] = json.loads(response.content)["error"]
    assert found["code"] == code
    assert int(response["Retry-After"]) >= 1
    return found


def test_a_project_that_sends_too_fast_is_told_when_to_come_back(token: str, settings: Any) -> None:
    settings.UPLOAD_BURST, settings.UPLOAD_RATE_PER_MINUTE = 3, 2
    assert [post(token, str(n)).status_code for n in range(3)] == [202, 202, 202]
    response = post(token, "3")
    found = refused(response, "rate_limited")
    assert (found["limit"], found["actual"]) == (3, 4)
    assert 25 <= int(response["Retry-After"]) <= 30
    assert Upload.objects.count() == 3


def test_a_neighbour_is_not_touched(token: str, settings: Any) -> None:
    settings.UPLOAD_BURST = settings.UPLOAD_MAX_WAITING = 1
    post(token, "1")
    assert post(token, "2").status_code == 429
    assert post(a_token(a_project()), "1").status_code == 202


def test_a_repeat_of_a_known_delivery_costs_nothing(token: str, settings: Any) -> None:
    settings.UPLOAD_BURST = 2
    assert [post(token, "1").status_code for _ in range(5)] == [202, 200, 200, 200, 200]
    assert post(token, "2").status_code == 202


def test_a_repeat_with_its_key_is_answered_even_when_nothing_is_left(token: str, settings: Any) -> None:
    settings.UPLOAD_BURST = 1
    key = {"idempotency-key": "run-77-tests"}
    assert post(token, "1", **key).status_code == 202
    assert post(token, "1", **key).status_code == 200
    assert post(token, "1").status_code == 429


def test_a_project_whose_uploads_wait_sends_no_more(token: str, project: Project, settings: Any) -> None:
    settings.UPLOAD_MAX_WAITING = 2
    assert [post(token, str(n)).status_code for n in range(2)] == [202, 202]
    found = refused(post(token, "2"), "queue_full")
    assert (found["limit"], found["actual"]) == (2, 2)
    Upload.objects.filter(project=project).update(state="stored")
    assert post(token, "2").status_code == 202


def test_a_quota_of_bytes_a_day(token: str, settings: Any) -> None:
    settings.UPLOAD_MAX_BYTES_PER_DAY = 700
    codes = [post(token, str(n)).status_code for n in range(4)]
    assert codes[0] == 202
    assert 429 in codes
    response = post(token, "9")
    found = refused(response, "quota_exceeded")
    assert found["limit"] == 700 < found["actual"]
    assert int(response["Retry-After"]) > 60
    assert Allowance.objects.get(key__startswith="bytes:").left >= 0


def test_a_quota_is_told_from_a_rate_whatever_the_size(token: str, project: Project, settings: Any) -> None:
    settings.UPLOAD_MAX_BYTES_PER_DAY = 100
    Allowance.objects.create(key=f"bytes:{project.pk}", left=0, counted_at=timezone.now())
    for n_bytes in (1, 2, 500):
        with pytest.raises(IngestError) as caught:
            refuse_early(UploadToken.objects.get(project=project), n_bytes=n_bytes, idempotency_key="")
        assert caught.value.code == "quota_exceeded"


def test_the_limit_holds_at_the_commit_too(token: str, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many that were let in together, because each looked before the others took."""
    settings.UPLOAD_BURST = 1
    monkeypatch.setattr("ingest.views.refuse_early", lambda *_, **__: None)
    assert post(token, "1").status_code == 202
    refused(post(token, "2"), "rate_limited")
    assert Upload.objects.count() == 1


def test_it_costs_one_round_trip_before_the_body_and_one_behind_it(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    for name in ("fetch_together", "allowances.take"):
        whole = f"ingest.quotas.{name}"
        original = pkgutil.resolve_name(whole.replace("quotas.", "quotas:", 1))

        def count(*args: Any, _original: Any = original, _name: str = name, **kwargs: Any) -> Any:
            asked.append(_name)
            return _original(*args, **kwargs)

        monkeypatch.setattr(whole, count)
    post(token, "1")
    assert asked == ["fetch_together", "allowances.take"]


# --- Guessing ------------------------------------------------------------------------------------------------------


@pytest.fixture
def unknown() -> str:
    text = a_token(a_project())
    UploadToken.objects.get(last_four=text[-4:]).delete()
    return text


def test_guessing_is_slowed_by_address_and_a_right_token_never(token: str, unknown: str, settings: Any) -> None:
    settings.WRONG_TOKENS_PER_MINUTE = 5
    assert [post(unknown, "1", address="203.0.113.9").status_code for _ in range(5)] == [401] * 5
    found = refused(post(unknown, "1", address="203.0.113.9"), "rate_limited")
    assert found["limit"] == 5
    assert post(token, "1", address="203.0.113.9").status_code == 202
    assert post(unknown, "1", address="203.0.113.10").status_code == 401


def test_whoever_has_a_network_of_ipv6_is_one_sender(unknown: str, settings: Any) -> None:
    settings.WRONG_TOKENS_PER_MINUTE = 2
    codes = [post(unknown, "1", address=f"2001:db8::{n:x}").status_code for n in range(3)]
    assert codes == [401, 401, 429]


def test_a_forged_forwarder_does_not_make_a_new_sender(unknown: str, settings: Any) -> None:
    settings.WRONG_TOKENS_PER_MINUTE = 2
    codes = [post(unknown, "1", **{"x-forwarded-for": f"203.0.113.{n}"}).status_code for n in range(3)]
    assert codes == [401, 401, 429]
