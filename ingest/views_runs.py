"""HTTP in, HTTP out: the addresses where CI says that a run is over, and asks whether it may pass.

Called by `ingest.urls`. Promise: said twice is said once (`tests/ingest/test_finish.py`), and asking changes nothing
(`tests/ingest/test_gate_endpoint.py`).
"""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from health.closings import finish_run, look_up_run
from health.gate import judge_run
from health.sql import open_cursor
from ingest.auth import authenticate
from ingest.errors import IngestError
from ingest.forms import read_gate_question, read_run_name
from ingest.metadata import Metadata
from ingest.runs import describe_run, describe_unread, describe_verdict
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
        raise _make_unknown(name)
    run = finished.run and describe_run(token.project, finished.run)
    return _answer({"run": run or None, "waiting": finished.n_unread, "uploads": finished.uploads})


@csrf_exempt
@require_POST
@answer_errors
def gate(request: HttpRequest) -> HttpResponse:
    """May this run pass? Of the token's own project, by the name CI has for the run."""
    refuse_plain_http(request)
    token = authenticate(request, scope="upload")
    give_connection_back()
    name, fail_on = read_gate_question(request)
    found = look_up_run(open_cursor(), token.project_id, name.provider, name.run_id)
    if found is None:
        raise _make_unknown(name)
    verdict = found.run and judge_run(token.project_id, found.run, fail_on=fail_on)
    return _answer(describe_verdict(token.project, verdict) if verdict else describe_unread(found))


def _make_unknown(name: Metadata) -> IngestError:
    of = f"of {name.provider}" if name.provider else "(asked for without a provider)"
    return IngestError("run_not_found", f"Nothing has come of run {name.run_id} {of}.", field="run_id")


def _answer(told: dict[str, Any]) -> JsonResponse:
    response = JsonResponse(told)
    response["Cache-Control"] = "no-store"
    return response
