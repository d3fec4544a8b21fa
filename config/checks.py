"""System checks: combinations of settings that start, but would hurt later.

Run before each command; E003 by `manage.py check --database default`, the warnings by `check --deploy`.
Each has an id and a hint (`tests/config/test_checks.py`).
"""

import pyexpat
from collections.abc import Sequence
from typing import Any

import django
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Tags, register
from django.core.exceptions import ImproperlyConfigured

# What PostgreSQL keeps for its superuser, and what people at a shell need.
RESERVED_CONNECTIONS = 10
SPARE_CONNECTIONS = 5
# Older Django has known holes that we would inherit.
LEAST_DJANGO = (5, 2, 19)


@register(Tags.security)
def check_django_version(**_: Any) -> list[CheckMessage]:
    """E001: a Django with known security holes."""
    if django.VERSION[:3] >= LEAST_DJANGO:
        return []
    hint = f"Install {'.'.join(map(str, LEAST_DJANGO))} or newer."
    return [checks.Error(f"Django {django.__version__} has known holes.", hint=hint, id="config.E001")]


@register(Tags.security)
def check_debug(**_: Any) -> list[CheckMessage]:
    """E002: error pages that show settings and source to everybody."""
    if not settings.DEBUG:
        return []
    return [checks.Error("DEBUG is on.", hint="Unset SUITEWATCH_DEBUG outside development.", id="config.E002")]


@register(Tags.security)
def check_secret_key(**_: Any) -> list[CheckMessage]:
    """E004: a database, but no key; `manage.py up` makes one, so it alone may start like this."""
    try:
        found = settings.SECRET_KEY
    except ImproperlyConfigured:
        found = ""
    if found:
        return []
    hint = "Set SUITEWATCH_SECRET_KEY (50 or more random characters) to the same value everywhere."
    return [checks.Error("There is a database, but no secret key.", hint=hint, id="config.E004")]


@register(Tags.database)
def check_connection_budget(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """E003: more connections than PostgreSQL gives; only where a database is at hand (`check --database default`)."""
    if not databases:
        return []
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SHOW max_connections")
        limit = int(cursor.fetchone()[0])
    wanted = needed_connections()
    if wanted <= limit - RESERVED_CONNECTIONS:
        return []
    hint = "Lower SUITEWATCH_WEB_PROCESSES or SUITEWATCH_DATABASE_POOL_SIZE, or raise max_connections."
    text = f"Up to {wanted} connections are wanted, but max_connections is {limit} ({RESERVED_CONNECTIONS} reserved)."
    return [checks.Error(text, hint=hint, id="config.E003")]


@register(Tags.security, deploy=True)
def check_proxy(**_: Any) -> list[CheckMessage]:
    """W001: https without a trusted proxy, so that plain http is not redirected."""
    if not settings.OVER_HTTPS or settings.TRUSTED_PROXY:
        return []
    hint = "If your proxy sets X-Forwarded-Proto and X-Forwarded-For itself, set SUITEWATCH_TRUSTED_PROXY=yes."
    text = "SUITEWATCH_URL is https, but no proxy is trusted: http is not redirected."
    return [checks.Warning(text, hint=hint, id="config.W001")]


@register(Tags.security, deploy=True)
def check_expat(**_: Any) -> list[CheckMessage]:
    """W002: an XML parser with quadratic traps; ours feeds large pieces, which bounds them."""
    if pyexpat.version_info >= (2, 6, 0):
        return []
    found = ".".join(map(str, pyexpat.version_info))
    hint = "Take a newer Python patch release; uploads are safe meanwhile, because the parser feeds large pieces."
    text = f"This Python carries expat {found}, which is slow on hostile XML."
    return [checks.Warning(text, hint=hint, id="config.W002")]


def needed_connections() -> int:
    """The most connections that web, worker and beat open at once, with some to spare."""
    web = settings.WEB_PROCESSES * settings.DATABASE_POOL_SIZE
    # A worker's heartbeat of the lease has a connection of its own.
    return web + 2 * settings.WORKER_PROCESSES + 1 + SPARE_CONNECTIONS
