"""Rows of the register as its engine leaves them, made by hand: what a page says of them is what is tested.

Where judging wrote an entry of the case already, that one is changed.
"""

from datetime import datetime
from typing import Any

from health.models import Backing, Case, Deferral, Project
from health.rules.backings import Finding
from tests.builders import FIRST_MOMENT


def a_backing(project: Project, *, state: str = "backed", finding: Finding | None = None, **fields: Any) -> Backing:
    """A backing in that state."""
    n = Backing.objects.filter(project=project).count()
    found = (finding or Finding()).to_json()
    values = {"digest": n.to_bytes(32, "big"), "named": [f"backing{n}"], "found": found, "changed_at": FIRST_MOMENT}
    return Backing.objects.create(project=project, state=state, **(values | fields))


def an_entry(
    project: Project, name: str, *, backing: Backing | None = None, opened_at: datetime = FIRST_MOMENT, **fields: Any
) -> Deferral:
    """The entry of the case of that name: skipped in one job unless said otherwise."""
    values: dict[str, Any] = {"kind": "skip", "origin": "ci", "is_put_off": True, "n_put_off": 1, "opened_run": 1}
    if fields.get("kind") == "quarantine":
        values |= {"is_put_off": False, "n_put_off": 0}
    values |= {"backing": backing, "opened_at": opened_at, "closed_at": None} | fields
    ord_ = Case.objects.get(project=project, name=name).ord
    return Deferral.objects.update_or_create(project=project, ord=ord_, defaults=values)[0]


def a_quarantine(project: Project, pattern: str, **fields: Any) -> Deferral:
    """What a file quarantines by a pattern."""
    values: dict[str, Any] = {"kind": "quarantine", "origin": "file", "opened_at": FIRST_MOMENT} | fields
    return Deferral.objects.create(project=project, pattern=pattern, **values)
