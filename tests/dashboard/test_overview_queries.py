"""The overview: what it says in each way a project can be, and what it costs."""

import pytest

from dashboard.queries.overview import Overview, read_overview
from health.models import Project
from tests.builders import a_project, an_upload
from tests.scenes import (
    a_matrix,
    a_pull_request_beside_main,
    a_run,
    a_steady_project,
    at,
    green,
    out_of_order,
    two_workflows,
)
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db

NOW = at(24)


def read(project: Project) -> Overview:
    return read_overview(Project.objects.get(pk=project.pk), now=NOW)


def test_two_workflows_are_judged_together() -> None:
    overview = read(two_workflows())
    # The green docs run came last; the tests are still red.
    assert overview.sentence == (
        "main is failing since 2 Mar 2026, in 1 of 2 runs: 1 of 8 executed tests fails, and did not before."
    )
    assert [run.number for run in overview.counted] == [4, 3]
    assert overview.has_several


def test_a_matrix_is_summed_over_its_variants() -> None:
    overview = read(a_matrix())
    assert overview.sentence == "main is failing: 1 of 12 executed tests fails, and did not before."
    assert [run.number for run in overview.counted] == [2]
    assert [recent.what for recent in overview.recent] == ["tests, 2 variants", "tests, 2 variants"]


def test_a_pull_request_is_not_counted() -> None:
    overview = read(a_pull_request_beside_main())
    assert overview.sentence == "main is green: all 6 executed tests passed."
    assert len(overview.recent) == 2
    assert overview.attention.rows == ()


def test_runs_out_of_order_are_shown_in_order() -> None:
    overview = read(out_of_order())
    assert [recent.run.number for recent in overview.recent] == [1, 3, 2]
    assert overview.sentence == "main is green: all 6 executed tests passed."
    assert overview.told_recent == "All three; 1 of them was red."


@pytest.mark.parametrize(
    ("n_runs", "told"),
    [
        (1, "The only one so far."),
        (10, "The eight newest of 10 runs; 9 of the 10 were red."),
        (32, "The eight newest; 30 of the last 30 runs were red."),
    ],
)
def test_what_is_counted_of_the_recent_runs_is_said(n_runs: int, told: str) -> None:
    assert read(a_steady_project("steady", n_runs=n_runs, n_cases=8)).told_recent == told


def test_a_change_in_declared_tests_is_against_the_run_before_of_the_same_jobs() -> None:
    project = a_project()
    a_run(project, green(6), hour=0)
    a_run(project, {"docs::links": "pass"}, hour=1, job="docs")
    a_run(project, green(8), hour=2)
    assert [recent.change for recent in read(project).recent] == [2, None, None]


def test_an_empty_project_has_nothing_but_its_word() -> None:
    overview = read(a_project())
    assert (overview.sentence, overview.numbers, overview.recent) == ("No run yet.", (), ())
    assert not overview.has_other_runs


def test_a_project_whose_default_branch_is_silent_says_so() -> None:
    project = a_project(default_branch="production")
    a_run(project, green(), hour=0)
    overview = read(project)
    assert (overview.sentence, overview.has_other_runs) == ("No run of production yet.", True)


def test_without_a_default_branch_the_long_lived_one_that_ran_last_is_shown() -> None:
    project = a_project(default_branch="")
    an_upload(project, green(), branch="feature", ran_at=at(0))
    assert read(project).standing.lane == "changes"
    an_upload(project, green(), branch="develop", ran_at=at(1))
    an_upload(project, green(), branch="feature", ran_at=at(2))
    assert read(project).standing.lane == "develop"


def test_no_tests_are_no_success() -> None:
    project = a_project()
    a_run(project, {}, hour=0)
    overview = read(project)
    assert overview.sentence == "main sent reports, but none lists a test."
    assert overview.standing.verdict == ("absent", "no tests")
    assert {number.figure for number in overview.numbers} == {"none"}


def test_its_cost_does_not_grow() -> None:
    costs = []
    for project in (
        a_steady_project("small", n_runs=3, n_cases=8),
        a_steady_project("large", n_runs=40, n_cases=600, n_variants=2),
    ):
        fresh = Project.objects.get(pk=project.pk)
        with counted_statements() as sent:
            read_overview(fresh, now=NOW)
        costs.append(len(sent))
    assert costs[0] == costs[1] <= 24  # five of them for the register


def test_a_case_that_was_not_there_or_was_skipped_is_not_said_to_have_passed() -> None:
    for before in (green(3), green(4, case3="skip")):
        project = a_project()
        a_run(project, before, hour=0)
        a_run(project, green(4, case3="fail"), hour=1)
        overview = read(project)
        assert overview.sentence == "main is failing: 1 of 4 executed tests fails, and did not before."
        assert [row.evidence for row in overview.attention.rows] == ["did not fail in run 1; 1 of 4 executed"]
