"""Counts of causes: of merged results, each case once, whatever came first."""

import itertools

import pytest

from health.baselines import JobKey
from health.causes import count_causes
from health.judging import judge_project
from health.models import Case, CauseCount, Failure, Job, Project
from health.rebuild import delete_run, rebuild_project
from health.rules import outcomes as codes
from health.rules.fingerprints import take_fingerprint
from health.sql import open_cursor
from tests.builders import a_project, an_upload
from tests.cause_scenes import a_said_run, count_all, fails
from tests.scenes import a_run, green

pytestmark = pytest.mark.django_db


def counts(project: Project) -> list[tuple[int, int, int]]:
    rows = CauseCount.objects.filter(project=project).order_by("run", "fingerprint")
    return [(row.run, row.n_failed, row.n_errored) for row in rows]


def totals(project: Project) -> dict[int, tuple[int, int]]:
    rows = CauseCount.objects.filter(project=project)
    return {row.run: (row.n_failed, row.n_errored) for row in rows}


def test_each_broken_case_counts_once_under_what_it_said() -> None:
    project = a_project()
    a_said_run(project, fails("took 1 s", "took 2 s", "other"), hour=0)
    took, other = take_fingerprint("E", "took 1 s"), take_fingerprint("E", "other")
    rows = CauseCount.objects.filter(project=project).values_list("fingerprint", "n_failed", "n_errored")
    assert sorted(rows) == sorted([(took, 2, 0), (other, 1, 0)])


def test_errors_are_kept_apart() -> None:
    project = a_project()
    a_said_run(project, {"a::x": ("fail", "E", "same"), "a::y": ("error", "E", "same")}, hour=0)
    assert counts(project) == [(1, 1, 1)]


def test_what_passed_on_a_retry_broke_nothing_and_the_last_attempt_speaks() -> None:
    project = a_project()
    first = {"a::x": ("fail", "E", "early"), "a::y": ("fail", "E", "early"), "a::z": ("fail", "E", "early")}
    second = {"a::x": ("pass", "", ""), "a::y": ("fail", "E", "late")}
    a_said_run(project, first, hour=0, run_id="r", attempt=1)
    a_said_run(project, second, hour=0, run_id="r", attempt=2)
    rows = CauseCount.objects.filter(project=project).values_list("fingerprint", "n_failed")
    assert sorted(rows) == sorted([(take_fingerprint("E", "early"), 1), (take_fingerprint("E", "late"), 1)])


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_order_of_arrival_does_not_matter(order: tuple[int, ...]) -> None:
    project = a_project()
    attempts = [fails("one", "two"), fails("one"), {"t::broken0": ("error", "F", "three")}]
    for attempt in order:
        a_said_run(project, attempts[attempt], hour=0, run_id="r", attempt=attempt + 1)
    rows = CauseCount.objects.filter(project=project).values_list("fingerprint", "n_failed", "n_errored")
    assert sorted(rows) == sorted([(take_fingerprint("E", "two"), 1, 0), (take_fingerprint("F", "three"), 0, 1)])


def test_counts_agree_with_the_jobs_and_with_counting_anew() -> None:
    project = a_project()
    for hour in range(4):
        a_run(project, green(12, **{f"case{k}": "fail" for k in range(hour)}, case11="error"), hour=hour)
    count_all(project)
    before = counts(project)
    for job in Job.objects.filter(project=project):
        found = CauseCount.objects.filter(project=project, run=job.run)
        assert sum(row.n_failed for row in found) == job.n_failed
        assert sum(row.n_errored for row in found) == job.n_errored
    rebuild_project(project.pk)
    count_all(project)
    assert counts(project) == before


def test_a_merged_case_counts_once() -> None:
    project = a_project()
    a_said_run(project, {"a::old": ("fail", "E", "x"), "a::new": ("fail", "E", "y")}, hour=0)
    old, new = (Case.objects.get(project=project, name=name).ord for name in ("old", "new"))
    Case.objects.filter(project=project, ord=old).update(merged_into=new)
    count_all(project)
    assert sum(n for _, n, _ in counts(project)) == 1


def test_a_job_that_is_gone_or_green_has_no_row() -> None:
    project = a_project()
    a_said_run(project, fails("x"), hour=0)
    a_said_run(project, fails(), hour=1)
    assert totals(project) == {1: (1, 0)}
    series = Job.objects.filter(project=project)[0].series
    delete_run(project.pk, 1)
    count_causes(open_cursor(), project.pk, jobs=[JobKey(1, series)])
    assert not CauseCount.objects.filter(project=project).exists()


def test_nothing_that_was_skipped_is_a_cause() -> None:
    project = a_project()
    an_upload(project, {"a::x": "skip", "a::y": "xfail", "a::z": "retry"})
    count_all(project)
    assert Failure.objects.filter(project=project).exclude(outcome__in=codes.BROKEN).count() == 3
    assert counts(project) == []


def test_which_delivery_came_first_does_not_choose_the_cause() -> None:
    """Two deliveries of one attempt speak of a case: the error hides the failure, in whatever order they came."""
    for words in (("fail", "error"), ("error", "fail")):
        project = a_project()
        for word in words:
            an_upload(project, {"t.x::a": word}, run_id="1", commit="a" * 40)
        judge_project(project.pk)
        (row,) = CauseCount.objects.filter(project=project)
        assert row.fingerprint == take_fingerprint("AssertionError", "error: t.x::a")
