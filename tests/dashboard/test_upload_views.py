"""One receipt as a page, and reading a delivery again."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from health.models import AuditEntry, Membership, Project, Upload
from tests.builders import a_project, a_received_upload, a_user, an_upload
from tests.scenes import green

pytestmark = pytest.mark.django_db

ERROR = {"code": "not_xml", "message": "page.html is not XML.", "hint": "Send <xml>.", "line": 1, "column": 2}


@pytest.fixture
def ann(client: Client) -> Client:
    client.force_login(a_user("ann"))
    return client


def a_failed(role: str = "owner") -> Upload:
    project = a_project("click")
    Membership.objects.create(project=project, user=User.objects.get(username="ann"), role=role)
    upload = a_received_upload(project, branch="main")
    receipt = {"files": [{"name": "page.html", "state": "failed", "error": ERROR, "warnings": []}], "warnings": []}
    Upload.objects.filter(pk=upload.pk).update(state="failed", error=ERROR, receipt=receipt)
    return upload


def test_a_failure_has_its_place_its_reason_and_what_helps(ann: Client) -> None:
    upload = a_failed()
    page = ann.get(f"/p/click/uploads/{upload.public_id}/").text
    assert "<h1>The file could not be read. Nothing was stored.</h1>" in page
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


def test_a_delivery_asks_for_itself_while_something_moves_and_then_no_more(ann: Client) -> None:
    upload = a_received_upload(a_project("click", owner=User.objects.get(username="ann")))
    Upload.objects.filter(pk=upload.pk).update(n_bytes_plain=4_000_000)
    url = f"/p/click/uploads/{upload.public_id}/"
    first = ann.get(url)
    assert f'hx-get="{url}" hx-trigger="every 3s" hx-target="#main" hx-select="#main"' in first.text
    assert ann.get(url, headers={"If-None-Match": first["ETag"]}).status_code == 304
    Upload.objects.filter(pk=upload.pk).update(state="processing")
    begun = ann.get(url, headers={"If-None-Match": first["ETag"]})
    assert '<progress max="100" value="0" aria-label="Reading">0 %</progress> begins to read 4.0\u00a0MB' in begun.text
    Upload.objects.filter(pk=upload.pk).update(progress=43)
    moved = ann.get(url, headers={"If-None-Match": begun["ETag"]})
    assert f'hx-get="{url}" hx-trigger="every 1s"' in moved.text
    assert 'value="43"' in moved.text
    Upload.objects.filter(pk=upload.pk).update(state="failed", error=ERROR, finished_at=timezone.now())
    over = ann.get(url, headers={"If-None-Match": moved["ETag"]}).text
    assert "hx-trigger" not in over
    assert "<progress" not in over


@pytest.mark.parametrize("step", ["lease_epoch", "next_attempt_at", "due"])
def test_a_try_that_came_to_nothing_is_a_new_page(ann: Client, step: str) -> None:
    """It waits as before: state, tries and progress are the same."""
    upload = a_received_upload(a_project("click", owner=User.objects.get(username="ann")))
    url, later = f"/p/click/uploads/{upload.public_id}/", timezone.now() + timedelta(minutes=9)
    Upload.objects.filter(pk=upload.pk).update(state="retry", lease_epoch=1, next_attempt_at=later)
    etag = ann.get(url)["ETag"]
    assert ann.get(url, headers={"If-None-Match": etag}).status_code == 304
    if step == "lease_epoch":
        Upload.objects.filter(pk=upload.pk).update(lease_epoch=2)
    elif step == "next_attempt_at":
        Upload.objects.filter(pk=upload.pk).update(next_attempt_at=later + timedelta(minutes=9))
    with time_machine.travel(later + timedelta(minutes=1 if step == "due" else -8), tick=False):
        again = ann.get(url, headers={"If-None-Match": etag})
    assert again.status_code == 200
    assert ('hx-trigger="every 3s"' in again.text) is (step == "due")


def test_a_worker_that_died_is_told_on_the_receipt(ann: Client) -> None:
    upload = a_received_upload(a_project("click", owner=User.objects.get(username="ann")))
    tries = [{"code": "worker_crashed", "at": "2026-03-02T09:00:00+00:00"}]
    Upload.objects.filter(pk=upload.pk).update(state="stored", receipt={"files": [], "warnings": [], "tries": tries})
    page = ann.get(f"/p/click/uploads/{upload.public_id}/").text
    assert "read again after the worker died" in page
    assert "2 March 2026, 09:00" in page


def test_the_whole_receipt_is_there_for_machines(ann: Client) -> None:
    upload = a_failed()
    told = ann.get(f"/p/click/uploads/{upload.public_id}/?format=json").json()
    assert (told["state"], told["error"]["code"]) == ("failed", "not_xml")
    assert told["receipt"]["files"][0]["name"] == "page.html"
    assert 'href="?format=json">Receipt as JSON</a>' in ann.get(f"/p/click/uploads/{upload.public_id}/").text


def test_coverage_and_configuration_have_their_parts(ann: Client) -> None:
    upload = a_failed()
    coverage = {"name": "c.xml", "kind": "coverage", "format": "lcov", "state": "stored", "files": 3, "level": ""}
    lines = {"lines_valid": 100, "lines_covered": 80, "branches_valid": 0, "branches_covered": 0}
    warning = {"file": ".suitewatch.yml", "line": 3, "code": "unknown_key", "message": "No such key."}
    receipt = {"files": [coverage | lines], "configuration": {"number": 1, "warnings": [warning]}}
    Upload.objects.filter(pk=upload.pk).update(state="stored", run=1, error=None, receipt=receipt)
    page = ann.get(f"/p/click/uploads/{upload.public_id}/").text
    assert "<h1>Coverage was stored from one file. There is one mistake in .suitewatch.yml.</h1>" in page
    assert "80 of 100" in page
    assert ">none</td>" in page  # no branches
    assert "not named" in page
    assert "executed tests passed" not in page
    assert '<bdi class="id">.suitewatch.yml</bdi><br>line 3' in page
    assert "No such key." in page


@pytest.mark.parametrize("n_files", [1, 100])
def test_the_page_costs_five_queries(
    ann: Client, django_assert_num_queries: Callable[[int], Any], n_files: int
) -> None:
    upload = a_failed()
    warnings = [{"code": f"c{k}", "message": "m"} for k in range(50)]
    files = [{"name": f"{k}.xml", "state": "stored", "tests": 1, "warnings": warnings} for k in range(n_files)]
    Upload.objects.filter(pk=upload.pk).update(state="partial", error=None, receipt={"files": files})
    with django_assert_num_queries(5):  # session, user, membership, upload, files
        page = ann.get(f"/p/click/uploads/{upload.public_id}/").text
    assert ("4,850 remarks of these have no room here" in page) is (n_files == 100)
    assert page.count("<tr") > 50
    assert len(page) < 100_000


def test_a_maintainer_can_have_it_read_again(ann: Client) -> None:
    upload = a_failed("maintainer")
    answer = ann.post(f"/p/click/uploads/{upload.public_id}/again/", follow=True)
    assert "It will be read again within a minute." in answer.text
    upload.refresh_from_db()
    assert (upload.state, upload.attempts) == ("retry", 0)
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action, entry.subject) == ("ann", "upload.retried", str(upload.public_id))
    again = ann.post(f"/p/click/uploads/{upload.public_id}/again/", follow=True)
    assert "It is not waiting for that" in again.text


def test_a_viewer_cannot(ann: Client) -> None:
    upload = a_failed("viewer")
    assert "Read it again" not in ann.get(f"/p/click/uploads/{upload.public_id}/").text
    assert ann.post(f"/p/click/uploads/{upload.public_id}/again/").status_code == 404


def test_a_delivery_of_another_project_is_not_found(ann: Client) -> None:
    a_project("click", owner=User.objects.get(username="ann"))
    foreign = a_received_upload(a_project("theirs"))
    assert ann.get(f"/p/click/uploads/{foreign.public_id}/").status_code == 404
    assert ann.post(f"/p/click/uploads/{foreign.public_id}/again/").status_code == 404


def test_what_failed_as_expected_is_told_beside_the_fraction(ann: Client) -> None:
    upload = a_failed()
    file = {"name": "a.xml", "state": "stored", "tests": 3, "passed": 1, "skipped": 2, "xfailed": 1, "accepted": 3}
    Upload.objects.filter(pk=upload.pk).update(state="stored", run=1, error=None, receipt={"files": [file]})
    page = ann.get(f"/p/click/uploads/{upload.public_id}/").text
    assert "<dt>executed ended as expected: 1 passed, 1 failed as expected</dt><dd>2 of 2</dd>" in page
    assert "<dt>skipped</dt><dd>1</dd>" in page


def test_the_commit_leads_to_its_run_and_the_build_to_ci(ann: Client) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    upload = an_upload(project, green(), build_url="https://ci.example/1", commit="c" * 40)
    page = ann.get(f"/p/click/uploads/{upload.public_id}/").text
    assert '<a href="/p/click/runs/1/" aria-label="Run 1 of this commit">' in page
    assert '<a href="https://ci.example/1" rel="noreferrer">' in page


def test_the_page_names_the_time_zone_once(ann: Client) -> None:
    upload = a_failed()
    Project.objects.update(time_zone="Asia/Tokyo")
    assert ann.get(f"/p/click/uploads/{upload.public_id}/").text.count("Times in Asia/Tokyo") == 1
