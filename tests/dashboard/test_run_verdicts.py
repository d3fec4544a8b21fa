"""Beside each failure of a run: is it real? The case's verdict, and whether anything was changed since then."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from dashboard.queries.failures import BrokenFamily
from dashboard.queries.run import read_run_page
from health.judging import judge_project
from health.models import Project
from tests.builders import a_project, a_user
from tests.scenes import a_run, green
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db

FLAKY = ("pass", "fail", "pass", "fail", "pass", "fail")
FAMILY = tuple(f"tests.pager::pages[{name}]" for name in range(3))


@pytest.fixture
def ann(client: Client) -> Client:
    client.force_login(a_user("ann"))
    return client


def a_history(*words: str, slug: str = "") -> Project:
    """Case 2 ended so, run by run."""
    project = a_project(slug)
    for hour, word in enumerate(words):
        a_run(project, green(8, case2=word), hour=hour)
    judge_project(project.pk)
    return project


def families(project: Project, number: int) -> list[BrokenFamily]:
    page = read_run_page(project, number=number)
    assert page is not None
    return [family for cause in page.failures.causes for family in cause.families]


def only(project: Project, number: int) -> BrokenFamily:
    (family,) = families(project, number)
    return family


def test_a_flaky_case_is_called_so_with_its_rate_and_leads_to_its_proof(ann: Client) -> None:
    project = a_history(*FLAKY, slug="click")
    project.memberships.create(user=User.objects.get(username="ann"), role="viewer")
    for number in (2, 6):
        assert only(project, number).verdict == "flaky: 3 of 6 results, 18 to 82\u00a0%"
    assert only(project, 6).verdict_url == "/p/click/cases/2/#verdict"
    page = ann.get("/p/click/runs/6/").text
    assert (
        '<a href="/p/click/cases/2/#verdict">flaky: 3 of 6 results, 18 to 82\u00a0%</a>'
        in page.split('id="failures"')[1].split("</section>")[0]
    )


@pytest.mark.parametrize(
    ("words", "number", "verdict"),
    [
        (["pass"] * 6 + ["fail"] * 5, 11, "broken since run 7"),
        (["pass"] * 6 + ["fail"] * 5, 9, "broken: 5 of 11 results, 21 to 72\u00a0%"),  # an older run
        (["fail"] * 30, 30, "broken since run 11 or before"),
        (["pass", "fail", "fail"], 3, "not enough data: 2 of 3 results, 20 to 94\u00a0%"),
        (["pass", "fail", "pass", "pass", "pass", "pass"], 2, "sound again: 1 of 6 results, 3 to 57\u00a0%"),
    ],
)
def test_each_verdict_says_how_sure_that_is(words: list[str], number: int, verdict: str) -> None:
    assert only(a_history(*words), number).verdict == verdict


def test_before_anything_is_concluded_nothing_is_said() -> None:
    project = a_project()
    a_run(project, green(case2="fail"), hour=0)
    assert only(project, 1).verdict == ""


def test_a_family_has_the_rate_of_all_its_cases(ann: Client) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    for hour, word in enumerate(FLAKY):
        a_run(project, green(20) | dict.fromkeys(FAMILY, word), hour=hour, text="boom")
    judge_project(project.pk)
    family = only(project, 6)
    assert (len(family.cases), family.verdict) == (3, "flaky: 9 of 18 results, 29 to 71\u00a0%")
    assert family.verdict_url == "/p/click/flaky/"
    assert '<a href="/p/click/flaky/">flaky: 9 of 18' in ann.get("/p/click/runs/6/").text


def test_a_family_of_several_verdicts_says_how_many_have_which() -> None:
    project = a_project()
    for hour, word in enumerate(FLAKY):
        newest = "fail" if hour == 5 else "pass"
        a_run(project, green(20) | dict.fromkeys(FAMILY, word) | {FAMILY[0]: newest}, hour=hour, text="boom")
    judge_project(project.pk)
    assert sorted(family.verdict for family in families(project, 6)) == ["2 flaky, 1 not enough data"]


def test_a_pull_request_is_told_what_is_known_of_the_default_branch() -> None:
    project = a_history(*FLAKY[:5], slug="click")
    a_run(project, green(8, case2="fail"), hour=9, branch="feature", pull_request="7")
    family = only(project, 6)
    assert (family.verdict, family.verdict_url) == (
        "flaky: 2 of 5 results, 11 to 77\u00a0%",
        "/p/click/cases/2/#verdict",
    )
    judge_project(project.pk)
    family = only(project, 6)
    assert (family.verdict[:16], family.verdict_url) == (
        "not enough data:",
        "/p/click/cases/2/?branch=changes#verdict",
    )


def test_it_costs_one_statement_however_much_broke(monkeypatch: pytest.MonkeyPatch) -> None:
    costs = []
    for n in (1, 60):
        project = a_project()
        for hour, word in enumerate(FLAKY):
            a_run(project, green(300) | {f"t::c{k}": word for k in range(n)}, hour=hour)
        judge_project(project.pk)
        with counted_statements() as sent:
            assert only_words(project, 6) == {"flaky"}
        costs.append(len(sent))
        assert sum("health_caseverdict" in statement for statement in sent) == 1
    assert costs[0] == costs[1]


def only_words(project: Project, number: int) -> set[str]:
    return {family.verdict.split(":")[0] for family in families(project, number)}


def test_a_run_of_the_same_commit_says_that_nothing_was_changed(ann: Client) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    for hour, commit in enumerate(("a" * 40, "b" * 40, "b" * 40)):
        a_run(project, green(case2="fail" if hour == 2 else "pass"), hour=hour, commit=commit)
    said = 'the same commit as run <a href="/p/click/runs/2/">2</a>: nothing was changed in between'
    assert said in ann.get("/p/click/runs/3/").text
    assert "same commit" not in ann.get("/p/click/runs/2/").text
    assert "same commit" not in ann.get("/p/click/runs/1/").text


def test_a_run_without_a_commit_is_not_of_the_same(ann: Client) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    for hour in range(2):
        a_run(project, green(), hour=hour, commit="")
    assert "same commit" not in ann.get("/p/click/runs/2/").text
