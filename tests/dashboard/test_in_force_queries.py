"""The configuration in force as the settings page shows it."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils.html import strip_tags

from dashboard.queries.in_force import read_in_force
from health.models import Project
from health.rebuild import rebuild_if_due
from tests.builders import a_project, a_user, an_upload

pytestmark = pytest.mark.django_db

TEXT = """
suites:
  - {path: tests/unit, level: unit}
  - {path: tests/e2e, levle: e2e}
coverage: {prefixes: [build/, src/]}
expected_jobs: [unit, web]
run: {timeout_minutes: 90}
owners: [{path: tests, owners: ["@a<b"]}]
"""


@pytest.fixture
def ann() -> User:
    return a_user("ann")


@pytest.fixture
def project(ann: User) -> Project:
    return a_project("shop", owner=ann)


def show(ann: User) -> str:
    client = Client()
    client.force_login(ann)
    text: str = client.get("/p/shop/settings/").text
    return text


def test_without_one_the_page_says_what_it_could_do(
    ann: User, project: Project, django_assert_num_queries: Callable[[int], Any]
) -> None:
    with django_assert_num_queries(1):
        assert read_in_force(project) is None
    text = show(ann)
    assert "None has come with" in text
    assert "/suitewatch.schema.json" in text


def test_it_is_shown_with_its_commit_what_was_understood_and_what_was_not(
    ann: User, project: Project, django_assert_num_queries: Callable[[int], Any]
) -> None:
    an_upload(project, {"tests.unit.a::x": "pass"}, configuration=TEXT, owners="* @all\n/x @x\n", commit="abc12345" * 5)
    project.refresh_from_db()
    with django_assert_num_queries(1):
        found = read_in_force(project)
    assert found is not None
    assert [(file.name, file.number, file.run, file.commit[:8]) for file in found.files] == [
        (".suitewatch.yml", 1, 1, "abc12345"),
        ("CODEOWNERS", 2, 1, "abc12345"),
    ]
    assert (found.unreadable, found.is_followed) == ((), False)
    assert found.says == (
        ("Suites and levels", "one rule"),
        ("Prefixes of paths", "build/, src/"),
        ("Jobs of a run", "unit, web"),
        ("A run waits", "90 minutes"),
        ("Owners", "one rule, and two lines of CODEOWNERS"),
    )
    assert [(remark.line, remark.field) for remark in found.remarks] == [(4, "suites[1].levle")]
    text = show(ann)
    assert "are being brought in line" in text
    assert "Did you mean level?" in text
    assert "@a&lt;b" in text
    rebuild_if_due(project.pk)
    assert "are being brought in line" not in show(ann)


def test_an_empty_one_says_that_it_says_nothing(ann: User, project: Project) -> None:
    an_upload(project, {"a::x": "pass"}, configuration="")
    assert "It says nothing" in show(ann)


def test_a_newer_file_that_could_not_be_read_is_named_beside_the_one_that_stays(
    ann: User, project: Project, django_assert_num_queries: Callable[[int], Any]
) -> None:
    an_upload(project, {"a::x": "pass"}, configuration="suites: [\n", commit="abc12345" * 5)
    text = " ".join(strip_tags(show(ann)).split())
    assert "The newest .suitewatch.yml, of commit abc12345, could not be read; none is in force." in text
    an_upload(project, {"a::x": "pass"}, configuration=TEXT, commit="def12345" * 5)
    an_upload(project, {"a::x": "pass"}, configuration="suites: [\n", commit="bad12345" * 5)
    project.refresh_from_db()
    with django_assert_num_queries(1):
        found = read_in_force(project)
    assert found is not None
    (one,) = found.unreadable
    assert [(remark.code, remark.line) for remark in one.file.remarks] == [("configuration_unreadable", 2)]
    assert one.staying == found.configuration
    assert dict(found.says)["A run waits"] == "90 minutes"
    text = " ".join(strip_tags(show(ann)).split())
    assert "of commit bad12345, could not be read; the one of commit def12345 stays in force." in text
    assert ".suitewatch.yml, line 2" in text


def test_the_two_files_are_shown_each_with_the_run_that_brought_it(ann: User, project: Project) -> None:
    an_upload(project, {"a::x": "pass"}, configuration=TEXT, commit="abc12345" * 5)
    an_upload(project, {"a::x": "pass"}, owners="* @all\n", commit="def12345" * 5)
    text = " ".join(strip_tags(show(ann)).split())
    assert "as it came with run 1 of abc12345" in text
    assert "as it came with run 2 of def12345" in text
    assert "one rule, and one line of CODEOWNERS" in text


def test_a_code_owners_alone_is_shown(ann: User, project: Project) -> None:
    an_upload(project, {"a::x": "pass"}, owners="* @all\n")
    text = " ".join(strip_tags(show(ann)).split())
    assert "one line of CODEOWNERS" in text
    assert "CODEOWNERS, as it came" in text


DEFERRED = "deferrals: [{cases: tests/unit, reason: later}, {cases: tests/e2e}]"
POLICY = """
deferrals: [{cases: tests/unit, owner: ann}]
deferral_policy: {require: [reason, owner], review_after_days: 90, passes_to_release: 1}
gate: {fail_on: [new-failures, unbacked-deferrals]}
"""


def test_deferrals_of_both_files_are_counted_and_policy_and_gate_are_said(
    ann: User, project: Project, django_assert_num_queries: Callable[[int], Any]
) -> None:
    an_upload(project, {"a::x": "pass"}, configuration=POLICY, commit="abc12345" * 5)
    an_upload(project, {"a::x": "pass"}, deferrals=DEFERRED, commit="def12345" * 5)
    project.refresh_from_db()
    with django_assert_num_queries(1):
        found = read_in_force(project)
    assert found is not None
    assert [(file.name, file.run) for file in found.files] == [(".suitewatch.yml", 1), (".suitewatch-deferrals.yml", 2)]
    assert found.says == (
        ("Deferrals", "two patterns"),
        ("Deferral policy", "each needs reason, owner; review after 90 days; release after passing on one commit"),
        ("The gate fails on", "new failures, unbacked deferrals"),
    )
    text = " ".join(strip_tags(show(ann)).split())
    assert ".suitewatch-deferrals.yml, as it came" in text
    assert "as it came with run 2 of def12345" in text


def test_a_gate_that_fails_on_nothing_says_so(ann: User, project: Project) -> None:
    an_upload(project, {"a::x": "pass"}, configuration="gate: {fail_on: []}")
    assert "nothing, it only tells" in show(ann)


def test_a_file_of_deferrals_that_could_not_be_read_is_named_as_well(ann: User, project: Project) -> None:
    an_upload(project, {"a::x": "pass"}, deferrals="deferrals: [\n", commit="abc12345" * 5)
    text = " ".join(strip_tags(show(ann)).split())
    assert "The newest .suitewatch-deferrals.yml, of commit abc12345, could not be read; none is in force." in text
    an_upload(project, {"a::x": "pass"}, deferrals=DEFERRED, configuration="a: *b", commit="def12345" * 5)
    an_upload(project, {"a::x": "pass"}, deferrals="deferrals: [\n", commit="bad12345" * 5)
    text = " ".join(strip_tags(show(ann)).split())
    assert "The newest .suitewatch.yml, of commit def12345, could not be read; none is in force." in text
    assert "of commit bad12345, could not be read; the one of commit def12345 stays in force." in text
