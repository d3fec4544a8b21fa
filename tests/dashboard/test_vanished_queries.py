"""Vanished: what stopped running, why that may be, and which suites slide although all is green."""

import pytest

from dashboard.filters import Filters
from dashboard.queries import vanished
from dashboard.queries.vanished import LostGroup, VanishedPage, read_vanished, write_vanished
from health.judging import judge_project
from health.models import Project, Run, VanishedCase
from tests.builders import a_project, an_upload
from tests.scenes import Cases, a_run, green
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db


def a_history(*runs: Cases, slug: str = "", **more: object) -> Project:
    project = a_project(slug)
    for hour, cases in enumerate(runs):
        a_run(project, cases, hour=hour, **more)
    judge_project(project.pk)
    return project


def read(project: Project, **chosen: str) -> VanishedPage:
    return read_vanished(Project.objects.get(pk=project.pk), Filters(**chosen))


def only(project: Project, **chosen: str) -> LostGroup:
    (group,) = read(project, **chosen).groups
    return group


def of(place: str, *names: str) -> Cases:
    return {f"{place}::{name}": "pass" for name in names}


def test_a_case_that_is_gone_says_when_it_was_seen_and_that_others_still_run() -> None:
    whole = of("tests.api", "reads one user", "writes", "deletes everything")
    project = a_history(whole, whole, of("tests.api", "reads one user", "writes"))
    group = only(project)
    assert (group.n, group.case.name, group.word) == (1, "deletes everything", "deselected or removed")
    assert group.told == "Others of tests.api ran on."
    assert (group.last.run, group.gone.run, group.series) == (2, 3, ("tests",))
    assert write_vanished(read(project)).startswith("One test stopped running on main")


def test_cases_of_one_class_that_went_together_are_one_row() -> None:
    stays, goes = of("tests.api", "reads", "writes"), of("tests.old", "alpha", "beta", "gamma")
    group = only(a_history(stays | goes, stays))
    assert (group.n, group.case.place, group.is_family, group.n_unlisted) == (3, "tests.old", False, 0)
    assert group.word in ("class or file gone", "suite silent")


def test_parameters_that_went_together_are_a_family() -> None:
    stays = of("tests.api", "reads", "writes")
    group = only(a_history(stays | of("tests.api", "test_rows[1]", "test_rows[2]", "test_rows[3]"), stays))
    assert (group.n, group.is_family, group.case.family) == (3, True, "test_rows")


def test_a_renamed_case_leads_to_its_likely_name() -> None:
    rest = of("tests.api", "reads", "writes", "counts")
    project = a_history(
        rest | of("tests.api", "reads one user by name"), rest | of("tests.api", "reads a user by name")
    )
    group = only(project)
    assert (group.mark, group.word) == ("open", "renamed")
    assert group.other is not None
    assert group.other.name == "reads a user by name"
    assert group.told == "A similar one appeared when it vanished."


def test_what_runs_again_leaves_the_list() -> None:
    whole = of("tests.api", "reads", "writes", "deletes everything")
    project = a_history(whole, of("tests.api", "reads", "writes"))
    assert read(project).n_cases == 1
    a_run(project, whole, hour=5)
    judge_project(project.pk)
    page = read(project)
    assert (page.groups, page.n_cases) == ((), 0)
    assert write_vanished(page) == "Every test that ran on main still runs, and no suite shrinks."


def test_a_case_lost_in_several_variants_is_one_row_that_names_them() -> None:
    project = a_project()
    for hour in range(2):
        cases = of("tests.api", "reads", "writes") | (of("tests.api", "deletes everything") if not hour else {})
        for variant in ("3.11", "3.12"):
            a_run(project, cases, hour=hour, variant=variant, run_id=str(hour))
    judge_project(project.pk)
    page = read(project)
    (group,) = page.groups
    assert (group.n, group.series, page.n_cases) == (1, ("tests, 3.11", "tests, 3.12"), 1)
    assert only(project, variant="3.12").series == ("tests, 3.12",)


def test_a_suspicion_and_a_suite_can_be_chosen() -> None:
    stays = of("tests.api", "reads", "writes")
    project = a_history(stays | of("tests.api", "deletes everything"), stays)
    assert read(project, state="deselected").n_groups == 1
    assert read(project, state="renamed").groups == ()
    assert read(project, state="renamed").counts == {"deselected": 1}
    assert read(project, suite="nowhere").counts == {}


def test_a_run_that_is_no_longer_kept_is_said_so() -> None:
    stays = of("tests.api", "reads", "writes")
    project = a_history(stays | of("tests.api", "deletes everything"), stays)
    VanishedCase.objects.filter(project=project).update(last_run=77, gone_run=78)
    group = only(project)
    assert (group.last.run, group.last.ran_at, group.gone.ran_at) == (77, None, None)


def test_pages_go_on_where_the_one_before_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vanished, "N_PAGE", 2)
    stays = green(6)
    project = a_history(stays | {f"t{k}::some{k}": "pass" for k in range(5)}, stays)
    page = read(project)
    assert (len(page.groups), page.n_groups, page.next_before) == (2, 5, 2)
    assert len(read(project, before="4").groups) == 1


def a_sliding_suite(*counts: int, slug: str = "", word: str = "pass") -> Project:
    """Runs in which the one suite declares so many tests, the last ones leaving first."""
    project = a_project(slug)
    for hour, n in enumerate(counts):
        a_run(project, {f"tests.api::case{k:04}": word for k in range(n)}, hour=hour, suite="api")
    judge_project(project.pk)
    return project


def test_a_suite_that_slides_is_reported_although_all_is_green() -> None:
    project = a_sliding_suite(40, 40, 38, 36, 36, 33)
    (suite,) = read(project).shrinking
    assert (suite.suite, suite.now, suite.usual, suite.most.n_declared) == ("api", 33, 38, 40)
    assert suite.told == "7 fewer than 4 runs ago, in three steps"
    assert suite.newest is not None
    assert suite.newest.n_broken == 0
    assert suite.line == (40, 40, 38, 36, 36, 33)
    assert write_vanished(read(project)).endswith(", and one suite shrinks.")


@pytest.mark.parametrize(
    "counts",
    [
        *((40, 40, 40, 40), (10, 20, 30, 40), (40, 30), (40, 40, 30), (10, 20, 40, 39), (30, 40, 30, 40, 35)),
        *((40, 40, 40, 40, 39), (10, 20, 40, 40, 39, 39), (8, 8, 8, 8, 7)),
    ],
)
def test_a_suite_that_holds_or_grows_or_is_young_does_not_shrink(counts: tuple[int, ...]) -> None:
    shrinking = read(a_sliding_suite(*counts)).shrinking
    assert bool(shrinking) == (counts == (30, 40, 30, 40, 35))  # an eighth below the most


def test_what_was_only_renamed_is_no_loss() -> None:
    """Five tests moved to another suite under similar names."""
    names = [f"reads user number {word} by name" for word in ("one", "two", "three", "four", "five")]
    rest = {f"tests.api::case{k}": "pass" for k in range(20)}
    project = a_project()
    for hour in range(5):
        a_run(project, rest | ({f"tests.api::{name}": "pass" for name in names} if hour < 4 else {}), hour=hour)
    judge_project(project.pk)
    (suite,) = read(project).shrinking
    assert (suite.n_fewer, suite.n_renamed) == (5, 0)
    VanishedCase.objects.filter(project=project).update(suspicion="renamed")
    assert read(project).shrinking == ()
    VanishedCase.objects.filter(project=project, ord=VanishedCase.objects.first().ord).update(suspicion="deselected")  # type: ignore[union-attr]
    assert read(project).shrinking[0].told.endswith("; 4 of them look renamed")


def test_a_suite_that_is_silent_now_declares_none() -> None:
    project = a_project()
    for hour in range(6):
        cases = green(6)
        an_upload(project, cases, suite="unit", run_id=str(hour), provider="ci")
        if hour < 5:
            an_upload(
                project,
                {"e2e.web::opens": "pass", "e2e.web::pays": "pass"},
                suite="e2e",
                run_id=str(hour),
                provider="ci",
            )
    judge_project(project.pk)
    shrinking = {suite.suite: suite for suite in read(project).shrinking}
    assert set(shrinking) == {"e2e"}
    assert (shrinking["e2e"].now, shrinking["e2e"].newest) == (0, None)


def test_without_a_run_there_is_a_sentence() -> None:
    page = read(a_project())
    assert (page.groups, page.shrinking, write_vanished(page)) == ((), (), "No run has been judged yet.")


def test_its_cost_does_not_grow() -> None:
    costs = []
    for n, n_runs in ((14, 5), (60, 20)):
        stays = green(6)
        goes = {f"t{k % 7}::some{k}": "pass" for k in range(n)}
        project = a_history(*[stays | goes] * (n_runs - 1), stays)
        with counted_statements() as sent:
            page = read_vanished(Project.objects.get(pk=project.pk), Filters())
        assert page.n_cases == n
        assert Run.objects.filter(project=project).count() == n_runs
        costs.append(len(sent))
    assert costs[0] == costs[1] <= 8


def test_where_groups_are_many_and_large_fewer_cases_of_each_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = {f"t{place}::c{k}": "pass" for place in range(3) for k in range(4)} | green(3)
    project = a_history(whole, whole, green(3))
    assert [len(group.cases) for group in read(project).groups] == [4] * 3
    monkeypatch.setattr(vanished, "_MOST_NAMED", 6)
    page = read(project)
    assert [(group.n, len(group.cases), group.n_unlisted) for group in page.groups] == [(4, 2, 2)] * 3
    assert page.n_cases == 12
