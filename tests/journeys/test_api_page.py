"""The page of the API in a real browser, without signing in: narrow and wide, in both themes, every part opened."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext

from tests.journeys.test_every_page import find_barriers

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 360)])
def test_it_is_accessible_and_fits(
    new_context: Callable[..., BrowserContext], live_server: Any, scheme: str, width: int
) -> None:
    page = new_context(color_scheme=scheme, viewport={"width": width, "height": 800}).new_page()
    page.goto(f"{live_server.url}/api/v1/docs")
    page.evaluate("document.querySelectorAll('details').forEach((part, k) => { part.open = k < 24 })")
    assert find_barriers(page, "/api/v1/docs") == []
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_it_can_be_read_without_scripts(new_context: Callable[..., BrowserContext], live_server: Any) -> None:
    page = new_context(java_script_enabled=False).new_page()
    page.goto(f"{live_server.url}/api/v1/docs")
    assert page.get_by_text("GET /api/v1/projects/{slug}/flaky").count() == 1
    page.locator("#flaky summary").first.click()
    assert page.locator("#flaky th", has_text="rank").is_visible()
