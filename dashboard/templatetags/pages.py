"""The masthead's line of pages, the links to a page's tables as files, and the one to its figures for programs.

Loaded by `components/_pages.html` and by every page with a table. Promise: a page that has no URL yet is not named, a
file's address is the page's own with all its filters, and no query is made (`tests/dashboard/test_everywhere.py`).
"""

from typing import Any, Final, NamedTuple

from django import template
from django.http import QueryDict
from django.template import Context
from django.urls import NoReverseMatch, reverse

register = template.Library()


class PageLink(NamedTuple):
    """One word of the line; `name` is the page's URL name."""

    name: str
    title: str
    url: str


# In reading order: what is wrong now, how it came, what it is made of, what feeds it.
_OF_PROJECT: Final = (
    ("overview", "Overview"),
    ("matrix", "Matrix"),
    ("flaky", "Flaky"),
    ("causes", "Causes"),
    ("vanished", "Vanished"),
    ("deferred", "Deferred"),
    ("slow", "Slow"),
    ("trends", "Trends"),
    ("runs", "Runs"),
    ("coverage", "Coverage"),
    ("uploads", "Uploads"),
    ("settings", "Settings"),
)
_OF_HOUSE: Final = (("projects", "Projects"), ("project-create", "Add a project"))


@register.simple_tag
def pages_of(project: Any) -> list[PageLink]:
    """The pages beside this one: the project's, or the house's when there is no project."""
    if project:
        return _existing(_OF_PROJECT, slug=project.slug)
    return _existing(_OF_HOUSE)


@register.inclusion_tag("components/_files.html", takes_context=True)
def files_of(context: Context, what: str, table: str = "") -> dict[str, str]:
    """CSV and JSON of a table of this page: `what` in words, `table` as the address names it."""
    query: QueryDict = context["request"].GET.copy()
    query.pop("table", None)
    if table:
        query["table"] = table
    urls = {}
    for form in ("csv", "json"):
        query["format"] = form
        urls[f"{form}_url"] = f"?{query.urlencode()}"
    return {"what": what, **urls}


@register.simple_tag(takes_context=True)
def api_url(context: Context) -> str:
    """The address of this page's figures for programs, with all its filters; empty where it has none.

    A page that says what is wrong has none, and its address may be one that nobody can read.
    """
    request = None if "trouble" in context else context.get("request")
    match = getattr(request, "resolver_match", None)
    if request is None or match is None or match.namespace != "dashboard":
        return ""
    query: QueryDict = request.GET.copy()
    for name in ("format", "table"):
        query.pop(name, None)
    try:
        address = reverse(f"api:{match.url_name}", kwargs=match.kwargs)
    except NoReverseMatch:
        return ""
    return f"{address}?{query.urlencode()}" if query else address


def _existing(pages: tuple[tuple[str, str], ...], **arguments: str) -> list[PageLink]:
    links = []
    for name, title in pages:
        try:
            links.append(PageLink(name, title, reverse(f"dashboard:{name}", kwargs=arguments)))
        except NoReverseMatch:
            continue  # its issue is still to come
    return links
