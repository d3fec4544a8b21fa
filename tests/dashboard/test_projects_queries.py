"""What the list of projects says: states, order, sentences, and what it costs."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from dashboard.queries.projects import ProjectLine, Severity, read_lines, write_sentence
from dashboard.queries.standing import N_RUNS, read_standing
from health.models import CaseVerdict, Job, Project, Run, Series, VanishedCase
from tests.builders import FIRST_MOMENT, a_project, a_received_upload, a_user

pytestmark = pytest.mark.django_db

GREEN = {"declared": 100}
RED = {"declared": 100, "failed": 3}


@pytest.fixture
def ann() -> User:
    return a_user("ann")


def a_history(project: Project, *runs: dict[str, Any], lane: str = "main", job: str = "tests") -> None:
    """Runs of one job with these counts, one a day, written as the store would."""
    series, _ = Series.objects.get_or_create(
        project=project,
        job=job,
        variant="",
        lane=lane,
        defaults={"number": Series.objects.filter(project=project).count() + 1},
    )
    first = Run.objects.filter(project=project).count() + 1
    for k, facts in enumerate(runs):
        _write_run(project, first + k, series, **facts)


def _write_run(
    project: Project,
    number: int,
    series: Series,
    *,
    declared: int,
    failed: int = 0,
    errored: int = 0,
    skipped: int = 0,
    xfailed: int = 0,
    flaky: int = 0,
    suite_errors: int = 0,
    is_complete: bool = True,
) -> None:
    at = FIRST_MOMENT + timedelta(days=number)
    shared = {
        "project": project,
        "branch": series.lane,
        "ran_at": at,
        "ordered_at": at,
        "is_complete": is_complete,
        "n_attempts": 1,
        "n_declared": declared,
        "n_passed": declared - failed - errored - skipped - xfailed,
        "n_failed": failed,
        "n_errored": errored,
        "n_skipped": skipped,
        "n_xfailed": xfailed,
        "n_flaky": flaky,
        "n_suite_errors": suite_errors,
        "duration": 1,
        **dict.fromkeys(("n_new", "n_still", "n_fixed", "n_gone"), 0),
    }
    texts = dict.fromkeys(("provider", "commit", "pull_request", "build_url"), "")
    Run.objects.create(number=number, external_id=str(number), lane=series.lane, **texts, **shared)
    Job.objects.create(run=number, series=series.number, day=at.date(), **shared)


def read_one(user: User) -> ProjectLine:
    (line,) = read_lines(user)
    return line


def test_a_line_carries_each_number_with_its_whole(ann: User) -> None:
    a_history(a_project(owner=ann), {"declared": 203, "failed": 18, "errored": 25, "skipped": 20, "xfailed": 7})
    counts = read_one(ann).counts
    assert counts is not None
    assert (counts.as_expected, counts.executed, counts.declared, counts.deferred) == (140, 183, 203, 27)


@pytest.mark.parametrize(
    ("runs", "severity", "word", "sentence"),
    [
        ([], Severity.WAITING, "no run yet", "No run on main yet."),
        ([GREEN], Severity.CALM, "calm", "Green in its one run."),
        ([GREEN] * 30, Severity.CALM, "calm", "Green for 30 runs."),
        ([GREEN, RED, GREEN], Severity.UNSTEADY, "green", "Green on main; 1 of the last 3 runs was red."),
        (
            [{"declared": 9, "is_complete": False}, GREEN],
            Severity.UNSTEADY,
            "green",
            "Green on main; 1 of the last 2 runs was incomplete or empty.",
        ),
        ([RED], Severity.FAIL, "3 failed", "3 of 100 tests fail on main."),
        ([RED, RED], Severity.FAIL, "3 failed", "3 of 100 tests fail on main, in both runs."),
        (
            [GREEN, RED, RED],
            Severity.FAIL,
            "3 failed",
            "3 of 100 tests fail on main, since 4 Mar 2026, 2 runs in a row.",
        ),
        (
            [GREEN, {"declared": 100, "failed": 1, "errored": 25}],
            Severity.ERROR,
            "25 errors",
            "25 of 100 tests stop with an error on main, 1 fails, since 4 Mar 2026.",
        ),
        (
            [GREEN, {"declared": 40, "is_complete": False}],
            Severity.INCOMPLETE,
            "incomplete",
            "A run on main is incomplete; what arrived passed.",
        ),
        (
            [{"declared": 12, "skipped": 12}],
            Severity.INCOMPLETE,
            "none ran",
            "Nothing ran on main, of 12 declared tests.",
        ),
        (
            [{"declared": 12, "suite_errors": 1}],
            Severity.ERROR,
            "1 error",
            "1 suite cannot be set up on main.",
        ),
        (
            [{"declared": 40, "flaky": 1}],
            Severity.UNSTEADY,
            "flaky",
            "Green on main, but 1 test passed only on a retry.",
        ),
    ],
)
def test_a_state_and_a_sentence(
    ann: User, runs: list[dict[str, Any]], severity: Severity, word: str, sentence: str
) -> None:
    a_history(a_project(owner=ann), *runs)
    line = read_one(ann)
    assert (line.severity, line.judgement.word, line.judgement.sentence) == (severity, word, sentence)


def test_a_project_whose_reports_all_failed_says_so(ann: User) -> None:
    upload = a_received_upload(a_project(owner=ann))
    assert read_one(ann).severity == Severity.WAITING
    upload.state = "failed"
    upload.save()
    assert read_one(ann).judgement.word == "failed"


def test_the_strip_is_the_newest_runs_of_the_main_lane_oldest_first(ann: User) -> None:
    project = a_project(owner=ann)
    a_history(project, RED, *[GREEN] * (N_RUNS - 1), {"declared": 5, "errored": 1, "failed": 1})
    a_history(project, RED, RED, lane="changes")
    line = read_one(ann)
    assert line.marks == ("",) * (N_RUNS - 1) + ("error",)
    assert line.strip_label == "30 runs, 1 red"


@pytest.mark.parametrize(("default_branch", "lane"), [("main", "main"), ("", "release/2")])
def test_a_project_is_judged_by_its_default_branch_else_by_the_branch_that_ran_last(
    ann: User, default_branch: str, lane: str
) -> None:
    project = a_project(owner=ann, default_branch=default_branch)
    a_history(project, GREEN, lane="main")
    a_history(project, GREEN, lane="release/2")
    a_history(project, RED, lane="changes")
    assert {run.lane for run in read_one(ann).runs} == {lane}


def test_a_default_branch_that_never_ran_is_named(ann: User) -> None:
    a_history(a_project(owner=ann, default_branch="trunk"), GREEN, lane="main")
    assert read_one(ann).judgement.sentence == "No run on trunk yet."


def test_the_newest_run_does_not_hide_what_another_workflow_found(ann: User) -> None:
    project = a_project(owner=ann)
    a_history(project, RED, job="slow tests")
    a_history(project, GREEN, job="fast tests")
    line = read_one(ann)
    assert line.severity == Severity.FAIL
    assert line.counts is not None
    assert line.counts.declared == 200


def test_what_is_said_is_what_the_overview_says(ann: User) -> None:
    project = a_project(owner=ann)
    a_history(project, *[RED, GREEN] * 40, job="slow tests")
    a_history(project, GREEN, {"declared": 9, "errored": 1}, job="fast tests")
    head = read_standing(project).head
    assert read_one(ann).head == head


def a_flaky_project(name: str, owner: User, *, n: int = 2, n_vanished: int = 0) -> Project:
    """Green for two runs, and in its windows so many flaky cases, one of which is in two series."""
    project = a_project(name, owner=owner)
    a_history(project, GREEN, GREEN)
    a_history(project, GREEN, job="slow tests")
    counts = dict.fromkeys(("n_ran", "n_broken", "n_retried", "n_disagreed", "n_flips", "n_streak", "last_run"), 1)
    for ord_ in range(n):
        for series in (1, 2)[: 1 + (ord_ == 0)]:
            CaseVerdict.objects.create(project=project, series=series, ord=ord_, verdict="flaky", **counts)
    CaseVerdict.objects.create(project=project, series=1, ord=99, verdict="sound", **counts)
    for ord_ in range(n_vanished):
        VanishedCase.objects.create(
            project=project, series=1, ord=200 + ord_, last_run=1, gone_run=2, suspicion="deselected"
        )
    VanishedCase.objects.create(project=project, series=1, ord=300, last_run=1, gone_run=2, suspicion="renamed")
    return project


def test_calm_is_not_said_without_a_word_of_what_is_flaky_or_vanished(ann: User) -> None:
    a_flaky_project("click", ann, n=11)
    (line,) = read_lines(ann)
    assert (line.severity, line.judgement.word) == (Severity.CALM, "calm, 11 flaky")
    assert write_sentence((line,)) == "click is calm but for eleven flaky tests."
    a_flaky_project("jinja", ann, n=1, n_vanished=3)
    lines = read_lines(ann)
    assert [one.judgement.word for one in lines] == ["calm, 11 flaky", "calm, 1 flaky, 3 vanished"]
    assert write_sentence(lines) == "Both projects are calm but for twelve flaky tests and three vanished tests."
    a_history(a_project("red", owner=ann), RED)
    assert write_sentence(read_lines(ann)) == (
        "red is failing, and the rest is calm but for twelve flaky tests and three vanished tests."
    )


def test_what_is_flaky_on_another_branch_or_ran_no_more_is_left_out(ann: User) -> None:
    project = a_flaky_project("click", ann, n=2)
    a_history(project, GREEN, lane="changes", job="pr")
    CaseVerdict.objects.filter(project=project, ord=1).update(series=3)
    assert read_one(ann).judgement.word == "calm, 1 flaky"
    VanishedCase.objects.filter(project=project).update(gone_run=99, suspicion="deselected")
    assert read_one(ann).judgement.word == "calm, 1 flaky"


def test_an_empty_project_stands_last_and_the_sentence_begins_with_what_is_first(ann: User) -> None:
    a_project("a", owner=ann)
    a_history(a_project("b", owner=ann), GREEN)
    assert [line.name for line in read_lines(ann)] == ["b", "a"]
    assert write_sentence(read_lines(ann)) == "b is calm, and a waits for a first report."
    upload = a_received_upload(a_project("c", owner=ann))
    upload.state = "failed"
    upload.save()
    assert [line.name for line in read_lines(ann)] == ["c", "b", "a"]
    assert write_sentence(read_lines(ann)) == (
        "c waits for a first readable report, a waits for a first report, and the rest is calm."
    )


def test_worst_comes_first(ann: User) -> None:
    for name, runs in {
        "calm": [GREEN],
        "empty": [],
        "failing": [RED],
        "broken": [{"declared": 9, "errored": 1}],
        "shaky": [RED, GREEN],
    }.items():
        a_history(a_project(name, owner=ann), *runs)
    assert [line.name for line in read_lines(ann)] == ["broken", "failing", "shaky", "calm", "empty"]


def test_a_strip_is_all_green_only_when_every_run_was(ann: User) -> None:
    a_history(a_project(owner=ann), {"declared": 9, "is_complete": False}, RED, GREEN)
    assert read_one(ann).strip_label == "3 runs, 1 red, 1 incomplete or empty"


def test_dates_are_of_the_project_s_own_zone(ann: User, client: Client) -> None:
    a_history(a_project(owner=ann, time_zone="Pacific/Auckland"), GREEN, RED, RED)
    assert read_one(ann).judgement.sentence.endswith("since 4 Mar 2026, 2 runs in a row.")
    Run.objects.update(ran_at=FIRST_MOMENT.replace(hour=13))
    assert "since 3 Mar 2026" in read_one(ann).judgement.sentence
    client.force_login(ann)
    assert ">3 Mar 2026</time>" in client.get("/").text


def test_only_ones_own_projects_are_listed(ann: User) -> None:
    a_history(a_project("theirs", owner=a_user()), RED)
    assert read_lines(ann) == ()


@pytest.mark.parametrize(
    ("projects", "sentence"),
    [
        ({}, "No project yet. Add the first one, and send it a report."),
        ({"click": [GREEN]}, "click is calm."),
        ({"a": [GREEN], "b": [GREEN]}, "Both projects are calm."),
        ({"click": [RED]}, "click is failing."),
        ({"a": [RED], "b": [RED]}, "Two projects are failing."),
        (
            {"a": [RED], "b": [RED], "c": [], "d": [GREEN]},
            "Two projects are failing, c waits for a first report, and the rest is calm.",
        ),
        (
            {"a": [RED], "b": [RED], "c": [], "d": []},
            "Two projects are failing, and two wait for a first report.",
        ),
        ({"a": [{"declared": 9, "skipped": 9}]}, "a did not wholly run."),
        ({"a": [RED, GREEN], "b": [GREEN]}, "a is green but not steady, and the rest is calm."),
    ],
)
def test_one_sentence_for_all(ann: User, projects: dict[str, list[dict[str, Any]]], sentence: str) -> None:
    for name, runs in projects.items():
        a_history(a_project(name, owner=ann), *runs)
    assert write_sentence(read_lines(ann)) == sentence


@pytest.mark.parametrize(
    ("runs", "word", "sentence"),
    [
        ([GREEN], "silent", "Green in its one run. No upload for 9 days; usually one every day."),
        ([RED], "3 failed", "3 of 100 tests fail on main. No upload for 9 days; usually one every day."),
    ],
)
def test_silence_is_said_and_hides_no_failure(ann: User, runs: list[dict[str, Any]], word: str, sentence: str) -> None:
    project = a_project("click", owner=ann)
    a_history(project, *runs)
    for day in (12, 11, 10, 9):
        a_received_upload(project, received_at=timezone.now() - timedelta(days=day, minutes=1))
    line = read_one(ann)
    assert (line.judgement.word, line.judgement.sentence) == (word, sentence)
    assert write_sentence((line,)) == ("click fell silent." if word == "silent" else "click is failing.")
    Project.objects.update(is_sample=True)
    assert "No upload" not in read_one(ann).judgement.sentence


@pytest.mark.parametrize(("n_projects", "n_runs"), [(1, 1), (12, 40)])
def test_it_costs_seven_queries_however_much_there_is(
    ann: User, django_assert_num_queries: Callable[[int], Any], n_projects: int, n_runs: int
) -> None:
    for _ in range(n_projects):
        a_history(a_project(owner=ann), *[GREEN] * n_runs)
    a_project(owner=ann)
    a_flaky_project("flaky", ann, n=3 * n_projects)
    with django_assert_num_queries(7):
        read_lines(ann)
