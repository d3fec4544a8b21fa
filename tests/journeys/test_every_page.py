"""Every page in a real browser: narrow, in both themes, with hostile reports, with and without data.

The pages come from the URL patterns, so a new page is looked at here without being named.
"""

import re
from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from playwright.sync_api import BrowserContext, Page

from dashboard.views.login import make_link_path
from health.models import Project
from tests.addresses import World, a_world, page_patterns
from tests.builders import a_project, a_user, an_upload

pytestmark = pytest.mark.django_db(transaction=True)

PAYLOADS = [
    "<script>window.__pwned=1</script>",
    '"><img src=x onerror=window.__pwned=1>',
    "'><svg/onload=window.__pwned=1>",
    "</script><script>window.__pwned=1</script>",
    "</pre></textarea><script>window.__pwned=1</script>",
    "javascript:window.__pwned=1",
    "<a href='https://canary.example/'>x</a>",
    "<img src=https://canary.example/x.png>",
    'x" hx-get="https://canary.example/" hx-trigger="load" y="',
    "{{ 7|add:7 }}{% include 'base.html' %}",
    "${7*7}",
    "user\u202egnp.exe",
    "a\u0085b\u2028c",
    "%s%(x)s{0}",
]


_CURRENT_IS_IN_SIGHT = """() => {
  const here = document.querySelector(".pages [aria-current]")?.getBoundingClientRect();
  return !here || (here.left >= 0 && here.right <= innerWidth);
}"""


def addresses(world: World) -> list[str]:
    """Whatever a browser can open."""
    posts = re.compile(r"/(token|tokens|members|delete|project|logout)/(\d+/)?$")
    return [url for url in map(world.url, page_patterns()) if not posts.search(url)]


def sign_in(page: Page, server: str, user: User) -> None:
    page.goto(server + make_link_path(user))
    page.wait_for_url(server + "/")


def visit(page: Page, url: str) -> None:
    """Open a page that must not have failed, and wait for its figures."""
    response = page.goto(url)
    assert response is not None
    assert response.status < 500, url
    if page.locator("[data-figure]").count():
        page.wait_for_selector("html[data-figures=drawn]", state="attached")


def find_barriers(page: Page, path: str) -> list[str]:
    """What axe calls serious, one line each."""
    found = Axe().run(page).response["violations"]
    serious = [one for one in found if one["impact"] in {"serious", "critical"}]
    return [f"{path} {one['id']}: {one['nodes'][0]['html'][:160]}" for one in serious]


def test_the_search_for_barriers_bites(page: Page, live_server: Any) -> None:
    page.goto(live_server.url + "/login/")
    assert find_barriers(page, "/login/") == []
    page.evaluate("document.querySelector('h1').style.color = '#eee'; document.querySelector('label').remove()")
    assert len(find_barriers(page, "/login/")) == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible_and_fits_a_narrow_screen(
    new_context: Callable[..., BrowserContext], live_server: Any, scheme: str
) -> None:
    page = new_context(color_scheme=scheme, viewport={"width": 360, "height": 800}).new_page()
    world = a_world()
    empty = a_project("empty", owner=User.objects.get(username="owner"))
    sign_in(page, live_server.url, User.objects.get(username="owner"))
    full = addresses(world)
    bare = [url.replace("/p/click/", f"/p/{empty.slug}/") for url in full if not re.search(r"\d/$", url)]
    barriers = []
    for url in [*full, *bare, "/nowhere/"]:
        visit(page, live_server.url + url)
        barriers += find_barriers(page, url)
        widths = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        if widths[0] > widths[1]:
            barriers.append(f"{url} scrolls sideways by {widths[0] - widths[1]} px")
        if not page.evaluate(_CURRENT_IS_IN_SIGHT):
            barriers.append(f"{url} does not show which page it is: its name is scrolled out of sight")
    page.goto("about:blank")
    assert barriers == []


def test_hostile_reports_stay_text_on_every_page(page: Page, live_server: Any) -> None:
    world = a_world()
    Project.objects.update(name=PAYLOADS[0])
    User.objects.create(username=PAYLOADS[1], password="!")
    for payload in PAYLOADS:
        an_upload(
            world.project,
            {f"{payload}::{payload}": "fail", f"{payload}::{payload}[2]": "error", "tests.a::one": "pass"},
            text=f"{payload}\n{payload}",
            suite_errors=1,
            branch="main",
            job=payload,
            variant=payload,
            suite=payload,
        )
    elsewhere: list[str] = []
    opened: list[str] = []
    page.on("request", lambda request: elsewhere.append(request.url))
    page.on("dialog", lambda dialog: (opened.append(dialog.message), dialog.dismiss()))
    sign_in(page, live_server.url, User.objects.get(username="owner"))
    for k, _ in enumerate(PAYLOADS):
        world.upload.run = k + 1
        for url in addresses(world) if k == 0 else [world.url(p) for p in page_patterns() if p.name == "run"]:
            visit(page, live_server.url + url)
            assert page.evaluate("window.__pwned") is None, url
    page.goto("about:blank")
    assert opened == []
    assert [url for url in elsewhere if not url.startswith((live_server.url, "about:", "blob:", "data:"))] == []


def test_a_member_of_nothing_sees_a_way_to_begin(page: Page, live_server: Any) -> None:
    sign_in(page, live_server.url, a_user("new"))
    assert page.locator("main a[href='/projects/new/']").count() == 1
