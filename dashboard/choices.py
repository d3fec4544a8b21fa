"""The form of selects a page is narrowed with, as `components/_selects.html` takes it.

Used by the views of every page with filters; pure. Promise: a choice of one is none, and what the address chose is
always among the options (`tests/dashboard/test_choices.py`).
"""

from collections.abc import Iterable, Sequence
from typing import Any

from dashboard.filters import Filters
from dashboard.queries.scope import Offer


def offer_owners(owners: Iterable[str], filters: Filters) -> list[dict[str, Any]]:
    """The owners whose cases a page can be narrowed to; nothing where nobody owns any."""
    names = sorted({*owners, filters.owner} - {""})
    options = [(name, name == filters.owner) for name in names]
    return [{"name": "owner", "title": "Owner", "empty": "every", "options": options}] if names else []


def offer_selects(offer: Offer, filters: Filters, *, branch: str, any_branch: str = "") -> list[dict[str, Any]]:
    """What a page can be narrowed to; `any_branch` is the word for all of them, where a page can show that."""
    every: dict[str, tuple[Sequence[str], str]] = {
        "branch": (offer.branches, any_branch),
        "job": (offer.jobs, "every"),
        "variant": (offer.variants, "every"),
        "suite": (offer.suites, "every"),
        "level": (offer.levels, "every"),
    }
    selects = []
    for name, (values, empty) in every.items():
        chosen = getattr(filters, name)
        if chosen and chosen not in values:
            values = (*values, chosen)
        if len(values) > 1 or chosen:
            shown = chosen or (branch if name == "branch" else "")
            options = [(value, value == shown) for value in values]
            selects.append({"name": name, "title": name.capitalize(), "empty": empty, "options": options})
    return selects
