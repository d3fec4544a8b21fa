"""The list of deliveries as a page."""

import csv
import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from dashboard.queries.uploads import N_ROWS
from health.models import AuditEntry, Membership, Project, Refusal, Upload, UploadToken
from health.retries import read_again
from tests.builders import a_project, a_received_upload, a_user, an_upload
from tests.scenes import green

pytestmark = pytest.mark.django_db
PAGE = "/p/click/uploads/"
ERROR = {"code": "not_xml", "message": "<b> is no XML."}


@pytest.fixture
def ann(client: Client) -> Client:
    client.force_login(a_user("ann"))
    return client


@pytest.fixture
def project(ann: Client) -> Project:
    return a_project("click", owner=User.objects.get(username="ann"))


def a_refused(project: Project, **fields: Any) -> Upload:
    upload = a_received_upload(project)
    Upload.objects.filter(pk=upload.pk).update(**({"state": "failed", "error": ERROR} | fields))
    return upload


def test_each_delivery_leads_to_its_receipt_and_its_run(ann: Client, project: Project) -> None:
    stored = an_upload(project, green())
    a_refused(project)
    page = ann.get(PAGE).text
    assert "<h1>Of 2 deliveries in 30 days one failed.</h1>" in page
    assert f'href="/p/click/uploads/{stored.public_id}/"' in page
    assert 'href="/p/click/runs/1/"' in page
    assert "&lt;b&gt; is no XML." in page


def test_a_choice_says_what_is_shown(ann: Client, project: Project) -> None:
    an_upload(project, green())
    assert "<h1>The one delivery of the last 30 days was stored whole.</h1>" in ann.get(PAGE).text
    a_refused(project)
    assert "<h1>The one delivery shown was not wholly stored.</h1>" in ann.get(f"{PAGE}?state=failed").text
    assert "<h1>The one delivery shown is whole.</h1>" in ann.get(f"{PAGE}?state=stored").text
    waiting = ann.get(f"{PAGE}?state=waiting").text
    assert "<h1>Nothing waits.</h1>" in waiting
    assert "No delivery fits this choice." in waiting
    page = ann.get(f"{PAGE}?reason=not_xml").text
    assert ">because of: not XML, in the last 30 days</a>" in page
    assert 'id="reasons"' not in page


def test_a_reason_leads_to_the_deliveries_it_counts(ann: Client, project: Project) -> None:
    """The same code of two kinds is two rows, each with its own deliveries."""
    a_refused(project)
    a_refused(project, state="dead")
    a_refused(project, state="partial", error=None, receipt={"files": [{"name": "a", "error": ERROR}]})
    a_refused(project, error=None)
    page = ann.get(PAGE).text
    for state, n in (("failed", 2), ("partial", 1)):
        link = f"?state={state}&amp;reason=not_xml"
        assert f'<a href="{link}" aria-label="{n}: list them">{n}</a>' in page
        listed = ann.get(f"{PAGE}{link.replace('&amp;', '&')}&format=json").json()["rows"]
        assert len(listed) == n
    assert 'reason="' not in page  # where no reason was kept, there is nothing to look for


def test_what_can_be_read_again_alone_can_be_read_again_with_others(ann: Client, project: Project) -> None:
    upload = a_refused(project, error={"code": "payload_missing", "message": "m"})
    assert "Read it again" in ann.get(f"{PAGE}{upload.public_id}/").text
    assert 'aria-label="Read all again: the files are no longer kept"' in ann.get(PAGE).text


def test_what_waits_says_for_how_long_and_is_asked_for(ann: Client, project: Project) -> None:
    an_upload(project, green())
    assert "hx-trigger" not in ann.get(PAGE).text
    upload = a_received_upload(project)
    Upload.objects.filter(pk=upload.pk).update(next_attempt_at=timezone.now() - timedelta(minutes=4, seconds=9))
    page = ann.get(PAGE).text
    assert "One upload has waited 4 minutes. Nothing is being read: does a worker run?" in page
    assert f'hx-get="{PAGE}" hx-trigger="every 3s"' in page
    Upload.objects.filter(pk=upload.pk).update(state="processing", progress=43, n_bytes_plain=4_000_000)
    page = ann.get(f"{PAGE}?state=waiting").text
    assert f'hx-get="{PAGE}?state=waiting" hx-trigger="every 1s"' in page
    assert '<progress max="100" value="43" aria-label="Reading">43 %</progress> 43\u00a0% of 4.0\u00a0MB read' in page
    Upload.objects.filter(pk=upload.pk).update(state="retry", next_attempt_at=timezone.now() + timedelta(minutes=9))
    page = ann.get(PAGE).text
    assert "One is tried again later," in page
    assert "hx-trigger" not in page


def test_refusals_at_the_door_are_among_the_reasons(ann: Client, project: Project) -> None:
    token = UploadToken.issue(project, name="ci")[0]
    Refusal.objects.create(project=project, token=token, error={"code": "too_large", "message": "30 MB."}, n=4)
    page = ann.get(PAGE).text
    assert "<h1>Nothing came in the last 30 days, but CI was refused four times.</h1>" in page
    assert "Too large a body" in page
    assert '<span class="st" data-s="absent">refused</span>' in page
    assert "Read all again</button>" not in page


def test_a_silence_is_the_first_thing_said(ann: Client, project: Project) -> None:
    now = timezone.now()
    for day in reversed(range(9, 14)):
        upload = a_received_upload(project, received_at=now - timedelta(days=day, minutes=1))
        Upload.objects.filter(pk=upload.pk).update(state="stored")
    page = ann.get(PAGE).text
    assert "<h1>No upload for 9 days; usually one every day.</h1>" in page
    assert '<span class="st" data-s="stale">silent</span>' in page
    Project.objects.update(is_sample=True)
    assert "No upload for" not in ann.get(PAGE).text


def test_reading_an_old_one_again_is_seen(ann: Client, project: Project) -> None:
    old = a_refused(project)
    for _ in range(N_ROWS):
        a_received_upload(project)
    before = ann.get(f"{PAGE}?state=trouble")
    assert read_again(Upload.objects.get(pk=old.pk), user=User.objects.get(username="ann"))
    again = ann.get(f"{PAGE}?state=trouble", headers={"If-None-Match": before["ETag"]})
    assert again.status_code == 200
    assert "Everything was stored whole." in again.text


def test_a_new_delivery_is_seen_before_it_changes_a_fact(ann: Client, project: Project) -> None:
    first = ann.get(PAGE)
    assert ann.get(PAGE, headers={"If-None-Match": first["ETag"]}).status_code == 304
    a_received_upload(project)
    again = ann.get(PAGE, headers={"If-None-Match": first["ETag"]})
    assert again.status_code == 200
    assert '<span class="st" data-s="open">waiting</span>' in again.text


def test_nothing_sent_leads_to_the_first_upload(ann: Client, project: Project) -> None:
    page = ann.get(PAGE).text
    assert "<h1>Nothing has been sent yet.</h1>" in page
    assert 'href="/p/click/start/"' in page


def test_all_with_one_reason_are_read_again(ann: Client, project: Project) -> None:
    uploads = [a_refused(project), a_refused(project, state="dead"), a_refused(project, error={"code": "other"})]
    assert 'aria-label="Read all again: not XML"' in ann.get(PAGE).text
    answer = ann.post(f"{PAGE}retry/", {"code": "not_xml"}, follow=True)
    assert "2 deliveries will be read again within a minute." in answer.text
    assert [Upload.objects.get(pk=upload.pk).state for upload in uploads] == ["retry", "retry", "failed"]
    assert AuditEntry.objects.get().detail == {"n": 2}
    again = ann.post(f"{PAGE}retry/", {"code": "not_xml"}, follow=True)
    assert "Nothing was left to read again for this reason." in again.text
    assert AuditEntry.objects.count() == 1


@pytest.mark.parametrize("form", [{}, {"code": ""}, {"code": "a\x00b"}, {"code": "'; --"}])
def test_a_strange_reason_reads_nothing_again(ann: Client, project: Project, form: dict[str, str]) -> None:
    a_refused(project)
    assert ann.post(f"{PAGE}retry/", form).headers["Location"] == PAGE
    assert Upload.objects.get().state == "failed"


def test_a_viewer_reads_nothing_again(ann: Client) -> None:
    project = a_project("click")
    Membership.objects.create(project=project, user=User.objects.get(username="ann"), role="viewer")
    a_refused(project)
    assert "Read all again" not in ann.get(PAGE).text
    assert ann.post(f"{PAGE}retry/", {"code": "not_xml"}).status_code == 404
    assert Upload.objects.get().state == "failed"


def test_the_list_is_a_table_for_machines_too(ann: Client, project: Project) -> None:
    stored, refused = an_upload(project, green(3)), a_refused(project)
    rows = list(csv.DictReader(io.StringIO(ann.get(f"{PAGE}?format=csv").text)))
    assert [(row["upload"], row["state"], row["tests"], row["run"]) for row in rows] == [
        (str(refused.public_id), "failed", "", ""),
        (str(stored.public_id), "stored", "3", "1"),
    ]
    (row,) = ann.get(f"{PAGE}?state=failed&format=json").json()["rows"]
    assert (row["told"], row["remarks"], row["attempts"]) == ("<b> is no XML.", 0, 0)
    page = ann.get(f"{PAGE}?state=failed").text
    assert 'href="?state=failed&amp;format=csv"' in page


@pytest.mark.parametrize("n_uploads", [3, 60])
def test_the_page_costs_nine_queries(
    ann: Client, project: Project, django_assert_num_queries: Callable[[int], Any], n_uploads: int
) -> None:
    for _ in range(n_uploads):
        a_refused(project)
    # session, user, membership, what changed, the list, what waits, days, reasons, rhythm
    with django_assert_num_queries(9):
        ann.get(PAGE)
    with django_assert_num_queries(6):
        ann.get(f"{PAGE}?reason=not_xml")
