"""The store: runs, series, transitions and counts are right however uploads come."""

from datetime import timedelta

import pytest
from django.db import connection

from health.models import Case, Failure, Job, Project, Run, RunSuite, Series, Suite, SuiteDay, Upload
from health.sql import open_cursor
from ingest.cases import forget_names
from ingest.claims import claim_next
from ingest.metadata import check_metadata
from ingest.store import Contents, LeaseLostError, store_contents
from tests.builders import FIRST_MOMENT, a_project, a_received_upload, a_report, an_upload

pytestmark = pytest.mark.django_db


def transitions(project: Project, run: int) -> tuple[int, int, int, int]:
    row = Run.objects.get(project=project, number=run)
    return row.n_new, row.n_still, row.n_fixed, row.n_gone


def test_an_upload_becomes_a_run_with_counts() -> None:
    project = a_project()
    upload = an_upload(
        project,
        {
            "t.a::1": "pass",
            "t.a::2": "fail",
            "t.b::3": "error",
            "t.b::4": "skip",
            "t.b::5": "xfail",
            "t.b::6": "retry",
        },
    )
    run = Run.objects.get(project=project)
    assert (run.number, upload.run, upload.state) == (1, 1, "stored")
    assert (run.n_declared, run.n_passed, run.n_failed, run.n_errored) == (6, 2, 1, 1)
    assert (run.n_skipped, run.n_xfailed, run.n_flaky) == (1, 1, 1)
    assert run.duration == 6 * 1000
    assert Failure.objects.filter(project=project).count() == 5
    suites = {
        suite.name: RunSuite.objects.get(project=project, suite=suite.number).n_declared
        for suite in Suite.objects.all()
    }
    assert suites == {"t.a": 2, "t.b": 4}


def test_the_first_run_has_nothing_to_be_new_against() -> None:
    project = a_project()
    an_upload(project, {"a": "fail", "b": "pass"})
    assert transitions(project, 1) == (0, 0, 0, 0)
    assert Job.objects.get(project=project).baseline_run is None


def test_new_still_fixed_and_gone_against_the_previous_run() -> None:
    project = a_project()
    an_upload(project, {"a": "pass", "b": "fail", "c": "fail", "d": "pass"})
    an_upload(project, {"a": "fail", "b": "fail", "c": "pass"})
    assert transitions(project, 2) == (1, 1, 1, 1)


def test_a_late_run_takes_its_place_and_its_neighbours_are_told_anew() -> None:
    project = a_project()
    an_upload(project, {"a": "pass"}, ran_at=FIRST_MOMENT)
    an_upload(project, {"a": "fail"}, ran_at=FIRST_MOMENT + timedelta(days=2))
    assert transitions(project, 2) == (1, 0, 0, 0)
    an_upload(project, {"a": "fail"}, ran_at=FIRST_MOMENT + timedelta(days=1))
    assert transitions(project, 3) == (1, 0, 0, 0)
    assert transitions(project, 2) == (0, 1, 0, 0)
    assert Job.objects.get(project=project, run=2).baseline_run == 3


def test_the_commit_orders_runs_before_the_clock_of_the_runner() -> None:
    project = a_project()
    an_upload(project, {"a": "fail"}, committed_at=FIRST_MOMENT, ran_at=FIRST_MOMENT + timedelta(days=9))
    an_upload(
        project,
        {"a": "pass"},
        committed_at=FIRST_MOMENT + timedelta(days=1),
        ran_at=FIRST_MOMENT + timedelta(days=2),
    )
    assert Job.objects.get(project=project, run=2).baseline_run == 1
    assert transitions(project, 2) == (0, 0, 1, 0)


def test_two_workflows_on_one_branch_are_two_series() -> None:
    project = a_project()
    an_upload(project, {"a": "pass"}, job="tests", run_id="1")
    an_upload(project, {"z": "pass"}, job="nightly", run_id="2")
    an_upload(project, {"a": "fail"}, job="tests", run_id="3")
    assert transitions(project, 3) == (1, 0, 0, 0)
    assert Job.objects.get(project=project, run=3).baseline_run == 1
    assert Series.objects.filter(project=project).count() == 2


def test_a_matrix_of_variants_is_one_run_with_a_job_each() -> None:
    project = a_project()
    for run in ("1", "2"):
        an_upload(project, {"a": "pass"}, run_id=run, variant="py3.11", commit=run * 8)
        an_upload(project, {"a": "pass" if run == "1" else "fail"}, run_id=run, variant="py3.13", commit=run * 8)
    assert Run.objects.filter(project=project).count() == 2
    run = Run.objects.get(project=project, number=2)
    assert (run.n_declared, run.n_failed, run.n_new) == (2, 1, 1)


def test_a_run_that_two_branches_claim_stays_in_one_piece() -> None:
    project = a_project(default_branch="main")
    an_upload(project, {"a": "pass"}, branch="main", run_id="17", job="unit")
    an_upload(project, {"b": "pass"}, branch="fix", pull_request="3", run_id="17", job="lint")
    run = Run.objects.get(project=project)
    assert (run.lane, run.n_declared) == ("main", 2)
    assert set(Series.objects.filter(project=project).values_list("lane", flat=True)) == {"main"}


def test_a_pull_request_is_compared_with_the_default_branch_then_with_itself() -> None:
    project = a_project()
    an_upload(project, {"a": "pass", "b": "fail"})
    an_upload(project, {"a": "fail", "b": "fail"}, branch="feature", pull_request="7")
    assert transitions(project, 2) == (1, 1, 0, 0)
    an_upload(project, {"a": "fail", "b": "pass"}, branch="feature", pull_request="7")
    assert Job.objects.get(project=project, run=3).baseline_run == 2
    assert transitions(project, 3) == (0, 1, 1, 0)
    an_upload(project, {"a": "pass", "b": "pass"}, branch="other", pull_request="8")
    assert Job.objects.get(project=project, run=4).baseline_run == 1


def test_a_late_run_of_the_default_branch_becomes_the_baseline_of_a_waiting_pull_request() -> None:
    project = a_project()
    an_upload(project, {"a": "pass"}, ran_at=FIRST_MOMENT)
    an_upload(project, {"a": "fail"}, branch="f", pull_request="7", ran_at=FIRST_MOMENT + timedelta(days=2))
    assert transitions(project, 2) == (1, 0, 0, 0)
    an_upload(project, {"a": "fail"}, ran_at=FIRST_MOMENT + timedelta(days=1))
    assert Job.objects.get(project=project, run=2).baseline_run == 3
    assert transitions(project, 2) == (0, 1, 0, 0)


def test_a_pull_request_of_the_default_branch_does_not_spoil_its_lane() -> None:
    project = a_project()
    an_upload(project, {"a": "fail"}, branch="main", pull_request="7")
    assert Run.objects.get(project=project).lane == "changes"


def test_shards_make_one_job_and_it_is_incomplete_until_all_are_there() -> None:
    project = a_project()
    an_upload(project, {"a": "pass", "b": "pass", "c": "pass"})
    an_upload(project, {"c": "pass"}, run_id="1", shard="2/2", ran_at=FIRST_MOMENT + timedelta(days=99))
    run = Run.objects.get(project=project, external_id="1")
    assert (run.is_complete, run.n_gone) == (False, 0)
    an_upload(project, {"a": "pass"}, run_id="1", shard="1/2", ran_at=FIRST_MOMENT + timedelta(days=99))
    run.refresh_from_db()
    assert (run.is_complete, run.n_declared, run.n_gone) == (True, 2, 1)


def test_a_second_attempt_of_a_cut_shard_makes_the_job_whole() -> None:
    project = a_project()
    for attempt, state in ((1, "partial"), (2, "stored")):
        for shard in ("1/2", "2/2"):
            here = state if shard == "2/2" else "stored"
            errors = 1 if here == "partial" else 0
            an_upload(
                project, {shard: "pass"}, run_id="1", shard=shard, attempt=attempt, state=here, suite_errors=errors
            )
        job = Job.objects.get(project=project)
        assert (job.is_complete, job.n_suite_errors) == (state == "stored", errors if state == "partial" else 0)


def test_a_second_attempt_is_believed_and_remembered() -> None:
    project = a_project()
    an_upload(project, {"a": "fail", "b": "pass"}, run_id="1", attempt=1, ran_at=FIRST_MOMENT)
    an_upload(project, {"a": "pass"}, run_id="1", attempt=2, ran_at=FIRST_MOMENT)
    run = Run.objects.get(project=project)
    assert (run.n_declared, run.n_passed, run.n_failed, run.n_flaky, run.n_attempts) == (2, 2, 0, 1, 2)


def test_a_cut_file_makes_its_job_incomplete_and_nothing_is_said_to_be_gone() -> None:
    project = a_project()
    an_upload(project, {"a": "pass", "b": "pass"})
    an_upload(project, {"a": "pass"}, state="partial")
    assert transitions(project, 2) == (0, 0, 0, 0)
    assert not Job.objects.get(project=project, run=2).is_complete
    assert not Run.objects.get(project=project, number=2).is_complete
    an_upload(project, {"a": "pass", "b": "pass"})
    assert Job.objects.get(project=project, run=3).baseline_run == 1


def test_a_suite_named_with_the_upload_counts_for_that_upload_only() -> None:
    project = a_project()
    an_upload(project, {"t.a::1": "pass"}, suite="contract", job="contract")
    an_upload(project, {"t.a::1": "pass"}, job="unit")
    names = dict(Suite.objects.filter(project=project).values_list("number", "name"))
    counted = {row.run: names[row.suite] for row in RunSuite.objects.filter(project=project)}
    assert counted == {1: "contract", 2: "t.a"}
    assert Suite.objects.get(project=project, name="contract").level == "contract"


def test_days_are_the_projects_own() -> None:
    project = a_project(time_zone="Pacific/Auckland")
    an_upload(project, {"a": "pass"}, ran_at=FIRST_MOMENT.replace(hour=22))
    assert SuiteDay.objects.get(project=project).day == (FIRST_MOMENT + timedelta(days=1)).date()


def test_runs_of_one_day_are_added_up_and_replaced() -> None:
    project = a_project()
    for run in ("1", "2"):
        an_upload(project, {"a": "pass"}, run_id=run, ran_at=FIRST_MOMENT)
    an_upload(project, {"b": "fail"}, run_id="2", ran_at=FIRST_MOMENT)
    day = SuiteDay.objects.get(project=project)
    assert (day.n_runs, day.n_declared, day.n_failed) == (2, 3, 1)


def test_the_default_branch_is_learned_from_the_first_upload_that_shows_it() -> None:
    project = a_project(default_branch="")
    an_upload(project, {"a": "pass"}, branch="feature/x")
    project.refresh_from_db()
    assert project.default_branch == ""
    an_upload(project, {"a": "pass"}, branch="master")
    project.refresh_from_db()
    assert project.default_branch == "master"


def test_storing_twice_is_refused_by_the_fence() -> None:
    project = a_project()
    a_received_upload(project, job="tests", branch="main")
    forget_names()
    delivery = claim_next()
    assert delivery is not None
    report = a_report({"a": "pass"})
    store_contents(delivery, Contents(report), state="stored", receipt={})
    with pytest.raises(LeaseLostError):
        store_contents(delivery, Contents(report), state="stored", receipt={})
    assert Job.objects.get(project=project).n_declared == 1


def test_numbers_stay_dense_and_names_keep_theirs() -> None:
    project = a_project()
    an_upload(project, {"a": "pass", "b": "pass"})
    an_upload(project, {"c": "pass", "a": "pass"})
    names = Case.objects.filter(project=project).order_by("ord").values_list("ord", "name")
    assert list(names) == [(0, "a"), (1, "b"), (2, "c")]


def test_an_upload_without_cases_is_a_run_with_none() -> None:
    project = a_project()
    an_upload(project, {})
    run = Run.objects.get(project=project)
    assert (run.n_declared, run.n_suite_errors) == (0, 0)
    assert Upload.objects.get(project=project).state == "stored"


def test_an_error_of_a_suite_is_no_case_and_still_red() -> None:
    project = a_project()
    an_upload(project, {"a": "pass"}, suite_errors=1)
    assert Run.objects.get(project=project).n_suite_errors == 1


def test_the_view_for_ad_hoc_questions_unpacks_tiles() -> None:
    project = a_project()
    an_upload(project, {f"case {n}": "pass" for n in range(700)}, seconds=1.5)
    an_upload(project, {"case 699": "fail"}, seconds=0.002)
    rows = open_cursor().execute(
        """
        SELECT run, count(*), min(ord), max(ord), max(outcome), max(milliseconds)
        FROM health_result GROUP BY 1 ORDER BY 1
        """
    )
    found = [(*row[:5], float(row[5])) for row in rows]
    assert found == [(1, 700, 0, 699, 1, pytest.approx(1500, rel=0.0005)), (2, 1, 699, 699, 2, 2.0)]


def test_revision_grows_with_each_upload() -> None:
    project = a_project()
    an_upload(project, {"a": "pass"})
    before = Project.objects.get(pk=project.pk).revision
    an_upload(project, {"a": "pass"})
    assert Project.objects.get(pk=project.pk).revision > before


def test_deleting_a_project_leaves_nothing_behind() -> None:
    project, other = a_project(), a_project()
    an_upload(project, {"a": "fail"})
    an_upload(other, {"a": "fail"})
    project.delete()
    with connection.cursor() as cursor:
        for model in (Case, Failure, Job, Run, RunSuite, Series, Suite, SuiteDay, Upload):
            cursor.execute(f"SELECT DISTINCT project_id FROM {model._meta.db_table}")
            assert cursor.fetchall() == [(other.pk,)], model


def test_a_name_with_an_address_in_it_keeps_its_history() -> None:
    project = a_project()
    an_upload(project, {"t::[<X at 0x7f01aabb>]": "pass", "t::[<X at 0x7f01aacc>]": "fail", "t::[0xff]": "pass"})
    second = an_upload(
        project, {"t::[<X at 0x55aabb00>]": "pass", "t::[<X at 0x55aabb10>]": "pass", "t::[0xff]": "pass"}
    )
    assert transitions(project, 2) == (0, 0, 1, 0)
    names = Case.objects.filter(project=project).order_by("ord").values_list("name", "occurrence")
    assert list(names) == [("[<X at <address>>]", 1), ("[<X at <address>>]", 2), ("[0xff]", 1)]
    (warning,) = second.receipt["warnings"]
    assert (warning["code"], warning["count"]) == ("volatile_name", 2)


def test_a_suite_named_after_the_moment_it_ran_keeps_its_history() -> None:
    project = a_project()
    for moment in ("20260301120000", "20260302120000"):
        an_upload(project, {f"TestShop-{moment}::adds": "pass"})
    assert Case.objects.filter(project=project).count() == 1
    assert transitions(project, 2) == (0, 0, 0, 0)


def test_a_masked_name_never_takes_the_place_of_one_that_stands_there_to_the_letter() -> None:
    project = a_project()
    an_upload(project, {"t::<uuid>": "fail", "t::123e4567-e89b-12d3-a456-426614174000": "pass"})
    run = Run.objects.get(project=project)
    assert (run.n_declared, run.n_failed, run.n_passed) == (2, 1, 1)


def test_no_run_id_names_the_run_of_an_upload_without_one() -> None:
    project = a_project()
    first = an_upload(project, {"t::a": "pass"}, run_id="")
    for text in (f"upload {first.pk}", f" upload {first.pk}"):
        sent, _ = check_metadata({"run_id": text}, now=FIRST_MOMENT)
        an_upload(project, {"t::a": "pass"}, run_id=sent.run_id)
    assert Run.objects.filter(project=project).count() == 2
