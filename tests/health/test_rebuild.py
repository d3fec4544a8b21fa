"""The law of derived facts: any order of arrival and any deletion ends in what a rebuild computes."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from health.models import Job, Project, Run, RunSuite, Series, Suite, SuiteDay, Tile, Upload
from health.rebuild import delete_run, delete_upload, rebuild_project
from tests.builders import FIRST_MOMENT, a_project, an_upload

pytestmark = pytest.mark.django_db

NAMES = [f"t.{suite}::{n}" for suite in "ab" for n in range(3)]
outcome_words = st.sampled_from(["pass", "pass", "fail", "error", "skip", "xfail"])
places = st.sampled_from(
    [
        {"branch": "main"},
        {"branch": "main", "job": "nightly"},
        {"branch": "main", "variant": "py3.13"},
        {"branch": "release/1"},
        {"branch": "feature", "pull_request": "7"},
        {"branch": "other", "pull_request": "8"},
    ]
)


@st.composite
def deliveries(draw: st.DrawFn) -> list[tuple[dict[str, str], dict[str, Any]]]:
    """Uploads of a few runs: shards, attempts, cut files, several series, with the run's own facts in common."""
    found = []
    for run in range(draw(st.integers(1, 4))):
        place = draw(places)
        hour = draw(st.integers(0, 60))
        committed = draw(st.sampled_from([None, 3, 30]))
        for _ in range(draw(st.integers(1, 2))):
            cases = draw(st.dictionaries(st.sampled_from(NAMES), outcome_words, max_size=6))
            metadata = {
                **place,
                "run_id": str(run),
                "commit": f"{run:08}",
                "attempt": draw(st.integers(1, 2)),
                "ran_at": FIRST_MOMENT + timedelta(hours=hour),
                "committed_at": committed and FIRST_MOMENT + timedelta(hours=committed),
                "state": draw(st.sampled_from(["stored", "stored", "partial"])),
                "suite_errors": draw(st.integers(0, 1)),
            }
            found.append((cases, metadata))
    return found


def store(project: Project, found: list[tuple[dict[str, str], dict[str, Any]]]) -> None:
    for cases, metadata in found:
        an_upload(project, cases, **{"job": "tests", **metadata})


def picture(project: Project) -> dict[str, Any]:
    """Everything derived, under names that do not depend on the order in which numbers were given."""
    runs = {run.number: run.external_id for run in Run.objects.filter(project=project)}
    series = {s.number: (s.job, s.variant, s.lane) for s in Series.objects.filter(project=project)}
    suites = {s.number: (s.name, s.level) for s in Suite.objects.filter(project=project)}
    skipped = {
        "project_id",
        "project",
        "number",
        "run",
        "series",
        "suite",
        "baseline_run",
        "baseline_series",
        "is_judged",
        "_state",
    }

    def facts(row: Any) -> dict[str, Any]:
        return {name: value for name, value in vars(row).items() if name not in skipped}

    def of(model: Any) -> list[Any]:
        return list(model.objects.filter(project=project))

    return {
        "runs": {row.external_id: facts(row) for row in of(Run)},
        "jobs": {
            (runs[row.run], series[row.series]): {
                **facts(row),
                "baseline": (runs.get(row.baseline_run), series.get(row.baseline_series)),
            }
            for row in of(Job)
        },
        "suites": {(runs[row.run], series[row.series], suites[row.suite]): facts(row) for row in of(RunSuite)},
        "days": {(series[row.series], row.day, suites[row.suite]): facts(row) for row in of(SuiteDay)},
    }


# Each example stores up to 16 uploads through the real store; the database is rolled back with the test.
many = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@many
@given(deliveries(), st.randoms(use_true_random=False))
def test_any_order_of_arrival_ends_alike(found, random) -> None:  # type: ignore[no-untyped-def]
    first, second = a_project(), a_project()
    store(first, found)
    shuffled = found[:]
    random.shuffle(shuffled)
    store(second, shuffled)
    expected = picture(first)
    # Equal places are put in order by the run's number, which is the order of arrival: only then may they differ.
    places = [(m["branch"], m["ran_at"], m["committed_at"]) for _, m in found]
    runs = {m["run_id"]: place for (_, m), place in zip(found, places, strict=True)}
    if len(set(runs.values())) == len(runs):
        assert picture(second) == expected


@many
@given(deliveries())
def test_a_rebuild_changes_nothing(found) -> None:  # type: ignore[no-untyped-def]
    project = a_project()
    store(project, found)
    before = picture(project)
    rebuild_project(project.pk)
    assert picture(project) == before


@many
@given(deliveries(), st.data())
def test_a_deletion_ends_in_what_never_having_come_gives(found, data) -> None:  # type: ignore[no-untyped-def]
    project, other = a_project(), a_project()
    store(project, found)
    gone = data.draw(st.integers(0, len(found) - 1))
    uploads = list(Upload.objects.filter(project=project).order_by("id"))
    delete_upload(project.pk, uploads[gone].pk)
    store(other, found[:gone] + found[gone + 1 :])
    assert picture(project) == picture(other)
    before = picture(project)
    rebuild_project(project.pk)
    assert picture(project) == before


def test_deleting_the_only_run_leaves_an_empty_project() -> None:
    project = a_project()
    an_upload(project, {"a": "fail"})
    delete_run(project.pk, 1)
    for model in (Run, Job, RunSuite, SuiteDay, Tile, Upload):
        assert not model.objects.filter(project=project).exists(), model


def test_a_rebuild_mends_what_was_spoiled() -> None:
    project = a_project()
    an_upload(project, {"a": "pass", "b": "fail"})
    an_upload(project, {"a": "fail", "b": "fail"})
    right = picture(project)
    Run.objects.filter(project=project).update(n_new=99)
    Job.objects.filter(project=project).update(n_still=99, baseline_run=None)
    RunSuite.objects.filter(project=project).update(n_declared=0)
    SuiteDay.objects.filter(project=project).update(n_runs=7)
    rebuild_project(project.pk)
    assert picture(project) == right


def test_a_rebuild_does_not_touch_runs_whose_tiles_are_gone() -> None:
    project = a_project()
    an_upload(project, {"a": "pass", "b": "fail"})
    an_upload(project, {"a": "fail", "b": "fail"})
    Tile.objects.filter(project=project, run=1).delete()
    right = picture(project)
    rebuild_project(project.pk)
    assert picture(project) == right


def test_the_time_of_a_commit_that_comes_late_moves_the_runs_other_jobs_too() -> None:
    project = a_project()
    an_upload(project, {"a": "pass"}, run_id="1", ran_at=FIRST_MOMENT + timedelta(days=1))
    an_upload(project, {"a": "fail"}, run_id="2", ran_at=FIRST_MOMENT + timedelta(days=2))
    assert Run.objects.get(project=project, number=2).n_new == 1
    an_upload(project, {"a": "pass"}, run_id="2", job="lint", committed_at=FIRST_MOMENT, ran_at=FIRST_MOMENT)
    assert Run.objects.get(project=project, number=2).n_new == 0
    assert Run.objects.get(project=project, number=1).n_fixed == 1
    before = picture(project)
    rebuild_project(project.pk)
    assert picture(project) == before
