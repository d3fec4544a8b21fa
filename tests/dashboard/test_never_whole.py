"""A suite, run, branch or project is never called whole while something is put off that nothing backs."""

import html
import re

import pytest
from django.test import Client

from health.models import Project
from tests.builders import a_project, a_user
from tests.register_scenes import a_backing, an_entry
from tests.scenes import a_run, green

pytestmark = pytest.mark.django_db

PAGES = (
    "/",
    "/p/click/",
    "/p/click/runs/",
    "/p/click/runs/2/",
    "/p/click/trends/",
    "/p/click/trends/?by=suite&suite=integration",
)
# What a reader takes in at once: a cell, a sentence, a heading, an item.
_BLOCK = re.compile(r"<(?:/?(?:p|td|th|h1|h2|h3|li|dt|dd|div|tr|section|caption|title)\b)[^>]*>")
_WHOLE = re.compile(
    r"\b100(?:\.0)?(?:\s|\u00a0)*%|\ball \d[\d,]* executed|\bthe one executed|\ball green|\b(?:is|are) calm",
    re.IGNORECASE,
)
_PUT_OFF = re.compile(r"put off|put-off|deferred|unbacked", re.IGNORECASE)


@pytest.fixture
def click(client: Client) -> Client:
    project = a_project("click", owner=a_user("ann"))
    for hour in (0, 30):
        a_run(project, green(14, case0="skip", case1="xfail"), hour=hour, suite="integration", run_id=f"r{hour}")
        a_run(project, {"u::a": "pass"}, hour=hour, suite="unit", run_id=f"r{hour}")
    client.force_login(project.memberships.get().user)
    return client


def find_whole(page: str) -> list[str]:
    """What calls something whole."""
    text = re.sub(r"<script\b.*?</script>", "", page, flags=re.DOTALL)
    blocks = (html.unescape(re.sub(r"<[^>]+>", "", block)) for block in _BLOCK.split(text))
    return [" ".join(block.split()) for block in blocks if _WHOLE.search(block)]


def find_violations(page: str) -> list[str]:
    """What does so without a word of what was put off."""
    return [block for block in find_whole(page) if not _PUT_OFF.search(block)]


@pytest.mark.parametrize("address", PAGES)
@pytest.mark.parametrize("state", ["", "weakened", "broken", "unproven"])
def test_nothing_is_whole_while_something_is_put_off_unbacked(click: Client, address: str, state: str) -> None:
    project = Project.objects.get(slug="click")
    an_entry(project, "case0", backing=a_backing(project))
    an_entry(project, "case1", kind="xfail", backing=a_backing(project, state=state) if state else None)
    page = click.get(address).text
    assert "2" in page
    assert find_violations(page) == []


def test_the_sentences_name_what_is_put_off(click: Client) -> None:
    assert "2 are put off, none of them backed.</h1>" in click.get("/p/click/").text
    assert "2 are put off, none of them backed.</h1>" in click.get("/p/click/runs/2/").text
    assert "click is calm but for two unbacked put-off tests.</h1>" in click.get("/").text
    assert "2 tests are put off, none of them backed." in click.get("/").text
    line = "14 of 15 executed (93 %), 2 deferred (1 of them ran), none backed"
    assert f"<b>{line}</b>" in click.get("/p/click/").text


def test_where_all_that_is_put_off_is_backed_100_may_be_said(click: Client) -> None:
    project = Project.objects.get(slug="click")
    backing = a_backing(project)
    an_entry(project, "case0", backing=backing)
    an_entry(project, "case1", kind="xfail", backing=backing)
    overview = click.get("/p/click/").text
    assert "100<small>%</small>" in overview
    assert "2 are put off, both backed.</h1>" in overview
    assert "<dt>deferred tests backed</dt><dd>2 of 2</dd>" in overview
    run = click.get("/p/click/runs/2/").text
    assert '<span class="sub">13 of 14 executed (93 %), 2 deferred (1 of them ran), 2 backed</span>' in run
    assert '<td class="n" data-l="Deferred">2, 2 backed</td>' in run
    assert "2</a>, 2 backed</td>" in click.get("/p/click/runs/").text
    projects = click.get("/").text
    assert "<h1>click is calm.</h1>" in projects
    assert "2, 2 backed</td>" in projects
    old = click.get("/p/click/runs/1/").text
    assert '<td class="n" data-l="Deferred">2</td>' in old


def test_files_say_the_same(click: Client) -> None:
    project = Project.objects.get(slug="click")
    an_entry(project, "case0", backing=a_backing(project))
    an_entry(project, "case1", kind="xfail")

    def rows(address: str) -> list[tuple[object, object]]:
        return [(row["deferred"], row["backed"]) for row in click.get(address).json()["rows"]]

    assert rows("/?format=json") == [(2, 1)]
    assert rows("/p/click/?format=json&table=runs") == [(2, 1), (2, "")]
    assert rows("/p/click/runs/?format=json") == [(2, 1), (2, "")]
    assert rows("/p/click/runs/2/?format=json&table=suites") == [(2, 1), (0, 0)]
    assert [row["deferred"] for row in click.get("/p/click/trends/?format=json").json()["rows"]] == [2, 2]


def test_the_api_says_the_same(click: Client) -> None:
    project = Project.objects.get(slug="click")
    entry = an_entry(project, "case0", backing=a_backing(project))
    an_entry(project, "case1", kind="xfail")
    (listed,) = click.get("/api/v1/projects").json()["data"]
    assert (listed["backed"], listed["counts"]["deferred"]) == (1, 2)
    overview = click.get("/api/v1/projects/click/overview").json()["data"]
    assert overview["line"] == "14 of 15 executed (93 %), 2 deferred (1 of them ran), 1 backed"
    assert (overview["backed"], [one["backed"] for one in overview["recent"]]) == (1, [1, None])
    run = click.get("/api/v1/projects/click/runs/2").json()["data"]
    assert (run["backed"], run["line"]) == (1, overview["line"])
    assert {suite["name"]: suite["backed"] for suite in run["suites"]} == {"integration": 1, "unit": 0}
    put_off = [case["entry"]["kind"] for reason in run["put_off"]["reasons"] for case in reason["cases"]]
    assert sorted(put_off) == ["skip", "xfail"]
    runs = click.get("/api/v1/projects/click/runs").json()["data"]["lines"]
    assert [line["backed"] for line in runs] == [1, None]
    case = click.get(f"/api/v1/projects/click/cases/{entry.ord}").json()["data"]
    assert (case["entry"]["kind"], case["entry"]["backing"], case["passes_unexpectedly"]) == ("skip", "backed", False)


@pytest.mark.parametrize(
    "planted",
    [
        "<td>12 of 12, 100 %</td>",
        "<h1>main is green: all 12 executed tests passed.</h1><p>2 are put off.</p>",
        '<p class="fig">100<small>%</small></p><p>2 put off</p>',
        "<p>All three projects are calm.</p>",
    ],
)
def test_the_guard_bites(planted: str) -> None:
    assert find_violations(planted)
