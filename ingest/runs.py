"""What the API says of a run, and the few fields that finish one.

Called by `ingest.views` and `ingest.views_runs`.
Promise: a run is called complete only when it is, and else what is missing is named (`tests/ingest/test_finish.py`).
"""

from contextlib import ExitStack
from typing import IO, Any, Final

from django.conf import settings
from django.core.exceptions import TooManyFieldsSent
from django.http import HttpRequest, QueryDict
from django.utils import timezone

from health.completeness import fetch_missing
from health.models import Project, Run
from health.sql import open_cursor
from ingest.body import spool_body
from ingest.errors import IngestError
from ingest.forms import choose_fields, read_form
from ingest.metadata import Metadata, check_metadata

_MOST_BYTES: Final = 16_384


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
        "missing": [*lacks.awaited, *(f"the end of the report of {job}" for job in lacks.cut)] if lacks else [],
        "told": lacks.tell() if lacks else "",
    }


def read_run_name(request: HttpRequest) -> Metadata:
    """Provider and run id out of a small form. Raises IngestError."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    if length.isdigit() and int(length) > _MOST_BYTES:
        raise IngestError(
            "too_large", f"This form takes at most {_MOST_BYTES:,} bytes.", limit=_MOST_BYTES, actual=int(length)
        )
    with spool_body(request) as body:
        fields = _read_form(request, body)
    known = {name: value for name, value in fields.items() if name in ("provider", "run_id")}
    metadata, _ = check_metadata(known, now=timezone.now())
    if not metadata.run_id:
        raise IngestError("invalid_field", "These fields cannot be used: run_id: is missing.", field="run_id")
    return metadata


def _read_form(request: HttpRequest, body: IO[bytes]) -> dict[str, str]:
    kind = request.META.get("CONTENT_TYPE", "").lower()
    if kind.startswith("multipart/form-data"):
        with ExitStack() as opened:
            return read_form(request, body, opened)[0]
    if not kind.startswith("application/x-www-form-urlencoded"):
        raise IngestError(
            "unsupported_type", f"This takes a form, and got {kind[:80] or 'no type'!r}.", "Send it with curl -d."
        )
    try:
        return choose_fields({name: list(map(str, values)) for name, values in QueryDict(body.read()).lists()})
    except TooManyFieldsSent as problem:
        raise IngestError("bad_multipart", f"The form cannot be read: {problem}.") from problem
