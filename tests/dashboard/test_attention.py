"""What needs somebody: at most seven rows, the worst first, nothing that is not proven."""

from datetime import datetime, timedelta

import pytest

from dashboard.queries.attention import Attention, read_attention
from dashboard.queries.attention_concern import Concern
from dashboard.queries.standing import read_standing
from health.models import Fingerprint, Project, Upload
from tests.builders import a_project, a_received_upload
from tests.scenes import a_matrix, a_run, a_steady_project, at, green, two_workflows
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db

NOW = at(24 * 3)


def read(project: Project, *, now: datetime = NOW) -> Attention:
    fresh = Project.objects.get(pk=project.pk)
    return read_attention(fresh, read_standing(fresh), now=now)


def words(project: Project, *, now: datetime = NOW) -> list[str]:
    return [row.word for row in read(project, now=now).rows]


def only(project: Project, *, now: datetime = NOW) -> Concern:
    (row,) = read(project, now=now).rows
    return row


def test_a_green_branch_needs_nobody() -> None:
    project = a_project()
    for hour in (0, 1):
        a_run(project, green(), hour=hour)
    assert read(project) == Attention(())
    assert read(a_project()) == Attention(())


def test_a_new_failure_says_since_when_and_what_it_said() -> None:
    project = a_project()
    a_run(project, green(), hour=0)
    a_run(project, green(case2="fail"), hour=1)
    row = only(project)
    assert (row.mark, row.word, row.subject) == ("fail", "new failure", "One test fails")
    assert [case.name for case in row.cases] == ["case2"]
    assert row.quoted == "fail: tests.api::case2"
    assert (row.since, row.since_url) == (at(1), f"/p/{project.slug}/runs/2/")
    assert row.evidence == "passed in run 1; 1 of 6 executed"
    assert row.url == row.cases[0].url


def test_a_failure_that_lasts_is_told_from_its_first_run() -> None:
    project = a_project()
    for hour, word in enumerate(("fail", "pass", "fail", "fail", "fail")):
        a_run(project, green(case2=word), hour=hour)
    row = only(project)
    assert (row.word, row.since, row.evidence) == ("still failing", at(2), "3 runs in a row; 1 of 6 executed")


def test_a_family_is_one_row_and_the_rest_another() -> None:
    project = a_project()
    calm = {f"tests.a::fam[{k}]": "pass" for k in range(5)} | {f"tests.a::lone{k}": "pass" for k in range(4)}
    a_run(project, calm, hour=0)
    a_run(project, dict.fromkeys(calm, "fail"), hour=1)
    rows = read(project).rows
    assert [row.subject for row in rows] == ["5 cases of fam fail", "One test fails", "3 tests fail"]
    assert [(len(row.cases), row.n_unnamed) for row in rows] == [(3, 2), (1, 0), (3, 0)]


def test_what_newly_broke_comes_before_what_never_held() -> None:
    project = a_project()
    a_run(project, {"docs::a": "fail", "docs::b": "error"}, hour=0, job="docs")
    a_run(project, green(), hour=1)
    a_run(project, green(case2="fail"), hour=2)
    assert words(project) == ["new failure", "1 error", "1 failure"]


def test_what_is_new_in_one_of_several_jobs_is_said_so() -> None:
    project = a_project()
    for hour in range(2):
        a_run(project, green(case2="fail"), hour=hour, variant="3.11", run_id=str(hour))
        a_run(project, green(case2="fail" if hour else "pass"), hour=hour, variant="3.12", run_id=str(hour))
    row = only(project)
    assert (row.word, row.evidence) == ("still failing", "2 runs in a row; in 2 of 2 jobs, new in one of them")


def test_the_worst_comes_first_and_the_rest_is_behind() -> None:
    project = a_project()
    a_run(project, green(12, case1="fail"), hour=0)
    a_run(
        project,
        green(11, case1="fail", case2="fail", case3="fail", case4="fail", case5="error", case6="retry"),
        hour=1,
        suite_errors=2,
    )
    refused = a_received_upload(project, job="other")
    Upload.objects.filter(pk=refused.pk).update(state="failed", error={"code": "x", "message": "No XML."})
    attention = read(project)
    assert [row.word for row in attention.rows] == [
        *("new failure", "new failure", "new failure"),
        *("new error", "still failing", "2 suite errors", "1 gone"),
    ]
    assert [row.word for row in attention.more] == ["failed"]


def test_no_test_speaks_for_others_that_said_something_else() -> None:
    project = a_project()
    a_run(project, {f"tests.a::{name}": "pass" for name in "abcde"}, hour=0)
    a_run(project, {f"tests.a::{name}": "fail" for name in "abcde"}, hour=1)
    rows = read(project).rows
    assert [(len(row.cases) + row.n_unnamed, bool(row.quoted)) for row in rows] == [(1, True), (1, True), (3, False)]
    first, *others = Fingerprint.objects.filter(project=project).values_list("fingerprint", flat=True)
    Fingerprint.objects.filter(project=project, fingerprint__in=others).update(merged_into=first)
    assert all(row.quoted for row in read(project).rows)  # somebody said that it is one cause


def test_everything_red_is_a_few_rows() -> None:
    project = a_project()
    a_run(project, {f"tests.s{k}::case": "fail" for k in range(700)}, hour=0)
    row = only(project)
    assert (row.word, row.subject, row.n_unnamed) == ("700 failures", "700 tests fail", 697)


def test_gone_cases_are_named() -> None:
    project = a_project()
    a_run(project, green(6), hour=0)
    a_run(project, green(4), hour=1)
    row = only(project)
    assert (row.word, row.subject) == ("2 gone", "2 tests are gone")
    assert [case.name for case in row.cases] == ["case4", "case5"]
    assert row.url.endswith("/runs/2/#gone")


def test_an_incomplete_run_is_told_and_no_case_of_it_is_gone() -> None:
    project = a_project()
    a_run(project, green(6), hour=0)
    a_run(project, green(4), hour=1, state="partial")
    row = only(project)
    assert (row.word, row.evidence) == ("incomplete", "4 tests arrived")


def test_a_run_without_a_test_is_no_success() -> None:
    project = a_project()
    a_run(project, green(), hour=0)
    a_run(project, {}, hour=1)
    row = only(project)
    assert (row.word, row.evidence) == ("no tests", "compared with run 1")


def test_a_job_that_stayed_silent_is_named_once_its_time_is_over() -> None:
    project = a_matrix()
    a_run(project, green(), hour=2, variant="3.11", run_id="2")
    assert words(project, now=at(3)) == []
    row = only(project, now=at(5))
    assert (row.word, row.subject) == ("not reported", "One job sent nothing")
    assert row.told.startswith("tests, 3.12: ")


def test_each_job_is_told_apart_where_there_are_several() -> None:
    row = only(two_workflows())
    assert row.evidence == "passed in run 1; in 1 of 2 jobs"


def test_a_failed_delivery_is_told_until_a_good_one_of_its_job_came() -> None:
    project = a_project()
    a_run(project, green(), hour=0)
    refused = a_received_upload(project, job="tests", branch="main")
    error = {"code": "not_xml", "message": "page.html is not XML.", "hint": ""}
    Upload.objects.filter(pk=refused.pk).update(state="failed", error=error)
    row = only(project)
    assert (row.word, row.told, row.action) == ("failed", "page.html is not XML.", "Read the receipt")
    assert row.url == f"/p/{project.slug}/uploads/{refused.public_id}/"
    a_run(project, green(), hour=1)
    assert words(project) == []


def test_silence_is_told_when_the_rhythm_of_arrivals_does_not_explain_it() -> None:
    project = a_project()
    uploads = [a_run(project, green(), hour=24 * day) for day in (0, 1, 4, 5)]
    for upload, day in zip(uploads, (10, 11, 14, 15), strict=True):  # results of old runs, sent ten days later
        Upload.objects.filter(pk=upload.pk).update(received_at=at(24 * day))
    assert words(project, now=at(24 * 17.9)) == []
    row = only(project, now=at(24 * 18.1))
    assert (row.word, row.subject, row.evidence) == ("silent", "No upload for 3 days", "usually one every day")
    assert (row.since, row.url) == (at(24 * 15), f"/p/{project.slug}/uploads/")
    Project.objects.filter(pk=project.pk).update(is_sample=True)
    assert words(project, now=at(24 * 300)) == []


def test_a_slow_run_names_the_case_that_gained_most() -> None:
    project = a_project()
    for hour in range(5):
        a_run(project, green(), hour=hour, seconds=0.3)
    a_run(project, green(), hour=6, seconds=0.9)
    row = only(project)
    assert (row.word, row.subject) == ("slower", "Test time rose to 5.40\u00a0s from 1.80\u00a0s")
    assert row.is_going_on
    assert row.told == "took 900\u00a0ms of it, after 300\u00a0ms."


def test_the_usual_time_is_of_as_many_runs_as_it_says() -> None:
    project = a_project()
    for hour in range(8):
        a_run(project, green(), hour=hour, seconds=0.3)
    a_run(project, {"docs::links": "pass"}, hour=8, job="docs")
    a_run(project, green(), hour=9, seconds=0.3)
    a_run(project, green(), hour=10, seconds=0.9)
    assert only(project).evidence == "the median of 2 runs before"


def test_the_words_are_those_of_this_failure_and_its_last_attempt() -> None:
    project = a_project()
    names = ("took 31 s", "took 95 s")
    for hour, broken in enumerate((*names, names[1])):
        a_run(project, {f"t::{name}": "fail" if name == broken else "pass" for name in names}, hour=hour)
    assert only(project).quoted == "fail: t::took 95 s"
    for attempt, word in ((2, "error"), (1, "fail")):
        a_run(project, {"t::took 95 s": word, "t::took 31 s": "pass"}, hour=4, run_id="x", attempt=attempt)
    assert only(project).quoted == "error: t::took 95 s"


def test_jobs_beyond_those_compared_are_not_said_to_hold() -> None:
    project = a_project()
    for variant in range(18):
        a_run(project, green(case2="fail"), hour=0, variant=f"v{variant:02}", run_id="0")
    assert only(project).evidence == "in at least 16 of 18 jobs"


def test_names_of_others_are_shown_with_what_cannot_be_seen() -> None:
    project = a_matrix()
    a_run(project, green(), hour=2, variant="x\u202ey", run_id="2")
    a_run(project, green(), hour=2, variant="3.11", run_id="2")
    a_run(project, green(), hour=3, variant="3.11", run_id="3")
    assert "x[U+202E]y" in read(project, now=at(24)).rows[-1].told


def test_its_cost_does_not_grow() -> None:
    costs = []
    for project in (
        a_steady_project("small", n_runs=3, n_cases=8),
        a_steady_project("large", n_runs=25, n_cases=600, n_variants=3),
    ):
        fresh = Project.objects.get(pk=project.pk)
        standing = read_standing(fresh)
        with counted_statements() as sent:
            attention = read_attention(fresh, standing, now=at(24 * 50))
        costs.append(len(sent))
        assert [row.word for row in attention.rows][:3] == ["new error", "still failing", "1 gone"]
    assert costs[0] == costs[1] <= 19  # four of them for the register


def test_a_moment_is_enough_for_nothing_to_be_stale() -> None:
    project = a_project()
    a_run(project, green(), hour=0)
    assert words(project, now=at(0) + timedelta(days=400)) == []
