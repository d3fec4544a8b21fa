"""HTTP in, HTTP out: the address where CI says that a run is over.

Called by `ingest.urls`. Promise: said twice is said once (`tests/ingest/test_finish.py`).
"""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from health.closings import finish_run
from ingest.auth import authenticate
from ingest.errors import IngestError
from ingest.forms import read_run_name
from ingest.runs import describe_run
from ingest.views import answer_errors, give_connection_back, refuse_plain_http


@csrf_exempt
@require_POST
@answer_errors
def finish(request: HttpRequest) -> HttpResponse:
    """What came of this run is all: it stops waiting, and is whole once everything that came is read."""
    refuse_plain_http(request)
    token = authenticate(request, scope="upload")
    give_connection_back()
    name = read_run_name(request)
    finished = finish_run(token.project_id, provider=name.provider, run_id=name.run_id, actor=f"token {token.name}")
    if finished is None:
        of = f"of {name.provider}" if name.provider else "(asked for without a provider)"
        raise IngestError("run_not_found", f"Nothing has come of run {name.run_id} {of}.", field="run_id")
    run = finished.run and describe_run(token.project, finished.run)
    response = JsonResponse({"run": run or None, "waiting": finished.n_unread, "uploads": finished.uploads})
    response["Cache-Control"] = "no-store"
    return response
