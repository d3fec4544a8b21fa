"""What surrounds each request: who sent it, a name for its log lines, an answer when the database is in trouble.

Named in `config.settings`; the answers are those of `config.trouble`.
"""

import re
import uuid
from collections.abc import Callable

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from config.logs import request_id
from config.trouble import answer_database_trouble, answer_wrong_method

Respond = Callable[[HttpRequest], HttpResponseBase]
# A proxy in front may have named the request; anything else is not repeated in logs.
_GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


_SAID_BY_PROXIES = ("FOR", "PROTO", "HOST", "PORT", "SSL", "PROTOCOL")


def believe_proxies(get_response: Respond) -> Respond:
    """Make REMOTE_ADDR the client's address where a proxy of ours says so; forget what anybody else says about it."""

    def respond(request: HttpRequest) -> HttpResponseBase:
        peer = str(request.META.get("REMOTE_ADDR", ""))
        if settings.PROXIES.trusts(peer):
            said = request.headers.get("X-Forwarded-For", "")
            request.META["REMOTE_ADDR"] = settings.PROXIES.find_client(peer, said)
        else:
            for name in _SAID_BY_PROXIES:
                request.META.pop(f"HTTP_X_FORWARDED_{name}", None)
        return get_response(request)

    return respond


def name_request(get_response: Respond) -> Respond:
    """Give each request an id: on the request, in its log lines, in the X-Request-ID of the answer."""

    def respond(request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get("X-Request-ID", "")
        name = given if _GIVEN_ID.fullmatch(given) else uuid.uuid4().hex
        request.request_id = name  # type: ignore[attr-defined]
        token = request_id.set(name)
        try:
            response = get_response(request)
        finally:
            request_id.reset(token)
        response["X-Request-ID"] = name
        return response

    return respond


def explain_wrong_method(get_response: Respond) -> Respond:
    """Give a 405 under /api/ the one shape of errors: Django's own has no body."""

    def respond(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if response.status_code == 405 and request.path_info.startswith("/api/"):
            return answer_wrong_method(request, response)
        return response

    return respond


class DatabaseTroubleMiddleware:
    """Answers 503 or 507 with Retry-After where a view met a database in trouble; all else goes on as an error."""

    def __init__(self, get_response: Respond) -> None:
        self._get_response = get_response
        self._n_lost = 0

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Nothing to do unless a view raises."""
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Called by Django with what a view raised."""
        response = answer_database_trouble(request, exception)
        if response is not None:
            self._renew_pool()
        return response

    def _renew_pool(self) -> None:
        """Replace all connections of the pool when one of them turned out to be dead: the server went away.

        The pool itself looks at two of them, waits a second and gives up, so each of the next requests would fail.
        """
        pool = getattr(connection, "pool", None)
        n_lost = pool.get_stats().get("connections_lost", 0) if pool else 0
        if pool and n_lost > self._n_lost:
            self._n_lost = n_lost
            pool.drain()
