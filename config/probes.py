"""/healthz: this process answers. /readyz: it can do its work. /csp-report: a browser refused something.

Called by load balancers, the compose file and `config.launch`.
Promise: /healthz needs nothing; /readyz answers within 2 s, and says 200 with `degraded` when only
the broker is gone, because uploads are still accepted then (`tests/config/test_probes.py`).
"""

import json
import logging
import shutil
import tempfile
import threading
import time

import redis
from django import db
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

log = logging.getLogger(__name__)

KEEP_SECONDS = 1.0
MAX_REPORT_BYTES = 8 * 1024
_lock = threading.Lock()
_kept: tuple[float, dict[str, list[str]]] | None = None


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Alive, and nothing more."""
    return HttpResponse("ok\n", content_type="text/plain")


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Ready with 200, or 503 and what fails; the finding is kept for a second."""
    found = _kept_findings()
    state = "ready" if not found["failing"] else "not ready"
    response = JsonResponse({"state": state, **found}, status=503 if found["failing"] else 200)
    # A probe asks every few seconds: its answer is no line in the log.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


@csrf_exempt
@require_POST
def csp_report(request: HttpRequest) -> HttpResponse:
    """Log what the Content-Security-Policy stopped: a mistake of ours, or an attack."""
    try:
        if int(request.headers.get("Content-Length") or 0) <= MAX_REPORT_BYTES:
            report = json.loads(request.body)["csp-report"]
            log.warning("CSP stopped %s on %s", report.get("blocked-uri"), report.get("document-uri"))
    # Anybody may send anything: a few thousand brackets fit, and are too deep for the JSON reader.
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    return HttpResponse(status=204)


def forget_findings() -> None:
    """For tests: look again at once."""
    global _kept
    _kept = None


def _kept_findings() -> dict[str, list[str]]:
    global _kept
    # Whoever comes while another looks waits for that answer, instead of taking a second connection.
    with _lock:
        now = time.monotonic()
        if _kept is None or now - _kept[0] > KEEP_SECONDS:
            found = _look()
            _kept = (time.monotonic(), found)
        return _kept[1]


def _look() -> dict[str, list[str]]:
    failing, degraded = [], []
    try:
        if _has_unapplied_migrations():
            failing.append("migrations")
    except (db.Error, ImproperlyConfigured):
        failing.append("database")
    free, share = _free_room()
    if free < settings.MIN_FREE_BYTES:
        failing.append("disk")
    elif share < 0.05:
        degraded.append("disk")
    if not _broker_answers():
        degraded.append("broker")
    return {"failing": failing, "degraded": degraded}


def _has_unapplied_migrations() -> bool:
    executor = MigrationExecutor(db.connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def _free_room() -> tuple[int, float]:
    usage = shutil.disk_usage(tempfile.gettempdir())
    return usage.free, usage.free / usage.total


def _broker_answers() -> bool:
    if not settings.REDIS_URL:
        return False
    try:
        with redis.Redis.from_url(
            settings.REDIS_URL, socket_connect_timeout=0.25, socket_timeout=0.25, retry=None
        ) as client:
            return bool(client.ping())
    except (redis.RedisError, OSError, ValueError):
        return False
