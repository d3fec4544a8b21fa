"""The bridge to Plotly, in a real browser: colours of the theme, escaped labels, nothing the CSP would stop."""

from typing import Any

import plotly.graph_objects as go
import pytest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import include, path
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls(__name__)]


def a_figure(last: int) -> dict[str, Any]:
    """A small figure as charts make them."""
    chart = go.Figure(
        go.Scatter(x=[1, 2, 3], y=[1, 3, last], line={"color": "var(--fail)", "width": 1.5}),
        layout={"height": 160, "title": {"text": "&lt;a href='https://evil.example'&gt;x&lt;/a&gt;"}},
    )
    return {
        "id": "trend",
        "data_id": "trend-data",
        "title": "Failed",
        "subtitle": "tests per run",
        "label": "Failed tests in three runs",
        "plot": chart.to_plotly_json(),
        "head": ["Run", "Failed"],
        "rows": [["1", "1"], ["2", "3"], ["3", str(last)]],
    }


def with_figure(request: HttpRequest) -> HttpResponse:
    return render(request, "figure_page.html", {"figure": a_figure(int(request.GET.get("last", "2")))})


def without_figure(request: HttpRequest) -> HttpResponse:
    return render(request, "base.html")


urlpatterns = [
    path("with/", with_figure),
    path("without/", without_figure),
    path("", include("config.urls")),
]


@pytest.fixture
def templates(settings: Any, tmp_path: Any) -> None:
    """One more template: a page with a figure and a way to another one."""
    (tmp_path / "figure_page.html").write_text(
        '{% extends "base.html" %}{% block main %}'
        '<p class="choose" hx-boost:inherited="true" hx-target:inherited="#main" hx-select:inherited="#main" '
        'hx-swap:inherited="outerHTML"><a href="?last=9">nine</a></p>'
        '{% include "components/_figure.html" %}{% endblock %}'
    )
    from copy import deepcopy

    engines = deepcopy(settings.TEMPLATES)
    engines[0]["DIRS"] = [*engines[0]["DIRS"], tmp_path]
    settings.TEMPLATES = engines


def test_a_figure_is_drawn_in_the_colours_of_the_theme(page: Page, live_server: Any, templates: None) -> None:
    page.emulate_media(color_scheme="light")
    page.goto(live_server.url + "/with/")
    expect(page.locator(".js-line")).to_have_count(1)
    expect(page.locator(".js-line")).to_have_css("stroke", "rgb(193, 43, 9)")  # docs/design.md: #c12b09
    page.click(".choose-theme button[value=dark]")
    expect(page.locator(".js-line")).to_have_css("stroke", "rgb(246, 131, 95)")


def test_a_label_is_text(page: Page, live_server: Any, templates: None) -> None:
    page.goto(live_server.url + "/with/")
    expect(page.locator(".gtitle")).to_have_text("<a href='https://evil.example'>x</a>")
    assert page.locator("svg a").count() == 0


def test_a_swapped_page_draws_its_own_figure(page: Page, live_server: Any, templates: None) -> None:
    page.goto(live_server.url + "/with/")
    expect(page.locator(".js-line")).to_have_count(1)
    before = page.locator(".js-line").get_attribute("d")
    page.click("text=nine")
    page.wait_for_url("**/with/?last=9")
    expect(page.locator(".js-line")).to_have_count(1)
    expect(page.locator(".js-line")).not_to_have_attribute("d", str(before))
    assert page.evaluate("performance.getEntriesByType('resource').filter(r => r.name.includes('plotly')).length") == 1


def test_the_numbers_stand_behind_the_drawing(page: Page, live_server: Any, templates: None) -> None:
    page.goto(live_server.url + "/with/")
    page.click("summary")
    expect(page.locator("figure table tbody tr").nth(1)).to_have_text("23")


def test_a_page_without_figures_does_not_load_the_library(page: Page, live_server: Any) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(live_server.url + "/without/", wait_until="networkidle")
    assert not [url for url in asked if "plotly" in url]
    assert not [url for url in asked if not url.startswith(live_server.url)]
