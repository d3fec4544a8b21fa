"""Which jobs stand for a project: on the branch it is judged by, the newest whole one of each series that reports."""

from datetime import timedelta

import pytest

from health.baselines import JobKey
from health.sql import open_cursor
from health.standing import N_RUNS, Standing, fetch_standing
from tests.builders import FIRST_MOMENT, a_project, an_upload
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db

CASES = {"t.x::a": "pass", "t.x::b": "skip"}


def test_without_a_run_nothing_stands() -> None:
    assert fetch_standing(open_cursor(), a_project().pk) == Standing("main", None, ())
    assert fetch_standing(open_cursor(), a_project(default_branch="").pk) == Standing("", None, ())


def test_of_each_series_the_newest_whole_job_stands() -> None:
    project = a_project()
    an_upload(project, CASES, job="unit")
    an_upload(project, CASES, job="e2e")
    an_upload(project, CASES, job="unit")
    an_upload(project, CASES, job="unit", shard="1/2")  # the other half may be on its way
    found = fetch_standing(open_cursor(), project.pk)
    assert found == Standing("main", 4, (JobKey(3, 1), JobKey(2, 2)))
    assert found.series == [1, 2]


def test_a_series_without_a_whole_job_stands_with_its_newest() -> None:
    project = a_project()
    for _ in range(2):
        an_upload(project, CASES, shard="1/2")
    assert fetch_standing(open_cursor(), project.pk).jobs == (JobKey(2, 1),)


def test_other_branches_do_not_stand() -> None:
    project = a_project()
    an_upload(project, CASES)
    an_upload(project, CASES, branch="feature", pull_request="7")
    an_upload(project, CASES, branch="release/1")
    assert fetch_standing(open_cursor(), project.pk) == Standing("main", 1, (JobKey(1, 1),))


def test_the_newest_is_by_commit_not_by_arrival() -> None:
    project = a_project()
    an_upload(project, CASES)
    an_upload(project, CASES, ran_at=FIRST_MOMENT - timedelta(days=3))
    assert fetch_standing(open_cursor(), project.pk) == Standing("main", 1, (JobKey(1, 1),))


def test_a_series_that_has_long_been_silent_does_not_stand() -> None:
    project = a_project()
    an_upload(project, CASES, job="old")
    for _ in range(N_RUNS):
        an_upload(project, CASES, job="new")
    assert fetch_standing(open_cursor(), project.pk).jobs == (JobKey(N_RUNS + 1, 2),)


def test_two_statements_however_long_the_history() -> None:
    project = a_project()
    for run in range(5):
        for variant in ("3.11", "3.12"):
            an_upload(project, CASES, variant=variant, run_id=str(run), provider="ci")
    with counted_statements() as sent:
        fetch_standing(open_cursor(), project.pk)
    assert len(sent) == 2
