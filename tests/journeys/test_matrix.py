"""The matrix in a real browser: by keyboard alone, by pointer, without a script, narrow and dark."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from playwright.sync_api import BrowserContext, Page, expect

from dashboard.views.login import make_link_path
from health.models import Project
from tests.builders import a_project, a_user
from tests.scenes import a_run

pytestmark = pytest.mark.django_db(transaction=True)

N_RUNS = 30
LONG = "test_" + "_".join(f"part{k}" for k in range(14))


@pytest.fixture
def project() -> Project:
    """30 runs: a family that breaks now and then, a test put off, and 40 that pass in two classes."""
    project = a_project("click", owner=a_user("owner"))
    for run in range(N_RUNS):
        cases = {f"tests.b{k % 2}::calm{k}": "pass" for k in range(40)}
        cases |= {"tests.a::pager[less]": "fail" if run % 9 == 2 else "pass", "tests.a::pager[cat]": "pass"}
        cases |= {"tests.a::pager[more]": "error" if run == 28 else "pass", "tests.c::later": "skip"}
        cases |= {f"tests.a::{LONG}": "fail" if run == 29 else "pass"}
        a_run(project, cases, hour=24 * run, text="E   boom")
    return project


def open_matrix(page: Page, live_server: Any, query: str = "", *, has_script: bool = True) -> None:
    page.goto(live_server.url + make_link_path(User.objects.get(username="owner")))
    if not has_script:
        page.locator("main form button").click()
    page.wait_for_url(live_server.url + "/")
    page.goto(f"{live_server.url}/p/click/matrix/{query}")


def focused(page: Page) -> str:
    """What has the focus: its row's name and the text of its column's head."""
    return str(
        page.evaluate(
            """() => {
              const cell = document.activeElement.closest("td, th");
              if (!cell?.closest("[data-grid]")) return "elsewhere";
              const heads = cell.closest("table").tHead.rows[1].cells;
              const row = cell.parentElement.cells[0];
              return `${row.title || row.textContent} | ${heads[cell.cellIndex]?.textContent ?? ""}`;
            }"""
        )
    )


def tab_into_grid(page: Page) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if focused(page) != "elsewhere":
            return
    pytest.fail("the grid cannot be reached with the Tab key")


def press(page: Page, *keys: str) -> str:
    for key in keys:
        page.keyboard.press(key)
    return focused(page)


def test_by_keyboard_alone_from_the_address_to_a_case(page: Page, live_server: Any, project: Project) -> None:
    open_matrix(page, live_server)
    tab_into_grid(page)
    assert focused(page) == "tests.a | Test"
    assert press(page, "ArrowDown").endswith("| Test")
    assert press(page, "End").endswith("| 31 Mar")
    assert press(page, "ArrowLeft").endswith("| 30 Mar")
    assert press(page, "Home").endswith("| Test")
    assert press(page, "Control+Home") == "Test | Test"
    assert press(page, "ArrowRight", "ArrowRight") == "Test | 2 Mar"
    last = press(page, "Control+End")
    assert last.endswith("| 31 Mar")
    assert page.evaluate("document.activeElement.parentElement === [...document.querySelectorAll('.matrix tr')].at(-1)")
    assert press(page, "PageUp") != last
    press(page, "Control+Home", "ArrowDown", "ArrowDown")
    while "pager[more]" not in focused(page):
        press(page, "ArrowDown")
    assert press(page, "End", "ArrowLeft") == "pager[more] | 30 Mar"
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/p/click/cases/\d+/#run-29$"))
    expect(page.locator("h1")).to_be_visible()
    assert page.locator("#run-29").count() == 1


def test_the_whole_grid_is_one_tab_stop(page: Page, live_server: Any, project: Project) -> None:
    open_matrix(page, live_server)
    tab_into_grid(page)
    press(page, "ArrowDown", "ArrowDown", "ArrowRight", "ArrowRight")
    here = focused(page)
    assert press(page, "Tab") == "elsewhere"
    assert press(page, "Shift+Tab") == here
    assert page.locator("[data-grid] [tabindex='0']").count() == 1
    assert page.locator("[data-grid] a:not([tabindex='-1'])").count() == 0


def test_a_cell_says_in_words_what_its_letter_means(page: Page, live_server: Any, project: Project) -> None:
    open_matrix(page, live_server)
    cell = page.locator("td.o-E").first
    assert cell.get_attribute("aria-label") is None  # made when somebody comes
    tab_into_grid(page)
    while "pager[more]" not in focused(page):
        press(page, "ArrowDown")
    press(page, "End", "ArrowLeft")
    card = page.locator(".cell-card")
    expect(card).to_contain_text("pager[more]")
    expect(card).to_contain_text("error in 10")
    expect(card).to_contain_text("before that: passed")
    expect(card).to_contain_text("run 29, 30 March 2026, 09:00, commit")
    expect(card).to_contain_text("error: tests.a::pager[more]")
    expect(cell).to_have_attribute(
        "aria-label", re.compile(r"^pager\[more\]\. error in 10.*before that: passed\. run 29")
    )
    ring = cell.evaluate("cell => [getComputedStyle(cell).outlineStyle, getComputedStyle(cell).outlineWidth]")
    assert ring == ["solid", "2px"]
    press(page, "Escape")
    expect(card).to_have_count(0)


def test_a_row_of_several_says_the_share_and_opens_what_is_in_it(
    page: Page, live_server: Any, project: Project
) -> None:
    open_matrix(page, live_server)
    tab_into_grid(page)
    press(page, "End")
    expect(page.locator(".cell-card")).to_contain_text("3 of 4 ended as expected")
    page.keyboard.press("Enter")
    page.wait_for_url("**/matrix/?path=tests.a")
    expect(page.locator("[data-grid] tbody")).to_have_count(2)


def test_the_link_is_copied(new_context: Callable[..., BrowserContext], live_server: Any, project: Project) -> None:
    page = new_context(permissions=["clipboard-read", "clipboard-write"]).new_page()
    open_matrix(page, live_server)
    page.locator("td.o-E").first.focus()
    tab_into_grid(page)
    while "pager[more]" not in focused(page):
        press(page, "ArrowDown")
    press(page, "End", "c")
    expect(page.get_by_text("Link copied")).to_be_visible()
    assert re.search(r"/p/click/cases/\d+/#run-30$", page.evaluate("navigator.clipboard.readText()"))
    page.goto("about:blank")


def test_whoever_comes_back_finds_the_focus_where_it_was(page: Page, live_server: Any, project: Project) -> None:
    open_matrix(page, live_server)
    tab_into_grid(page)
    while "pager[more]" not in focused(page):
        press(page, "ArrowDown")
    here = press(page, "End", "ArrowLeft")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/cases/\d+/#run-29$"))
    page.go_back()
    page.wait_for_url("**/matrix/")
    page.wait_for_function("document.activeElement.closest('[data-grid]')")
    assert focused(page) == here == "pager[more] | 30 Mar"


def test_one_key_skips_to_the_grid(page: Page, live_server: Any, project: Project) -> None:
    open_matrix(page, live_server)
    page.get_by_role("link", name="Skip to the grid").focus()
    page.keyboard.press("Enter")
    assert focused(page) == "tests.a | Test"


def test_a_pointer_gets_the_same(page: Page, live_server: Any, project: Project) -> None:
    open_matrix(page, live_server)
    page.hover("td.o-E")
    expect(page.locator(".cell-card")).to_contain_text("error: tests.a::pager[more]")
    page.hover("h1")
    expect(page.locator(".cell-card")).to_have_count(0)
    page.click("td.o-E")
    page.wait_for_url(re.compile(r"/cases/\d+/#run-29$"))


def test_a_grid_that_was_swapped_in_works_like_the_first(page: Page, live_server: Any, project: Project) -> None:
    open_matrix(page, live_server)
    page.get_by_role("link", name="latest change").click()
    page.wait_for_url("**/matrix/?order=change")
    expect(page.locator("[data-grid][data-awake]")).to_have_count(1)
    tab_into_grid(page)
    assert press(page, "ArrowDown", "End").endswith("| 31 Mar")
    expect(page.locator(".cell-card")).to_be_visible()


def test_without_a_script_it_is_a_table_with_links(
    new_context: Callable[..., BrowserContext], live_server: Any, project: Project
) -> None:
    page = new_context(java_script_enabled=False).new_page()
    open_matrix(page, live_server, has_script=False)
    row = page.locator("tr", has=page.get_by_role("rowheader", name="pager[more]"))
    expect(row.locator("td.o-E")).to_have_text("E")
    assert page.locator("[data-grid]").get_attribute("tabindex") == "0"  # so that the keys can scroll it
    page.get_by_role("link", name="skipped").click()
    page.wait_for_url("**/matrix/?state=skipped")
    expect(page.locator("tbody th[scope=row]")).to_have_count(1)
    page.fill("#cells input[name=search]", "calm1")
    page.locator("#cells button").click()
    page.wait_for_url(re.compile(r"/matrix/\?state=skipped&.*search=calm1$"))
    page.get_by_role("link", name="Show all tests").click()
    page.get_by_role("link", name="name", exact=True).click()
    page.get_by_role("rowheader", name="later").get_by_role("link").click()
    page.wait_for_url(re.compile(r"/p/click/cases/\d+/$"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_stands_in_anybodys_way(
    new_context: Callable[..., BrowserContext], live_server: Any, project: Project, scheme: str
) -> None:
    page = new_context(color_scheme=scheme, viewport={"width": 1280, "height": 900}).new_page()
    for query in ("", "?view=all", "?order=name", "?path=tests.a"):
        open_matrix(page, live_server, query)
        if "view" in query:
            page.wait_for_selector("html[data-figures=drawn]", state="attached")
        else:
            tab_into_grid(page)
            press(page, "End")
            expect(page.locator(".cell-card")).to_be_visible()
        found = [v for v in Axe().run(page).response["violations"] if v["impact"] in {"serious", "critical"}]
        assert [(one["id"], one["nodes"][0]["html"][:120]) for one in found] == []
    page.goto("about:blank")


def test_narrow_it_opens_at_the_newest_run_in_a_box_of_its_own(
    new_context: Callable[..., BrowserContext], live_server: Any, project: Project
) -> None:
    page = new_context(viewport={"width": 390, "height": 844}).new_page()
    open_matrix(page, live_server)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    seen = page.evaluate(
        """() => {
          const sheet = document.querySelector("[data-grid]").getBoundingClientRect();
          const head = [...document.querySelectorAll(".matrix thead .run")].at(-1).getBoundingClientRect();
          const name = document.querySelector(".matrix tbody th[scope=row]").getBoundingClientRect();
          return [head.right <= sheet.right + 1, name.left >= sheet.left - 1, name.right <= head.left];
        }"""
    )
    assert seen == [True, True, True]
    ends = page.locator(f"th[title='{LONG}'] span")
    assert ends.last.text_content() == LONG[-10:]
    assert ends.first.evaluate("part => part.scrollWidth > part.clientWidth")  # the middle gives way
    page.goto("about:blank")
