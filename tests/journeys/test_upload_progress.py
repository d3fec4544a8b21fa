"""A big upload watched in a browser: the bar moves by itself, what the reader opened stays open, and it ends."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import BrowserContext, Page, expect

from health.audit import record
from health.models import Refusal, Upload, UploadToken
from tests.builders import a_project, a_received_upload, a_user, an_upload
from tests.journeys.test_every_page import find_barriers, sign_in, visit
from tests.scenes import green

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def upload() -> Upload:
    project = a_project("click", owner=a_user("ann"))
    an_upload(project, green())
    upload = a_received_upload(project)
    Upload.objects.filter(pk=upload.pk).update(
        state="processing", progress=12, n_bytes_plain=4_000_000, lease_until=timezone.now() + timedelta(minutes=5)
    )
    return upload


def move(upload: Upload, **fields: Any) -> None:
    Upload.objects.filter(pk=upload.pk).update(**fields)


def end(upload: Upload) -> None:
    error = {"code": "not_xml", "message": "This is no XML.", "hint": ""}
    move(upload, state="failed", progress=None, error=error, finished_at=timezone.now())


def count_requests(page: Page) -> list[str]:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    return asked


def test_the_receipt_follows_the_worker_and_then_rests(page: Page, live_server: Any, upload: Upload) -> None:
    sign_in(page, live_server.url, User.objects.get())
    visit(page, f"{live_server.url}/p/click/uploads/{upload.public_id}/")
    bar = page.get_by_role("progressbar")
    expect(bar).to_have_attribute("value", "12")
    move(upload, progress=57)
    expect(bar).to_have_attribute("value", "57")
    expect(page.locator(".lede .progress")).to_contain_text("57\u00a0% of 4.0\u00a0MB read")
    end(upload)
    expect(page.locator("h1")).to_have_text("It could not be read. Nothing was stored.")
    expect(bar).to_have_count(0)
    asked = count_requests(page)
    page.wait_for_timeout(1500)
    assert asked == []


def test_the_list_follows_too_and_leaves_alone_what_did_not_move(page: Page, live_server: Any, upload: Upload) -> None:
    sign_in(page, live_server.url, User.objects.get())
    visit(page, f"{live_server.url}/p/click/uploads/")
    page.locator("summary").click()
    page.evaluate("document.querySelector('.canvas').firstElementChild.dataset.drawn = 'once'")
    move(upload, progress=57)
    expect(page.get_by_role("progressbar")).to_have_attribute("value", "57")
    assert page.locator("details").get_attribute("open") is not None
    assert page.locator(".canvas > [data-drawn=once]").count() == 1
    end(upload)
    expect(page.locator("#reasons")).to_contain_text("Not XML")
    assert page.locator("details").get_attribute("open") is not None
    asked = count_requests(page)
    page.wait_for_timeout(1500)
    assert asked == []


def a_project_with_everything() -> list[str]:
    """Uploads in several states, refusals at the door and a receipt with every part; where to look at them."""
    project = a_project("click", owner=a_user("ann"))
    an_upload(project, green())
    token = UploadToken.issue(project, name="ci")[0]
    error = {"code": "not_xml", "message": "page.html is not XML.", "hint": "Send XML.", "line": 1, "column": 2}
    Refusal.objects.create(project=project, token=token, error=error | {"code": "too_large"}, n=3)
    warning = {"code": "repeated_name", "message": "a long/" * 30, "hint": "h", "line": 3, "column": 5, "count": 9}
    coverage = {"name": "c/" * 60, "kind": "coverage", "format": "lcov", "state": "stored", "level": "unit", "files": 4}
    lines = {"lines_valid": 4863, "lines_covered": 4204, "branches_valid": 9, "branches_covered": 3}
    tests = {"name": "x/" * 60, "state": "stored", "format": "junit", "tests": 9, "rejected": 1, "xfailed": 1}
    files = [coverage | lines, {"name": "page.html", "state": "failed", "error": error}]
    files += [tests | {"name": f"{k}.xml", "warnings": [warning] * 12} for k in range(60)]
    receipt = {
        "files": files,
        "warnings": [warning],
        "tries": [{"code": "worker_crashed", "at": "2026-03-02T09:00:00+00:00"}],
        "configuration": {"number": 1, "warnings": [warning | {"file": ".suitewatch.yml", "field": "suites[0].level"}]},
    }
    addresses = ["/p/click/uploads/", "/p/click/uploads/?reason=not_xml", "/p/click/start/", "/p/click/settings/"]
    for state in ("processing", "retry", "partial", "dead"):
        upload = a_received_upload(project, branch="feature/" * 12, job="unit", variant="python 3.12, ubuntu-24.04")
        has_error = state in ("retry", "failed", "dead")
        move(upload, state=state, receipt=receipt, error=error if has_error else None, progress=40)
        addresses.append(f"/p/click/uploads/{upload.public_id}/")
        record(project.pk, actor="ann", action="upload.retried", subject=str(upload.public_id))
    return addresses


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_are_accessible_and_fit_a_narrow_screen(
    new_context: Callable[..., BrowserContext], live_server: Any, scheme: str
) -> None:
    page = new_context(color_scheme=scheme, viewport={"width": 360, "height": 800}).new_page()
    addresses = a_project_with_everything()
    sign_in(page, live_server.url, User.objects.get())
    barriers = []
    for address in addresses:
        visit(page, live_server.url + address)
        barriers += find_barriers(page, address)
        widths = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        if widths[0] > widths[1]:
            barriers.append(f"{address} scrolls sideways by {widths[0] - widths[1]} px")
    page.goto("about:blank")
    assert barriers == []


def test_without_javascript_the_bar_is_there_and_a_reload_moves_it(
    new_context: Callable[..., BrowserContext], live_server: Any, upload: Upload
) -> None:
    page = new_context(java_script_enabled=False).new_page()
    sign_in_without_scripts(page, live_server.url)
    page.goto(f"{live_server.url}/p/click/uploads/{upload.public_id}/")
    bar = page.get_by_role("progressbar")
    expect(bar).to_have_attribute("value", "12")
    move(upload, progress=57)
    page.reload()
    expect(bar).to_have_attribute("value", "57")


def sign_in_without_scripts(page: Page, server: str) -> None:
    page.goto(f"{server}/login/")
    page.get_by_label("User name").fill("ann")
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Sign in").click()
