"""The register's page: as a page, as files, narrowed, empty, and with reasons that mean harm."""

import csv
import re
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db.models import F
from django.test import Client

from health.judging import judge_project
from health.models import Deferral, Project
from tests.builders import FIRST_MOMENT, a_project, a_user
from tests.deferral_scenes import an_entry
from tests.scenes import a_run, green
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db

PAGE = "/p/click/deferred/"
NOW = FIRST_MOMENT + timedelta(days=100)


@pytest.fixture
def ann(client: Client) -> Client:
    client.force_login(a_user("ann"))
    return client


def a_click(*names: str, **more: Any) -> Project:
    """Two runs; the register holds these skipped cases, and is filled by hand."""
    project = a_project("click", owner=User.objects.get(username="ann"))
    for hour in range(2):
        a_run(project, green(3) | {f"tests.api::{name}": "skip" for name in names}, hour=24 * hour)
    judge_project(project.pk)
    Deferral.objects.filter(project=project).delete()
    for name in names:
        an_entry(project, name, **({"reason": "because", "read": {}} | more))
    return changed(project)


def changed(project: Project) -> Project:
    Project.objects.filter(pk=project.pk).update(revision=F("revision") + 1)
    return project


def test_each_line_says_what_is_put_off_and_what_nobody_says(ann: Client) -> None:
    a_click("grid[1]", "grid[2]", "alone")
    page = ann.get(PAGE).text
    assert "<h1>Three tests are put off, and nobody says what covers them meanwhile.</h1>" in page
    assert '<bdi class="id">grid</bdi><span class="quiet nowrap">[…]</span>' in page
    assert '<span class="sub">tests.api, 2 parameters</span>' in page
    assert "because" in page
    assert '<span class="st" data-s="deferred">skipped</span>' in page
    assert '<span class="st" data-s="absent">none named</span>' in page
    assert "nobody" in page
    assert "none set" in page
    assert "CI only" in page
    assert 'aria-current="page">Deferred' in page
    assert f'{PAGE}{Deferral.objects.earliest("pk").pk}/"' in page


def test_the_files_hold_every_case_that_fits(ann: Client) -> None:
    project = a_click("grid[1]", "grid[2]", "alone", owner="@ann")
    Deferral.objects.filter(project=project, ord=3).update(reason="=cmd|' /C calc'!A0", kind="xfail")
    rows = list(csv.DictReader(StringIO(ann.get(f"{PAGE}?format=csv").text)))
    assert [(row["name"], row["kind"], row["owner"], row["sources"], row["backing"]) for row in rows] == [
        ("grid[1]", "expected to fail", "'@ann", "CI results", "none named"),
        ("grid[2]", "skipped", "'@ann", "CI results", "none named"),
        ("alone", "skipped", "'@ann", "CI results", "none named"),
    ]
    assert rows[0]["reason"].startswith("'=cmd")
    found = ann.get(f"{PAGE}?format=json&kind=xfail").json()
    assert (found["name"], [row["name"] for row in found["rows"]]) == ("click-deferred", ["grid[1]"])


def test_the_lists_for_pytest_are_files_of_the_page(ann: Client) -> None:
    a_click("grid[1]", "alone")
    answer = ann.get(f"{PAGE}?format=deselect")
    assert answer["Content-Disposition"] == 'attachment; filename="click-deselect.txt"'
    assert answer.text.splitlines()[1:] == ["--deselect=tests/api.py::alone", "--deselect=tests/api.py::grid[1]"]
    assert ann.get(f"{PAGE}?format=xfail").text.startswith("# click, as of run 2: 0 tests.")
    page = ann.get(PAGE).text
    assert 'href="?format=deselect"' in page


def test_what_is_chosen_stays_in_the_address(ann: Client) -> None:
    a_click("grid[1]", "alone", owner="@ann")
    page = ann.get(f"{PAGE}?kind=skip&arrange=name&owner=@ann&search=alo").text
    assert "grid[1]" not in page
    assert '<input type="hidden" name="kind" value="skip">' in page
    assert '<input type="hidden" name="arrange" value="name">' in page
    assert '<option value="@ann" selected>' in page
    assert 'value="alo"' in page
    assert "No entry fits what was chosen." in ann.get(f"{PAGE}?kind=planned").text


def test_closed_ones_say_how_they_ended(ann: Client) -> None:
    a_click("alone", closed_at=FIRST_MOMENT + timedelta(days=3), ending="gone", closed_run=2)
    page = ann.get(PAGE).text
    assert "<h1>Nothing is put off on main.</h1>" in page
    assert "Show the closed ones" in page
    closed = ann.get(f"{PAGE}?state=closed").text
    assert '<span class="st" data-s="absent">stopped reporting</span>' in closed
    assert "3 days" in closed


def test_what_wants_a_person_is_marked(ann: Client) -> None:
    project = a_click("back", "passing", "due", kind="xfail")
    day = FIRST_MOMENT.date()
    wants: dict[str, dict[str, Any]] = {
        "back": {"n_openings": 3, "n_accepted": 2},
        "passing": {"n_passes": 7},
        "due": {"review_on": day},
    }
    for name, fields in wants.items():
        an_entry(project, name, kind="xfail", reason="", read={}, **fields)
    page = ann.get(PAGE).text
    for mark, word in (("stale", "came back"), ("xpass", "proposed for release"), ("stale", "overdue")):
        assert f'<span class="st" data-s="{mark}">{word}</span>' in page
    assert "<b>no reason given</b>" in page
    assert "State <a" in re.sub(r"\s+", " ", page)
    assert "came back 1" in page


def test_without_runs_and_with_nothing_put_off_it_says_what_would_stand_here(ann: Client) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    page = ann.get(PAGE).text
    assert "<h1>No run has arrived yet.</h1>" in page
    assert "Show me the step to add" in page
    a_run(project, green(), hour=0)
    judge_project(project.pk)
    page = ann.get(PAGE).text
    assert "<h1>Nothing is put off on main: 6 of 6 declared tests ran.</h1>" in page
    assert "opens an entry here by itself" in page
    assert "Sort by" not in page


def test_an_unchanged_page_is_not_made_twice_but_a_new_day_changes_it(ann: Client) -> None:
    a_click("alone", review_on=NOW.date())
    with time_machine.travel(NOW, tick=False):
        first = ann.get(PAGE)
        assert "overdue" not in first.text
        again = ann.get(PAGE, headers={"If-None-Match": first["ETag"]})
        assert again.status_code == 304
    with time_machine.travel(NOW + timedelta(days=1), tick=False):
        fresh = ann.get(PAGE, headers={"If-None-Match": first["ETag"]})
        assert fresh.status_code == 200
        assert '<span class="st" data-s="stale">overdue</span>' in fresh.text


def test_the_bands_lead_back_to_the_list(ann: Client) -> None:
    project = a_click("alone", "grid[1]", owner="@ann", phase="two", precedent="Task #74")
    page = ann.get(PAGE).text
    for link in ("?backing=none#register", "?owner=%40ann#register", "?phase=two#register", "?search=Task%20%2374"):
        assert f'href="{link}' in page, link
    assert re.search(r'href="\?age=\w+#register"', page)
    assert "nothing of that name" in page
    assert f"{project.slug}" in page


@pytest.mark.parametrize("payload", ["<script>x</script>", '"><img src=x onerror=x>', "a\u202eb", "{{ 7|add:7 }}"])
def test_hostile_names_and_reasons_are_text(ann: Client, payload: str) -> None:
    said = dict.fromkeys(("reason", "owner", "issue", "precedent", "phase"), payload)
    project = a_click(payload, f"p[{payload}]", **said)
    an_entry(project, pattern=payload, kind="planned", **said)
    changed(project)
    for query in ("", "?state=closed", "?arrange=count", f"?search={payload[:3]}"):
        page = re.sub(r'<(option|input)[^>]*value="[^"]*"', "", ann.get(PAGE + query).text)
        assert "<script>x" not in page
        assert "<img" not in page
        assert "\u202e" not in page


def test_its_cost_does_not_grow(ann: Client) -> None:
    project = a_click(*(f"some{k}" for k in range(3)))
    costs = []
    for n in (3, 40):
        if n > 3:
            a_run(project, green(3) | {f"tests.api::some{k}": "skip" for k in range(n)}, hour=99)
            judge_project(project.pk)
            for k in range(n):
                an_entry(project, f"some{k}", reason=f"why {k}", read={})
        changed(project)
        with counted_statements() as sent:
            page = ann.get(PAGE).text
        assert page.count('data-l="Backing"') == n
        costs.append(len(sent))
    assert costs[0] == costs[1] <= 24


def test_programs_read_the_same_with_everything_described(ann: Client) -> None:
    project = a_click("grid[1]", "grid[2]", "alone", owner="@ann", precedent="Task #74", phase="two")
    an_entry(project, pattern="tests/later*", kind="planned", n_promised=4, n_cases=0)
    changed(project)
    answer = ann.get("/api/v1/projects/click/deferred?kind=skip&arrange=count").json()
    data = answer["data"]
    assert (data["n"], data["by_kind"], data["n_fitting"]) == (7, {"skip": 3, "planned": 4}, 3)
    assert [(line["name"], line["n"], line["entry"]["owner"]) for line in data["lines"]] == [
        ("grid", 2, "@ann"),
        ("alone", 1, "@ann"),
    ]
    assert [(found["text"], found["n"]) for found in data["precedents"]] == [("Task #74", 3)]
    assert [(found["name"], found["n"]) for found in data["by_phase"]] == [("two", 3), ("", 4)]
    assert data["states"]["closed"] == 0
    assert answer["page"].endswith(f"{PAGE}?kind=skip&arrange=count")
