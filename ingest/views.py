"""HTTP in, HTTP out: the upload endpoint, its status, and the uploader file.

The only place that knows which status a code answers with.
"""

import hashlib
import logging
from collections.abc import Callable
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.html import format_html, format_html_join
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods
from django.views.decorators.vary import vary_on_headers

from health.models import Project, Upload, UploadToken
from ingest.auth import authenticate
from ingest.catalogue import list_errors, list_remarks
from ingest.envelope import Envelope, check_idempotency_key, open_envelope
from ingest.errors import IngestError
from ingest.inflate import Unpacking
from ingest.limits import list_limits
from ingest.quotas import charge_unkept, refuse_early
from ingest.receive import Receipt, receive
from ingest.refusals import note_refusal
from ingest.runs import describe_run

log = logging.getLogger(__name__)

# A code that is not here never answers a request: it stands in receipts.
_STATUS: Final[dict[str, int]] = {
    "token_in_url": 400,
    "body_truncated": 400,
    "empty_body": 400,
    "too_many_parts": 400,
    "bad_multipart": 400,
    "bad_encoding": 400,
    "bad_idempotency_key": 400,
    "invalid_field": 400,
    "bad_request": 400,
    "token_missing": 401,
    "token_malformed": 401,
    "token_invalid": 401,
    "scope_missing": 403,
    "forbidden": 403,
    "stale_form": 403,
    "https_required": 403,
    "upload_not_found": 404,
    "run_not_found": 404,
    "not_found": 404,
    "method_not_allowed": 405,
    "upload_timeout": 408,
    "length_required": 411,
    "too_large": 413,
    "too_large_uncompressed": 413,
    "unsupported_type": 415,
    "unsupported_encoding": 415,
    "idempotency_key_reused": 422,
    "rate_limited": 429,
    "queue_full": 429,
    "quota_exceeded": 429,
    "internal": 500,
    "server_busy": 503,
    "db_unavailable": 503,
    "db_busy": 503,
    "too_slow": 503,
    "read_only": 503,
    "storage_full": 507,
}
# What is refused under these was read to its end first, unless it is one of the codes below.
_STATUS_OF_READ: Final = frozenset({400, 413, 415, 422})
_NEVER_READ: Final = frozenset({"length_required", "too_large", "body_truncated", "upload_timeout"})
_WORDS: Final = ("{}", "<code>{}</code>")
View = Callable[..., HttpResponse]


def answer_errors(view: View) -> View:
    """Turn an IngestError into the API's one error shape."""

    @wraps(view)
    def answering(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except IngestError as error:
            return _answer(request, error)

    return answering


def _answer(request: HttpRequest, error: IngestError) -> HttpResponse:
    body = {**error.to_json(), "docs": f"{settings.BASE_URL}/api/v1/errors#{error.code}"}
    body = {name: value for name, value in body.items() if value is not None}
    body["request_id"] = getattr(request, "request_id", "")
    response = JsonResponse({"error": body}, status=_STATUS.get(error.code, 400))
    if response.status_code == 401:
        response["WWW-Authenticate"] = "Bearer"
    if error.code == "unsupported_encoding":
        response["Accept-Encoding"] = "gzip, zstd"
    if error.retry_after is not None:
        response["Retry-After"] = str(error.retry_after)
    return response


@csrf_exempt
@require_http_methods(["POST", "PUT"])
@answer_errors
def uploads(request: HttpRequest) -> HttpResponse:
    """Take a delivery: 202 once it is kept, 200 when it was kept before."""
    refuse_plain_http(request)
    token = authenticate(request, scope="upload")
    try:
        envelope, receipt = _take_in(request, token)
    except IngestError as refusal:
        note_refusal(token, refusal)
        raise
    upload = receipt.upload
    log.info("upload %d of %s received: %d bytes", upload.pk, token.project.slug, upload.n_bytes_wire)
    body = {
        "upload": str(upload.public_id),
        "url": _page_url(token.project, upload),
        "status_url": f"{settings.BASE_URL}/api/v1/uploads/{upload.public_id}",
        "duplicate_of": str(upload.public_id) if receipt.is_repeat else None,
        "warnings": envelope.warnings,
    }
    return JsonResponse(body, status=200 if receipt.is_repeat else 202)


def _take_in(request: HttpRequest, token: UploadToken) -> tuple[Envelope, Receipt]:
    key = check_idempotency_key(request)
    declared = str(request.META.get("CONTENT_LENGTH") or 0)
    n_bytes = int(declared) if declared.isdigit() else 0
    refuse_early(token, n_bytes=n_bytes, idempotency_key=key)
    give_connection_back()
    unpacking = Unpacking(
        wait_seconds=settings.UPLOAD_TIMEOUT_SECONDS,
        step_aside=request.META.get("suitewatch.step_aside"),  # of config.web_worker
    )
    try:
        with unpacking, open_envelope(request) as envelope:
            unpacking.end_turn()  # the database may let us wait
            receipt = receive(envelope, token=token)
    except IngestError as refusal:
        if _STATUS.get(refusal.code) in _STATUS_OF_READ and refusal.code not in _NEVER_READ:
            charge_unkept(token, n_bytes=n_bytes + unpacking.n_bytes)
        raise
    if receipt.is_repeat:
        charge_unkept(token, n_bytes=n_bytes + unpacking.n_bytes)
    return envelope, receipt


@require_GET
@answer_errors
def upload_status(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Where an upload of the token's project stands, with its receipt."""
    refuse_plain_http(request)
    token = authenticate(request, scope="upload")
    upload = Upload.objects.filter(project_id=token.project_id, public_id=public_id).first()
    if upload is None:
        raise IngestError("upload_not_found", "This project has no such upload.")
    project = token.project
    run = describe_run(project, upload.run) if upload.run else None
    response = JsonResponse(
        {
            "upload": str(upload.public_id),
            "project": project.slug,
            "state": upload.state,
            "received_at": upload.received_at.isoformat(),
            "finished_at": upload.finished_at and upload.finished_at.isoformat(),
            "attempts": upload.attempts,
            "url": _page_url(project, upload),
            "run": run,
            "receipt": upload.receipt,
            "error": upload.error,
        }
    )
    response["Cache-Control"] = "no-store"
    return response


def give_connection_back() -> None:
    """A slow body must not keep a connection of the pool that others wait for."""
    if not connection.in_atomic_block:  # as it is in tests
        connection.close()


def _page_url(project: Project, upload: Upload) -> str:
    return f"{settings.BASE_URL}/p/{project.slug}/uploads/{upload.public_id}/"


def refuse_plain_http(request: HttpRequest) -> None:
    """Over https a token sent in the clear is refused, never redirected: the redirect would come too late."""
    if settings.SECURE_SSL_REDIRECT and not request.is_secure():
        raise IngestError("https_required", "This instance is spoken to over https.")


@require_GET
@vary_on_headers("Accept")
def errors(request: HttpRequest) -> HttpResponse:
    """The closed list of codes, with what each means, what to do, and the status it answers with at the door.

    JSON, unless a browser asks: each error's `docs` leads here.
    """
    known = [
        {"code": row.code, "status": _STATUS.get(row.code), "meaning": row.meaning, "hint": row.hint}
        for row in list_errors()
    ]
    remarks = [
        {"code": row.code, "about": row.about, "meaning": row.meaning, "hint": row.hint} for row in list_remarks()
    ]
    return _answer_list(request, "ingest/errors.html", {"errors": known, "remarks": remarks})


@require_GET
@vary_on_headers("Accept")
def limits(request: HttpRequest) -> HttpResponse:
    """What this server takes, and how much of it: JSON, unless a browser asks."""
    return _answer_list(request, "ingest/limits.html", {"limits": list_limits()})


def _answer_list(request: HttpRequest, page: str, listed: dict[str, list[dict[str, Any]]]) -> HttpResponse:
    if request.get_preferred_type(["application/json", "text/html"]) != "text/html":
        return JsonResponse(listed)
    return render(request, page, {name: [_mark_words(row) for row in rows] for name, rows in listed.items()})


def _mark_words(row: dict[str, Any]) -> dict[str, Any]:
    """As the page shows it: what stands between backticks is code, and long numbers have commas."""
    shown = dict(row)
    for name in ("meaning", "hint"):
        pieces = enumerate(str(row.get(name, "")).split("`"))
        shown[name] = format_html_join("", "{}", ((format_html(_WORDS[k % 2], piece),) for k, piece in pieces))
    if "value" in row:
        shown["value"] = f"{row['value']:,}"
    return shown


@lru_cache(maxsize=1)
def _read_uploader() -> tuple[bytes, str]:
    source = Path(__file__).with_name("uploader.py").read_bytes()
    return source, hashlib.sha256(source).hexdigest()


@require_GET
def uploader(request: HttpRequest) -> HttpResponse:
    """The CI client as one file: always the version this server speaks."""
    source, digest = _read_uploader()
    response = HttpResponse(source, content_type="text/x-python; charset=utf-8")
    response["X-Content-SHA256"] = digest
    response["Content-Disposition"] = 'inline; filename="suitewatch.py"'
    return response


@require_GET
def uploader_sum(request: HttpRequest) -> HttpResponse:
    """The uploader's SHA-256 in the form `sha256sum --check` reads."""
    return HttpResponse(f"{_read_uploader()[1]}  suitewatch.py\n", content_type="text/plain; charset=utf-8")
