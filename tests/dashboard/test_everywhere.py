"""What every page of a project offers: its tables as files at the same address, and as of when its figures are.

The pages are found by their URL patterns, so a new one is visited without being named here.
"""

import re
from html import unescape
from html.parser import HTMLParser

import pytest
from django.test import Client
from django.urls import reverse

from dashboard.queries.as_of import read_as_of
from health.judging import judge_project
from health.models import Project, Upload
from tests.addresses import page_patterns
from tests.builders import a_lost_upload, a_project, a_user
from tests.coverage_scenes import lines, measured
from tests.scenes import a_run, green
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db

# What is set up or decided there is no data; signing in has no project.
NO_DATA = {"settings", "start", "deferral-add", "project-create", "login", "login-link"}
FILE = re.compile(r'href="(\?[^"]*format=(?:csv|json)[^"]*)"')


class Outline(HTMLParser):
    """The tables of a page that are not behind a drawing, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.depth, self.n_tables, self.text = 0, 0, ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.depth += tag == "figure"
        self.n_tables += tag == "table" and not self.depth

    def handle_endtag(self, tag: str) -> None:
        self.depth -= tag == "figure"

    def handle_data(self, data: str) -> None:
        self.text += f" {data}"


def outline_of(html: str) -> Outline:
    found = Outline()
    found.feed(html)
    return found


def numbers_in(text: str) -> set[int]:
    return {int(found.replace(",", "")) for found in re.findall(r"\d[\d,]*", text)}


@pytest.fixture
def project(client: Client) -> Project:
    """Runs that differ, a retry, coverage that moved, a delivery that failed."""
    user = a_user("ann")
    project = a_project("click", owner=user)
    for hour, cases in enumerate(
        (
            green(13, case1="fail", case2="skip"),
            green(12, case3="error", case4="xfail", case5="retry"),
            green(11, case3="error"),
        )
    ):
        for variant in ("3.11", "3.12"):
            a_run(project, cases, hour=24 * hour, variant=variant, run_id=str(hour), seconds=0.5 + hour)
        files = {"src/a.py": lines(17, 4 + hour), "lib/b.py": lines(9, 8)}
        contexts = {"tests.a::one": ("src/a.py", (1, 2))}
        measured(project, files, hour=24 * hour, run_id=str(hour), contexts=contexts)
    a_lost_upload(project)
    judge_project(project.pk)
    client.force_login(user)
    return project


def page_urls(project: Project) -> dict[str, str]:
    """Every page that can be opened, by the name of its URL."""
    known = {"slug": project.slug, "number": 3, "public_id": Upload.objects.filter(run=3).earliest("id").public_id}
    found = {}
    for pattern in page_patterns():
        names = set(pattern.pattern.converters)
        if pattern.name not in NO_DATA and names <= set(known):
            found[str(pattern.name)] = reverse(
                f"dashboard:{pattern.name}", kwargs={name: known[name] for name in names}
            )
    return found


def open_pages(client: Client, project: Project) -> dict[str, tuple[str, str]]:
    """URL and text of each address that answers with a page of this project's data."""
    pages = {}
    for name, url in page_urls(project).items():
        if name == "search":
            url += "?search=case"
        if name == "coverage-file":
            url = url.replace("/3/", "/1/")
        answer = client.get(url)
        if answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/html"):
            pages[name] = (url, answer.text)
    return pages


def test_every_table_is_offered_as_files_whose_numbers_are_on_the_page(client: Client, project: Project) -> None:
    n_files = 0
    for name, (url, html) in open_pages(client, project).items():
        outline = outline_of(html)
        offered = sorted({unescape(address) for address in FILE.findall(html)})
        forms = {address.partition("format=")[2].partition("&")[0] for address in offered}
        assert forms == {"csv", "json"} or not outline.n_tables, name
        for address in offered:
            answer = client.get(url.partition("?")[0] + address)
            assert answer.status_code == 200, (name, address)
            n_files += 1
            if "format=json" in address and "rows" in (found := answer.json()):
                missing = list_numbers(found["rows"]) - numbers_in(outline.text)
                assert not missing, (name, address, missing)
    assert n_files > 40


def list_numbers(rows: list[dict[str, object]]) -> set[int]:
    """All that a reader could look for: no number that is in an address, and no nought, often left blank."""
    unseen = {"case", "entry"}
    return {value for row in rows for key, value in row.items() if type(value) is int and value and key not in unseen}


def test_every_page_of_a_project_says_as_of_when(client: Client, project: Project) -> None:
    for name, (url, html) in open_pages(client, project).items():
        if url.startswith("/p/"):
            assert re.search(r"[Dd]ata as of", html), name


def test_a_project_without_runs_says_that_there_are_none(client: Client) -> None:
    user = a_user("bob")
    a_project("empty", owner=user)
    client.force_login(user)
    for name in ("overview", "trends", "runs", "compare", "search", "coverage", "renames"):
        page = client.get(reverse(f"dashboard:{name}", kwargs={"slug": "empty"})).text
        assert "No run has arrived yet" in page, name


def test_the_tables_of_a_page_are_different_files(client: Client, project: Project) -> None:
    for path in ("/p/click/runs/3/", "/p/click/cases/3/", "/p/click/coverage/", "/p/click/"):
        html = client.get(path).text
        tables = {address.partition("table=")[2].partition("&")[0] for address in map(unescape, FILE.findall(html))}
        heads = {client.get(f"{path}?format=csv&table={table}").text.partition("\n")[0] for table in tables}
        assert len(heads) == len(tables), path


def test_as_of_is_the_newest_run_and_costs_one_statement(project: Project) -> None:
    with counted_statements() as sent:
        found = read_as_of(project)
    assert found is not None
    assert (found.number, len(sent)) == (3, 1)
    assert read_as_of(project, lane="nowhere") is None


def test_a_suite_a_level_and_an_owner_narrow_a_run(client: Client, project: Project) -> None:
    page = client.get("/p/click/runs/3/?suite=tests.api").text
    assert "suite tests.api only" in page
    assert "Everything in the run" in page
    nothing = client.get("/p/click/runs/3/?owner=@nobody").text
    assert "case3" not in nothing
    rows = client.get("/p/click/runs/3/?suite=tests.api&format=json").json()["rows"]
    every = client.get("/p/click/runs/3/?format=json").json()["rows"]
    assert rows == [row for row in every if row["suite"] == "tests.api"]
    assert client.get("/p/click/runs/3/?suite=nowhere&level=nothing").status_code == 200


def test_a_branch_narrows_the_overview_and_a_variant_the_case(client: Client, project: Project) -> None:
    a_run(project, green(3, case0="fail"), hour=80, branch="release/1", variant="3.11")
    Project.objects.filter(pk=project.pk).update(default_branch="main")
    assert '<option value="release/1">release/1</option>' in client.get("/p/click/").text
    page = client.get("/p/click/?branch=release/1").text
    assert "release/1 is failing" in page
    case = client.get("/p/click/cases/3/?variant=3.12").text
    assert {row["job"] for row in client.get("/p/click/cases/3/?variant=3.12&format=json").json()["rows"]} == {
        "tests, 3.12"
    }
    assert 'aria-current="true">3.12</a>' in case
    assert client.get("/p/click/cases/3/?branch=nowhere").status_code == 200


@pytest.mark.parametrize("name", ["", "x" * 300, '"><script>', "\x00", "%"])
def test_an_unknown_table_or_form_is_no_error(client: Client, project: Project, name: str) -> None:
    for path in ("/p/click/runs/3/", "/p/click/compare/", "/p/click/search/", "/"):
        assert client.get(path, {"format": "csv", "table": name}).status_code == 200
        answer = client.get(path, {"format": name, "table": name})
        assert answer.headers["Content-Type"].startswith("text/html")
        assert '"><script>' not in answer.text.split("<main")[1]
