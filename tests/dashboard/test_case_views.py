"""One case as a page."""

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


def test_its_history_is_letters_with_words(ann: Client) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    for hour, word in enumerate(("pass", "fail", "fail")):
        a_run(project, green(case0=word), hour=hour, text="E   boom")
    page = ann.get("/p/click/cases/0/").text
    assert "<h1>case0 fails on main since run 2 of 2 Mar 2026, 2 runs in a row.</h1>" in page
    assert '<td class="c o-F" title="run 3: failed">F<span class="vh"> failed</span></td>' in page
    assert "<mark>E   boom</mark>" in page
    assert 'data-figure="timings-data"' in page


def test_its_runs_can_be_told_apart_and_opened(ann: Client) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    for hour in (0, 1, 24):
        a_run(project, green(case0="skip"), hour=hour)
    page = ann.get("/p/click/cases/0/").text
    assert '<a href="/p/click/runs/1/">run 1</a> · 2 Mar, 09:00</span>' in page
    assert '<a href="/p/click/runs/3/">run 3</a> · 3 Mar</span>' in page
    assert "The reason given: skip: tests.api::case0" in page
    assert "did not run</span></p>" in page


def test_its_name_is_shown_as_it_was_sent(ann: Client) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    a_run(project, {" lead.class::case[ a ]\u202e": "pass"}, hour=0)
    page = ann.get("/p/click/cases/0/").text
    assert '<span class="unseen">␣</span>lead.class' in page
    assert '<span class="unseen">[U+202E]</span>' in page
    assert "\u202e" not in page


def test_a_case_that_does_not_exist_is_not_found(ann: Client) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    a_run(project, green(2), hour=0)
    assert ann.get("/p/click/cases/2/").status_code == 404
    assert ann.get(f"/p/click/cases/{10**20}/").status_code == 404
    assert ann.get("/p/click/cases/-1/").status_code == 404
