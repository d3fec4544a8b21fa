"""Trends as a page, and the same numbers as a file."""

import csv
import io

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
    a_run(project, green(6, case0="xfail"), hour=0, suite="=cmd()")
    a_run(project, green(6, case1="fail"), hour=24, suite="@other")
    return project


def test_lines_and_the_table_behind_them(ann: Client) -> None:
    a_history()
    page = ann.get("/p/click/trends/").text
    assert "<h1>One of two days with runs had a failure; 6 tests are declared, as at first.</h1>" in page
    assert 'data-figure="trends-data"' in page
    assert "<td" in page.split("<summary>The numbers as a table")[1]
    assert '<a href="?by=suite">suite</a>' in page
    assert '<a href="?by=job">' not in page  # there is one job


def test_groups_are_chosen_in_the_address(ann: Client) -> None:
    a_history()
    page = ann.get("/p/click/trends/?by=suite&measure=failed").text
    assert '<a href="?by=suite&amp;measure=failed" aria-current="true">broken</a>' in page
    assert "=cmd()" in page
    narrowed = ann.get("/p/click/trends/?suite=%40other").text
    assert '<option value="@other" selected>' in narrowed


def test_the_same_address_gives_the_numbers(ann: Client) -> None:
    a_history()
    answer = ann.get("/p/click/trends/?format=csv")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"] == 'attachment; filename="click-trends.csv"'
    first, second = csv.DictReader(io.StringIO(answer.text))
    assert (first["day"], first["declared"], first["passed"], first["expected_failures"]) == (
        "2026-03-02",
        "6",
        "5",
        "1",
    )
    assert (second["failed"], second["jobs"]) == ("1", "1")
    rows = ann.get("/p/click/trends/?format=json&by=suite").json()["rows"]
    assert {row["group"] for row in rows} == {"=cmd()", "@other"}


def test_a_name_is_no_formula_in_a_spreadsheet(ann: Client) -> None:
    a_history()
    rows = list(csv.DictReader(io.StringIO(ann.get("/p/click/trends/?format=csv&by=suite").text)))
    assert {row["group"] for row in rows} == {"'=cmd()", "'@other"}


def test_an_unchanged_file_is_not_built_again(ann: Client) -> None:
    a_history()
    first = ann.get("/p/click/trends/?format=csv")
    assert ann.get("/p/click/trends/?format=csv", headers={"If-None-Match": first["ETag"]}).status_code == 304


def test_the_links_to_the_files_keep_the_choices(ann: Client) -> None:
    a_history()
    assert 'href="?format=csv"' in ann.get("/p/click/trends/").text
    assert 'href="?by=suite&amp;format=json"' in ann.get("/p/click/trends/?by=suite").text


def test_an_empty_project_leads_to_the_first_upload(ann: Client) -> None:
    a_project("click", owner=User.objects.get(username="ann"))
    page = ann.get("/p/click/trends/").text
    assert "A trend needs runs, and none has arrived yet." in page
    assert 'href="/p/click/start/"' in page
    assert ann.get("/p/click/trends/?format=json").json()["rows"] == []


def test_choices_that_fit_nothing_say_so(ann: Client) -> None:
    a_history()
    assert "No run fits these choices." in ann.get("/p/click/trends/?suite=nowhere").text
