"""Search as a page, and its box in the masthead."""

import csv
import io

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.builders import a_project, a_user, an_upload
from tests.scenes import green

pytestmark = pytest.mark.django_db
HOSTILE = '"><script>window.x=1</script>\u202e'


@pytest.fixture
def ann(client: Client) -> Client:
    client.force_login(a_user("ann"))
    an_upload(a_project("click", owner=User.objects.get(username="ann")), green(3, case1="fail"))
    return client


def test_every_page_of_a_project_has_the_box(ann: Client) -> None:
    for path in ("/p/click/", "/p/click/runs/", "/p/click/settings/"):
        page = ann.get(path).text
        assert '<form class="find" method="get" role="search" aria-label="The project"' in page
        assert 'action="/p/click/search/"' in page
        assert 'aria-label="Search tests, runs and branches" placeholder="Search"' in page
    assert 'role="search"' not in ann.get("/").text


def test_what_is_found_leads_to_its_case(ann: Client) -> None:
    page = ann.get("/p/click/search/?search=case1").text
    assert "<h1>One test has “case1” in its name, class or suite.</h1>" in page
    assert 'href="/p/click/cases/1/"' in page
    assert ">failed</span>" in page
    assert "Data as of" in page


def test_nothing_found_says_how_names_are_searched(ann: Client) -> None:
    page = ann.get("/p/click/search/?search=nowhere").text
    assert "No test is called anything with “nowhere”." in page
    assert "Names are searched as they were reported" in page
    assert ann.get("/p/click/search/").status_code == 200


def test_a_run_and_a_branch_are_one_step_away(ann: Client) -> None:
    assert 'href="/p/click/runs/1/">Run 1</a>' in ann.get("/p/click/search/?search=1").text
    assert 'href="/p/click/runs/?branch=main">Branch main</a>' in ann.get("/p/click/search/?search=main").text


def test_the_same_address_gives_the_cases_as_a_file(ann: Client) -> None:
    rows = list(csv.DictReader(io.StringIO(ann.get("/p/click/search/?search=case&format=csv").text)))
    assert [(row["name"], row["last_outcome"]) for row in rows] == [
        ("case0", "passed"),
        ("case1", "failed"),
        ("case2", "passed"),
    ]
    assert len(ann.get("/p/click/search/?search=case&format=json").json()["rows"]) == 3


@pytest.mark.parametrize("query", ["search", "owner", "before", "suite", "branch", "level"])
def test_hostile_words_stay_text(ann: Client, query: str) -> None:
    page = ann.get("/p/click/search/", {"search": "case", query: HOSTILE}).text
    assert "<script>window" not in page


def test_hostile_names_stay_text(ann: Client) -> None:
    project = a_project("other", owner=User.objects.get(username="ann"))
    an_upload(project, {f"{HOSTILE}::{HOSTILE}[a]": "fail", f"{HOSTILE}::{HOSTILE}[b]": "fail"}, branch=HOSTILE)
    page = ann.get("/p/other/search/", {"search": "script"}).text
    assert "<script>window" not in page
    assert "\u202e" not in page
