"""One run as a page."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.builders import a_project, a_user
from tests.scenes import a_run, green

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann(client: Client) -> Client:
    client.force_login(a_user("ann"))
    return client


def test_what_changed_is_told_counted_and_listed(ann: Client) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    a_run(project, green(6, case1="fail"), hour=0)
    a_run(project, green(5, case2="fail"), hour=1, text="E   assert <1> == 2", build_url="https://ci.example/7")
    page = ann.get("/p/click/runs/2/").text
    assert "<h1>One test broke that did not in run 1, one test is fixed and one test is gone.</h1>" in page
    for dt, dd in (("new failures", 1), ("still broken", 0), ("fixed", 1), ("gone", 1)):
        assert f"<div><dt>{dt}</dt><dd>{dd}</dd></div>" in page
    assert "<mark>E   assert &lt;1&gt; == 2</mark>" in page
    assert '<a href="https://ci.example/7" rel="noopener noreferrer">The build in CI</a>' in page
    assert '<a href="/p/click/runs/1/">← Run 1</a>' in page
    assert 'id="fixed"' in page
    assert 'id="gone"' in page


def test_a_green_run_is_calm(ann: Client) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    a_run(project, green(), hour=0)
    page = ann.get("/p/click/runs/1/").text
    assert "<h1>All 6 executed tests passed. There is no earlier whole run of job tests to compare with.</h1>" in page
    assert 'id="failures"' not in page
    assert "Nothing to compare with yet" in page


def test_what_was_put_off_is_listed_by_reason(ann: Client) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    a_run(project, green(6, case1="skip", case2="xfail"), hour=0)
    page = ann.get("/p/click/runs/1/").text
    band = page.split('id="put-off"')[1].split("</section>")[0]
    assert 'skip: tests.api::case1 <span class="quiet">· 1 of 2</span>' in band
    assert '<a href="/p/click/cases/2/">' in band
    assert '<span class="st" data-s="xfail">expected failure</span>' in band
    assert "<dt>executed ended as expected: 4 passed, 1 failed as expected</dt><dd>5 of 5</dd>" in page


def test_a_branch_nobody_named_is_not_said_to_have_been_sent(ann: Client) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    a_run(project, green(), hour=0, branch="")
    page = ann.get("/p/click/runs/1/").text
    assert "no branch given, counted as " in page
    assert " on main" not in page


def test_an_incomplete_run_is_never_passed(ann: Client) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    a_run(project, green(), hour=0, state="partial")
    page = ann.get("/p/click/runs/1/").text
    assert '<span class="st" data-s="stale">incomplete</span>' in page
    assert "<h1>This run is incomplete: the report of job tests broke off. Of what arrived, all " in page


def test_a_suite_that_broke_as_a_whole_is_told(ann: Client) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    a_run(project, green(), hour=0, suite_errors=2)
    page = ann.get("/p/click/runs/1/").text
    assert "2 suites broke as a whole" in page
    assert "2 suite errors" in page


def test_a_job_of_the_run_can_be_chosen(ann: Client) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    for variant, word in (("3.11", "pass"), ("3.12", "fail")):
        a_run(project, green(case1=word), hour=0, variant=variant, run_id="1")
    whole = ann.get("/p/click/runs/1/").text
    assert "5 of 6" in whole
    assert 'href="?job=1"' in whole
    chosen = ann.get("/p/click/runs/1/?job=1").text
    assert "tests, 3.11 only" in chosen
    assert 'id="failures"' not in chosen


def test_a_run_of_another_project_is_not_found(ann: Client) -> None:
    a_run(a_project("theirs"), green(), hour=0)
    a_project("click", owner=User.objects.get(username="ann"))
    assert ann.get("/p/click/runs/1/").status_code == 404
    assert ann.get("/p/theirs/runs/1/").status_code == 404
    assert ann.get(f"/p/click/runs/{10**30}/").status_code == 404
