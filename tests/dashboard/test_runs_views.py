"""The list of runs as a page."""

import csv
import io

import pytest
from django.contrib.auth.models import User
from django.test import Client

from dashboard.queries import runs
from tests.builders import a_project, a_user
from tests.scenes import a_run, green

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann(client: Client) -> Client:
    client.force_login(a_user("ann"))
    return client


def test_each_run_leads_to_its_page(ann: Client) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    a_run(project, green(), hour=0)
    a_run(project, green(case1="fail"), hour=1, branch="feature/<b>", pull_request="7")
    page = ann.get("/p/click/runs/").text
    assert "<h1>Two runs, one of them red.</h1>" in page
    assert 'href="/p/click/runs/2/"' in page
    assert "feature/&lt;b&gt;" in page
    assert ">5 of 6</td>" in page


def test_the_branch_is_chosen_in_the_address(ann: Client) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    a_run(project, green(), hour=0)
    a_run(project, green(case1="fail"), hour=1, branch="feature", pull_request="7")
    page = ann.get("/p/click/runs/?branch=main").text
    assert "<h1>One run.</h1>" in page
    assert '<a href="?branch=main" aria-current="true">main</a>' in page
    assert '<a href="?branch=changes">changes and other branches</a>' in page
    assert "No run fits these choices." in ann.get("/p/click/runs/?branch=nowhere").text


def test_older_runs_are_a_link_away(ann: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "N_ROWS", 2)
    project = a_project("click", owner=User.objects.get(username="ann"))
    for hour in range(3):
        a_run(project, green(), hour=hour)
    page = ann.get("/p/click/runs/").text
    assert '<a class="act" href="?before=2">Older runs</a>' in page
    older = ann.get("/p/click/runs/?before=2").text
    assert 'href="/p/click/runs/1/"' in older
    assert 'id="run-3"' not in older
    assert '<a class="act" href="?">Newest runs</a>' in older


def test_no_run_leads_to_the_first_upload(ann: Client) -> None:
    a_project("click", owner=User.objects.get(username="ann"))
    page = ann.get("/p/click/runs/").text
    assert "<h1>No run yet.</h1>" in page
    assert 'href="/p/click/start/"' in page


def test_the_same_address_gives_the_runs_as_a_file(ann: Client) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    a_run(project, green(), hour=0)
    a_run(project, green(case1="fail"), hour=1, branch="=cmd()", pull_request="7")
    assert 'href="?branch=main&amp;format=csv"' in ann.get("/p/click/runs/?branch=main").text
    newest, first = csv.DictReader(io.StringIO(ann.get("/p/click/runs/?format=csv").text))
    assert (newest["run"], newest["branch"], newest["outcome"], newest["new"]) == ("2", "'=cmd()", "1 failed", "1")
    assert (first["declared"], first["passed"], first["ran_at"]) == ("6", "6", "2026-03-02T09:00:00+00:00")
    rows = ann.get("/p/click/runs/?branch=main&format=json").json()["rows"]
    assert [(row["run"], row["seconds"]) for row in rows] == [(1, pytest.approx(0.06, rel=1e-2))]
