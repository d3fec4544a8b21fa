"""How a lane stands: the newest word of every job that still reports, not the newest run alone."""

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from dashboard.queries.attention_arrivals import list_arrivals
from dashboard.queries.projects import read_lines
from dashboard.queries.standing import N_RUNS, Standing, read_standing
from health.models import Project
from tests.builders import a_coverage, a_project, an_upload
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


def read(project: Project) -> Standing:
    return read_standing(Project.objects.get(pk=project.pk))


def verdict(project: Project) -> tuple[str, str]:
    return read(project).verdict


def test_a_green_workflow_does_not_hide_a_red_one() -> None:
    standing = read(two_workflows())
    assert standing.verdict == ("fail", "failing")
    assert standing.head is not None
    assert (standing.head.counts.declared, standing.head.counts.failed, standing.head.n_jobs) == (8, 1, 2)
    assert [point.counts.declared for point in standing.points] == [6, 8, 8, 8]
    assert [point.is_red for point in standing.points] == [False, False, True, True]


def test_a_matrix_is_one_run_of_all_its_variants() -> None:
    standing = read(a_matrix())
    assert [point.counts.declared for point in standing.points] == [12, 12]
    assert standing.head is not None
    assert (standing.head.counts.failed, standing.head.n_jobs) == (1, 2)


def test_a_matrix_without_run_ids_is_counted_as_one_all_the_same() -> None:
    project = a_project("loose")
    for hour, variant, word in ((0, "a", "pass"), (0.1, "b", "pass"), (1, "a", "fail"), (1.1, "b", "pass")):
        a_run(project, green(case2=word), hour=hour, variant=variant, run_id="", provider="")
    standing = read(project)
    assert [point.counts.declared for point in standing.points] == [6, 12, 12, 12]
    assert standing.verdict.word == "failing"
    assert standing.silent == ()


def test_a_pull_request_says_nothing_about_main() -> None:
    standing = read(a_pull_request_beside_main())
    assert standing.verdict == ("pass", "passing")
    assert len(standing.runs) == 2


def test_runs_stand_in_the_order_of_their_commits() -> None:
    standing = read(out_of_order())
    assert [point.is_red for point in standing.points] == [False, True, False]
    assert [run.number for run in standing.runs] == [2, 3, 1]
    assert standing.verdict.word == "passing"


def test_a_job_whose_sisters_went_on_without_it_is_silent_and_no_longer_counted() -> None:
    project = a_matrix()
    a_run(project, green(), hour=2, variant="3.11", run_id="2")
    standing = read(project)
    assert [job.variant for job in standing.silent] == ["3.12"]
    assert standing.head is not None
    assert (standing.head.n_jobs, standing.verdict.word) == (1, "passing")
    a_run(project, green(), hour=3, variant="3.12", run_id="3")
    assert read(project).silent == ()


def test_a_job_that_has_not_been_heard_of_for_long_no_longer_counts() -> None:
    project = a_project("old")
    a_run(project, {"old::one": "fail"}, hour=0, job="retired")
    for hour in range(1, N_RUNS):
        a_run(project, green(), hour=hour)
    assert verdict(project) == ("fail", "failing")
    a_run(project, green(), hour=N_RUNS)
    assert verdict(project) == ("pass", "passing")


@pytest.mark.parametrize(
    ("cases", "state", "word"),
    [
        ({}, "stored", "no tests"),
        ({"a::b": "skip"}, "stored", "none ran"),
        ({"a::b": "pass"}, "partial", "incomplete"),
        ({"a::b": "error", "a::c": "fail"}, "stored", "errors"),
        ({"a::b": "fail"}, "partial", "failing"),
    ],
)
def test_the_words_of_the_states(cases: dict[str, str], state: str, word: str) -> None:
    project = a_project()
    an_upload(project, cases, state=state)
    assert verdict(project)[1] == word


def test_without_a_run_there_is_a_word_for_that() -> None:
    standing = read(a_project())
    assert (standing.verdict, standing.head, standing.lane) == (("open", "no runs"), None, "main")


def test_red_is_told_from_the_first_point_of_the_red_time() -> None:
    project = a_project()
    for hour, word in enumerate(("pass", "fail", "pass", "fail", "fail")):
        a_run(project, green(case1=word), hour=hour)
    first = read(project).red_since
    assert first is not None
    assert first.run.number == 4


def test_runs_of_coverage_alone_displace_no_run_with_tests(admin_user: User) -> None:
    project = a_project("shop", owner=admin_user)
    a_run(project, green(case0="fail"), hour=0, job="e2e", shard="1/2")
    for k in range(1, 21):
        a_run(project, green(), hour=k)
        a_run(project, None, hour=k + 0.5, job="coverage", coverage=[a_coverage({"a.py": "10"})])
    standing = read(project)
    assert standing.verdict == ("fail", "failing")
    assert set(standing.missing) == {1}
    assert (len(standing.points), len(standing.runs)) == (21, N_RUNS)
    (line,) = read_lines(admin_user)
    assert line.judgement.word == "1 failed"
    assert next(list_arrivals(project, standing, now=timezone.now())).subject == "Run 1 is incomplete"


def test_the_newest_run_waits_for_its_tests_although_its_coverage_came(admin_user: User) -> None:
    project = a_project("shop", owner=admin_user)
    a_run(project, green(), hour=0)
    a_run(project, None, hour=1, job="coverage", coverage=[a_coverage({"a.py": "10"})], expected_jobs=3)
    standing = read(project)
    assert standing.verdict == ("stale", "incomplete")
    assert set(standing.missing) == {2}
    (line,) = read_lines(admin_user)
    assert line.judgement.word == "incomplete"
    a_run(project, green(), hour=2)
    assert read(project).verdict == ("pass", "passing")


def test_it_costs_two_statements_however_much_there_is() -> None:
    for project in (
        a_steady_project("small", n_runs=2, n_cases=5),
        a_steady_project("large", n_runs=40, n_cases=5, n_variants=2),
    ):
        fresh = Project.objects.get(pk=project.pk)
        with counted_statements() as sent:
            standing = read_standing(fresh)
        assert len(sent) == 2
    assert len(standing.runs) == N_RUNS
    assert not standing.is_whole
