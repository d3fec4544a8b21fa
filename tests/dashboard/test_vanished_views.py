"""The vanished page: as a page, as a file, narrowed, empty, and with names that mean harm."""

import csv
import re
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.test import Client

from health.judging import judge_project
from health.models import Project
from tests.builders import a_project, a_user
from tests.scenes import Cases, a_run, green
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db

PAGE = "/p/click/vanished/"


@pytest.fixture
def ann(client: Client) -> Client:
    client.force_login(a_user("ann"))
    return client


def a_click(goes: Cases, *, n_runs: int = 3, **more: object) -> Project:
    """Runs of which the newest lacks some cases."""
    project = a_project("click", owner=User.objects.get(username="ann"))
    for hour in range(n_runs):
        a_run(project, green() | (goes if hour < n_runs - 1 else {}), hour=hour, **more)
    judge_project(project.pk)
    return project


def test_what_stopped_running_stands_with_its_last_run_and_a_suspicion(ann: Client) -> None:
    a_click({"tests.api::deletes everything": "pass"})
    page = ann.get(PAGE).text
    assert "<h1>One test stopped running on main" in page
    assert '<span class="st" data-s="absent">deselected or removed</span>' in page
    assert "Others of tests.api ran on." in page
    assert '<a href="/p/click/runs/2/">run 2</a>' in page
    assert '<a href="/p/click/runs/3/#gone">run 3</a>' in page
    assert "suite tests.api" in page


def test_many_of_one_place_open_below_their_row(ann: Client) -> None:
    a_click({f"tests.old::some{k}": "pass" for k in range(50)})
    page = ann.get(PAGE).text
    assert "<b>50 cases</b> of tests.old" in page
    assert "<summary>The first 40</summary>" in page


def test_a_renamed_one_leads_to_its_proposal(ann: Client) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    a_run(project, green() | {"tests.api::reads one user by name": "pass"}, hour=0)
    a_run(project, green() | {"tests.api::reads a user by name": "pass"}, hour=1)
    judge_project(project.pk)
    page = ann.get(PAGE).text
    assert 'Is it <a href="/p/click/cases/7/"><bdi class="id">reads a user by name</bdi></a>?' in page
    assert '<a class="act" href="/p/click/renames/">Compare the names</a>' in page


def test_a_sliding_suite_has_its_figures_and_its_line(ann: Client) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    for hour, n in enumerate((40, 40, 38, 36, 33)):
        a_run(project, green(n), hour=hour, suite="api")
    judge_project(project.pk)
    shrinking = ann.get(PAGE).text.partition('id="shrinking"')[2].partition("</section>")[0]
    assert "7 fewer than 3 runs ago, in three steps; nothing fails" in shrinking
    assert '<svg class="spark"' in shrinking
    assert "5\u00a0% and at least two tests fewer than the most" in shrinking


def test_every_test_is_in_the_files(ann: Client) -> None:
    a_click({"tests.api::one more": "pass", "tests.api::quite another thing": "pass"})
    rows = list(csv.DictReader(StringIO(ann.get(f"{PAGE}?format=csv").text)))
    assert [(row["suspected"], row["name"], row["last_run"], row["gone_since_run"]) for row in rows] == [
        ("deselected or removed", "one more", "2", "3"),
        ("deselected or removed", "quite another thing", "2", "3"),
    ]
    assert ann.get(f"{PAGE}?format=json&state=renamed").json()["rows"] == []


def test_owners_are_shown_and_chosen(ann: Client) -> None:
    rules = 'owners: [{classname: "pay*", owners: ["@shop/pay"]}]'
    a_click({"pay.api::a thing": "pass", "cart.api::b thing": "pass"}, configuration=rules)
    page = ann.get(f"{PAGE}?owner=@shop/pay").text
    assert "a thing" in page
    assert "b thing" not in page


def test_without_losses_and_without_runs_it_says_what_would_stand_here(ann: Client) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    page = ann.get(PAGE).text
    assert "<h1>No run has been judged yet.</h1>" in page
    assert "From the second run of a job on" in page
    a_run(project, green(), hour=0)
    judge_project(project.pk)
    page = ann.get(PAGE).text
    assert "<h1>Every test that ran on main still runs, and no suite shrinks.</h1>" in page
    assert "Nothing vanished" in page
    assert "No suite shrinks." in page


@pytest.mark.parametrize("payload", ["<script>x</script>", '"><img src=x onerror=x>', "=cmd|' /C calc'!A0", "a\u202eb"])
def test_hostile_names_are_text(ann: Client, payload: str) -> None:
    a_click({f"{payload}::{payload}": "pass", f"{payload}::p[{payload}]": "pass"}, variant=payload)
    for address in (PAGE, "/p/click/", "/p/click/cases/6/"):
        page = re.sub(r'<option value="[^"]*"', "", ann.get(address).text)
        assert "<script>x" not in page
        assert "<img" not in page
        assert "\u202e" not in page
    assert all(not cell.startswith("=") for cell in ann.get(f"{PAGE}?format=csv").text.split(","))


@pytest.mark.parametrize("query", ["?before=x", f"?before={10**30}", "?state=%00", "?branch=changes", "?suite=nowhere"])
def test_any_query_is_answered(ann: Client, query: str) -> None:
    a_click({"tests.api::more": "pass"})
    assert ann.get(f"{PAGE}{query}").status_code == 200


def test_the_page_costs_the_same_small_and_large(ann: Client) -> None:
    costs = []
    for n in (18, 80):
        project = a_click({f"t{k % 9}::c{k}": "pass" for k in range(n)})
        with counted_statements() as sent:
            assert ann.get(PAGE).status_code == 200
        costs.append(len(sent))
        project.delete()
    assert costs[0] == costs[1] <= 12
