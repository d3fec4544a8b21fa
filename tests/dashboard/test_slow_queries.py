"""Slow: medians with how many results they are of, what became slower since when, suites against their targets."""

import pytest

from dashboard.filters import Filters
from dashboard.queries.attention import read_attention
from dashboard.queries.slow import SlowPage, read_slow, write_rule, write_slow
from dashboard.queries.standing import read_standing
from health.judging import judge_project
from health.models import Project
from tests.builders import a_project
from tests.scenes import a_run, at, green
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db

SHOP = "suite_times: [{suite: shop, seconds: 2}, {suite: shop, seconds: 9}, {suite: nowhere, seconds: 60}]"


def a_history(*seconds: float, n: int = 2, slug: str = "", **more: object) -> Project:
    """Runs in which every case takes so long."""
    project = a_project(slug)
    for hour, taken in enumerate(seconds):
        a_run(project, green(n), hour=hour, seconds=taken, **more)
    judge_project(project.pk)
    return project


def read(project: Project, **chosen: str) -> SlowPage:
    return read_slow(Project.objects.get(pk=project.pk), Filters(**chosen))


def test_the_slowest_come_first_with_their_share_and_their_line() -> None:
    project = a_project()
    for hour in range(3):
        a_run(project, {"t::slow": "pass"}, hour=hour, seconds=0.9, run_id=f"r{hour}", shard="1/2", suite="all")
        a_run(project, {"t::fast": "pass"}, hour=hour, seconds=0.1, run_id=f"r{hour}", shard="2/2", suite="all")
    judge_project(project.pk)
    first, second = read(project).slowest
    assert (first.case.name, round(first.seconds, 2), first.n, first.share) == ("slow", 0.9, 3, "90 % of 1.00\u00a0s")
    assert (second.case.name, second.share) == ("fast", "10 % of 1.00\u00a0s")
    assert [job.run for job, _ in first.line] == [1, 2, 3]
    assert first.path_label == "3 runs, between 900\u00a0ms and 900\u00a0ms"
    assert write_slow(read(project)) == "No test became slower on main; the slowest takes 900\u00a0ms."


def test_what_became_slower_says_so_with_n_on_both_sides_and_since_when() -> None:
    project = a_history(*[0.2] * 12, *[0.9] * 8, n=1)
    page = read(project)
    (speed,) = page.slower
    assert (speed.n, speed.n_before, round(speed.seconds, 1), round(speed.seconds_before, 1)) == (10, 10, 0.9, 0.2)
    assert speed.since is not None
    assert speed.since.run == 13
    assert write_slow(page) == "One test became slower on main; the slowest takes 900\u00a0ms."


def test_what_stopped_running_takes_no_time_any_more() -> None:
    project = a_project()
    for hour in range(3):
        a_run(project, green(3) | ({"t::huge": "pass"} if hour < 2 else {}), hour=hour, seconds=0.5)
    judge_project(project.pk)
    assert "huge" not in {speed.case.name for speed in read(project).slowest}


def test_suites_stand_beside_their_targets() -> None:
    project = a_history(0.4, 0.5, 0.7, n=4, suite="shop", configuration=SHOP)
    a_run(project, {"docs::links": "pass"}, hour=9, job="docs", suite="docs", configuration=SHOP)
    judge_project(project.pk)
    page = read(project)
    first, second = page.suites
    assert (first.suite, first.word, first.target, first.distance) == ("shop", "over its target", 2, "801\u00a0ms over")
    assert (first.usual, first.n_before, first.now.run) == (pytest.approx(1.8, abs=0.01), 2, 3)
    assert (second.suite, second.word, second.distance, second.usual) == ("docs", "no target", "", None)
    assert page.unmeasured == (("nowhere", 60),)
    assert page.has_targets
    assert write_slow(page) == (
        "No single test became slower for good on main; one suite took much longer than usual."
        " One suite is over its target."
    )


def test_a_run_that_took_much_longer_is_told_as_the_overview_tells_it() -> None:
    project = a_history(*[0.3] * 12, 0.7, 0.7, 0.9, n=6, suite="shop")
    page, fresh = read(project), Project.objects.get(pk=project.pk)
    rows = read_attention(fresh, read_standing(fresh), now=at(20)).rows
    (concern,) = (row for row in rows if row.subject.startswith("Test time"))
    assert concern.subject == "Test time rose to 5.40\u00a0s from 1.80\u00a0s"
    assert concern.url == f"/p/{project.slug}/slow/#suites"
    assert concern.since_url == f"/p/{project.slug}/runs/13/"  # from there on nearer to now than to what was usual
    assert write_slow(page) == (
        "No single test became slower for good on main; run 15 took 5.40\u00a0s of test time against 1.80\u00a0s usual."
    )
    (suite,) = page.suites
    assert (round(suite.usual or 0, 1), suite.n_before, suite.is_slower) == (1.8, 10, True)
    assert suite.states == (("stale", "slower than usual"),)
    assert page.has_states
    assert page.branch_time is not None
    assert (page.branch_time.usual.n, page.branch_time.since.number) == (10, 13)
    assert read(project, suite="shop").branch_time is None


def test_a_suite_within_its_target_has_time_to_spare() -> None:
    project = a_history(0.25, n=2, suite="shop", configuration=SHOP)
    (suite,) = read(project).suites
    assert (suite.word, suite.mark, suite.distance) == ("within its target", "holds", "1.50\u00a0s to spare")


def test_without_targets_nothing_is_said_of_them() -> None:
    page = read(a_history(0.2))
    assert (page.has_targets, page.unmeasured, page.suites[0].state) == (False, (), "")


def test_a_suite_that_only_skips_has_no_time() -> None:
    project = a_project()
    for hour in range(2):
        a_run(project, {"t::a": "skip"}, hour=hour, seconds=0, suite="put off")
    judge_project(project.pk)
    page = read(project)
    assert page.slowest == ()
    assert (page.suites[0].now.n_executed, page.suites[0].usual) == (0, None)


def test_a_scope_narrows_all_three() -> None:
    project = a_history(0.2, suite="shop")
    a_run(project, {"docs::links": "pass"}, hour=9, job="docs", suite="docs")
    judge_project(project.pk)
    page = read(project, suite="docs")
    assert [speed.case.name for speed in page.slowest] == ["links"]
    assert [suite.suite for suite in page.suites] == ["docs"]
    assert read(project, job="nothing").slowest == ()


def test_without_a_run_there_is_a_sentence_and_the_rule_has_its_numbers() -> None:
    assert write_slow(read(a_project())) == "No run has been timed yet."
    assert "1.5 times the median of the up to 10 complete runs before and at least 1 s more" in write_rule()
    for words in ("newest 10", "1.5 times", "20 results", "100 ms", "with 5 results"):
        assert words in write_rule()


def test_its_cost_does_not_grow() -> None:
    costs = []
    for n, n_runs in ((2, 12), (150, 25)):
        project = a_history(*[0.1] * (n_runs - 5), *[0.8] * 5, n=n)
        with counted_statements() as sent:
            page = read_slow(Project.objects.get(pk=project.pk), Filters())
        assert page.slowest
        costs.append(len(sent))
    assert costs[0] == costs[1] <= 10
