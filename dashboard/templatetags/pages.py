"""The masthead's line of pages.

Loaded by `components/_pages.html`. Promise: a page that has no URL yet is not named, and no query is made.
"""

from typing import Any, Final, NamedTuple

from django import template
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


def _existing(pages: tuple[tuple[str, str], ...], **arguments: str) -> list[PageLink]:
    links = []
    for name, title in pages:
        try:
            links.append(PageLink(name, title, reverse(f"dashboard:{name}", kwargs=arguments)))
        except NoReverseMatch:
            continue  # its issue is still to come
    return links
