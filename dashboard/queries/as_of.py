"""As of which run a page's figures are, for pages that do not know it anyway.

Used by the views of trends, runs, renames and uploads. Promise: one statement, by an index
(`tests/dashboard/test_everywhere.py`).
"""

from datetime import datetime
from typing import NamedTuple

from health.models import Project, Run


class AsOf(NamedTuple):
    """A run and when it ran."""

    number: int
    at: datetime


def read_as_of(project: Project, *, lane: str = "") -> AsOf | None:
    """The newest run of the project, or of one branch; None when there is none."""
    runs = Run.objects.filter(project=project)
    if lane:
        runs = runs.filter(lane=lane)
    newest = runs.order_by("-ordered_at", "-ran_at", "-number").values_list("number", "ran_at").first()
    return AsOf(*newest) if newest else None
