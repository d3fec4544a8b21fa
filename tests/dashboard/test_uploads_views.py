"""The list of deliveries as a page."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from dashboard.queries.uploads import N_ROWS
from health.models import Upload
from tests.builders import a_project, a_received_upload, a_user, an_upload
from tests.scenes import green

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann(client: Client) -> Client:
    client.force_login(a_user("ann"))
    return client


def test_each_delivery_leads_to_its_receipt_and_its_run(ann: Client) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    stored = an_upload(project, green())
    refused = a_received_upload(project)
    Upload.objects.filter(pk=refused.pk).update(state="failed", error={"code": "x", "message": "<b> is no XML."})
    page = ann.get("/p/click/uploads/").text
    assert "<h1>One of 2 deliveries shown was not wholly stored.</h1>" in page
    assert f'href="/p/click/uploads/{stored.public_id}/"' in page
    assert 'href="/p/click/runs/1/"' in page
    assert "&lt;b&gt; is no XML." in page


def test_what_waits_is_not_said_to_be_whole(ann: Client) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    an_upload(project, green())
    assert "<h1>The one delivery shown is whole.</h1>" in ann.get("/p/click/uploads/").text
    a_received_upload(project)
    assert "<h1>One of 2 deliveries shown waits to be read.</h1>" in ann.get("/p/click/uploads/").text
    assert "<h1>The one delivery shown waits to be read.</h1>" in ann.get("/p/click/uploads/?state=waiting").text
    Upload.objects.filter(project=project, state="received").update(state="cancelled")
    assert "<h1>One of 2 deliveries shown is whole.</h1>" in ann.get("/p/click/uploads/").text


def test_reading_an_old_one_again_is_seen(ann: Client) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    old = a_received_upload(project)
    Upload.objects.filter(pk=old.pk).update(state="failed", error={"message": "x"})
    for _ in range(N_ROWS):
        a_received_upload(project)
    before = ann.get("/p/click/uploads/?state=trouble")
    assert Upload.objects.get(pk=old.pk).wait_again()
    again = ann.get("/p/click/uploads/?state=trouble", headers={"If-None-Match": before["ETag"]})
    assert again.status_code == 200
    assert "Everything was stored whole." in again.text


def test_a_choice_is_in_the_address(ann: Client) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    an_upload(project, green())
    page = ann.get("/p/click/uploads/?state=trouble").text
    assert "<h1>Everything was stored whole.</h1>" in page
    assert "No delivery fits this choice." in page


def test_a_new_delivery_is_seen_before_it_changes_a_fact(ann: Client) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    first = ann.get("/p/click/uploads/")
    assert ann.get("/p/click/uploads/", headers={"If-None-Match": first["ETag"]}).status_code == 304
    a_received_upload(project)
    again = ann.get("/p/click/uploads/", headers={"If-None-Match": first["ETag"]})
    assert again.status_code == 200
    assert '<span class="st" data-s="open">received</span>' in again.text


def test_nothing_sent_leads_to_the_first_upload(ann: Client) -> None:
    a_project("click", owner=User.objects.get(username="ann"))
    page = ann.get("/p/click/uploads/").text
    assert "<h1>Nothing has been sent yet.</h1>" in page
    assert 'href="/p/click/start/"' in page
