"""A new entry by hand: of one test, or of all that a pattern names; never twice."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from health.judging import judge_project
from health.models import AuditEntry, Deferral, Membership, Project
from tests.builders import a_project, a_user, an_upload
from tests.cause_scenes import open_page
from tests.dashboard.test_deferral_views import address, fill
from tests.deferral_scenes import find_ord, some_runs

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    project = a_project("click", owner=a_user("ann"))
    Membership.objects.create(project=project, user=a_user("max"), role="maintainer")
    some_runs(project)
    return project


@pytest.fixture
def ann(client: Client, project: Project) -> Client:
    client.force_login(User.objects.get(username="max"))
    return client


def test_a_test_is_put_off_by_hand_and_released(ann: Client, project: Project) -> None:
    ord_ = find_ord(project, "unit1")
    page = open_page(ann, f"/p/click/deferred/add/?case={ord_}")
    assert "<h1>Put off unit1</h1>" in page
    form: dict[str, Any] = fill(page) | {"case": ord_, "reason": "flaky on Mondays"}
    response = ann.post("/p/click/deferred/add/", form, follow=True)
    assert "It is in the register now." in response.text
    entry = Deferral.objects.get(project=project, ord=ord_)
    assert (entry.kind, entry.reason) == ("quarantine", "flaky on Mondays")
    assert ann.get(f"/p/click/deferred/add/?case={ord_}").headers["Location"] == address(entry)
    assert "It is in the register already." in ann.post("/p/click/deferred/add/", form, follow=True).text
    page = ann.post(address(entry, "release/"), {"version": entry.version}, follow=True).text
    assert "It was released." in page
    assert "it was released." in page
    assert "Nothing was changed" in ann.post(address(entry, "release/"), {"version": 9}, follow=True).text
    acts = list(AuditEntry.objects.filter(action__startswith="deferral.").values_list("action", "subject"))
    assert acts == [("deferral.added", "unit1"), ("deferral.released", "unit1")]
    history = open_page(ann, "/p/click/settings/")
    assert "put a test off" in history


def test_a_pattern_is_put_off_by_hand(ann: Client, project: Project) -> None:
    response = ann.post("/p/click/deferred/add/", {"pattern": "Task #72", "owner": "bob", "was-owner": ""})
    assert response.status_code == 422
    assert "That names no tests." in response.text
    assert 'value="Task #72"' in response.text
    assert 'value="bob"' in response.text
    response = ann.post("/p/click/deferred/add/", {"pattern": "tests/nowhere/**"}, follow=True)
    assert "It is in the register now, but no test that reports fits it." in response.text
    assert "No test fits this pattern now." in response.text
    planned = {
        "pattern": "tests/planned/**",
        "kind": "planned",
        "was-kind": "quarantine",
        "count": "7",
        "was-count": "",
    }
    response = ann.post("/p/click/deferred/add/", planned, follow=True)
    assert "It is in the register now." in response.text
    entry = Deferral.objects.get(project=project, pattern="tests/planned/**")
    assert (entry.kind, entry.n_promised) == ("planned", 7)


def test_a_pattern_that_the_file_names_is_left_to_the_file(ann: Client, project: Project) -> None:
    an_upload(project, None, configuration="deferrals:\n  - cases: tests/api*\n    owner: bob\n")
    judge_project(project.pk)
    response = ann.post("/p/click/deferred/add/", {"pattern": "tests/api*", "owner": "max", "was-owner": ""})
    assert response.status_code == 422
    assert ".suitewatch.yml line 2 names it already: change it there." in response.text
    assert 'value="max"' in response.text
    assert Deferral.objects.get(project=project, pattern="tests/api*").origin == "file"


@pytest.mark.parametrize("case", ["x", "99999", "-1", "9" * 30, "٣"])
def test_an_entry_of_no_test_is_not_offered(ann: Client, project: Project, case: str) -> None:
    assert ann.get("/p/click/deferred/add/", {"case": case}).status_code == 404
    assert ann.post("/p/click/deferred/add/", {"case": case}).status_code == 404
