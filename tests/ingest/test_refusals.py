"""Lines about deliveries that were refused: best effort, few, and never in the way of the answer."""

import json
from typing import Any

import psycopg
import pytest
from django.test import Client

from health.models import Project, Refusal, UploadToken
from ingest import refusals
from ingest.errors import IngestError
from ingest.refusals import note_refusal
from tests.builders import a_project, a_token

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return a_project()


@pytest.fixture
def token(project: Project) -> str:
    return a_token(project)


def put(token: str, body: bytes, **query: str) -> Any:
    headers = {"authorization": f"Bearer {token}"}
    return Client().put("/api/v1/uploads", body, "application/xml", query_params=query, headers=headers)


def test_a_refused_delivery_leaves_a_line(token: str, project: Project) -> None:
    answer = json.loads(put(token, b"\x1f\x8bdamaged").content)["error"]
    line = Refusal.objects.get()
    assert (line.project, line.token, line.n) == (project, UploadToken.objects.get(), 1)
    assert line.error["code"] == answer["code"] == "bad_encoding"
    assert line.error["message"] == answer["message"]


def test_the_same_refusal_within_a_minute_is_one_line(token: str) -> None:
    for _ in range(3):
        put(token, b"\x1f\x8bdamaged")
    put(token, b"<testsuite/>", commit="zzz")
    counted = list(Refusal.objects.order_by("id").values_list("error__code", "n"))
    # Three within a minute, unless the minute ended between them.
    assert sum(n for code, n in counted if code == "bad_encoding") == 3
    assert len(counted) in (2, 3)
    assert counted[-1] == ("invalid_field", 1)


def test_without_a_known_token_nothing_is_noted(token: str) -> None:
    UploadToken.objects.all().delete()
    assert put(token, b"<testsuite/>").status_code == 401
    assert not Refusal.objects.exists()


def test_a_project_keeps_its_newest(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "_MOST_KEPT", 3)
    row = UploadToken.objects.get()
    other = UploadToken.objects.select_related("project").get(pk=UploadToken.issue(a_project(), name="t")[0].pk)
    note_refusal(other, IngestError("too_large", "kept"))
    codes = ["empty_body", "bad_encoding", "too_large", "upload_timeout", "bad_multipart"]
    for code in codes:
        note_refusal(row, IngestError(code, "no"))
    kept = Refusal.objects.filter(project=row.project).order_by("id")
    assert [line.error["code"] for line in kept] == codes[-3:]
    assert Refusal.objects.filter(project=other.project).count() == 1


def test_a_database_in_trouble_changes_no_answer(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise psycopg.OperationalError("gone")

    monkeypatch.setattr(refusals, "_note", fail)
    assert put(token, b"\x1f\x8bdamaged").status_code == 400
