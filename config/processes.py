"""The commands of web, worker and beat: the one place that spells them.

Used by `config.launch` and the tests; `docker-compose.yml` repeats them and a test compares
(`tests/config/test_compose.py`). Pure.
"""

import http.client
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from config.embedded.service import Service

ROOT = Path(__file__).resolve().parent.parent

# Said by `config.celery` at any level of logging.
READY_LINE = "worker is ready"
# Whoever listens on all addresses is asked on the machine's own.
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
# After the interpreter's own name.
WEB = ["-m", "gunicorn", "--config", "python:config.gunicorn", "config.wsgi:application"]
WORKER = ["-m", "celery", "--quiet", "--app", "config", "worker", "--queues", "ingest,default", "--loglevel", "INFO"]
WORKER += ["--without-gossip", "--without-mingle"]
BEAT = ["-m", "celery", "--quiet", "--app", "config", "beat", "--loglevel", "WARNING", "--pidfile", ""]
MIGRATE = ["manage.py", "migrate", "--no-input"]
COLLECT_STATIC = ["manage.py", "collectstatic", "--no-input", "--verbosity", "0"]

# Sixteen threads that spool bodies each kept a pool of freed memory: measured at 15 MB of 130.
WEB_ENVIRONMENT = {"MALLOC_ARENA_MAX": "2", "MALLOC_TRIM_THRESHOLD_": "131072"}


def web_service(environment: Mapping[str, str], *, host: str, port: int) -> Service:
    """gunicorn; ready when it answers /healthz."""
    return Service(
        name="web",
        argv=[sys.executable, *WEB],
        environment={**WEB_ENVIRONMENT, **environment, "SUITEWATCH_HOST": host, "SUITEWATCH_PORT": str(port)},
        directory=ROOT,
        is_ready=lambda: is_answering(host, port),
    )


def worker_service(environment: Mapping[str, str]) -> Service:
    """The Celery worker; SIGTERM lets it end the task it has; killed before that, the task goes back by its lease."""
    return Service(
        name="worker",
        argv=[sys.executable, *WORKER],
        environment={**environment, "SUITEWATCH_PROCESS": "worker"},
        directory=ROOT,
        stop_signal=signal.SIGTERM,
        ready_line=READY_LINE,
    )


def beat_service(environment: Mapping[str, str]) -> Service:
    """Celery's clock."""
    return Service(
        name="beat",
        argv=[sys.executable, *BEAT],
        environment={**environment, "SUITEWATCH_PROCESS": "beat"},
        directory=ROOT,
        stop_seconds=10,
    )


def manage_service(*words: str, environment: Mapping[str, str], is_shown: bool = True) -> Service:
    """A management command that runs to its end, under its own name."""
    return Service(
        name=words[0],
        argv=[sys.executable, "manage.py", *words],
        environment=dict(environment),
        directory=ROOT,
        stop_seconds=10,
        quiet_about=() if is_shown else ("",),
    )


def is_answering(host: str, port: int) -> bool:
    """Whether a Suitewatch answers at this address."""
    where = EVERYWHERE.get(host, host)
    try:
        connection = http.client.HTTPConnection(where, port, timeout=2)
        try:
            connection.request("GET", "/healthz", headers={"Host": "localhost"})
            return connection.getresponse().status == 200
        finally:
            connection.close()
    except (OSError, http.client.HTTPException):
        return False


if __name__ == "__main__":
    # The health check of the web container: `python -m config.processes HOST PORT`.
    raise SystemExit(not is_answering(sys.argv[1], int(sys.argv[2])))
