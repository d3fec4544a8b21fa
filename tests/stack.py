"""The real thing for journeys: gunicorn, a Celery worker and beat as processes, on servers of their own.

Its own PostgreSQL and Valkey, because journeys stop and kill them.
"""

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from config import processes
from config.embedded.service import Service
from tests.servers import OwnServers

# Short, so that what a crash leaves behind is picked up while a test waits.
QUICK = {"SUITEWATCH_LEASE_SECONDS": "3", "SUITEWATCH_SWEEP_SECONDS": "1", "SUITEWATCH_LOG_LEVEL": "INFO"}


def wait_for(condition: Callable[[], Any], *, seconds: float = 20, what: str = "") -> Any:
    """What `condition` returns once it is true; fails by name when it never is."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:g} s: {what or condition}")
        time.sleep(0.05)
    return found


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class LiveStack:
    """Five processes by name: postgres, valkey, web, worker, beat."""

    def __init__(self, directory: Path) -> None:
        self.servers = OwnServers()
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.database_url = self.servers.postgres.url()
        self.redis_url = self.servers.valkey.url
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "SUITEWATCH_URL": self.url,
            "SUITEWATCH_SECRET_KEY": "only-for-tests-" * 4,
            "SUITEWATCH_STATE_DIR": str(directory / "state"),
            "SUITEWATCH_STATIC_ROOT": str(directory / "static"),
            **QUICK,
        }
        self.services: dict[str, Service] = {
            "postgres": self.servers.postgres.service(),
            "valkey": self.servers.valkey.service(),
            "web": processes.web_service(self.environment, host="127.0.0.1", port=self.port),
            "worker": processes.worker_service(self.environment),
            "beat": processes.beat_service(self.environment),
        }
        try:
            self.manage("migrate", "--no-input")
            self.manage("collectstatic", "--no-input")
            for name in ("web", "worker", "beat"):
                self.start(name)
        except BaseException:
            self.close()
            raise

    def start(self, name: str) -> None:
        """Start one of the five, and wait until it is ready."""
        self.servers.supervisor.start(self.services[name])

    def stop(self, name: str) -> None:
        """Stop one in its own way."""
        self.servers.supervisor.stop_one(name)

    def kill(self, name: str) -> None:
        """SIGKILL one and all its children, and do not start it again."""
        self.servers.supervisor.kill_one(name)

    def restart(self, name: str) -> None:
        """Stop and start one."""
        self.stop(name)
        self.start(name)

    def ensure_running(self) -> None:
        """Start again whatever a test left stopped."""
        for name in self.services:
            if not self.servers.supervisor.is_running(name):
                self.start(name)

    def pid(self, name: str) -> int:
        """The process number of one of the five."""
        return self.servers.supervisor.pid(name)

    def manage(self, *arguments: str) -> str:
        """Run a management command against the stack; what it printed."""
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(
            command, cwd=processes.ROOT, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows straight from the stack's database."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            return connection.execute(statement, values or None).fetchall()  # type: ignore[arg-type]

    def request(
        self, method: str, path: str, *, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """One HTTP request: status, headers (names in lower case), body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body=body or None, headers=headers or {})
            response = connection.getresponse()
            return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
        finally:
            connection.close()

    @property
    def log(self) -> str:
        """Everything the five printed."""
        return self.servers.log.getvalue()

    def close(self) -> None:
        """Stop all five and forget their data."""
        self.servers.stop()


@pytest.fixture(scope="session")
def live_stack_of_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveStack]:
    """One stack for all journeys of this process."""
    stack = LiveStack(tmp_path_factory.mktemp("stack"))
    yield stack
    stack.close()


@pytest.fixture
def live_stack(live_stack_of_session: LiveStack) -> Iterator[LiveStack]:
    """The running stack; whatever the test stopped or killed is started again for the next one."""
    live_stack_of_session.ensure_running()
    yield live_stack_of_session
    live_stack_of_session.ensure_running()
