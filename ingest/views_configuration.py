"""HTTP in, HTTP out: the address that checks the files of the configuration, and their schemas for editors.

Called by `ingest.urls`. Promise: a check needs no token and keeps nothing but a count of the sender's checks, and it
is read as an upload would read it (`tests/ingest/configuration/test_check.py`).
"""

import json
import math
from functools import cache

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from health import allowances
from ingest.body import spool_body
from ingest.configuration import CONFIGURATION, DEFERRALS, decode_text, name_file, read_file
from ingest.configuration.shapes import load_schema
from ingest.errors import IngestError
from ingest.views import answer_errors, give_connection_back


@csrf_exempt
@require_POST
@answer_errors
def check(request: HttpRequest) -> HttpResponse:
    """What would be understood of the body: `.suitewatch.yml`, or another of the files where `filename` says so."""
    _take_allowance(request)
    give_connection_back()
    file = name_file(request.GET.get("filename", ""))
    text, remarks = decode_text(_read_body(request), file=file)
    read = read_file(text, file=file)
    warnings = [remark.to_json() for remark in remarks + read.warnings]
    return JsonResponse({"file": file, "ok": not warnings, "warnings": warnings, "content": read.content})


def _take_allowance(request: HttpRequest) -> None:
    most = settings.CHECKS_PER_MINUTE
    key = f"check:{allowances.name_address(str(request.META.get('REMOTE_ADDR', '')))}"
    if seconds := allowances.take(key, rate=most / 60, burst=most):
        text = f"More than {most} checks came from this address within a minute."
        raise IngestError("rate_limited", text, limit=most, retry_after=math.ceil(seconds))


def _read_body(request: HttpRequest) -> bytes:
    """The body, small as it has to be; an empty one is an empty file."""
    if request.META.get("CONTENT_LENGTH") == "0":
        return b""
    with spool_body(request, most=settings.UPLOAD_MAX_CONFIGURATION_BYTES) as body:
        return body.read()


@require_GET
def schema(request: HttpRequest) -> HttpResponse:
    """The JSON Schema of `.suitewatch.yml`; editors fetch it from anywhere."""
    return _answer_schema(CONFIGURATION)


@require_GET
def deferrals_schema(request: HttpRequest) -> HttpResponse:
    """The JSON Schema of `.suitewatch-deferrals.yml`."""
    return _answer_schema(DEFERRALS)


def _answer_schema(file: str) -> HttpResponse:
    response = HttpResponse(_write_schema(file), content_type="application/schema+json")
    response["Access-Control-Allow-Origin"] = "*"
    return response


@cache
def _write_schema(file: str) -> bytes:
    return json.dumps(load_schema(file), indent=2, ensure_ascii=False).encode()
