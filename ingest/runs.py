"""What the API says of a run.

Called by `ingest.views` and `ingest.views_runs`.
Promise: a run is called complete only when it is, and else what is missing is named (`tests/ingest/test_finish.py`).
"""

from typing import Any

from django.conf import settings

from health.completeness import fetch_missing
from health.models import Project, Run
from health.sql import open_cursor


def describe_run(project: Project, number: int) -> dict[str, Any] | None:
    """A run as the API tells it; None when it was deleted."""
    run = Run.objects.filter(project=project, number=number).only("is_complete", "closed").first()
    if run is None:
        return None
    missing = {} if run.is_complete else fetch_missing(open_cursor(), project.pk, runs=[number])
    lacks = missing.get(number)
    return {
        "number": number,
        "url": f"{settings.BASE_URL}/p/{project.slug}/runs/{number}/",
        "is_complete": run.is_complete,
        "closed": run.closed or None,
        "missing": list(lacks.listed) if lacks else [],
        "told": lacks.tell() if lacks else "",
    }
