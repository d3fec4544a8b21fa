"""The slow page: as a page, as two files, narrowed, empty, and with names that mean harm."""

import csv
import re
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.test import Client

from health.judging import judge_project
from health.models import Project
from tests.builders import a_project, a_user
from tests.scenes import a_run, green
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db

PAGE = "/p/click/slow/"


@pytest.fixture
def ann(client: Client) -> Client:
    client.force_login(a_user("ann"))
    return client


def a_click(*seconds: float, n: int = 2, name: str = "", **more: object) -> Project:
    project = a_project("click", owner=User.objects.get(username="ann"))
    for hour, taken in enumerate(seconds):
        cases = green(n) | ({name: "pass"} if name else {})
        a_run(project, cases, hour=hour, seconds=taken, **more)
    judge_project(project.pk)
    return project


def test_slower_slowest_and_suites_stand_with_their_denominators(ann: Client) -> None:
    a_click(*[0.2] * 12, *[0.9] * 8, n=1)
    page = ann.get(PAGE).text
    assert "<h1>One test became slower on main; the slowest takes 900\u00a0ms.</h1>" in page
    slower = page.partition('id="slower"')[2].partition("</section>")[0]
    assert "10 results" in slower
    assert '<a href="/p/click/runs/13/">run 13</a>' in slower
    assert "1.5 times" in slower
    suites = page.partition('id="suites"')[2].partition("</section>")[0]
    assert "no target" not in suites
    assert '<td class="n quiet" data-l="of runs before">10</td>' in suites
    assert "100 % of 900\u00a0ms" in page.partition('id="slowest"')[2]


def test_a_suite_that_took_much_longer_is_marked(ann: Client) -> None:
    a_click(*[0.2] * 4, 0.9, n=6, suite="shop")
    page = ann.get(PAGE).text
    assert "against 1.20\u00a0s usual.</h1>" in page
    assert '<span class="st" data-s="stale">slower than usual</span>' in page
    (suite,) = ann.get(f"{PAGE}?table=suites&format=json").json()["rows"]
    assert suite["slower_than_usual"] is True
    data = ann.get("/api/v1/projects/click/slow").json()["data"]
    assert (data["suites"][0]["is_slower"], data["branch_time"]["run"], data["branch_time"]["since"]) == (True, 5, 5)


def test_targets_are_stated_with_their_distance(ann: Client) -> None:
    a_click(0.5, suite="shop", configuration="suite_times: [{suite: shop, seconds: 60}, {suite: gone, seconds: 5}]")
    page = ann.get(PAGE).text
    assert '<span class="st" data-s="holds">within its target</span>' in page
    assert "59.0\u00a0s to spare" in page
    assert '<span class="st" data-s="open">never measured</span>' in page
    assert "one target never measured" in page


def test_cases_and_suites_are_files_of_their_own(ann: Client) -> None:
    a_click(0.2, 0.4)
    rows = list(csv.DictReader(StringIO(ann.get(f"{PAGE}?format=csv").text)))
    assert [(row["name"], row["results"], row["slower"]) for row in rows] == [
        ("case0", "2", "False"),
        ("case1", "2", "False"),
    ]
    page = ann.get(PAGE).text
    assert 'href="?table=suites&amp;format=csv"' in page
    (suite,) = ann.get(f"{PAGE}?table=suites&format=json").json()["rows"]
    assert (suite["suite"], suite["executed"], suite["runs_before"], suite["state"]) == ("tests.api", 2, 1, "no target")


def test_owners_are_shown_and_chosen(ann: Client) -> None:
    a_click(0.2, name="pay::a", configuration='owners: [{classname: pay, owners: ["@shop/pay"]}]')
    page = ann.get(f"{PAGE}?owner=@shop/pay").text
    assert "@shop/pay" in page
    assert "case0" not in page


def test_without_runs_and_without_times_it_says_what_would_stand_here(ann: Client) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    assert "Reports give each test its time." in ann.get(PAGE).text
    a_run(project, {"t::a": "skip"}, hour=0)
    judge_project(project.pk)
    page = ann.get(PAGE).text
    assert "No passing result has a time." in page
    assert "No single test became slower for good." in page


@pytest.mark.parametrize("payload", ["<script>x</script>", '"><img src=x onerror=x>', "=cmd|' /C calc'!A0", "a\u202eb"])
def test_hostile_names_are_text(ann: Client, payload: str) -> None:
    a_click(*[0.2] * 12, *[0.9] * 8, name=f"{payload}::{payload}", variant=payload, suite=payload)
    for address in (PAGE, "/p/click/"):
        page = re.sub(r'<option value="[^"]*"', "", ann.get(address).text)
        assert "<script>x" not in page
        assert "<img" not in page
        assert "\u202e" not in page
    for by in ("", "&by=suite"):
        assert all(not cell.startswith("=") for cell in ann.get(f"{PAGE}?format=csv{by}").text.split(","))


@pytest.mark.parametrize("query", ["?suite=nowhere", "?branch=changes", "?owner=%00", "?job=x&variant=y&level=z"])
def test_any_query_is_answered(ann: Client, query: str) -> None:
    a_click(0.2)
    assert ann.get(f"{PAGE}{query}").status_code == 200


def test_the_page_costs_the_same_small_and_large(ann: Client) -> None:
    costs = []
    for n in (2, 150):
        project = a_click(*[0.1] * 8, *[0.7] * 6, n=n)
        with counted_statements() as sent:
            assert ann.get(PAGE).status_code == 200
        costs.append(len(sent))
        project.delete()
    assert costs[0] == costs[1] <= 12
