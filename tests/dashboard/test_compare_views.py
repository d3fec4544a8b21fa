"""A comparison as a page: links to its cells, its tables as files, hostile names as text."""

import csv
import io
import json

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.builders import a_project, a_user
from tests.coverage_scenes import lines, measured
from tests.scenes import a_run, green

pytestmark = pytest.mark.django_db
HOSTILE = '"><script>window.x=1</script>\u202e'


@pytest.fixture
def ann(client: Client) -> Client:
    client.force_login(a_user("ann"))
    return client


def two_runs() -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    a_run(project, green(6, case1="fail"), hour=0)
    a_run(project, green(6, case2="fail"), hour=1)
    for hour in (0, 1):
        files = {"src/a.py": lines(10, 4 + hour), "lib/b.py": lines(3, 1)}
        measured(project, files, hour=hour, run_id=f"tests{hour}")


def test_each_figure_leads_to_its_cases(ann: Client) -> None:
    two_runs()
    page = ann.get("/p/click/compare/?from=1&to=2").text
    assert "<h1>From run 1 to run 2, one test broke and one test is fixed; 4 of 6 results are alike.</h1>" in page
    assert 'href="?from=1&amp;to=2&amp;cell=failed-passed#cases"' in page
    listed = ann.get("/p/click/compare/?from=1&to=2&cell=failed-passed").text
    assert "One result: failed before, passed now." in listed
    assert ">case1</bdi></a>" in listed
    assert "fail: tests.api::case1" in listed


@pytest.mark.parametrize("table", ["cases", "outcomes", "levels", "directories", "files", "suites", "times", "", "x"])
def test_each_table_is_a_file_at_the_same_address(ann: Client, table: str) -> None:
    two_runs()
    url = f"/p/click/compare/?from=1&to=2&table={table}"
    rows = list(csv.DictReader(io.StringIO(ann.get(f"{url}&format=csv").text)))
    assert len(rows) == len(ann.get(f"{url}&format=json").json()["rows"])
    first = {"cases": "case", "outcomes": "before", "levels": "level", "suites": "suite", "times": "case"}
    if rows:
        assert next(iter(rows[0])) == first.get(table, "path" if table in ("directories", "files") else "case")


def test_the_files_of_a_cell_hold_what_the_page_shows(ann: Client) -> None:
    two_runs()
    (row,) = json.loads(ann.get("/p/click/compare/?from=1&to=2&cell=fixed&format=json").text)["rows"]
    assert (row["name"], row["before"], row["now"], row["said"]) == (
        "case1",
        "failed",
        "passed",
        "fail: tests.api::case1",
    )


def test_runs_and_run_lead_here(ann: Client) -> None:
    two_runs()
    assert 'href="/p/click/compare/?from=1&amp;to=2"' in ann.get("/p/click/runs/2/").text
    assert 'href="/p/click/compare/?from=main&amp;to=2"' in ann.get("/p/click/runs/2/").text
    assert 'href="/p/click/compare/"' in ann.get("/p/click/runs/").text


def test_coverage_leads_here(ann: Client) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    for hour in (0, 48):
        measured(project, {"src/a.py": lines(10, 4)}, hour=hour)
    assert 'href="/p/click/compare/?from=1&amp;to=2#coverage"' in ann.get("/p/click/coverage/").text


def test_nothing_to_compare_shows_the_way(ann: Client) -> None:
    a_project("click", owner=User.objects.get(username="ann"))
    page = ann.get("/p/click/compare/").text
    assert "There is nothing to compare yet" in page
    assert "No run has arrived yet" in page


@pytest.mark.parametrize("query", [f"from={HOSTILE}&to={HOSTILE}", f"branch={HOSTILE}", f"owner={HOSTILE}&from=1&to=2"])
def test_hostile_words_stay_text(ann: Client, query: str) -> None:
    two_runs()
    page = ann.get(f"/p/click/compare/?{query}").text
    assert "<script>window" not in page
    assert "\u202e" not in page.split("</h1>")[0].split("<h1>")[1]


def test_hostile_names_stay_text(ann: Client) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    for hour, word in enumerate(("pass", "fail")):
        a_run(
            project,
            {f"{HOSTILE}::{HOSTILE}": word},
            hour=hour,
            job=HOSTILE,
            branch=HOSTILE,
            suite=HOSTILE,
            text=HOSTILE,
        )
    for query in ("from=1&to=2", f"branch={HOSTILE}", "from=1&to=2&cell=passed-failed"):
        page = ann.get(f"/p/click/compare/?{query}").text
        assert "<script>window" not in page
