"""The answers when something is wrong: JSON under /api/, a page otherwise, a fragment for htmx.

Called by Django as its error handlers, and by `config.middleware` for a database in trouble.
Promise: no stack, no SQL and no version in any of them, and none needs a database (`tests/config/test_trouble.py`).
"""

import logging
import sys
from dataclasses import dataclass

import psycopg
from django import db
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.template import TemplateDoesNotExist
from django.template.loader import render_to_string
from django.utils.html import format_html

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What we tell about one kind of failure; the hint is that of the public list of codes, word for word."""

    status: int
    code: str
    message: str
    hint: str
    retry_after: int = 0


BAD_REQUEST = Trouble(400, "bad_request", "This request makes no sense.", "Check the address and the headers.")
FORBIDDEN = Trouble(403, "forbidden", "You may not do this.", "Ask an owner of the project, or sign in again.")
STALE_FORM = Trouble(403, "stale_form", "This form is out of date.", "Open the page again, then send the form.")
NOT_FOUND = Trouble(404, "not_found", "There is nothing at this address.", "Check the address for a typing error.")
WRONG_METHOD = Trouble(
    405,
    "method_not_allowed",
    "This address takes no such method.",
    "Use one of the methods that the header Allow names.",
)
FAILED = Trouble(500, "internal", "The server failed at this.", "This is our fault. The server's log has the reason.")
UNAVAILABLE = Trouble(503, "db_unavailable", "The database is not available.", "Try again in a few seconds.", 5)
BUSY = Trouble(503, "db_busy", "The database is busy.", "Try again in a few seconds.", 5)
TOO_SLOW = Trouble(503, "too_slow", "This took too long.", "Narrow the range, or try again later.", 10)
READ_ONLY = Trouble(503, "read_only", "The database accepts no changes at the moment.", "Try again in a minute.", 60)
STORAGE_FULL = Trouble(
    507,
    "storage_full",
    "The database has no room left.",
    "Whoever runs this server has to prune its data or enlarge its disk.",
    60,
)

# SQLSTATEs that pass by themselves; everything else is our own mistake and stays a 500.
_BY_STATE = {
    "25006": READ_ONLY,
    "40001": BUSY,
    "40P01": BUSY,
    "53100": STORAGE_FULL,
    "53300": BUSY,
    "55P03": BUSY,
    "57014": TOO_SLOW,
    "57P01": UNAVAILABLE,
    "57P02": UNAVAILABLE,
    "57P03": UNAVAILABLE,
}


def find_database_trouble(error: BaseException) -> Trouble | None:
    """What is wrong with the database, or None when the error is not of that kind."""
    # Tiles are read with the driver's own cursor, whose errors Django never wraps.
    if not isinstance(error, db.Error | psycopg.Error):
        return None
    cause = error if isinstance(error, psycopg.Error) else error.__cause__
    state = getattr(cause, "sqlstate", None) or ""
    if state in _BY_STATE:
        return _BY_STATE[state]
    if state.startswith("08"):
        return UNAVAILABLE
    # Without a state the server never answered: no connection, a lost one, or none free in the pool in time.
    lost = isinstance(cause, psycopg.OperationalError) or isinstance(error, db.InterfaceError)
    return UNAVAILABLE if lost and not state else None


def answer(request: HttpRequest, trouble: Trouble) -> HttpResponse:
    """The response to `request`, in the shape its sender can read."""
    if request.path_info.startswith("/api/"):
        response: HttpResponse = JsonResponse(_error_body(request, trouble), status=trouble.status)
    elif "HX-Request" in request.headers:
        text = format_html('<p role="alert">{} {}</p>', trouble.message, trouble.hint)
        response = HttpResponse(text, status=trouble.status)
    else:
        response = HttpResponse(_page(request, trouble), status=trouble.status)
    if trouble.retry_after:
        response["Retry-After"] = str(trouble.retry_after)
    response["Cache-Control"] = "no-store"
    # Said once, by us: Django would log each 5xx as an error of its own.
    response._has_been_logged = trouble.retry_after > 0  # type: ignore[attr-defined]
    return response


def answer_database_trouble(request: HttpRequest, error: BaseException) -> HttpResponse | None:
    """503 or 507 when `error` is a database in trouble, logged as one line; None when it is anything else."""
    trouble = find_database_trouble(error)
    if trouble is None:
        return None
    log.warning("%s %s answered %d %s: %s", request.method, request.path_info, trouble.status, trouble.code, error)
    return answer(request, trouble)


def answer_wrong_method(request: HttpRequest, refused: HttpResponseBase) -> HttpResponse:
    """Django's own 405 with our body; it has logged that one already."""
    response = answer(request, WRONG_METHOD)
    response["Allow"] = refused["Allow"]
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler400."""
    return answer(request, BAD_REQUEST)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler403."""
    return answer(request, FORBIDDEN)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form without its token; the reason is for the log only, which Django writes."""
    return answer(request, STALE_FORM)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler404."""
    return answer(request, NOT_FOUND)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500; errors raised by other middleware arrive here, so look for database trouble again."""
    error = sys.exc_info()[1]
    return (error and answer_database_trouble(request, error)) or answer(request, FAILED)


def _error_body(request: HttpRequest, trouble: Trouble) -> dict[str, dict[str, str]]:
    return {
        "error": {
            "code": trouble.code,
            "message": trouble.message,
            "hint": trouble.hint,
            "docs": f"{settings.BASE_URL}/api/v1/errors#{trouble.code}",
            "request_id": getattr(request, "request_id", ""),
        }
    }


def _page(request: HttpRequest, trouble: Trouble) -> str:
    """The page for this status; those for 5xx see no request, because sessions and users need a database."""
    context = {"trouble": trouble, "request_id": getattr(request, "request_id", "")}
    # What passes by itself has one page.
    name = "503.html" if trouble.retry_after else f"{trouble.status}.html"
    try:
        return render_to_string(name, context, request if trouble.status < 500 else None)
    except TemplateDoesNotExist:
        return format_html("<!doctype html><title>{0}</title><h1>{0}</h1><p>{1}</p>", trouble.message, trouble.hint)
