"""What a newcomer does, in a real browser: sign in by the link, make a project, watch the first upload come."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from dashboard.views.login import make_link_path
from health.models import Project, UploadToken
from tests.builders import a_project, a_user, an_upload

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def signed_in(page: Page, live_server: Any) -> Iterator[Page]:
    """A page of somebody who came by a one-time link, which sends itself."""
    page.goto(live_server.url + make_link_path(a_user("ann")))
    page.wait_for_url(live_server.url + "/")
    yield page
    page.goto("about:blank")  # no panel asks while the database is emptied


def test_from_the_link_to_the_open_project(signed_in: Page, live_server: Any) -> None:
    page = signed_in
    expect(page.locator("h1")).to_have_text("No project yet. Add the first one, and send it a report.")
    page.click("text=Add a project")
    page.fill("#id_name", "pallets/click")
    page.click("button:has-text('Add the project')")
    expect(page.locator("#token")).to_have_text(re.compile(r"sw_up_[A-Za-z0-9]{43}_[A-Za-z0-9]{6}"))
    page.click("label:has-text('GitLab CI')")
    expect(page.locator("#step-gitlab")).to_be_visible()
    expect(page.locator("#step-github")).to_be_hidden()
    expect(page.locator(".steps .now")).to_contain_text("Waiting for the first upload")

    an_upload(Project.objects.get(), {"tests.a::one": "pass", "tests.a::two": "fail"})
    expect(page.locator(".steps .now")).to_have_text("Open the project")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(2500)
    assert asked == []
    page.click("text=Open the project")
    page.wait_for_url(live_server.url + "/p/palletsclick/")


def test_a_copy_button_copies_or_selects(signed_in: Page, live_server: Any) -> None:
    page = signed_in
    page.goto(live_server.url + "/projects/new/")
    page.fill("#id_name", "click")
    page.press("#id_name", "Enter")
    page.click("button:has-text('Copy the token')")
    expect(page.locator("[data-copy=token]")).to_have_text(re.compile("Copied|Selected: copy it with your keyboard"))


def test_a_chosen_theme_stays(signed_in: Page) -> None:
    page = signed_in
    paper = "getComputedStyle(document.documentElement).backgroundColor"
    page.click(".choose-theme button[value=dark]")
    dark = page.evaluate(paper)
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate(paper) == dark
    expect(page.locator(".choose-theme [aria-pressed=true]")).to_have_text("dark")
    page.click(".choose-theme button[value=light]")
    assert page.evaluate(paper) != dark


def test_a_filter_exchanges_the_page_and_its_address(signed_in: Page, live_server: Any) -> None:
    page, ann = signed_in, User.objects.get()
    for name in ("calm", "empty"):
        a_project(name, owner=ann)
    an_upload(Project.objects.get(slug="calm"), {"tests.a::one": "pass"})
    page.goto(live_server.url + "/")
    page.evaluate("window.stillHere = true")
    page.click(".choose a:has-text('with runs')")
    expect(page.locator("tbody tr")).to_have_count(1)
    assert page.evaluate("window.stillHere") is True
    assert page.url.endswith("/?show=runs&sort=worst")
    page.go_back()
    expect(page.locator("tbody tr")).to_have_count(2)


def test_a_question_is_asked_before_a_token_is_revoked(signed_in: Page, live_server: Any) -> None:
    page = signed_in
    UploadToken.issue(a_project("click", owner=User.objects.get()), name="ci")
    page.goto(live_server.url + "/p/click/settings/")
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.click("button:has-text('Revoke')")
    assert UploadToken.objects.get().revoked_at is None
    page.once("dialog", lambda dialog: dialog.accept())
    page.click("button:has-text('Revoke')")
    expect(page.locator(".said")).to_contain_text("was revoked")
