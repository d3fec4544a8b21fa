"""The processes `manage.py up` starts, on embedded servers of their own in a folder that disappears with them.

Used by the pieces through `benchmarks.workbench`. Durable as in use: fsync is on.
Promise: `close` leaves no process and no file behind, however impatient somebody is at the keyboard.
"""

import os
import shutil
import signal
import socket
import tempfile
from pathlib import Path
from typing import Any

import psycopg

from config import processes
from config.embedded.postgres import Postgres, prepare_postgres
from config.embedded.service import EmbeddedError, Service
from config.embedded.supervisor import Supervisor
from config.embedded.valkey import Valkey, prepare_valkey

HOST = "127.0.0.1"


class StackError(Exception):
    """A part of the stack did not do what it was asked for."""


class Stack:
    """PostgreSQL and Valkey, migrated; web, worker and beat when somebody starts them."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="sw-bench-"))
        self._log = (self.directory / "log").open("w", encoding="utf-8")
        self._supervisor = Supervisor(out=self._log)
        try:
            self._start_servers()
        except BaseException:
            self.close()
            raise

    def _start_servers(self) -> None:
        self.postgres: Postgres = prepare_postgres(self.directory)
        self._supervisor.start(self.postgres.service())
        self.postgres.create_database()
        self.valkey: Valkey = prepare_valkey(self.directory)
        self._supervisor.start(self.valkey.service())
        self.port = find_free_port()
        self.environment = clean_environment() | {
            "DATABASE_URL": self.postgres.url(),
            "REDIS_URL": self.valkey.url,
            "SUITEWATCH_URL": f"http://{HOST}:{self.port}",
            "SUITEWATCH_SECRET_KEY": "only-for-the-bench-" * 4,
            "SUITEWATCH_STATE_DIR": str(self.directory / "state"),
            "SUITEWATCH_STATIC_ROOT": str(self.directory / "static"),
            "SUITEWATCH_LOG_LEVEL": "WARNING",
            # Counted as always, but never reached: a bench sends in seconds what a project sends in days.
            "SUITEWATCH_UPLOAD_BURST": "1000000",
            "SUITEWATCH_UPLOAD_RATE_PER_MINUTE": "1000000",
            "SUITEWATCH_UPLOAD_MAX_WAITING": "1000000",
        }
        self._services: dict[str, Service] = {
            "valkey": self.valkey.service(),
            "web": processes.web_service(self.environment, host=HOST, port=self.port),
            "worker": processes.worker_service(self.environment),
            "beat": processes.beat_service(self.environment),
        }
        for words in (("migrate", "--no-input"), ("collectstatic", "--no-input", "--verbosity", "0")):
            status, lines = self._supervisor.run(processes.manage_service(*words, environment=self.environment))
            if status:
                raise StackError(f"manage.py {words[0]} failed:\n{lines}")

    def start(self, *names: str) -> None:
        """Start those of web, worker, beat and valkey that do not run."""
        for name in names:
            if not self._supervisor.is_running(name):
                self.adopt(self._services[name])

    def adopt(self, service: Service) -> None:
        """Start a process that is not ours under the same supervision."""
        try:
            self._supervisor.start(service)
        except EmbeddedError as problem:
            raise StackError(str(problem)) from problem

    def run(self, service: Service) -> tuple[int, str]:
        """Run a process to its end; its exit status and last lines."""
        return self._supervisor.run(service)

    def stop(self, *names: str) -> None:
        """Stop those that run."""
        for name in names:
            if self._supervisor.is_running(name):
                self._supervisor.stop_one(name)

    def pause(self, name: str) -> None:
        """Let a process hang: it keeps its sockets and answers nothing."""
        os.kill(self.pid(name), signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """End a pause."""
        os.kill(self.pid(name), signal.SIGCONT)

    def pid(self, name: str) -> int:
        """The process number of one that runs."""
        return self._supervisor.pid(name)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement in a session of its own; its rows, if it has any."""
        with psycopg.connect(self.postgres.url(), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def drop_waiting_uploads(self) -> None:
        """Forget what no worker has taken, so that one piece's rest is not the next one's load."""
        self.query("UPDATE health_upload SET state = 'cancelled' WHERE state IN ('received', 'retry', 'processing')")

    def read_log(self) -> str:
        """The last lines of all processes."""
        self._log.flush()
        return (self.directory / "log").read_text(encoding="utf-8")[-3000:]

    def close(self) -> None:
        """Stop everything and remove the folder; signals have to wait until it is done."""
        before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            self._supervisor.stop()
            self._log.close()
            shutil.rmtree(self.directory, ignore_errors=True)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def clean_environment() -> dict[str, str]:
    """As little of ours as processes need: settings of the shell must not change what is measured."""
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": os.environ.get("HOME", "/"), "PYTHONUNBUFFERED": "1"}


def find_free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])
