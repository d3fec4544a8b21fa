"""What is answered when something is wrong."""

import json
import re

import psycopg
import pytest
from django import db
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import HttpResponse
from django.test import Client, override_settings
from django.urls import path
from django.views.decorators.http import require_POST
from psycopg import errors
from psycopg_pool import PoolTimeout, TooManyRequests

from config import trouble
from ingest import views as door
from ingest.errors import HINTS


def wrapped(kind, cause):
    """An error as Django raises it: its own kind, with the driver's as the cause."""
    error = kind(str(cause))
    error.__cause__ = cause
    return error


RAISED: dict[str, Exception] = {
    "pool": wrapped(db.OperationalError, PoolTimeout("couldn't get a connection after 1.50 sec")),
    "waiting": wrapped(db.OperationalError, TooManyRequests("the pool has already 32 requests waiting")),
    "refused": wrapped(db.OperationalError, psycopg.OperationalError("connection refused")),
    "closed": db.InterfaceError("connection already closed"),
    "cancelled": wrapped(db.OperationalError, errors.QueryCanceled("canceling statement due to statement timeout")),
    "locked": wrapped(db.OperationalError, errors.LockNotAvailable("canceling statement due to lock timeout")),
    "deadlock": wrapped(db.OperationalError, errors.DeadlockDetected("deadlock detected")),
    "shutdown": wrapped(db.OperationalError, errors.AdminShutdown("terminating connection")),
    "unwrapped-locked": errors.LockNotAvailable("canceling statement due to lock timeout"),
    "unwrapped-lost": psycopg.OperationalError("the connection is lost"),
    "unwrapped-wrong-sql": errors.UndefinedTable("SELECT secret FROM nowhere"),
    "disk-full": wrapped(db.OperationalError, errors.DiskFull("could not extend file")),
    "unwrapped-disk-full": errors.DiskFull("could not extend file"),
    "read-only": wrapped(db.InternalError, errors.ReadOnlySqlTransaction("cannot execute INSERT")),
    "wrong-sql": wrapped(db.ProgrammingError, errors.UndefinedTable("SELECT secret FROM nowhere")),
    "duplicate": wrapped(db.IntegrityError, errors.UniqueViolation("duplicate key")),
    "bug": ZeroDivisionError("secret detail"),
}
CODES = {
    "pool": "db_unavailable",
    "waiting": "db_unavailable",
    "refused": "db_unavailable",
    "closed": "db_unavailable",
    "cancelled": "too_slow",
    "locked": "db_busy",
    "deadlock": "db_busy",
    "shutdown": "db_unavailable",
    "unwrapped-locked": "db_busy",
    "unwrapped-lost": "db_unavailable",
    "read-only": "read_only",
}
FULL = ("disk-full", "unwrapped-disk-full")


def raise_it(request, name):
    raise RAISED[name]


def deny(request):
    raise PermissionDenied("secret detail")


def suspect(request):
    raise SuspiciousOperation("secret detail")


def accept(request):
    return HttpResponse("ok")


@require_POST
def only_post(request):
    return HttpResponse("ok")


urlpatterns = [
    path(f"{prefix}{route}", view)
    for prefix in ("", "api/")
    for route, view in (
        ("raise/<name>", raise_it),
        ("deny", deny),
        ("suspect", suspect),
        ("accept", accept),
        ("only-post", only_post),
    )
]
handler400 = "config.trouble.bad_request"
handler403 = "config.trouble.permission_denied"
handler404 = "config.trouble.page_not_found"
handler500 = "config.trouble.server_error"


@pytest.fixture
def visitor():
    """A client of the addresses above that gets answers, not exceptions."""
    with override_settings(ROOT_URLCONF=__name__):
        yield Client(raise_request_exception=False, enforce_csrf_checks=True)


@pytest.mark.parametrize(("name", "code"), CODES.items())
def test_a_database_in_trouble_is_503_with_a_time_to_come_back(visitor, name, code):
    answer = visitor.get(f"/api/raise/{name}")
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0
    assert answer["Cache-Control"] == "no-store"
    assert answer.json()["error"]["code"] == code


@pytest.mark.parametrize("name", FULL)
def test_a_full_disk_is_507_with_a_time_to_come_back(visitor, name, caplog):
    answer = visitor.get(f"/api/raise/{name}")
    assert (answer.status_code, answer["Retry-After"]) == (507, "60")
    assert answer.json()["error"]["code"] == "storage_full"
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        f"GET /api/raise/{name} answered 507 storage_full"
    ]


@pytest.mark.parametrize("name", sorted(set(RAISED) - set(CODES) - set(FULL)))
def test_our_own_mistakes_stay_500_and_tell_nothing(visitor, name):
    answer = visitor.get(f"/api/raise/{name}")
    assert answer.status_code == 500
    assert "secret" not in answer.content.decode()
    assert answer.json()["error"]["code"] == "internal"


def test_the_name_in_the_answer_finds_the_line_in_the_log(visitor, caplog):
    answer = visitor.get("/api/raise/refused")
    assert answer.json()["error"]["request_id"] == answer["X-Request-ID"]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "db_unavailable" in caplog.text


@pytest.mark.parametrize(("path", "status"), [("deny", 403), ("suspect", 400), ("nowhere", 404), ("raise/bug", 500)])
def test_under_api_each_error_has_the_one_shape(visitor, path, status):
    answer = visitor.get(f"/api/{path}")
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"code", "message", "hint", "docs", "request_id"}


def test_a_wrong_method_under_api_has_the_one_shape_too_and_names_the_right_ones(visitor, caplog):
    answer = visitor.get("/api/only-post")
    assert (answer.status_code, answer["Allow"]) == (405, "POST")
    assert set(answer.json()["error"]) == {"code", "message", "hint", "docs", "request_id"}
    assert answer.json()["error"]["code"] == "method_not_allowed"
    assert len(caplog.records) == 1
    assert visitor.get("/only-post").content == b""


def test_each_code_is_on_the_public_list_with_its_status_and_hint():
    found = [value for value in vars(trouble).values() if isinstance(value, trouble.Trouble)]
    assert {each.code: each.hint for each in found} == {each.code: HINTS[each.code] for each in found}
    assert {each.code: each.status for each in found} == {each.code: door._STATUS.get(each.code, 400) for each in found}


def test_a_post_without_its_token_is_told_in_the_same_shape(visitor):
    answer = visitor.post("/api/accept")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "stale_form")


@pytest.mark.django_db
@pytest.mark.parametrize(("path", "status"), [("deny", 403), ("suspect", 400), ("nowhere", 404)])
def test_a_person_gets_a_page(client, path, status):
    # Pages link to each other, so they need the real map of addresses.
    from django.test import RequestFactory

    request = RequestFactory().get(f"/{path}")
    known = {403: trouble.FORBIDDEN, 400: trouble.BAD_REQUEST, 404: trouble.NOT_FOUND}[status]
    answer = trouble.answer(request, known)
    assert answer.status_code == status
    assert "<title>" in answer.content.decode()


@pytest.mark.parametrize("found", [trouble.UNAVAILABLE, trouble.FAILED, trouble.TOO_SLOW])
def test_a_page_of_the_servers_failure_needs_no_database(rf, found):
    # Not marked for the database: a query would fail here.
    answer = trouble.answer(rf.get("/p/x/"), found)
    assert answer.status_code == found.status
    assert "stylesheet" in answer.content.decode()


def test_without_its_template_there_is_still_a_page(rf, settings):
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [], "APP_DIRS": False}]
    answer = trouble.answer(rf.get("/p/x/"), trouble.UNAVAILABLE)
    assert "The database is not available." in answer.content.decode()


def test_a_panel_gets_a_fragment(rf):
    answer = trouble.answer(rf.get("/p/x/", HTTP_HX_REQUEST="true"), trouble.TOO_SLOW)
    text = answer.content.decode()
    assert answer.status_code == 503
    assert text.startswith('<p role="alert">')
    assert "Narrow the range" in text


def test_an_error_of_another_middleware_is_looked_at_too(visitor, settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.failing_middleware"]
    answer = visitor.get("/api/accept")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "db_unavailable")


def failing_middleware(get_response):
    def respond(request):
        raise RAISED["refused"]

    return respond


def test_a_request_keeps_the_name_a_proxy_gave_it(visitor):
    assert visitor.get("/accept", headers={"X-Request-ID": "abc-12345"})["X-Request-ID"] == "abc-12345"


@pytest.mark.parametrize("name", ["short", "x" * 65, "with blank", "new\nline9"])
def test_a_name_unfit_for_the_log_is_replaced(visitor, name):
    given = visitor.get("/accept", headers={"X-Request-ID": name})["X-Request-ID"]
    assert re.fullmatch("[0-9a-f]{32}", given)


def test_the_body_of_an_error_is_json_even_for_odd_paths(visitor):
    json.loads(visitor.get("/api/%00%ff").content)
