"""The matrix as a page, as files, and what it says when there is nothing."""

import csv
import io
import json

import pytest
from django.contrib.auth.models import User
from django.test import Client

from health.models import Project
from tests.builders import a_project, a_user
from tests.scenes import a_run, green

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann(client: Client) -> Client:
    client.force_login(a_user("ann"))
    return client


def a_history() -> Project:
    project = a_project("click", owner=User.objects.get(username="ann"))
    a_run(project, green(4, case0="skip"), hour=0)
    a_run(project, green(4, case0="skip", case1="fail"), hour=24, text="E   boom")
    return project


def test_letters_in_a_real_table_with_heads(ann: Client) -> None:
    a_history()
    page = ann.get("/p/click/matrix/").text
    assert (
        "<h1>1 of 4 tests broke at least once in the two newest runs of main; one is broken in the newest.</h1>" in page
    )
    assert '<table class="grid matrix" role="grid" aria-label="Outcome of each test in each run">' in page
    assert (
        '<tr><th scope="row"><a href="../cases/1/"><span>case1</span></a></th><td class="num">1 of 2</td>'
        '<td>·</td><td class="o-F">F</td></tr>'
    ) in page
    assert '<th class="run" scope="col" title="run 2, 3 March 2026, 09:00, commit ' in page
    assert '<a href="../runs/2/"><span>3 Mar</span></a></th>' in page
    assert "js/grid.js" in page


def test_the_legend_is_always_there_and_its_states_are_ways(ann: Client) -> None:
    a_history()
    page = ann.get("/p/click/matrix/").text
    assert (
        '<a href="?state=failed"><i class="key o-F">F</i><span data-word>failed</span> <span class="n">1</span></a>'
        in page
    )
    assert "the run was incomplete" in page
    assert "<span>Tests that ended so at least once:</span>" in page
    assert "Rows of several tests: share that ended as expected, in per cent</span>" in page
    assert '<i data-h="3">25–49</i><i data-h="4">50–69</i><i data-h="5">70–84</i><i data-h="6">85–99</i>' in page
    assert '<a class="skip" href="#grid">Skip to the grid</a>' in page
    chosen = ann.get("/p/click/matrix/?state=failed").text
    assert '<a href="?" aria-current="true"><i class="key o-F">F</i>' in chosen
    assert "case1" in chosen
    assert "case2" not in chosen


def test_choices_stand_in_the_address_and_in_the_form(ann: Client) -> None:
    a_history()
    page = ann.get("/p/click/matrix/?order=name&path=tests&search=case").text
    assert '<a href="?order=name&amp;search=case&amp;path=tests" aria-current="true">name</a>' in page
    assert '<input type="hidden" name="order" value="name">' in page
    assert '<input type="hidden" name="path" value="tests">' in page
    assert '<input type="search" name="search" value="case"' in page
    assert 'In <a href="?order=name&amp;search=case">everything</a>' in page


def test_the_drawing_of_all_is_fetched_only_where_it_is_asked_for(ann: Client) -> None:
    a_history()
    assert "data-figure" not in ann.get("/p/click/matrix/").text
    page = ann.get("/p/click/matrix/?view=all").text
    assert 'data-figure="all-data"' in page
    assert "4 tests in 2 runs" in page
    assert '<table class="grid' not in page
    assert "Arrow keys move" not in page
    assert "at least once:" not in page
    assert "Skip to the grid" not in page


def test_runs_of_one_commit_are_named_by_their_number(ann: Client) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    for hour in range(3):
        a_run(project, green(3), hour=hour, commit="a" * 40, committed_at=None)
    page = ann.get("/p/click/matrix/").text
    assert 'title="run 2, 2 March 2026, 10:00, commit aaaaaaaa, time 2 of 3"' in page


def test_the_same_address_gives_the_cells_as_files(ann: Client) -> None:
    project = a_history()
    a_run(project, {"=cmd()::x": "fail"}, hour=48)
    answer = ann.get("/p/click/matrix/?format=csv")
    assert answer["Content-Disposition"] == 'attachment; filename="click-matrix.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["name"] for row in rows] == ["x", "case1", "tests.api::case0", "tests.api"]
    assert rows[0]["path"] == "'=cmd()"
    assert [rows[1][f"run {run}"] for run in (1, 2, 3)] == ["passed", "failed", "absent"]
    assert (rows[1]["case"], rows[1]["tests"]) == ("1", "1")
    found = json.loads(ann.get("/p/click/matrix/?format=json&state=failed&path=tests").text)
    assert [(row["name"], row["run 2"]) for row in found["rows"]] == [("case1", "failed")]


def test_a_row_says_more_when_somebody_comes_to_it(ann: Client) -> None:
    a_history()
    answer = ann.get("/p/click/matrix/?format=card&case=1")
    assert answer["Content-Type"] == "application/json"
    assert answer.json() == {"1": ["10\u00a0ms", "", ""], "2": ["10\u00a0ms", "", "fail: tests.api::case1"]}
    assert ann.get("/p/click/matrix/?format=card&case=99").json() == {}
    assert ann.get("/p/click/matrix/?format=card&case=x").status_code == 200


def test_pages_lead_on(ann: Client) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    a_run(project, {f"a::case{k}": "fail" for k in range(450)}, hour=0)
    page = ann.get("/p/click/matrix/?before=200").text
    assert "Rows 201 to 400 of 450." in page
    assert '<a class="act" href="?">← Rows before</a> <a class="act" href="?before=400">More rows →</a>' in page
    assert "1000 rows a page" in page
    assert ann.get("/p/click/matrix/?before=nonsense").status_code == 200


def test_nothing_to_show_is_a_sentence_with_a_way_on(ann: Client) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    assert "none have arrived yet" in ann.get("/p/click/matrix/").text
    a_run(project, green(2), hour=0)
    assert "No run fits these choices." in ann.get("/p/click/matrix/?branch=nowhere").text
    page = ann.get("/p/click/matrix/?search=nothing").text
    assert 'No test fits these choices. <a class="act" href="?">Show all tests</a>' in page


def test_names_are_text(ann: Client) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    name = "<script>x</script>' onfocus=alert(1) \u202eevil"
    a_run(project, {f"{name}::{name}": "fail", f"{name}.b::{name}": "skip", f"{name}.c::{name}": "pass"}, hour=0)
    for query in ("", "?view=all", "?order=name", "?search=script"):
        page = ann.get(f"/p/click/matrix/{query}").text
        assert "<script>x" not in page
        assert "' onfocus" not in page.partition("<script id=")[0]  # behind it, JSON
        assert "\u202e" not in page
