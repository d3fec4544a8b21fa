"""One receipt as a page, and reading a delivery again."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from health.models import Membership, Upload
from tests.builders import a_project, a_received_upload, a_user, an_upload
from tests.scenes import green

pytestmark = pytest.mark.django_db

ERROR = {"code": "not_xml", "message": "page.html is not XML.", "hint": "Send <xml>.", "line": 1, "column": 2}


@pytest.fixture
def ann(client: Client) -> Client:
    client.force_login(a_user("ann"))
    return client


def a_refused(role: str = "owner") -> Upload:
    project = a_project("click")
    Membership.objects.create(project=project, user=User.objects.get(username="ann"), role=role)
    upload = a_received_upload(project, branch="main")
    receipt = {"files": [{"name": "page.html", "state": "failed", "error": ERROR, "warnings": []}], "warnings": []}
    Upload.objects.filter(pk=upload.pk).update(state="failed", error=ERROR, receipt=receipt)
    return upload


def test_a_refusal_has_its_place_its_reason_and_what_helps(ann: Client) -> None:
    upload = a_refused()
    page = ann.get(f"/p/click/uploads/{upload.public_id}/").text
    assert "<h1>The file was refused. Nothing was stored.</h1>" in page
    assert "line 1 : 2" in page
    assert "page.html is not XML." in page
    assert "Send &lt;xml&gt;." in page
    assert "not_xml" in page
    assert "Read it again" in page


def test_a_stored_delivery_leads_to_its_run(ann: Client) -> None:
    upload = an_upload(a_project("click", owner=User.objects.get(username="ann")), green())
    page = ann.get(f"/p/click/uploads/{upload.public_id}/").text
    assert "<h1>Six cases were stored from one file.</h1>" in page
    assert 'href="/p/click/runs/1/"' in page
    assert "Read it again" not in page


def test_a_waiting_delivery_asks_again_by_itself(ann: Client) -> None:
    upload = a_received_upload(a_project("click", owner=User.objects.get(username="ann")))
    url = f"/p/click/uploads/{upload.public_id}/"
    first = ann.get(url)
    assert f'hx-get="{url}" hx-trigger="every 3s"' in first.text
    assert ann.get(url, headers={"If-None-Match": first["ETag"]}).status_code == 304
    Upload.objects.filter(pk=upload.pk).update(state="processing")
    assert ann.get(url, headers={"If-None-Match": first["ETag"]}).status_code == 200


def test_a_maintainer_can_have_it_read_again(ann: Client) -> None:
    upload = a_refused("maintainer")
    answer = ann.post(f"/p/click/uploads/{upload.public_id}/again/", follow=True)
    assert "It will be read again within a minute." in answer.text
    upload.refresh_from_db()
    assert (upload.state, upload.attempts) == ("retry", 0)
    again = ann.post(f"/p/click/uploads/{upload.public_id}/again/", follow=True)
    assert "It is not waiting for that" in again.text


def test_a_viewer_cannot(ann: Client) -> None:
    upload = a_refused("viewer")
    assert "Read it again" not in ann.get(f"/p/click/uploads/{upload.public_id}/").text
    assert ann.post(f"/p/click/uploads/{upload.public_id}/again/").status_code == 404


def test_a_delivery_of_another_project_is_not_found(ann: Client) -> None:
    a_project("click", owner=User.objects.get(username="ann"))
    foreign = a_received_upload(a_project("theirs"))
    assert ann.get(f"/p/click/uploads/{foreign.public_id}/").status_code == 404
    assert ann.post(f"/p/click/uploads/{foreign.public_id}/again/").status_code == 404


def test_what_failed_as_expected_is_told_beside_the_fraction(ann: Client) -> None:
    upload = a_refused()
    file = {"name": "a.xml", "state": "stored", "tests": 3, "passed": 1, "skipped": 2, "xfailed": 1, "accepted": 3}
    Upload.objects.filter(pk=upload.pk).update(state="stored", run=1, error=None, receipt={"files": [file]})
    page = ann.get(f"/p/click/uploads/{upload.public_id}/").text
    assert "<dt>executed ended as expected: 1 passed, 1 failed as expected</dt><dd>2 of 2</dd>" in page
    assert "<dt>skipped</dt><dd>1</dd>" in page
