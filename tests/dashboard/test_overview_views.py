"""The overview as a page."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from health.models import Membership, Project
from tests.builders import a_project, a_user, an_upload
from tests.scenes import a_run, green, two_workflows

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann(client: Client) -> Client:
    client.force_login(a_user("ann"))
    return client


def join(project: Project, role: str = "owner") -> Project:
    Membership.objects.create(project=project, user=User.objects.get(username="ann"), role=role)
    return project


def test_the_sentence_stands_on_top_and_leads_to_its_runs(ann: Client) -> None:
    join(two_workflows())
    page = ann.get("/p/workflows/").text
    assert (
        "<h1>main is failing since 2 Mar 2026, in 1 of 2 runs: 1 of 8 executed tests fails, and did not before.</h1>"
        in page
    )
    assert '<a href="/p/workflows/runs/4/">run 4</a> and <a href="/p/workflows/runs/3/">run 3</a>, 2 jobs.' in page
    assert "<b>One test fails</b>" in page
    assert "no plan says how many there should be" in page


def test_an_expected_failure_is_told_beside_the_fraction(ann: Client) -> None:
    a_run(join(a_project("click")), green(case0="xfail", case1="skip"), hour=0)
    page = ann.get("/p/click/").text
    assert "<dt>executed ended as expected: 4 passed, 1 failed as expected</dt><dd>5 of 5</dd>" in page
    assert "<small>of 5</small></p><p><b>executed ended as expected</b>: 4 passed, 1 failed as expected;" in page


def test_what_was_put_off_is_a_link_away_and_runs_of_one_day_are_told_apart(ann: Client) -> None:
    project = join(a_project("click"))
    for hour in (0, 1.05, 30):
        a_run(project, green(case0="xfail", case1="skip"), hour=hour)
    page = ann.get("/p/click/").text
    assert '<a href="/p/click/runs/3/#put-off">2</a>' in page
    assert ">2 Mar 2026, 09:00</time>" in page
    assert ">2 Mar 2026, 10:03</time>" in page
    assert ">3 Mar 2026</time></td>" in page
    assert '<a class="b" href="/p/click/runs/2/"><span class="vh">Run </span>2</a>' in page


def test_an_empty_project_leads_to_the_first_upload(ann: Client) -> None:
    join(a_project("click"))
    page = ann.get("/p/click/").text
    assert "<h1>No run yet.</h1>" in page
    assert 'href="/p/click/start/"' in page
    assert "Four numbers" not in page


def test_a_viewer_is_not_sent_where_only_maintainers_may_go(ann: Client) -> None:
    join(a_project("click"), role="viewer")
    assert "/start/" not in ann.get("/p/click/").text


def test_one_run_has_no_trend_and_says_so(ann: Client) -> None:
    project = join(a_project("click"))
    a_run(project, green(), hour=0)
    assert "One run so far. A trend needs two." in ann.get("/p/click/").text
    a_run(project, green(), hour=1)
    page = ann.get("/p/click/").text
    assert 'data-figure="trend-data"' in page
    assert "The numbers as a table" in page


def test_nothing_wrong_is_said_in_words(ann: Client) -> None:
    an_upload(join(a_project("click")), green(), ran_at=timezone.now() - timedelta(hours=1))
    page = ann.get("/p/click/").text
    assert "Nothing. In all that was read, no test fails and none stopped running lately." in page
    assert '<span class="st" data-s="pass">passing</span>' in page


def test_dates_are_the_project_s_own(ann: Client) -> None:
    project = join(a_project("click", time_zone="Pacific/Auckland"))
    for hour, word in enumerate(("pass", "fail", "fail"), 3):
        a_run(project, green(case1=word), hour=hour)  # afternoon in London, the next morning there
    assert "since 3 Mar 2026" in ann.get("/p/click/").text


def test_an_unchanged_page_is_not_built_again(ann: Client) -> None:
    project = join(a_project("click"))
    a_run(project, green(), hour=0)
    first = ann.get("/p/click/")
    again = ann.get("/p/click/", headers={"If-None-Match": first["ETag"]})
    assert again.status_code == 304
    a_run(project, green(), hour=1)
    assert ann.get("/p/click/", headers={"If-None-Match": first["ETag"]}).status_code == 200
