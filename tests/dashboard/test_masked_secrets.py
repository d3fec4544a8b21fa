"""What a failure printed of passwords and tokens is for the project's owners alone (B60)."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from health.models import Failure, FailureText, Fingerprint, Membership, Project
from tests.builders import a_project, a_user, an_upload

pytestmark = pytest.mark.django_db

SECRET = "hunter2-and-more"
PAGES = [
    "/",
    "/p/click/",
    "/p/click/causes/",
    "/p/click/runs/",
    "/p/click/runs/2/",
    "/p/click/cases/0/",
    "/p/click/cases/1/",
]


def sign_in(project: Project, role: str) -> Client:
    client, user = Client(), a_user(f"a-{role}")
    Membership.objects.create(project=project, user=user, role=role)
    client.force_login(user)
    return client


@pytest.fixture
def project() -> Project:
    """A run that passed, and one whose failure and skip print a password in their messages and texts."""
    project = a_project("click", owner=User.objects.create(username="first", password="!"))
    an_upload(project, {"tests::login": "pass", "tests::later": "pass"})
    said = f"E   ConnectionError: postgresql://sw:{SECRET}@db/x\nDB_PASSWORD={SECRET}"
    an_upload(project, {f"tests::password={SECRET}": "fail", "tests::login": "fail", "tests::later": "skip"}, text=said)
    return project


@pytest.mark.parametrize("role", ["viewer", "maintainer"])
@pytest.mark.parametrize("path", ["/", "/p/click/", "/p/click/runs/", "/p/click/runs/2/", "/p/click/cases/0/"])
def test_others_see_a_mask(project: Project, role: str, path: str) -> None:
    answer = sign_in(project, role).get(path)
    assert answer.status_code == 200
    # The name of a case is its identity, byte for byte; its own page and links name it.
    text = answer.text.replace(f"tests::password={SECRET}", "").replace(f"password={SECRET}</a>", "")
    assert f"sw:{SECRET}@" not in text
    assert f"DB_PASSWORD={SECRET}" not in text


@pytest.mark.parametrize("path", ["/p/click/runs/2/", "/p/click/cases/0/"])
def test_who_sees_a_mask_is_told_so(project: Project, path: str) -> None:
    text = sign_in(project, "viewer").get(path).text
    assert "sw:[masked password]@db" in text
    assert "What looks like a secret is masked. An owner of the project sees the whole text." in text


@pytest.mark.parametrize("path", ["/p/click/runs/2/", "/p/click/cases/0/"])
def test_an_owner_sees_the_whole_text(project: Project, path: str) -> None:
    text = sign_in(project, "owner").get(path).text
    assert f"sw:{SECRET}@db" in text
    assert "masked" not in text


def test_what_stands_in_for_a_text_that_is_gone_is_masked_too(project: Project) -> None:
    """The message its cause was first seen with is all that is known then."""
    FailureText.objects.filter(project=project).delete()
    Fingerprint.objects.filter(project=project).update(message=f"login failed: password={SECRET}")
    assert Failure.objects.filter(project=project).exists()
    client = sign_in(project, "viewer")
    for path in PAGES:
        text = client.get(path).text
        assert f"failed: password={SECRET}" not in text, path
    assert "failed: password=[masked password]" in client.get("/p/click/runs/2/").text


def test_a_skip_that_prints_a_secret_is_masked() -> None:
    project = a_project("click")
    an_upload(project, {"tests::later": "skip"}, text=f"needs PASSWORD={SECRET}")
    client = sign_in(project, "viewer")
    for path in ("/p/click/", "/p/click/runs/1/", "/p/click/cases/0/"):
        assert SECRET not in client.get(path).text, path
