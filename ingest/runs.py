"""What the API says of a run, and of whether it may pass.

Called by `ingest.views` and `ingest.views_runs`.
Promise: a run is called complete only when it is, and else what is missing is named (`tests/ingest/test_finish.py`).
"""

from typing import Any

from django.conf import settings

from health.closings import Finished
from health.completeness import fetch_missing
from health.models import Project, Run
from health.rules.gate import GateVerdict, Reason
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
        "url": f"{_find_address(project)}/runs/{number}/",
        "is_complete": run.is_complete,
        "closed": run.closed or None,
        "missing": list(lacks.listed) if lacks else [],
        "told": lacks.tell() if lacks else "",
    }


def describe_verdict(project: Project, verdict: GateVerdict) -> dict[str, Any]:
    """The verdict on a run: what fails it, what is only told, and the first tests of each with their addresses."""
    return {
        "verdict": verdict.verdict,
        "run": describe_run(project, verdict.run),
        "reasons": [_describe_reason(project, reason) for reason in verdict.reasons],
        "warnings": [_describe_reason(project, reason) for reason in verdict.warnings],
        "tolerated": [_describe_reason(project, reason) for reason in verdict.tolerated],
        "waiting": verdict.waiting,
        "told": verdict.told,
    }


def describe_unread(found: Finished) -> dict[str, Any]:
    """The same of a run of which nothing is read."""
    n = found.n_unread
    told = f"{n:,} upload{' of it is' if n == 1 else 's of it are'} still to be read." if n else _tell_failed(found)
    nothing: dict[str, Any] = {"reasons": [], "warnings": [], "tolerated": []}
    return {"verdict": "unknown", "run": None, **nothing, "waiting": n, "told": told}


def _tell_failed(found: Finished) -> str:
    said = ", ".join(f"{n:,} ended as {state}" for state, n in sorted(found.uploads.items()))
    return f"Nothing of the run could be read; of its uploads {said}."


def _describe_reason(project: Project, reason: Reason) -> dict[str, Any]:
    tests = [
        {
            "name": named.name,
            "note": named.note,
            "url": None if named.ord is None else f"{_find_address(project)}/cases/{named.ord}/",
        }
        for named in reason.named
    ]
    return {"code": reason.code, "n": reason.n, "told": reason.told, "listed": tests}


def _find_address(project: Project) -> str:
    return f"{settings.BASE_URL}/p/{project.slug}"
