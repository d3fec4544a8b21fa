"""The flaky page: as a page, as a file, narrowed, empty, and with names that mean harm."""

import csv
import re
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.test import Client

from dashboard.views import flaky
from health.judging import judge_project
from health.models import Project
from tests.builders import a_project, a_user
from tests.scenes import Cases, a_run, green
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db

PAGE = "/p/click/flaky/"


@pytest.fixture
def ann(client: Client) -> Client:
    client.force_login(a_user("ann"))
    return client


def a_click(*names: str, n_runs: int = 6, n_green: int = 12, **more: object) -> Project:
    """Runs in which the named cases broke, recovered and broke again."""
    project = a_project("click", owner=User.objects.get(username="ann"))
    for hour in range(n_runs):
        words: Cases = dict.fromkeys(names, "fail" if hour in (1, 3) else "pass")
        a_run(project, green(n_green) | words, hour=hour, **more)
    judge_project(project.pk)
    return project


def test_a_family_is_a_row_with_its_cases_behind_it(ann: Client) -> None:
    a_click("t.u::pager[ cat ]", "t.u::pager[less]")
    page = ann.get(PAGE).text
    assert "<h1>Two tests are flaky on main, both of them cases of pager.</h1>" in page
    assert 'as of <a href="/p/click/runs/6/">run 6</a>' in page
    assert "from the newest 6 runs" in page
    assert "<summary>2 cases</summary>" in page
    assert "4 of 12 results, 33\u00a0%; 13 to 61\u00a0% with 95\u00a0% confidence" in page
    assert "2 of 6 runs, 33\u00a0%; 9 to 71\u00a0% with 95\u00a0% confidence" in page
    assert "broke, recovered and broke again twice, two of its cases" in page
    assert 'aria-label="broke in 2 of the 6 newest runs in which it ran"' in page
    assert '<a href="/p/click/runs/4/">run 4</a>' in page
    assert "30\u00a0% or more of at least 10 executed tests" in page


def test_every_choice_is_a_link_and_a_chosen_one_stays(ann: Client) -> None:
    a_click("t::a", variant="x")
    page = ann.get(f"{PAGE}?state=flaky&rank=rate").text
    assert '<a href="?state=flaky&amp;rank=rate" aria-current="true">flaky 1</a>' in page
    assert '<a href="?state=flaky">by evidence</a>' in page
    assert "Nothing fits what was chosen." in ann.get(f"{PAGE}?state=broken").text


def test_owners_are_shown_and_chosen(ann: Client) -> None:
    rules = 'owners: [{classname: pay, owners: ["@shop/pay"]}, {classname: cart, owners: ["@shop/cart"]}]'
    a_click("pay::a", "cart::b", configuration=rules)
    page = ann.get(PAGE).text
    assert '<span class="sub">@shop/pay</span>' in page
    assert '<option value="@shop/cart">@shop/cart</option>' in page
    page = ann.get(f"{PAGE}?owner=@shop/cart").text
    assert '<bdi class="id">b</bdi>' in page
    assert '<bdi class="id">a</bdi>' not in page
    rows = list(csv.DictReader(StringIO(ann.get(f"{PAGE}?owner=@shop/cart&format=csv").text)))
    assert [(row["name"], row["owners"]) for row in rows] == [("b", "'@shop/cart")]


def test_every_case_is_in_the_files(ann: Client) -> None:
    a_click("t.u::pager[1]", "t.u::pager[2]")
    rows = list(csv.DictReader(StringIO(ann.get(f"{PAGE}?format=csv").text)))
    assert [(row["verdict"], row["name"], row["results"], row["failed"]) for row in rows] == [
        ("flaky", "pager[1]", "6", "2"),
        ("flaky", "pager[2]", "6", "2"),
    ]
    (first, _) = ann.get(f"{PAGE}?format=json").json()["rows"]
    assert (first["rate_low"], first["rate_high"], first["flips"]) == (0.0968, 0.7, 2)
    assert ann.get(f"{PAGE}?format=json&state=broken").json()["rows"] == []


def test_mass_failures_stand_below_with_their_share(ann: Client) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    for hour in range(5):
        a_run(project, dict.fromkeys(green(20), "error" if hour == 2 else "pass"), hour=hour)
    judge_project(project.pk)
    page = ann.get(PAGE).text
    assert '1 job <a href="#left-out">left out</a>' in page
    left_out = page.partition('id="left-out"')[2].partition("</section>")[0]
    assert "20 of 20, 100 %" in left_out
    assert 'href="/p/click/runs/3/"' in left_out
    assert "Every test plainly passed in every run that counts." in page


def test_a_claimed_fix_stands_with_its_family(ann: Client) -> None:
    project = a_click("t::a", n_runs=8)
    ord_ = 12
    ann.post(f"/p/click/cases/{ord_}/fixed/", {"commit": f"{4:040x}"})
    judge_project(project.pk)
    page = ann.get(PAGE).text
    assert 'claimed fixed by <span class="id"' in page
    assert "; counted since" in page


def test_a_family_that_vanished_says_so_and_leads_to_what_it_may_be_now(ann: Client) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    for hour in range(8):
        word = "fail" if hour in (1, 3) else "pass"
        a_run(project, green(12) | {f"t::{'pager' if hour < 7 else 'pagers'}_works_with_less": word}, hour=hour)
    judge_project(project.pk)
    page = ann.get(PAGE).text
    assert 'last ran in <a href="/p/click/runs/7/">run 7</a>, then vanished' in page
    assert '; <a href="/p/click/renames/">looks renamed</a>' in page
    (row,) = ann.get(f"{PAGE}?format=json").json()["rows"]
    assert (row["last_run"], row["vanished_in_run"]) == (7, 8)
    data = ann.get("/api/v1/projects/click/flaky").json()["data"]
    assert (data["counts"], data["counts_gone"]) == ({"flaky": 1}, {"flaky": 1})
    (family,) = data["families"]
    assert (family["name"], family["gone"]) == (
        "pager_works_with_less",
        {"last_run": 7, "gone_run": 8, "suspicion": "renamed"},
    )


def test_what_is_not_judged_yet_is_said(ann: Client) -> None:
    project = a_click("t::a")
    a_run(project, green(), hour=20)
    assert "1 job came just now and is not judged yet" in ann.get(PAGE).text


def test_without_runs_it_says_what_would_fill_it(ann: Client) -> None:
    a_project("click", owner=User.objects.get(username="ann"))
    page = ann.get(PAGE).text
    assert "<h1>No run has been judged yet.</h1>" in page
    assert "from five results of a test on" in page
    assert "The rule" in page


@pytest.mark.parametrize("payload", ["<script>x</script>", '"><img src=x onerror=x>', "=cmd|' /C calc'!A0", "a\u202eb"])
def test_hostile_names_are_text(ann: Client, payload: str) -> None:
    a_click(f"{payload}::{payload}", f"{payload}::p[{payload}]", variant=payload)
    for address in (PAGE, "/p/click/", "/p/click/cases/12/"):
        # An option is sent back as it is, so its value is; what is shown of it is not.
        page = re.sub(r'<option value="[^"]*"', "", ann.get(address).text)
        assert "<script>x" not in page
        assert "<img" not in page
        assert "\u202e" not in page
    assert all(not cell.startswith("=") for cell in ann.get(f"{PAGE}?format=csv").text.split(","))


@pytest.mark.parametrize(
    "query", ["?before=x", "?before=-1", f"?before={10**30}", "?state=%00", "?branch=nowhere&suite=x"]
)
def test_any_query_is_answered(ann: Client, query: str) -> None:
    a_click("t::a")
    assert ann.get(f"{PAGE}{query}").status_code == 200


def test_an_unchanged_page_is_not_sent_again(ann: Client) -> None:
    a_click("t::a")
    tag = ann.get(PAGE).headers["ETag"]
    assert ann.get(PAGE, headers={"If-None-Match": tag}).status_code == 304


def test_the_page_costs_the_same_small_and_large(ann: Client) -> None:
    costs = []
    for n, n_green in ((1, 12), (60, 300)):
        project = a_click(*(f"t{k % 9}::c{k}" for k in range(n)), n_green=n_green)
        with counted_statements() as sent:
            page = ann.get(PAGE).text
        assert page.count('data-s="flaky"') >= min(n, 50)
        costs.append(len(sent))
        project.delete()
    assert costs[0] == costs[1] <= 14


def test_a_file_that_does_not_hold_all_says_so_in_its_name(ann: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    a_click("t::a", "t::b", "t::c")
    assert 'filename="click-flaky.csv"' in ann.get(f"{PAGE}?format=csv").headers["Content-Disposition"]
    monkeypatch.setattr(flaky, "MOST_IN_FILE", 2)
    answer = ann.get(f"{PAGE}?format=csv&owner=")
    assert 'filename="click-flaky-first-2.csv"' in answer.headers["Content-Disposition"]
    assert len(list(csv.DictReader(StringIO(answer.text)))) == 2
    assert ann.get(f"{PAGE}?format=json").json()["name"] == "click-flaky-first-2"
