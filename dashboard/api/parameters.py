"""What an address of the read API may say beside the page: the filters of the pages, described.

Used by `dashboard.api.answers`. The words are read by `dashboard.filters`, as the pages read them, so that the same
query string chooses the same on both. Promise: each filter has its description here
(`tests/dashboard/test_api_operations.py`).
"""

from collections.abc import Sequence
from typing import Any, Final

from dashboard.filters import CHOICES

DESCRIPTIONS: Final[dict[str, str]] = {
    "branch": "A branch by name, `changes` for pull requests and all other branches; else the default branch.",
    "job": "Only this job.",
    "variant": "Only this variant.",
    "suite": "Only this suite.",
    "level": "Only this test level.",
    "by": "What a line stands for.",
    "measure": "What the page draws; the figures are the same.",
    "span": "How far back.",
    "state": "Only what is in this state.",
    "reason": "Only deliveries with this code of error.",
    "before": "Where the list goes on: what `next` of the answer before says.",
    "directory": "Only what lies in this directory.",
    "view": "How the page is laid out; the figures are the same.",
    "rows": "How many rows.",
    "category": "Only causes of this category.",
    "run": "Only this run, by its number.",
    "sort": "The order of the files.",
    "order": "The order of the rows.",
    "rank": "The order of the rows.",
    "search": "Only what has these letters in its name.",
    "path": "Only what lies below this path.",
    "owner": "Only what this team or person owns.",
    "from": "What is compared: a run by number, or a branch by name.",
    "to": "What it is compared with.",
    "backing": "Only entries whose backing is in this state; `none` names none.",
    "kind": "Only entries of this kind.",
    "age": "Only entries put off for so long: under 7 days, 30, 90, 180, 365, or a year and more.",
    "missing": "Only entries that do not say this.",
    "phase": "Only entries of this phase.",
    "arrange": "The order of the entries: age, name, tests of a family, or its test-days.",
    "cell": "The cases of this cell of the table: its `key`.",
}


def describe_parameters(names: Sequence[str]) -> list[dict[str, Any]]:
    """These filters as OpenAPI has them."""
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": DESCRIPTIONS[name],
            "schema": {"type": "string", **_choose(name)},
        }
        for name in names
    ]


def _choose(name: str) -> dict[str, Any]:
    words = CHOICES.get(name)
    return {"enum": list(words), "default": words[0]} if words else {}
