"""Runs that came before the default branch was known end where they would have, had it been known."""

from datetime import timedelta
from typing import Any

import pytest

from health.models import Job, Project, Run, Series, SuiteDay
from health.rebuild import rebuild_project
from tests.builders import FIRST_MOMENT, a_project, an_upload
from tests.health.test_rebuild import picture

pytestmark = pytest.mark.django_db

STORY: list[tuple[dict[str, str], dict[str, Any]]] = [
    ({"a": "pass", "b": "fail"}, {"branch": "blead"}),
    ({"a": "fail", "b": "fail"}, {"branch": "feature", "pull_request": "7"}),
    ({"a": "pass"}, {"branch": ""}),
    ({"a": "fail"}, {"branch": "feature"}),
    ({"a": "pass"}, {"branch": "blead", "default_branch": "blead"}),
]


def tell(project: Project, *, first: int = 0) -> None:
    for n, (cases, metadata) in enumerate(STORY[first:], first):
        an_upload(project, cases, **metadata, run_id=str(n), commit=f"{n:08}", ran_at=FIRST_MOMENT + timedelta(hours=n))


def test_a_default_branch_that_is_learned_late_changes_nothing_in_the_end() -> None:
    late, known = a_project(default_branch=""), a_project(default_branch="blead")
    tell(late)
    tell(known)
    late.refresh_from_db()
    assert late.default_branch == "blead"
    assert picture(late) == picture(known)
    assert dict(Run.objects.filter(project=late).values_list("number", "branch"))[3] == "blead"


def test_a_default_branch_that_is_changed_takes_its_runs_along() -> None:
    project, known = a_project(default_branch="other"), a_project(default_branch="blead")
    tell(project)
    tell(known)
    Project.objects.filter(pk=project.pk).update(default_branch="blead")
    rebuild_project(project.pk)
    expected = picture(known)
    found = picture(project)
    # A run that named no branch counted for the default branch of its day, and says so.
    unnamed = Run.objects.get(project=project, external_id="2")
    assert (unnamed.branch, unnamed.lane) == ("other", "changes")
    for kind in ("runs", "jobs"):
        for facts in (expected[kind], found[kind]):
            for key in [key for key in facts if "2" in key]:
                del facts[key]
    assert set(found["runs"]) == set(expected["runs"])
    assert {name: run["lane"] for name, run in found["runs"].items()} == {
        name: run["lane"] for name, run in expected["runs"].items()
    }


def test_no_day_is_counted_twice_when_lanes_change() -> None:
    project = a_project(default_branch="")
    an_upload(project, {"a": "pass"}, branch="blead", ran_at=FIRST_MOMENT)
    an_upload(project, {"a": "pass"}, branch="feature", ran_at=FIRST_MOMENT)
    Project.objects.filter(pk=project.pk).update(default_branch="blead")
    rebuild_project(project.pk)
    lanes = {series.number: series.lane for series in Series.objects.filter(project=project)}
    days = {lanes[day.series]: day.n_runs for day in SuiteDay.objects.filter(project=project)}
    assert days == {"blead": 1, "changes": 1}


def test_pull_requests_of_branches_with_one_name_are_not_compared_with_each_other() -> None:
    project = a_project()
    an_upload(project, {"a": "pass"})
    an_upload(project, {"a": "fail"}, branch="main", pull_request="7")
    an_upload(project, {"a": "pass"}, branch="main", pull_request="9")
    job = Job.objects.get(project=project, run=3)
    assert (job.baseline_run, job.n_fixed) == (1, 0)


def test_a_run_without_a_branch_is_on_nobodys_until_there_is_a_default_branch() -> None:
    project = a_project(default_branch="")
    an_upload(project, {"a": "pass"}, branch="")
    run = Run.objects.get(project=project)
    assert (run.branch, run.lane) == ("", "changes")
    an_upload(project, {"a": "pass"}, branch="main")
    run.refresh_from_db()
    assert (run.branch, run.lane) == ("main", "main")
