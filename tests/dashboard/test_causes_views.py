"""The page of causes: the table of the run of 29, filters, states, files, and hostile messages."""

import csv
import re
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils.html import strip_tags

from dashboard.filters import Filters
from dashboard.queries import cause_facts, cause_window, causes
from dashboard.queries.causes import CausesPage, read_causes_page
from health.models import Fingerprint, FixClaim, Project
from tests.builders import a_project, a_user, an_upload
from tests.cause_scenes import (
    a_said_run,
    count_all,
    fails,
    open_page,
    upload_report,
    write_four_causes,
)
from tests.dashboard.test_hostile_names import PAYLOADS, look_at
from tests.scenes import a_run, a_steady_project, green
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db

PAGE = "/p/click/causes/"
FOUR = [
    ("event loop / async fixture", 15, 0, 15),
    ("schema mismatch", 9, 0, 9),
    ("isolation / duplicate key", 4, 4, 0),
    ("validation", 1, 0, 1),
]


@pytest.fixture
def ann(client: Client) -> Client:
    client.force_login(a_user("ann"))
    return client


def a_click() -> Project:
    return a_project("click", owner=User.objects.get(username="ann"))


def read(project: Project, **chosen: str) -> CausesPage:
    page = read_causes_page(project, Filters.read(chosen))
    assert page is not None
    return page


def states(project: Project) -> dict[str, str]:
    return {line.fact.masked: line.state for line in read(project).lines}


def write_plainly(html: str) -> str:
    return re.sub(r"\s+", " ", strip_tags(html).replace("\u00a0", " "))


def test_the_run_of_29_is_the_table_it_was_claimed_to_be(ann: Client) -> None:
    """29 executed, none passed, 4 failed, 25 errors, four causes; from the upload alone, with denominators."""
    project = a_click()
    upload_report(project, write_four_causes())
    count_all(project)
    shares = ["51.7 %: 15 of 29", "31.0 %: 9 of 29", "13.7 %: 4 of 29", "3.4 %: 1 of 29"]
    for path in ("/p/click/runs/1/", PAGE, f"{PAGE}?run=1"):
        text = write_plainly(open_page(ann, path))
        places = [text.find(f"{name} {share}") for (name, *_), share in zip(FOUR, shares, strict=True)]
        assert -1 not in places, path
        assert places == sorted(places)
    page = open_page(ann, PAGE)
    assert "<h1>Four failures and 25 errors in the newest run, for four causes; 15 of 29 are in the category" in page
    rows = list(csv.DictReader(StringIO(ann.get(f"{PAGE}?run=1&format=csv").text)))
    found = [(row["category"], int(row["broken"]), int(row["failed"]), int(row["errored"])) for row in rows]
    assert found == FOUR
    assert {row["of_broken"] for row in rows} == {"29"}
    assert [row["cases"] for row in rows] == ["15", "9", "4", "1"]
    assert ann.get(f"{PAGE}?format=json").json()["rows"][0]["rule"] == "contains: attached to a different loop"


def test_masked_words_are_marked_and_lead_to_the_cause(ann: Client) -> None:
    project = a_click()
    a_said_run(project, fails("HTTP 503 from /srv/app/x.py"), hour=0)
    page = open_page(ann, PAGE)
    assert '<span class="masked" title="masked: number">503</span>' in page
    assert '<span class="masked" title="masked: path">/srv/app/x.py</span>' in page
    (line,) = read(project).lines
    assert f'href="{line.fact.url}"' in page
    assert 'href="#rules"' in page
    assert "no such column" in page


def test_one_category_is_part_of_the_sentence_and_no_table(ann: Client) -> None:
    project = a_click()
    a_said_run(project, fails("assert 1 == 2", "assert x"), hour=0)
    page = open_page(ann, PAGE)
    assert "<h1>Two failures in the newest run, for two causes, all in the category “assertion”.</h1>" in page
    assert 'id="categories"' not in page
    a_said_run(project, fails("assert 1 == 2"), hour=1)
    assert "for one cause, in the category “assertion”.</h1>" in open_page(ann, f"{PAGE}?run=2")
    a_said_run(project, fails("assert 1 == 2", "timed out"), hour=2)
    page = open_page(ann, PAGE)
    assert "for three causes; 4 of 5 are in the category “assertion”.</h1>" in page
    assert 'id="categories"' in page


def test_states_follow_from_the_runs_of_the_branch(ann: Client) -> None:
    project = a_click()
    said = [["old", "gone"], ["old"], ["old"], ["old"], ["old"], ["old"], ["old", "gone", "fresh"]]
    for hour, messages in enumerate(said):
        a_said_run(project, fails(*messages), hour=hour)
    assert states(project) == {"old": "ongoing", "gone": "returned", "fresh": "new"}
    a_said_run(project, fails("old"), hour=8)
    assert states(project) == {"old": "ongoing", "gone": "quiet", "fresh": "quiet"}
    fresh = next(line.fact for line in read(project).lines if line.fact.masked == "fresh")
    claim = FixClaim.objects.create(project=project, fingerprint=fresh.fingerprint, commit="a" * 40, run=8)
    assert states(project)["fresh"] == "claimed fixed"
    a_said_run(project, fails("old", "fresh"), hour=9)
    assert states(project)["fresh"] == "returned"
    claim.delete()
    page = open_page(ann, f"{PAGE}?state=quiet")
    assert "gone" in page
    assert ">fresh</bdi>" not in page


def test_what_another_branch_saw_first_is_new_on_this_one(ann: Client) -> None:
    project = a_click()
    a_said_run(project, fails(), hour=0)
    a_said_run(project, fails("x"), hour=1, branch="feature", pull_request="7")
    a_said_run(project, fails("x"), hour=2)
    assert states(project) == {"x": "new"}
    (line,) = read(project, branch="changes").lines
    assert (line.state, line.count.broken, line.n_of) == ("new", 1, 1)


def test_first_seen_is_as_long_ago_as_it_was(monkeypatch: pytest.MonkeyPatch, ann: Client) -> None:
    monkeypatch.setattr(cause_window, "N_JOBS", 3)
    project = a_click()
    for hour in (5, 4, 3, 2, 1, 0):  # sent newest first
        a_said_run(project, fails("x"), hour=hour)
    (line,) = read(project).lines
    assert line.first is not None
    assert line.last is not None
    assert (line.first.number, line.last.number, line.n_runs, line.n_runs_of, line.state) == (6, 1, 3, 3, "ongoing")


def test_merged_causes_are_one_line(ann: Client) -> None:
    project = a_click()
    a_said_run(project, fails("one", "one", "two"), hour=0)
    one, two = (Fingerprint.objects.get(project=project, message=word) for word in ("one", "two"))
    Fingerprint.objects.filter(project=project, fingerprint=two.fingerprint).update(merged_into=one.fingerprint)
    (line,) = read(project).lines
    assert (line.fact.masked, line.count.broken, line.n_of, line.n_cases) == ("one", 3, 3, 3)
    assert "3 of 3 broken results" in write_plainly(open_page(ann, "/p/click/runs/1/"))


def test_a_suite_narrows_cases_and_denominator() -> None:
    project = a_project("click")
    an_upload(project, {"unit::a": "fail", "unit::b": "error"}, job="tests", suite="unit")
    an_upload(project, {"e2e::a": "fail"}, job="web", suite="e2e")
    count_all(project)
    assert {(line.count.broken, line.n_of) for line in read(project).lines} == {(1, 3)}
    assert [(line.count, line.n_of) for line in read(project, suite="e2e").lines] == [((1, 0), 1)]
    assert [line.n_of for line in read(project, job="tests").lines] == [2, 2]


def test_a_run_that_is_not_there_is_not_found(ann: Client) -> None:
    a_click()
    assert ann.get(f"{PAGE}?run=99").status_code == 404
    assert ann.get(f"{PAGE}?run=x").status_code == 200


def test_without_results_or_failures_it_says_so(ann: Client) -> None:
    project = a_click()
    assert "Failures that say the same stand here as one cause" in open_page(ann, PAGE)
    a_run(project, green(), hour=0)
    page = open_page(ann, PAGE)
    assert "<h1>Nothing broke in the newest run.</h1>" in page
    assert "<b>none" not in page


def test_beyond_what_can_be_read_counts_behind_each_upload_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    project = a_project("click")
    for hour in range(3):
        a_said_run(project, fails("x", "x 1", "y"), hour=hour)
    exact = {line.fact.masked: (line.count, line.n_of, line.n_cases) for line in read(project).lines}
    monkeypatch.setattr(cause_window, "MOST_READ", 2)
    counted = {line.fact.masked: (line.count, line.n_of, line.n_cases) for line in read(project).lines}
    assert exact == counted
    assert all(line.is_at_least for line in read(project).lines)
    assert [line.n_runs_of for line in read(project, suite="t").lines] == [1] * 3
    assert {line.n_of for line in read(project, run="2").lines} == {3}


def test_a_retry_in_ci_is_no_cause(ann: Client) -> None:
    project = a_click()
    a_said_run(project, fails("x", "y"), hour=0, run_id="r", attempt=1)
    a_said_run(project, {"t::broken0": ("pass", "", "")}, hour=0, run_id="r", attempt=2)
    assert [line.fact.masked for line in read(project).lines] == ["y"]


@pytest.mark.parametrize(("n_runs", "n_cases"), [(3, 6), (40, 300)])
def test_the_number_of_statements_does_not_grow(n_runs: int, n_cases: int) -> None:
    project = a_steady_project("click", n_runs=n_runs, n_cases=n_cases, n_variants=2)
    count_all(project)
    with counted_statements() as sent:
        page = read(project)
    assert page.total.broken
    assert len(sent) <= 11
    with counted_statements() as sent:
        read(project, run="2", category="assertion")
    assert len(sent) <= 14


def test_a_secret_is_for_owners_alone(ann: Client) -> None:
    project = a_click()
    a_said_run(project, fails("postgresql://sw:hunter2-and-more@db/x refused"), hour=0)
    assert "hunter2" in strip_tags(open_page(ann, PAGE))
    other = Client()
    other.force_login(a_user("viewer"))
    project.memberships.create(user=User.objects.get(username="viewer"), role="viewer")
    for path in (PAGE, f"{PAGE}?format=csv", read(project).lines[0].fact.url):
        answer = other.get(path)
        assert answer.status_code == 200
        assert "hunter2" not in strip_tags(answer.text)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_hostile_messages_are_text(ann: Client, payload: str) -> None:
    project = a_click()
    a_said_run(project, fails(f"{payload} 12 /a/b", payload, kind=payload), hour=0, job=payload, branch="main")
    cause = read(project).lines[0].fact
    for path in (PAGE, f"{PAGE}?run=1", cause.url, "/p/click/runs/1/"):
        found = look_at(open_page(ann, path))
        assert "img" not in found.tags
        assert "svg" not in found.tags
        assert not {name for name in found.attributes if name.startswith("on")}
        assert "\u202e" not in found.text
    assert all(not line.startswith(("=", "+")) for line in ann.get(f"{PAGE}?format=csv").text.split(","))


def test_rules_of_the_project_come_first_and_are_shown(ann: Client) -> None:
    project = a_click()
    text = 'causes:\n  - contains: "fail: *case*"\n    category: our own\n'
    a_run(project, green(case1="fail"), hour=0, configuration=text)
    count_all(project)
    project.refresh_from_db()
    (line,) = read(project).lines
    assert (line.fact.category.name, line.fact.told_rule) == ("our own", "contains: fail: *case* (.suitewatch.yml)")
    assert "1 of them of this project" in open_page(ann, PAGE)
    assert "our own" in open_page(ann, "/p/click/runs/1/")


def test_an_unchanged_page_is_not_sent_again(ann: Client) -> None:
    project = a_click()
    a_said_run(project, fails("x"), hour=0)
    tag = ann.get(PAGE).headers["ETag"]
    assert ann.get(PAGE, headers={"If-None-Match": tag}).status_code == 304
    a_said_run(project, fails("x"), hour=1)
    assert ann.get(PAGE, headers={"If-None-Match": tag}).status_code == 200


@pytest.mark.parametrize("most_read", [5_000, 1])
def test_what_many_causes_say_is_read_of_the_largest_alone(most_read: int, monkeypatch: pytest.MonkeyPatch) -> None:
    project = a_project("click")
    many = [f"cause {name}" for name in ("a", "b", "c", "d", "e")]
    a_said_run(project, fails(*many, "x", "x", "x", "y", "y"), hour=0)
    made: list[int] = []
    make_fact = cause_facts.make_fact
    monkeypatch.setattr(cause_facts, "make_fact", lambda *row, **more: made.append(1) or make_fact(*row, **more))
    monkeypatch.setattr(cause_window, "MOST_READ", most_read)
    monkeypatch.setattr(causes, "_MOST_RANKED", 2)
    for chosen in ({}, {"run": "1"}):
        made.clear()
        page = read(project, **chosen)
        assert ([(line.fact.masked, line.count.broken) for line in page.lines], len(made)) == ([("x", 3), ("y", 2)], 2)
        assert (page.n_causes, page.n_unranked, page.n_unranked_broken, page.total.broken) == (7, 5, 5, 10)
        assert [(line.n_causes, line.count.broken, line.n_of) for line in page.categories] == [(2, 5, 10)]
        assert "of the 2 largest, 5 of 10 broken results are in the category" in page.sentence
