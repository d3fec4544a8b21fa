"""What one project may send, and that its neighbours notice nothing; who guesses tokens is slowed."""

import gzip
import json
import pkgutil
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from health.models import Allowance, Project, Upload, UploadToken
from ingest.errors import IngestError
from ingest.inflate import MOST_AT_ONCE, PIECE, WITHOUT_TURN_BYTES, Unpacking
from ingest.quotas import _find_unkept, charge_unkept, refuse_early
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


# --- What is read and not kept -------------------------------------------------------------------------------------


BOMB = gzip.compress(bytes(3 * 2**20))
PNG = b"\x89PNG" + bytes(5000)


def put(token: str, body: bytes, *, query: str = "", **headers: str) -> HttpResponse:
    sent = {"authorization": f"Bearer {token}", **headers}
    return Client().put(f"/api/v1/uploads{query}", body, "application/xml", headers=sent)  # type: ignore[return-value]


def find_spent(project: Project) -> int:
    """How much of the bucket was used up by one delivery."""
    bucket = _find_unkept(UploadToken(project=project))
    return round(bucket.burst - Allowance.objects.get(key=bucket.key).left)


@pytest.mark.parametrize(
    ("body", "query", "status", "n_unpacked"),
    [
        (BOMB, "", 413, 2**20 + PIECE),
        (gzip.compress(PNG), "", 415, len(PNG)),
        (PNG, "", 415, 0),
        (gzip.compress(REPORT)[:-4], "", 400, len(REPORT)),
        (REPORT, "?commit=zzz", 400, 0),
    ],
    ids=["bomb", "image", "plain image", "cut", "field"],
)
def test_what_was_read_and_refused_costs_its_bytes(
    token: str, project: Project, settings: Any, body: bytes, query: str, status: int, n_unpacked: int
) -> None:
    settings.UPLOAD_MAX_PLAIN_BYTES = 2**20
    assert put(token, body, query=query).status_code == status
    assert find_spent(project) == len(body) + n_unpacked


def test_a_repeat_and_a_key_used_twice_cost_their_bytes(token: str, project: Project) -> None:
    key, packed = {"idempotency-key": "run-77-tests"}, gzip.compress(REPORT)
    assert put(token, packed, **key).status_code == 202
    assert not Allowance.objects.filter(key__startswith="unkept:").exists()
    assert put(token, packed, **key).status_code == 200
    assert find_spent(project) == len(packed) + len(REPORT)
    Allowance.objects.filter(key__startswith="unkept:").delete()
    assert put(token, gzip.compress(REPORT + b" "), **key).status_code == 422
    assert find_spent(project) == pytest.approx(len(packed) + len(REPORT), abs=5)


def test_what_is_refused_unread_costs_nothing(token: str, settings: Any) -> None:
    settings.UPLOAD_MAX_WIRE_BYTES = 1000
    chunked = {"authorization": f"Bearer {token}", "transfer-encoding": "chunked"}
    assert Client().generic("PUT", "/api/v1/uploads", REPORT, headers=chunked).status_code == 411
    assert put(token, PNG).status_code == 413
    assert put(token, REPORT, **{"idempotency-key": "no"}).status_code == 400
    settings.UPLOAD_BURST = 1
    assert [put(token, REPORT, query=f"?run_id={n}").status_code for n in range(2)] == [202, 429]
    assert not Allowance.objects.filter(key__startswith="unkept:").exists()


def test_who_sends_what_cannot_be_kept_is_refused_unread_known_key_or_not(
    token: str, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = {"idempotency-key": "run-77-tests"}
    assert put(token, REPORT, **key).status_code == 202
    bucket = _find_unkept(UploadToken(project=project))
    Allowance.objects.create(key=bucket.key, left=-bucket.burst, counted_at=timezone.now())
    monkeypatch.setattr("ingest.views.open_envelope", lambda _: pytest.fail("read"))
    for headers in ({}, key):
        found = refused(put(token, REPORT, **headers), "rate_limited")
        assert found["actual"] == pytest.approx(2 * found["limit"], rel=0.01)
    monkeypatch.undo()
    assert put(a_token(a_project()), REPORT).status_code == 202


def test_a_build_that_sends_the_wrong_files_is_not_kept_out(token: str, project: Project) -> None:
    """One mistake each in nineteen jobs, as large as there can be; what is right among it costs nothing of this."""
    bucket = _find_unkept(UploadToken(project=project))
    for _ in range(19):
        charge_unkept(UploadToken(project=project), n_bytes=round(bucket.burst / 20))
    assert put(token, REPORT).status_code == 202
    assert put(token, PNG).status_code == 415
    charge_unkept(UploadToken(project=project), n_bytes=round(bucket.burst / 20))
    charge_unkept(UploadToken(project=project), n_bytes=round(bucket.burst / 20))
    response = put(token, REPORT)
    refused(response, "rate_limited")
    assert int(response["Retry-After"]) <= 60


def test_a_database_in_trouble_changes_no_answer(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise psycopg.OperationalError("gone")

    monkeypatch.setattr("health.allowances.charge", fail)
    assert put(token, PNG).status_code == 415


@pytest.mark.django_db(transaction=True)
def test_the_charge_outlives_the_refusal(token: str, project: Project) -> None:
    assert put(token, PNG).status_code == 415
    connection.close()
    assert find_spent(project) == len(PNG)


@pytest.fixture
def all_turns() -> Iterator[None]:
    """Others unpack as much as may be unpacked at once."""
    with ExitStack() as taken:
        for _ in range(MOST_AT_ONCE):
            other = taken.enter_context(Unpacking(wait_seconds=0))
            other.count(WITHOUT_TURN_BYTES + 1)
        yield


@pytest.mark.usefixtures("all_turns")
def test_a_large_delivery_waits_for_its_turn_and_a_small_one_does_not(token: str, settings: Any) -> None:
    settings.UPLOAD_TIMEOUT_SECONDS = 0.2
    assert put(token, gzip.compress(REPORT)).status_code == 202
    response = put(token, gzip.compress(REPORT + b" " * 2**20))
    assert response.status_code == 503
    assert json.loads(response.content)["error"]["code"] == "server_busy"
    assert int(response["Retry-After"]) >= 1
    assert not Allowance.objects.filter(key__startswith="unkept:").exists()  # no fault of the sender's


def test_whatever_becomes_of_a_large_delivery_its_turn_ends(token: str, settings: Any) -> None:
    settings.UPLOAD_TIMEOUT_SECONDS = 1
    large = gzip.compress(REPORT + b" " * 2**20)
    assert [put(token, large, query=f"?run_id={n}").status_code for n in range(3)] == [202] * 3
    settings.UPLOAD_MAX_PLAIN_BYTES = 2**20 + 10
    assert [put(token, BOMB).status_code for _ in range(3)] == [413] * 3


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
