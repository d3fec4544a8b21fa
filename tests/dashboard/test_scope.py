"""What a page is about: branch, series and suites its filters choose, and as of which run its verdicts are."""

import pytest

from dashboard.filters import Filters
from dashboard.queries.scope import read_scope
from dashboard.queries.windows import read_windows
from health.judging import judge_project
from health.rules.lanes import CHANGES
from tests import scenes
from tests.builders import a_project

pytestmark = pytest.mark.django_db


def test_nothing_chosen_is_the_default_branch_and_all_its_series() -> None:
    project = scenes.a_matrix()
    scope = read_scope(project, Filters())
    assert scope.lane == "main"
    assert [series.variant for series in scope.series] == ["3.11", "3.12"]
    assert scope.suite_numbers is None
    assert scope.titles == {series.number: series.title for series in scope.series}


def test_a_variant_narrows_the_series_and_a_suite_the_cases() -> None:
    project = scenes.a_matrix()
    offer = read_scope(project, Filters()).offer
    scope = read_scope(project, Filters(variant="3.12", suite=offer.suites[0]))
    assert [series.variant for series in scope.series] == ["3.12"]
    assert scope.suite_numbers == sorted(scope.suites)
    assert {suite.name for suite in scope.suites.values()} == {offer.suites[0]}


def test_branches_are_offered_the_default_one_first_and_changes_last() -> None:
    project = scenes.a_pull_request_beside_main()
    assert read_scope(project, Filters()).offer.branches == ("main", CHANGES)
    assert [series.lane for series in read_scope(project, Filters(branch=CHANGES)).series] == [CHANGES]


def test_the_series_of_all_branches_when_a_page_can_show_them() -> None:
    project = scenes.a_pull_request_beside_main()
    lanes = {series.lane for series in read_scope(project, Filters(), is_any_branch=True).series}
    assert lanes == {"main", CHANGES}
    chosen = read_scope(project, Filters(branch="main"), is_any_branch=True)
    assert {series.lane for series in chosen.series} == {"main"}


def test_what_does_not_exist_chooses_nothing_and_stays_chosen() -> None:
    scope = read_scope(scenes.a_matrix(), Filters(branch="nowhere", suite="none"))
    assert (scope.lane, scope.series, scope.suites) == ("nowhere", (), {})
    assert scope.suite_numbers == []


def test_a_project_without_a_run_has_no_branch() -> None:
    scope = read_scope(a_project("empty"), Filters())
    assert (scope.lane, scope.series) == ("", ())


def test_as_of_which_run_the_verdicts_are(django_assert_num_queries) -> None:
    project = scenes.a_steady_project("steady", n_runs=4, n_cases=8, n_variants=2)
    judge_project(project.pk)
    with django_assert_num_queries(2):
        scope = read_scope(project, Filters())
    with django_assert_num_queries(1):
        windows = read_windows(project, scope)
    assert (windows.run, windows.n_runs, windows.n_unjudged) == (4, 4, 0)
    assert windows.ran_at == scenes.at(72)


def test_runs_nobody_judged_yet_are_counted() -> None:
    project = scenes.a_steady_project("steady", n_runs=2, n_cases=8)
    judge_project(project.pk)
    scenes.a_run(project, scenes.green(), hour=100)
    windows = read_windows(project, read_scope(project, Filters()))
    assert (windows.run, windows.n_unjudged) == (2, 1)


def test_nothing_was_judged_where_nothing_ran() -> None:
    project = a_project("empty")
    windows = read_windows(project, read_scope(project, Filters()))
    assert (windows.run, windows.ran_at, windows.n_runs, windows.n_unjudged) == (None, None, 0, 0)
