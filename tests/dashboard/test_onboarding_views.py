"""The page of the first upload, and the panel that narrates."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from health.models import Project, Upload, UploadFile, UploadToken
from health.models.projects import is_well_formed_token
from tests.builders import a_project, a_received_upload, a_user, an_upload

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def ann(client: Client) -> Client:
    client.force_login(a_user("ann"))
    return client


@pytest.fixture
def project(ann: Client) -> Project:
    from django.contrib.auth.models import User

    return a_project("click", owner=User.objects.get(username="ann"))


def test_the_panel_asks_again_until_there_is_a_run_to_open(ann: Client, project: Project) -> None:
    waiting = ann.get("/p/click/start/progress/", headers=HTMX).text
    assert 'hx-get="/p/click/start/progress/" hx-trigger="every 2s"' in waiting
    an_upload(project, {"tests.a::one": "pass"})
    done = ann.get("/p/click/start/progress/", headers=HTMX).text
    assert "hx-" not in done
    assert '<a class="act" href="/p/click/">Open the project</a>' in done


def test_what_was_received_is_written_as_people_read_it(ann: Client, project: Project) -> None:
    upload = a_received_upload(project)
    UploadFile.objects.create(
        upload=upload, position=0, name="a\u202e.xml", n_bytes_wire=5, n_bytes_plain=1617, digest=b"x"
    )
    page = ann.get("/p/click/start/").text
    assert "Received a[U+202E].xml, 1,617\u00a0bytes" in page


def test_the_steps_carry_the_token_only_while_it_is_shown(ann: Client, project: Project) -> None:
    response = ann.post("/p/click/start/token/")
    assert response.headers["Location"] == "/p/click/start/"
    first, second = ann.get("/p/click/start/").text, ann.get("/p/click/start/").text
    token = first.split('id="token" tabindex="0">')[1].split("<")[0]
    assert is_well_formed_token(token)
    assert first.count(token) == 4  # itself, two commands that keep it, and the terminal
    assert token not in second
    assert "Make a new token" in second


def test_a_secret_of_another_project_is_not_shown(ann: Client, project: Project) -> None:
    ann.post("/projects/new/", {"name": "other"})
    assert "sw_up_" not in ann.get("/p/click/start/").text.replace("sw_up_…", "")


def test_an_old_session_makes_no_token_for_a_project_in_use(ann: Client, project: Project) -> None:
    with time_machine.travel(timezone.now() + timedelta(hours=13), tick=False):
        assert ann.post("/p/click/start/token/").headers["Location"] == "/p/click/start/"
        an_upload(project, {"tests.a::one": "pass"})
        answer = ann.post("/p/click/start/token/")
    assert answer.headers["Location"] == "/login/?next=/p/click/start/"
    assert UploadToken.objects.count() == 1


@pytest.mark.parametrize("n_uploads", [0, 12])
def test_the_page_costs_eight_queries_at_most(
    ann: Client, project: Project, django_assert_max_num_queries: Callable[[int], Any], n_uploads: int
) -> None:
    for _ in range(n_uploads):
        an_upload(project, {"tests.a::one": "pass"})
    with django_assert_max_num_queries(8):  # session, user, membership, uploads and the first one, files of both, token
        ann.get("/p/click/start/")


@pytest.mark.parametrize(
    ("address", "is_warned"), [("http://127.0.0.1:8000", True), ("https://suitewatch.example.org", False)]
)
def test_an_address_ci_cannot_reach_is_said_beside_the_step(
    ann: Client, project: Project, settings: Any, address: str, is_warned: bool
) -> None:
    settings.BASE_URL = address
    page = ann.get("/p/click/start/").text
    assert ("CI cannot reach this address:" in page) is is_warned
    assert "junit.xml coverage.xml" in page


def test_what_was_not_stored_has_its_state_and_its_line(ann: Client, project: Project) -> None:
    upload = a_received_upload(project)
    error = {"code": "xml_malformed", "message": "Broken.", "hint": "", "line": 3, "column": 7}
    Upload.objects.filter(pk=upload.pk).update(state="failed", error=error)
    page = ann.get("/p/click/start/").text
    assert '<span class="st" data-s="fail">failed</span>' in page
    assert 'Broken.<span class="sub">line 3 : 7</span>' in page
