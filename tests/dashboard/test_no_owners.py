"""Who should look: where no file says who owns what, the pages of failures say so once, and no empty column stands."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from health.models import Fingerprint
from tests.builders import a_project, a_user
from tests.cause_scenes import count_all, open_page
from tests.scenes import a_run, green

pytestmark = pytest.mark.django_db

SAID = "No owners are set; name them in"
LINK = '<a href="/p/click/settings/#configuration">'


@pytest.fixture
def ann(client: Client) -> Client:
    client.force_login(a_user("ann"))
    return client


def the_pages(client: Client, **files: str) -> list[str]:
    """The pages of the run, the cause and the case of a project with one failure."""
    project = a_project("click", owner=User.objects.get(username="ann"))
    a_run(project, green(case2="fail"), hour=0, **files)
    count_all(project)
    cause = Fingerprint.objects.get(project=project).fingerprint & (2**64 - 1)
    return [open_page(client, f"/p/click/{path}/") for path in ("runs/1", f"causes/{cause:016x}", "cases/2")]


def test_each_page_says_it_once_and_leads_there(ann: Client) -> None:
    for page in the_pages(ann):
        assert page.count(SAID) == 1
        assert f"{SAID} {LINK}" in page
        assert ">Owners</th>" not in page


@pytest.mark.parametrize("files", [{"owners": "/elsewhere/ @others\n"}, {"owners": "* @all\n"}])
def test_where_owners_are_set_nothing_is_said(ann: Client, files: dict[str, str]) -> None:
    for page in the_pages(ann, **files):
        assert SAID not in page


def test_a_configuration_without_owners_sets_none(ann: Client) -> None:
    for page in the_pages(ann, configuration="suites: [{path: tests/web, suite: Web}]\n"):
        assert page.count(SAID) == 1


def test_a_calm_run_asks_for_nobody(ann: Client) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    a_run(project, green(), hour=0)
    assert SAID not in open_page(ann, "/p/click/runs/1/")
