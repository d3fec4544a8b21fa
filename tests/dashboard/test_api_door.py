"""What stands before every answer: nothing for nothing, nothing twice, and nothing imported before it is needed."""

import gzip
import subprocess
import sys
from typing import Any

import psycopg
import pytest
from django.db import OperationalError
from django.test import Client

from dashboard.api import door
from health.models import Project, UploadToken
from tests.api_scenes import Reader
from tests.builders import a_project, a_received_upload, a_token, a_user, an_upload
from tests.statements import counted_statements

URL = "/api/v1/projects/click/overview"
STARTED = """
import sys
from config.wsgi import application
from django.urls import get_resolver, reverse
from django.test import RequestFactory
assert reverse("api:overview", kwargs={"slug": "x"}) == "/api/v1/projects/x/overview"
assert get_resolver().resolve("/api/v1/projects/x/flaky")
assert not {"ninja", "pydantic"} & set(sys.modules), "too early"
"""


@pytest.fixture
def reader() -> Reader:
    project = a_project("click")
    an_upload(project, {"tests.a::one": "pass", "tests.a::two": "fail"})
    return Reader(project)


def ask(reader: Reader, url: str = URL, **headers: str) -> Any:
    return reader.client.get(url, headers={**reader.headers, **headers})


def test_a_web_process_starts_without_it() -> None:
    ended = subprocess.run([sys.executable, "-c", STARTED], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


FIRST_AT_ONCE = """
from concurrent.futures import ThreadPoolExecutor
from config.wsgi import application
from django.test import Client
with ThreadPoolExecutor(8) as pool:
    found = list(pool.map(lambda _: Client().get("/api/v1/openapi.json", headers={"host": "localhost"}), range(8)))
assert {answer.status_code for answer in found} == {200}
assert len({answer.content for answer in found}) == 1
"""


def test_the_first_requests_may_come_at_once() -> None:
    ended = subprocess.run([sys.executable, "-c", FIRST_AT_ONCE], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.django_db
def test_an_unchanged_answer_is_not_read_again(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    first = ask(reader)
    monkeypatch.setattr(door, "_operate", None)  # whatever is called now fails
    with counted_statements() as sent:
        again = ask(reader, **{"if-none-match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert len(sent) == 1  # the token with its project


@pytest.mark.django_db
@pytest.mark.parametrize("change", ["revision", "filter", "token", "hour"])
def test_whatever_changes_the_answer_changes_its_tag(reader: Reader, change: str, monkeypatch: Any) -> None:
    tag, url = ask(reader).headers["ETag"], URL
    if change == "revision":
        Project.objects.update(revision=99)
    elif change == "filter":
        url += "?branch=main"
    elif change == "token":
        reader = Reader(reader.project)
    else:
        monkeypatch.setattr(door, "_tell_besides", lambda *args, **kwargs: "an hour later")
    assert ask(reader, url, **{"if-none-match": tag}).status_code == 200


@pytest.mark.django_db
def test_a_new_delivery_shows_before_it_changes_a_fact(reader: Reader) -> None:
    url = "/api/v1/projects/click/uploads"
    tag = ask(reader, url).headers["ETag"]
    a_received_upload(reader.project)
    assert ask(reader, url, **{"if-none-match": tag}).status_code == 200


@pytest.mark.django_db
def test_answers_are_private_and_packed(reader: Reader) -> None:
    response = ask(reader, **{"accept-encoding": "gzip"})
    assert response.headers["Cache-Control"] == "private, no-cache"
    assert {"Authorization", "Accept-Encoding"} <= {name.strip() for name in response.headers["Vary"].split(",")}
    assert response.headers["Content-Encoding"] == "gzip"
    assert b'"as_of"' in gzip.decompress(response.content)
    assert "Access-Control-Allow-Origin" not in response.headers
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.django_db
def test_a_head_is_answered_as_a_get(reader: Reader) -> None:
    head = reader.client.head(URL, headers=reader.headers)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["ETag"] == ask(reader).headers["ETag"]


@pytest.mark.django_db
def test_a_token_notes_when_it_was_used(reader: Reader) -> None:
    ask(reader)
    assert UploadToken.objects.get().last_used_at is not None


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path", ["projects/click", "projects/click/", "projects/click/nothing", "projects/", "nothing"]
)
def test_an_address_of_nothing_is_told_in_json(reader: Reader, path: str) -> None:
    response = ask(reader, f"/api/v1/{path}")
    assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.django_db
def test_a_database_in_trouble_is_told_as_everywhere(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise OperationalError from psycopg.errors.QueryCanceled("too slow")

    monkeypatch.setattr("dashboard.api.overview.read_overview", fail)
    response = ask(reader)
    assert (response.status_code, response.json()["error"]["code"]) == (503, "too_slow")


@pytest.mark.django_db
def test_our_own_mistake_tells_nothing_of_itself(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr("dashboard.api.overview.read_overview", fail)
    reader.client.raise_request_exception = False
    response = ask(reader)
    assert (response.status_code, response.json()["error"]["code"]) == (500, "internal")
    assert "planted" not in response.text


@pytest.mark.django_db
def test_what_is_public_needs_nobody() -> None:
    for path in ("openapi.json", "docs"):
        with counted_statements() as sent:
            response = Client().get(f"/api/v1/{path}")
        assert (response.status_code, sent) == (200, [])


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["openapi.json", "docs"])
def test_what_is_public_is_written_once_and_is_the_same_for_everybody(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Client().get(f"/api/v1/{path}")
    monkeypatch.setattr("dashboard.api.reference.read_reference", None)
    monkeypatch.setattr("dashboard.api.document.write_document", None)
    signed_in = Client()
    signed_in.force_login(a_user("ann"))
    second = signed_in.get(f"/api/v1/{path}")
    assert (second.status_code, second.content) == (200, first.content)
    assert second.headers["Cache-Control"] == "public, max-age=300"
    assert not second.cookies
    assert "Cookie" not in second.headers.get("Vary", "")
    etag = second.headers["ETag"]
    unchanged = Client().get(f"/api/v1/{path}", headers={"If-None-Match": etag})
    assert (unchanged.status_code, unchanged.content, unchanged.headers["ETag"]) == (304, b"", etag)


@pytest.mark.django_db
def test_the_dates_of_an_answer_are_those_of_the_projects_zone() -> None:
    project = a_project("far", time_zone="Pacific/Auckland")
    an_upload(project, {"tests.a::one": "pass"})
    headers = {"authorization": f"Bearer {a_token(project, scopes=['read'])}"}
    days = Client().get("/api/v1/projects/far/trends", headers=headers).json()["data"]["groups"][0]["points"]
    assert [day["day"] for day in days] == ["2026-03-02"]  # 10:00 UTC is 23:00 there
