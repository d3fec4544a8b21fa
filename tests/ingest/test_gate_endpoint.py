"""The address where CI asks whether its run may pass: who may ask, what is asked, what is told. It changes nothing."""

from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from health.judging import judge_project
from health.models import AuditEntry, Project, UploadToken
from ingest.pipeline import process_next
from tests.builders import FIRST_MOMENT, a_lost_upload, a_project, a_token, an_upload
from tests.ingest.test_door import REPORT, post

pytestmark = pytest.mark.django_db

ADDRESS = "/api/v1/runs/gate"
COMMON: dict[str, Any] = {"provider": "ci", "run_id": "1", "job": "test", "ran_at": FIRST_MOMENT, "commit": "1" * 8}


def ask(project: Project, *, token: str = "", **fields: str) -> HttpResponse:
    head = {"Authorization": f"Bearer {token or a_token(project)}"}
    return Client().post(ADDRESS, {"provider": "ci", "run_id": "1"} | fields, headers=head)  # type: ignore[return-value]


def a_red_run(slug: str = "shop") -> Project:
    project = a_project(slug)
    an_upload(project, {"tests.a::one": "pass", "tests.a::two": "fail"}, **COMMON)
    judge_project(project.pk)
    return project


def code(response: HttpResponse) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]  # type: ignore[attr-defined]


def test_the_verdict_names_the_run_the_reasons_and_the_tests_with_their_addresses() -> None:
    project = a_red_run()
    response = ask(project)
    assert (response.status_code, response["Cache-Control"]) == (200, "no-store")
    told = response.json()  # type: ignore[attr-defined]
    assert told["verdict"] == "fail"
    assert told["told"] == "Run 1 does not pass."
    assert (told["run"]["number"], told["run"]["is_complete"], told["waiting"]) == (1, True, 0)
    assert told["run"]["url"].endswith("/p/shop/runs/1/")
    (reason,) = told["reasons"]
    assert (reason["code"], reason["n"]) == ("new_failures", 1)
    assert reason["told"] == "1 test fails, and there is no earlier run to compare with."
    (test,) = reason["listed"]
    assert (test["name"], test["note"]) == ("tests.a::two", "")
    assert "/p/shop/cases/" in test["url"]
    assert (told["warnings"], told["tolerated"]) == ([], [])


def test_asking_changes_nothing() -> None:
    project = a_red_run()
    revision = Project.objects.get(pk=project.pk).revision
    assert ask(project).content == ask(project).content
    assert Project.objects.get(pk=project.pk).revision == revision
    assert not AuditEntry.objects.filter(project=project).exists()


def test_what_fails_a_run_can_be_said_and_the_rest_is_a_warning() -> None:
    told = ask(a_red_run(), fail_on=" shrinking-suites, overdue-reviews").json()  # type: ignore[attr-defined]
    assert (told["verdict"], told["told"]) == ("pass", "Run 1 passes: no review is overdue, no suite shrinks.")
    assert [warning["code"] for warning in told["warnings"]] == ["new_failures"]


@pytest.mark.parametrize("words", ["new_failures", "new-failures,everything", "<script>", "\x00"])
def test_a_reason_that_is_none_is_refused(words: str) -> None:
    response = ask(a_red_run(), fail_on=words)
    assert code(response) == (400, "invalid_field")
    error = response.json()["error"]  # type: ignore[attr-defined]
    assert error["field"] == "fail_on"
    assert "new-failures, unbacked-deferrals, overdue-reviews, shrinking-suites" in error["hint"]


def test_a_run_nothing_came_of_and_one_without_a_name_are_refused() -> None:
    project = a_red_run()
    assert code(ask(project, run_id="2")) == (404, "run_not_found")
    assert code(ask(project, provider="other")) == (404, "run_not_found")
    assert code(ask(project, run_id="")) == (400, "invalid_field")


def test_another_projects_run_is_not_there() -> None:
    a_red_run("theirs")
    assert code(ask(a_project("mine"))) == (404, "run_not_found")


def test_only_a_token_that_may_upload_asks() -> None:
    project = a_red_run()
    reading = UploadToken.issue(project, name="reader", scopes=["read"])[1]
    assert code(ask(project, token=reading)) == (403, "scope_missing")
    assert code(Client().post(ADDRESS, {"run_id": "1"})) == (401, "token_missing")  # type: ignore[arg-type]
    assert Client().get(ADDRESS).status_code == 405


def test_what_waits_to_be_read_is_counted_and_not_called_passed() -> None:
    project = a_project()
    post(a_token(project), ("a.xml", REPORT), run_id="1", provider="ci", job="unit", branch="main")
    told = ask(project).json()  # type: ignore[attr-defined]
    assert (told["verdict"], told["run"], told["waiting"]) == ("unknown", None, 1)
    assert told["told"] == "1 upload of it is still to be read."
    assert process_next()
    assert ask(project).json()["run"]["number"] == 1  # type: ignore[attr-defined]


def test_a_run_of_which_nothing_could_be_read_is_unknown_for_good() -> None:
    project = a_project()
    a_lost_upload(project, provider="ci", run_id="1", job="unit")
    told = ask(project).json()  # type: ignore[attr-defined]
    assert (told["verdict"], told["waiting"]) == ("unknown", 0)
    assert told["told"] == "Nothing of the run could be read; of its uploads 1 ended as failed."
