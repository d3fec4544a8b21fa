"""The list of runs: in the order of commits, by branch, a page at a time."""

import pytest

from dashboard.filters import Filters
from dashboard.queries import runs
from dashboard.queries.runs import RunList, list_runs
from tests.builders import a_project
from tests.scenes import (
    a_matrix,
    a_pull_request_beside_main,
    a_run,
    a_steady_project,
    green,
    out_of_order,
    two_workflows,
)
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db


def numbers(found: RunList) -> list[int]:
    return [line.run.number for line in found.lines]


def test_the_newest_commit_comes_first_whatever_came_last() -> None:
    assert numbers(list_runs(out_of_order(), Filters())) == [1, 3, 2]


def test_a_branch_is_a_lane_and_pull_requests_are_together() -> None:
    project = a_pull_request_beside_main()
    found = list_runs(project, Filters())
    assert found.branches == ("main", "changes")
    assert [line.run.pull_request for line in found.lines] == ["7", "", ""]
    assert numbers(list_runs(project, Filters(branch="main"))) == [2, 1]
    assert numbers(list_runs(project, Filters(branch="changes"))) == [3]
    assert list_runs(project, Filters(branch="nowhere")).lines == ()


def test_each_run_says_what_it_is_made_of() -> None:
    assert [line.what for line in list_runs(two_workflows(), Filters()).lines] == ["docs", "tests", "docs", "tests"]
    assert [line.what for line in list_runs(a_matrix(), Filters()).lines] == ["tests, 2 variants"] * 2


def test_an_incomplete_run_is_not_passed() -> None:
    project = a_project()
    a_run(project, green(), hour=0, variant="a", run_id="1")
    a_run(project, green(), hour=0, variant="b", run_id="1", state="partial")
    assert [line.run.verdict.word for line in list_runs(project, Filters()).lines] == ["incomplete"]


def test_pages_follow_on_each_other_without_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "N_ROWS", 3)
    project = a_project()
    for hour in (4, 1, 3, 3.5, 0, 2, 2, 5):  # two at one moment, and out of order
        a_run(project, green(), hour=hour, run_id=f"{hour}{hour}")
    a_run(project, green(), hour=2, run_id="beside")
    whole, before = [], ""
    while True:
        found = list_runs(project, Filters(before=before))
        whole += numbers(found)
        before = found.next_before
        if not before:
            break
    monkeypatch.setattr(runs, "N_ROWS", 50)
    assert whole == numbers(list_runs(project, Filters()))
    assert len(whole) == len(set(whole)) == 8


@pytest.mark.parametrize("before", ["", "abc", "0", "-1", "99999999999999999999", "１"])
def test_a_strange_place_to_start_behind_is_the_start(before: str) -> None:
    assert numbers(list_runs(out_of_order(), Filters(before=before))) == [1, 3, 2]


def test_its_cost_does_not_grow() -> None:
    for project in (
        a_steady_project("small", n_runs=2, n_cases=6),
        a_steady_project("large", n_runs=51, n_cases=6, n_variants=2),
    ):
        with counted_statements() as sent:
            found = list_runs(project, Filters())
        assert len(sent) == 7  # three of them for what is backed now
    assert found.next_before
