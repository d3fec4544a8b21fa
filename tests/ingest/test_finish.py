"""The address where CI says that a run is over, what the API says of a run, and two shards at the same moment."""

import threading
from itertools import cycle
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client

from health.models import AuditEntry, Project, Run, RunClosing, Upload
from health.rebuild import rebuild_project
from ingest.cases import forget_names
from ingest.claims import claim_next
from ingest.pipeline import process_next
from ingest.store import Contents, store_contents
from tests.builders import FIRST_MOMENT, a_project, a_received_upload, a_report, a_token, an_upload
from tests.health.test_rebuild import picture
from tests.ingest.test_door import REPORT, post

pytestmark = pytest.mark.django_db

ADDRESS = "/api/v1/runs/finish"
COMMON: dict[str, Any] = {"run_id": "1", "job": "test", "ran_at": FIRST_MOMENT, "commit": "1" * 8}
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(autouse=True)
def _fresh_names() -> None:
    forget_names()


def finish(project: Project, body: str = "run_id=1", *, kind: str = FORM, token: str = "") -> HttpResponse:
    head = {"Authorization": f"Bearer {token or a_token(project)}"}
    return Client().post(ADDRESS, data=body, content_type=kind, headers=head)  # type: ignore[return-value]


def answer(response: HttpResponse) -> dict[str, Any]:
    found: dict[str, Any] = response.json()  # type: ignore[attr-defined]
    return found


def test_a_waiting_run_is_finished() -> None:
    project = a_project("shop")
    an_upload(project, {"a": "pass"}, **COMMON, shard="1/2")
    before = Project.objects.get(pk=project.pk).revision
    response = finish(project)
    assert response.status_code == 200
    told = answer(response)
    assert told["waiting"] == 0
    assert told["run"] | {"url": ""} == {
        "number": 1,
        "url": "",
        "is_complete": True,
        "closed": "finish",
        "missing": [],
        "told": "",
    }
    assert told["run"]["url"].endswith("/p/shop/runs/1/")
    assert Project.objects.get(pk=project.pk).revision > before
    (entry,) = AuditEntry.objects.filter(project=project)
    assert (entry.actor, entry.action, entry.subject) == ("token ci", "run.finished", "run 1")


def test_said_twice_is_said_once() -> None:
    project = a_project()
    an_upload(project, {"a": "pass"}, **COMMON, shard="1/2")
    first, second = answer(finish(project)), answer(finish(project))
    assert first == second
    assert (RunClosing.objects.count(), AuditEntry.objects.count()) == (1, 1)


def test_what_is_unread_is_counted_and_finished_when_it_is_read() -> None:
    project = a_project()
    post(a_token(project), ("a.xml", REPORT), run_id="7", provider="my-ci", job="unit", shard="1/2", branch="main")
    told = answer(finish(project, "provider=my-ci&run_id=7"))
    assert told == {"run": None, "waiting": 1, "uploads": {"received": 1}}
    assert process_next()
    assert answer(finish(project, "provider=my-ci&run_id=7"))["run"]["is_complete"]


def test_a_run_of_which_nothing_could_be_read_is_told_with_its_uploads() -> None:
    project = a_project()
    for text in (b"<html>", b"{"):
        post(a_token(project), ("a.xml", text), run_id="1", job="test", branch="main")
        assert process_next()
    assert set(Upload.objects.values_list("state", flat=True)) == {"failed"}
    response = finish(project)
    assert (response.status_code, answer(response)) == (200, {"run": None, "waiting": 0, "uploads": {"failed": 2}})
    assert RunClosing.objects.get().reason == "finish"


def test_an_unread_shard_that_comes_to_nothing_is_no_longer_waited_for_and_named() -> None:
    project = a_project()
    an_upload(project, {"a": "pass"}, **COMMON, shard="1/2")
    post(a_token(project), ("b.xml", b"<html>"), run_id="1", job="test", shard="2/2")
    assert answer(finish(project))["run"]["missing"] == ["1 unread upload"]
    assert process_next()
    assert Upload.objects.latest("id").state == "failed"
    run = answer(finish(project))["run"]
    assert (run["is_complete"], run["closed"]) == (False, "finish")
    assert run["told"] == "the report of shard 2 of 2 of job test could not be read"
    post(a_token(project), ("b.xml", REPORT), run_id="1", job="test", shard="2/2")
    assert process_next()
    assert Run.objects.get(project=project).is_complete


def test_what_is_missing_is_named_also_where_an_upload_is_asked_for() -> None:
    project = a_project()
    upload = an_upload(project, {"a": "pass"}, **COMMON, state="partial")
    head = {"Authorization": f"Bearer {a_token(project)}"}
    told = Client().get(f"/api/v1/uploads/{upload.public_id}", headers=head).json()["run"]
    assert told["missing"] == ["the end of the report of job test"]
    assert (told["is_complete"], told["told"]) == (False, "the report of job test broke off")
    assert answer(finish(project))["run"]["is_complete"] is False


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        ("run_id=2", FORM, 404, "run_not_found"),
        ("run_id=1&provider=other", FORM, 404, "run_not_found"),
        ("provider=x", FORM, 400, "invalid_field"),
        ("run_id=%01", FORM, 400, "invalid_field"),
        ("run_id=" + "x" * 300, FORM, 400, "invalid_field"),
        ("run_id=" + "x" * 20_000, FORM, 413, "too_large"),
        ("", FORM, 411, "length_required"),
        ("&".join(f"f{n}=1" for n in range(201)), FORM, 400, "bad_multipart"),
        ("run_id=1&run_id=2", FORM, 400, "invalid_field"),
        ("no form", "multipart/form-data; boundary=x", 400, "bad_multipart"),
        ('{"run_id": "1"}', "application/json", 415, "unsupported_type"),
    ],
)
def test_what_cannot_be_read_is_told(body: str, kind: str, status: int, code: str) -> None:
    project = a_project()
    an_upload(project, {"a": "pass"}, **COMMON)
    response = finish(project, body, kind=kind)
    assert (response.status_code, answer(response)["error"]["code"]) == (status, code)
    assert not RunClosing.objects.exists()


def test_a_form_of_parts_is_read_too() -> None:
    project = a_project()
    an_upload(project, {"a": "pass"}, **COMMON)
    body = '--x\r\nContent-Disposition: form-data; name="run_id"\r\n\r\n1\r\n--x--\r\n'
    assert finish(project, body, kind="multipart/form-data; boundary=x").status_code == 200


def test_nobody_finishes_another_projects_run() -> None:
    project, other = a_project(), a_project()
    an_upload(project, {"a": "pass"}, **COMMON, shard="1/2")
    assert finish(project, token=a_token(other)).status_code == 404
    assert finish(project, token="sw_up_wrong").status_code == 401
    assert Client().get(ADDRESS).status_code == 405
    assert not RunClosing.objects.exists()


# --- F28 -------------------------------------------------------------------------------------------------------------

N_INTERLEAVINGS = 200


@pytest.mark.django_db(transaction=True)
def test_two_shards_finish_at_the_same_moment() -> None:
    """Two workers with connections of their own, 200 times: each run is the sum of its shards, and whole."""
    project = a_project()
    an_upload(project, dict.fromkeys("abcdef", "pass"))  # names are known, so the store is all they meet in
    waits = cycle([0.0, 0.0002, 0.0005, 0.001, 0.002])
    for number in range(N_INTERLEAVINGS):
        for shard in ("1/2", "2/2"):
            a_received_upload(project, **{**COMMON, "run_id": f"r{number}", "branch": "main"}, shard=shard)
        store_together(next(waits))
    found = Run.objects.filter(project=project, external_id__startswith="r")
    assert found.count() == N_INTERLEAVINGS
    assert set(found.values_list("is_complete", "n_declared", "n_passed", "n_failed")) == {(True, 6, 4, 2)}
    before = picture(project)
    rebuild_project(project.pk)
    assert picture(project) == before


SHARDS = {"1/2": {"a": "pass", "b": "fail", "c": "pass"}, "2/2": {"d": "pass", "e": "fail", "f": "pass"}}


def store_together(pause: float) -> None:
    """Both shards of one run, each by a worker of its own, the second one `pause` seconds behind."""
    failures: list[BaseException] = []
    start = threading.Barrier(2)

    def work(wait: float) -> None:
        try:
            delivery = claim_next()
            assert delivery is not None
            start.wait(10)
            threading.Event().wait(wait)
            report = a_report(SHARDS[delivery.metadata.shard])
            store_contents(delivery, Contents(report), state="stored", receipt={"files": [], "warnings": []})
        except BaseException as problem:
            failures.append(problem)
            start.abort()
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(wait,)) for wait in (0.0, pause)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
