"""DATABASE_URL as Django's database settings: timeouts, and a pool for the web process only.

Called by `config.settings` and by the tests. The address is libpq's own kind, so `psql "$DATABASE_URL"` works too.
Promise: a web process waits at most 1.5 s for a connection, and no statement outlives its limit
(`tests/config/test_database.py`).
"""

from typing import Any

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from config.env import EnvError

# The worker, beat and commands have no pool: Celery closes the whole pool before and after every task.
WEB_TIMEOUTS = "-c statement_timeout=15s -c lock_timeout=2s -c idle_in_transaction_session_timeout=15s"
OTHER_TIMEOUTS = "-c statement_timeout=120s -c lock_timeout=10s -c idle_in_transaction_session_timeout=150s"
# A client that is gone must not hold its transaction and locks until the statement ends.
WATCH_CLIENT = "-c client_connection_check_interval=2s"
# Below 2 s, so that a request without a database is answered with 503 within 2 s.
POOL_WAIT_SECONDS = 1.5


def database_settings(url: str, *, process: str, pool_size: int) -> dict[str, Any]:
    """The settings of the database at `url` for a `web` process, or for any other (worker, command)."""
    try:
        parts = conninfo_to_dict(url)
    except ProgrammingError as error:
        raise EnvError("DATABASE_URL cannot be read; allowed: postgresql://user:password@host:5432/name.") from error
    if not parts.get("dbname"):
        raise EnvError("DATABASE_URL names no database; allowed: postgresql://user:password@host:5432/name.")
    in_web = process == "web"
    given = str(parts.pop("options", "") or "")
    entry: dict[str, Any] = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.pop("dbname"),
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": parts.pop("port", ""),
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,
        "ATOMIC_REQUESTS": False,
    }
    options: dict[str, Any] = {
        "connect_timeout": 3,
        "tcp_user_timeout": 10_000,
        "keepalives_idle": 30,
        "application_name": f"suitewatch-{process}",
        **parts,
        # What the address says comes last and so wins.
        "options": f"{WEB_TIMEOUTS if in_web else OTHER_TIMEOUTS} {WATCH_CLIENT} {given}".strip(),
    }
    if in_web:
        options["pool"] = {
            "min_size": 1,
            "max_size": pool_size,
            "timeout": POOL_WAIT_SECONDS,
            "max_waiting": 32,
            "max_lifetime": 1800,
            # The pool's own pauses grow to minutes; giving up early lets the next request try at once.
            "reconnect_timeout": 1,
        }
    return entry | {"OPTIONS": options}


def missing_database_settings() -> dict[str, Any]:
    """Settings that fail with one helpful sentence, but only when somebody connects."""
    return {"ENGINE": "config.nodatabase", "NAME": "unset"}
