"""A page in a real browser: Playwright driving the Chromium that is installed.

Promise: without a browser these tests fail and say what to install; they never skip.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find_browser() -> str:
    """The executable named by SUITEWATCH_TESTS_BROWSER, else the first one found, else nothing."""
    given = os.environ.get("SUITEWATCH_TESTS_BROWSER", "")
    if given:
        return given if Path(given).is_file() else ""
    installed = (found for name in NAMES if (found := shutil.which(name)))
    # Where `playwright install chromium` puts its own.
    downloaded = map(str, sorted((Path.home() / ".cache" / "ms-playwright").glob("chromium-*/chrome-linux*/chrome")))
    return next(chain(installed, downloaded), "")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for the session."""
    executable = find_browser()
    if not executable:
        pytest.fail("No browser: `make test` installs Debian's chromium as root; otherwise install it.", pytrace=False)
    # Playwright's loop runs in this thread, which makes Django think that its queries block one.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def new_context(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """Makes browser contexts (size, colour scheme, …); each is closed after the test."""
    contexts: list[BrowserContext] = []

    def make(**options: Any) -> BrowserContext:
        context = browser.new_context(**options)
        context.set_default_timeout(10_000)
        contexts.append(context)
        return context

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def page(new_context: Callable[..., BrowserContext]) -> Iterator[Page]:
    """A page that must end without an error in its script and without a stop by the CSP."""
    page = new_context().new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(f"script error: {error}"))
    page.on(
        "console",
        lambda message: "Content Security Policy" in message.text and complaints.append(f"CSP: {message.text}"),
    )
    yield page
    assert complaints == []


if __name__ == "__main__":
    print(find_browser())
    raise SystemExit(not find_browser())
