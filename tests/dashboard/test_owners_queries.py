"""Owners on the pages of a case and of a run."""

from collections.abc import Callable
from typing import Any

import pytest

from dashboard.queries.case import read_case_page
from dashboard.queries.cases import read_case_names
from dashboard.queries.owners import read_owners
from dashboard.queries.run import read_run_page
from health.models import Case, Project
from health.rebuild import rebuild_if_due
from tests.builders import a_project, an_upload

pytestmark = pytest.mark.django_db

CASES = {"tests.api::one": "fail", "tests.web::two": "fail", "src.other::three": "fail"}
CONFIGURATION = """
suites: [{path: tests/web, suite: Web}]
owners:
  - {suite: Web, owners: ["@web", me@example.org]}
"""


@pytest.fixture
def project() -> Project:
    project = a_project()
    an_upload(project, CASES, configuration=CONFIGURATION, owners="/tests/ @testers\n")
    rebuild_if_due(project.pk)
    project.refresh_from_db()
    return project


def owners_of(project: Project) -> dict[str, tuple[str, ...]]:
    ords = Case.objects.filter(project=project).values_list("ord", flat=True)
    names = read_case_names(project.pk, project.slug, ords=list(ords))
    found = read_owners(project, cases=list(names.values()))
    return {names[ord_].name: owners for ord_, owners in found.items()}


def test_rules_and_code_owners_name_owners_and_nobody_is_left_out(project: Project) -> None:
    assert owners_of(project) == {"one": ("@testers",), "two": ("@web", "me@example.org")}


def test_owners_cost_one_statement_and_none_without_a_configuration(
    project: Project, django_assert_num_queries: Callable[[int], Any]
) -> None:
    names = list(read_case_names(project.pk, project.slug, ords=[0, 1, 2]).values())
    with django_assert_num_queries(1):
        read_owners(project, cases=names)
    project.configuration = project.code_owners = None
    with django_assert_num_queries(0):
        assert read_owners(project, cases=names) == {}


def test_each_file_names_owners_whichever_came_last(project: Project) -> None:
    an_upload(project, CASES, owners="/tests/ @others\n")
    project.refresh_from_db()
    assert owners_of(project) == {"one": ("@others",), "two": ("@web", "me@example.org")}
    an_upload(project, CASES, configuration="")
    project.refresh_from_db()
    assert owners_of(project) == {"one": ("@others",), "two": ("@others",)}


def test_the_page_of_a_run_names_the_owners_of_its_failures(project: Project) -> None:
    page = read_run_page(project, number=1)
    assert page is not None
    found = {broken.case.name: broken.owners for cause in page.failures.causes for broken in cause.cases}
    assert found == {"one": ("@testers",), "two": ("@web", "me@example.org"), "three": ()}


def test_the_page_of_a_case_names_its_owners(project: Project) -> None:
    case = Case.objects.get(project=project, name="two")
    page = read_case_page(project, number=case.ord)
    assert page is not None
    assert page.owners == ("@web", "me@example.org")
