"""Which configuration counts: the newest of the default branch, in whatever order uploads arrive."""

import itertools
import json

import pytest

from health.in_force import (
    DEFAULT_TIMEOUT_MINUTES,
    fetch_deferral_items,
    fetch_gate_rules,
    find_due_projects,
    settle_configuration,
)
from health.judging import judge_project
from health.models import AuditEntry, Configuration, Job, Project, Series
from health.rebuild import delete_upload, rebuild_if_due, rebuild_project
from health.sql import open_cursor
from tests.builders import a_coverage, a_project, an_upload
from tests.scenes import at

pytestmark = pytest.mark.django_db

CASES = {"tests.api::one": "pass", "tests.web::two": "fail"}
UNIT = "suites: [{path: tests/api, suite: API}]"
OTHER = "suites: [{path: tests, suite: All}]"
LATER = "deferrals: [{cases: tests/api, reason: later}]"
NEVER = "deferrals: [{cases: tests/web, reason: never}]"
OWNED = UNIT + '\nowners: [{path: tests, owners: ["@a"]}]'


def text_in_force(project: Project) -> str | None:
    project.refresh_from_db()
    if project.configuration is None:
        return None
    return Configuration.objects.get(project=project, number=project.configuration).text


def is_rebuilt(project: Project) -> bool:
    return project.pk not in find_due_projects(open_cursor())


def test_without_a_configuration_nothing_is_in_force() -> None:
    project = a_project()
    an_upload(project, CASES)
    assert text_in_force(project) is None
    assert is_rebuilt(project)


def test_the_newest_run_of_the_default_branch_decides_whatever_comes_first() -> None:
    uploads = [(UNIT, 1), (OTHER, 3), ("", 2)]
    for order in itertools.permutations(uploads):
        project = a_project()
        for text, hour in order:
            an_upload(project, CASES, configuration=text, ran_at=at(hour), committed_at=at(hour))
        assert text_in_force(project) == OTHER


def test_what_comes_with_a_pull_request_or_another_branch_is_kept_and_not_in_force() -> None:
    project = a_project()
    upload = an_upload(project, CASES, configuration=UNIT, branch="feature", pull_request="7")
    an_upload(project, CASES, configuration=UNIT, branch="release/1")
    assert upload.configuration is not None
    assert text_in_force(project) is None


def test_an_upload_without_one_leaves_it_in_force_and_an_empty_one_takes_it_back() -> None:
    project = a_project()
    an_upload(project, CASES, configuration=UNIT)
    an_upload(project, CASES)
    assert text_in_force(project) == UNIT
    an_upload(project, CASES, configuration="")
    assert text_in_force(project) == ""


def owners_in_force(project: Project) -> str | None:
    project.refresh_from_db()
    if project.code_owners is None:
        return None
    return Configuration.objects.get(project=project, number=project.code_owners).text


def test_the_two_files_are_in_force_each_by_itself() -> None:
    project = a_project()
    an_upload(project, CASES, configuration=UNIT + "\nrun: {timeout_minutes: 5}")
    rebuild_if_due(project.pk)
    an_upload(project, CASES, owners="* @a")
    assert (text_in_force(project), owners_in_force(project)) == (UNIT + "\nrun: {timeout_minutes: 5}", "* @a")
    assert project.run_timeout_minutes == 5
    assert is_rebuilt(project)
    an_upload(project, CASES, configuration=OTHER)
    assert (text_in_force(project), owners_in_force(project)) == (OTHER, "* @a")
    an_upload(project, CASES, owners="")
    assert (text_in_force(project), owners_in_force(project)) == (OTHER, "")


@pytest.mark.parametrize("text", ["suites: [", "a: *b", "- just\n- a list\n", "a sentence", "suite: []\nrnu: {}"])
def test_a_file_of_which_nothing_was_understood_leaves_the_one_before_in_force(text: str) -> None:
    project = a_project()
    an_upload(project, CASES, configuration=text)
    assert text_in_force(project) is None
    an_upload(project, CASES, configuration=UNIT)
    rebuild_if_due(project.pk)
    upload = an_upload(project, CASES, configuration=text)
    assert (text_in_force(project), is_rebuilt(project)) == (UNIT, True)
    kept = Configuration.objects.get(project=project, number=upload.configuration)
    assert (
        "configuration_unreadable" in [w["code"] for w in kept.warnings] or kept.warnings[0]["code"] == "yaml_forbidden"
    )


@pytest.mark.parametrize("text", ["", "# nothing", "~", "{}", "suites:", "suites: []", "suites: [{path: a, levle: b}]"])
def test_a_file_that_says_nothing_takes_the_one_before_back(text: str) -> None:
    project = a_project()
    an_upload(project, CASES, configuration=UNIT)
    an_upload(project, CASES, configuration=text)
    assert text_in_force(project) == text


def test_of_several_files_of_one_run_their_content_decides_not_who_came_first() -> None:
    found = set()
    files = {
        "a": (UNIT, "* @a", None),
        "b": (OTHER, "* @b", LATER),
        "c": ("suites: [", None, NEVER),
        "d": (None, "* @c", "a: *b"),
    }
    for order in itertools.permutations(files):
        project = a_project()
        for job in order:
            text, owners, deferrals = files[job]
            an_upload(
                project,
                CASES,
                configuration=text,
                owners=owners,
                deferrals=deferrals,
                run_id="1",
                ran_at=at(1),
                job=job,
            )
        found.add((text_in_force(project), owners_in_force(project), patterns_in_force(project)))
    assert len(found) == 1


def test_taking_the_upload_away_takes_its_configuration_back() -> None:
    project = a_project()
    an_upload(project, CASES, configuration=UNIT)
    newest = an_upload(project, CASES, configuration=OTHER)
    delete_upload(project.pk, newest.pk)
    assert text_in_force(project) == UNIT


def test_a_commit_time_that_comes_late_moves_its_configuration_back() -> None:
    project = a_project()
    an_upload(project, CASES, configuration=UNIT, ran_at=at(5), run_id="a")
    an_upload(project, CASES, configuration=OTHER, ran_at=at(9), run_id="b")
    assert text_in_force(project) == OTHER
    an_upload(project, CASES, job="more", ran_at=at(9), committed_at=at(1), run_id="b")
    assert text_in_force(project) == UNIT


def test_a_default_branch_that_is_learned_late_brings_its_configuration() -> None:
    project = a_project(default_branch="")
    an_upload(project, CASES, configuration=UNIT, branch="dev")
    assert text_in_force(project) is None
    an_upload(project, CASES, branch="topic", default_branch="dev")
    assert text_in_force(project) == UNIT
    assert is_rebuilt(project)


def test_other_rules_wait_for_a_rebuild_and_the_same_rules_do_not() -> None:
    project = a_project()
    an_upload(project, CASES, configuration=UNIT)
    assert not is_rebuilt(project)
    assert rebuild_if_due(project.pk)
    assert is_rebuilt(project)
    assert not rebuild_if_due(project.pk)
    an_upload(project, CASES, configuration=OWNED)
    assert text_in_force(project) == OWNED
    assert is_rebuilt(project)
    an_upload(project, CASES, configuration=OTHER)
    assert not is_rebuilt(project)
    rebuild_project(project.pk)
    assert is_rebuilt(project)


def test_how_long_runs_wait_is_set_and_given_back() -> None:
    project = a_project(run_timeout_minutes=45)
    an_upload(project, CASES, configuration=UNIT)
    project.refresh_from_db()
    assert project.run_timeout_minutes == 45
    an_upload(project, CASES, configuration="run: {timeout_minutes: 90}")
    project.refresh_from_db()
    assert project.run_timeout_minutes == 90
    an_upload(project, CASES, configuration=UNIT)
    project.refresh_from_db()
    assert project.run_timeout_minutes == DEFAULT_TIMEOUT_MINUTES


def test_each_change_is_written_down_once() -> None:
    project = a_project()
    for text in (UNIT, UNIT, OTHER):
        an_upload(project, CASES, configuration=text, commit="a" * 40)
    settle_configuration(open_cursor(), project.pk)
    entries = list(AuditEntry.objects.filter(project=project, action="configuration.in_force").order_by("pk"))
    assert [entry.subject for entry in entries] == ["configuration 1", "configuration 2"]
    assert json.loads(json.dumps(entries[1].detail)) == {"before": 1, "after": 2, "commit": "a" * 40, "run": 3}


# --- deferrals and the gate -----------------------------------------------------------------------------


def patterns_in_force(project: Project) -> tuple[str, ...]:
    return tuple(item["cases"] for item in fetch_deferral_items(open_cursor(), project.pk))


def list_unjudged(project: Project) -> list[tuple[int, str]]:
    rows = Job.objects.filter(project=project, is_judged=False).values_list("run", "series")
    lanes = dict(Series.objects.filter(project=project).values_list("number", "lane"))
    return [(run, lanes[series]) for run, series in rows]


def test_a_file_of_deferrals_is_in_force_like_the_other_two() -> None:
    project = a_project()
    an_upload(project, CASES, deferrals=LATER, configuration=UNIT)
    assert patterns_in_force(project) == ("tests/api",)
    an_upload(project, CASES, owners="* @a")  # brings none, and changes nothing
    an_upload(project, CASES, deferrals=NEVER, branch="feature", pull_request="7")
    assert patterns_in_force(project) == ("tests/api",)
    an_upload(project, CASES, deferrals="deferrals: [\n")
    assert patterns_in_force(project) == ("tests/api",)
    newest = an_upload(project, CASES, deferrals=NEVER)
    assert (patterns_in_force(project), text_in_force(project)) == (("tests/web",), UNIT)
    delete_upload(project.pk, newest.pk)
    assert patterns_in_force(project) == ("tests/api",)
    an_upload(project, CASES, deferrals="")
    assert patterns_in_force(project) == ()
    entries = AuditEntry.objects.filter(project=project, action="deferrals.in_force").order_by("pk")
    assert [(entry.subject, entry.detail["before"]) for entry in entries][:2] == [
        ("deferrals file 2", None),
        (f"deferrals file {newest.deferrals_file}", 2),
    ]


def test_both_files_count_and_of_one_pattern_the_configuration_speaks_first() -> None:
    project = a_project()
    an_upload(project, CASES, deferrals='deferrals:\n- cases: tests/web\n- {cases: tests/api, owner: "@b"}')
    an_upload(project, CASES, configuration='# first\ndeferrals:\n- {cases: tests/api, owner: "@a"}')
    assert fetch_deferral_items(open_cursor(), project.pk) == [
        {"cases": "tests/api", "owner": "@a", "file": ".suitewatch.yml", "line": 3},
        {"cases": "tests/web", "file": ".suitewatch-deferrals.yml", "line": 2},
    ]


def test_without_a_file_nothing_is_put_off_and_new_failures_fail_the_gate() -> None:
    project = a_project()
    an_upload(project, CASES)
    assert fetch_deferral_items(open_cursor(), project.pk) == []
    assert fetch_gate_rules(open_cursor(), project.pk) == ("new-failures",)


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("gate: {fail_on: [overdue-reviews, new-failures]}", ("overdue-reviews", "new-failures")),
        ("gate: {fail_on: []}", ()),
        ("gate: {fail_on: [new-failure]}", ("new-failures",)),  # a mistake does not open the gate
        ("gate:", ("new-failures",)),
        (UNIT, ("new-failures",)),
    ],
)
def test_what_fails_at_the_gate_is_what_the_file_says(text: str, rules: tuple[str, ...]) -> None:
    project = a_project()
    an_upload(project, CASES, configuration=text)
    assert fetch_gate_rules(open_cursor(), project.pk) == rules


POLICY = "deferral_policy: {require: [owner]}"


@pytest.mark.parametrize(
    ("before", "files"),
    [
        ({}, {"deferrals": LATER}),
        ({}, {"configuration": LATER}),
        ({"deferrals": LATER}, {"deferrals": NEVER}),
        ({"deferrals": LATER}, {"deferrals": ""}),
        ({"configuration": LATER}, {"configuration": LATER + "\n" + POLICY}),
        ({"configuration": POLICY}, {"configuration": ""}),
    ],
)
def test_other_deferrals_are_settled_though_no_job_is_new(before: dict[str, str], files: dict[str, str]) -> None:
    project = a_project()
    an_upload(project, CASES, **before)
    an_upload(project, CASES)
    an_upload(project, CASES, branch="feature", pull_request="7")
    judge_project(project.pk)
    assert list_unjudged(project) == []
    an_upload(project, None, coverage=[a_coverage({"a.py": "1"})], **files)
    assert list_unjudged(project) == [(2, "main")]


def test_what_says_the_same_about_deferrals_is_not_judged_again() -> None:
    project = a_project()
    an_upload(project, CASES, configuration=LATER)
    judge_project(project.pk)
    an_upload(project, None, coverage=[a_coverage({"a.py": "1"})], configuration=LATER + "\ngate: {fail_on: []}")
    assert list_unjudged(project) == []
