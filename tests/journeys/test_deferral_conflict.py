"""Two people correct one entry in real browsers: neither loses a word, and what nobody touched is nobody's word."""

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from playwright.sync_api import BrowserContext, Page, expect

from dashboard.views.login import make_link_path
from health.models import Deferral, Membership, Project
from tests.builders import a_project, a_user
from tests.deferral_scenes import an_entry, some_runs

pytestmark = pytest.mark.django_db(transaction=True)
# What a browser may change on the way there and back: line breaks, blanks around it, controls.
ODD = '  first line\r\n\r\n\tsecond "line" & <b>more</b> \x1b[0m\n'


@pytest.fixture
def entry() -> Deferral:
    project: Project = a_project("click", owner=a_user("ann"))
    Membership.objects.create(project=project, user=a_user("bob"), role="maintainer")
    some_runs(project)
    return an_entry(project, reason=ODD, read={"kind": "skip", "reason": ODD})


def open_form(page: Page, live_server: Any, entry: Deferral, name: str) -> None:
    page.goto(live_server.url + make_link_path(User.objects.get(username=name)))
    page.wait_for_url(live_server.url + "/")
    page.goto(f"{live_server.url}/p/click/deferred/{entry.pk}/")
    page.get_by_text("Correct this entry").click()


def list_violations(page: Page) -> list[str]:
    """What axe finds, and where."""
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {node['html']}" for one in found for node in one["nodes"]]


def test_two_people_correct_one_entry(
    new_context: Callable[..., BrowserContext], live_server: Any, entry: Deferral
) -> None:
    ann, bob = new_context(viewport={"width": 390, "height": 800}).new_page(), new_context().new_page()
    open_form(ann, live_server, entry, "ann")
    open_form(bob, live_server, entry, "bob")
    bob.get_by_label("Owner").fill("bob")
    bob.get_by_label("Issue").fill("#9")
    bob.get_by_role("button", name="Write it").click()
    expect(bob.locator(".said")).to_contain_text("The entry was changed.")
    ann.get_by_label("Owner").fill("ann")
    ann.get_by_label("Covered meanwhile by").fill("tests/a.py::b\ntest_c*")
    ann.get_by_role("button", name="Write it").click()
    expect(ann.locator("h1")).to_have_text(
        "bob changed this entry after you opened it. Nothing of yours was written yet."
    )
    expect(ann.locator("#both tbody tr")).to_have_count(3)
    expect(ann.get_by_label("Owner")).to_have_value("ann")
    expect(ann.get_by_label("Issue")).to_have_value("#9")
    assert ann.evaluate("document.documentElement.scrollWidth") <= 390
    assert list_violations(ann) == []
    entry.refresh_from_db()
    assert entry.written == {"owner": "bob", "issue": "#9"}
    ann.get_by_role("button", name="Write mine over it").click()
    expect(ann.locator(".said")).to_contain_text("The entry was changed.")
    assert list_violations(ann) == []
    entry.refresh_from_db()
    assert entry.written == {"owner": "ann", "issue": "#9", "backing": ["tests/a.py::b", "test_c*"]}
    assert entry.reason == ODD


def test_what_nobody_touched_is_not_written(page: Page, live_server: Any, entry: Deferral) -> None:
    open_form(page, live_server, entry, "ann")
    page.get_by_role("button", name="Write it").click()
    expect(page.locator(".said")).to_contain_text("Nothing was changed")
    entry.refresh_from_db()
    assert (entry.written, entry.version) == ({}, 1)
