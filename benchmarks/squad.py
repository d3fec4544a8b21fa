"""SQUAD 1.98, a dashboard of the same kind, installed into an environment of its own and run on the same servers.

Used by `benchmarks.pieces.visible`. It takes JSON instead of XML and stores inside the request: when its POST is
answered, the results are there.
"""

import http.client
import json
import shutil
import subprocess
import sys
import time
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg

from benchmarks.generator import GeneratedCase, generate_cases
from benchmarks.stack import HOST, Stack, clean_environment, find_free_port
from config.embedded.postgres import PORT, SUPERUSER
from config.embedded.service import Service

VERSION: Final = "1.98"
# What it imports without asking for it: a database driver, the broker's client, a server, pkg_resources.
_PACKAGES: Final = (f"squad=={VERSION}", "psycopg2-binary", "redis", "gunicorn", "setuptools<81")
_DATABASE: Final = "squad"
_INSTALL_SECONDS: Final = 240
_SET_UP: Final = """
from django.contrib.auth.models import User
from rest_framework.authtoken.models import Token
from squad.core.models import Group
user = User.objects.create_superuser("bench", "bench@example.org", "bench")
Group.objects.create(slug="bench").projects.create(slug="bench")
print("token", Token.objects.create(user=user).key)
"""


class SquadError(Exception):
    """SQUAD cannot be measured here; the text says why."""


def install_squad(cache: Path) -> Path:
    """The folder of its programs, installed on first use. Raises SquadError when packages cannot be fetched."""
    home = cache / f"squad-{VERSION}"
    mark = home / "complete"
    if not mark.exists():
        shutil.rmtree(home, ignore_errors=True)
        pip = [
            str(home / "bin" / "python"),
            "-m",
            "pip",
            "install",
            "-q",
            "--disable-pip-version-check",
            "--no-input",
            "--retries",
            "1",
        ]
        for command in ([sys.executable, "-m", "venv", str(home)], [*pip, *_PACKAGES]):
            try:
                subprocess.run(command, capture_output=True, text=True, check=True, timeout=_INSTALL_SECONDS)
            except subprocess.SubprocessError as problem:
                words = (getattr(problem, "stderr", "") or str(problem)).strip().splitlines()
                raise SquadError(f"SQUAD could not be installed: {words[-1] if words else problem}") from problem
        _skip_downloads(home)
        mark.touch()
    return home / "bin"


def _skip_downloads(home: Path) -> None:
    """At its first start SQUAD fetches scripts for its pages from other servers; the API needs none of them."""
    for script in home.glob("lib/python*/site-packages/squad/frontend/static/download"):
        script.write_text("#!/bin/sh\nexit 0\n")


@dataclass(frozen=True, slots=True)
class Squad:
    """A running SQUAD with one project."""

    port: int
    token: str
    stack: Stack

    @property
    def pids(self) -> list[int]:
        """Its processes."""
        return [self.stack.pid("squad-web"), self.stack.pid("squad-worker")]

    def submit(self, n: int, *, build: int) -> float:
        """Send `n` results as one build; the seconds until they are stored.

        Its statistics are renewed first: the query that compares a build with the one before was measured at six times
        as long without those of the newest build, and here it should be seen at its best.
        """
        self._analyze()
        results = {_name(case): _describe(case) for case in generate_cases(n, variant=build)}
        metadata = {"job_id": f"job-{build}"}
        body = urllib.parse.urlencode({"tests": json.dumps(results), "metadata": json.dumps(metadata)})
        headers = {"Authorization": f"Token {self.token}", "Content-Type": "application/x-www-form-urlencoded"}
        connection = http.client.HTTPConnection(HOST, self.port, timeout=60)
        began = time.perf_counter()
        try:
            connection.request("POST", f"/api/submit/bench/bench/build-{build}/linux", body=body, headers=headers)
            response = connection.getresponse()
            answer = response.read()
        except OSError as problem:
            raise SquadError(f"SQUAD did not answer: {problem}") from problem
        finally:
            connection.close()
        if response.status != 201:
            raise SquadError(f"SQUAD answered {response.status}: {answer[:200]!r}")
        return time.perf_counter() - began

    def _analyze(self) -> None:
        with psycopg.connect(self.stack.postgres.url(_DATABASE), autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")


def _name(case: GeneratedCase) -> str:
    """Its names are paths, and the folder is a suite: one per area, as for us."""
    _, area, rest = case.class_name.split(".", 2)
    return f"{area}/{rest}.{case.name}"


def _describe(case: GeneratedCase) -> object:
    return {"result": "fail", "log": f"{case.message}\n{case.text}"} if case.outcome == "fail" else case.outcome


def start_squad(programs: Path, stack: Stack) -> Squad:
    """Make its database, project and token, and start it: one web process, one worker."""
    stack.postgres.create_database(_DATABASE)
    home = stack.directory / "squad"
    home.mkdir()
    environment = clean_environment() | {
        "ENV": "production",
        "SECRET_KEY": "only-for-the-bench",
        "DATABASE": f"ENGINE=django.db.backends.postgresql:NAME={_DATABASE}:USER={SUPERUSER}"
        f":HOST={stack.postgres.sockets}:PORT={PORT}",
        "SQUAD_CELERY_BROKER_URL": f"redis+socket://{stack.valkey.socket}?virtual_host=1",
        "SQUAD_STATIC_DIR": str(home / "static"),
        "XDG_DATA_HOME": str(home),
    }

    def run(name: str, *words: str) -> str:
        argv = [str(programs / "squad-admin"), *words]
        status, lines = stack.run(Service(name=name, argv=argv, environment=environment, directory=home))
        if status:
            raise SquadError(f"SQUAD's {name} failed: {lines[-400:]}")
        return lines

    run("squad-migrate", "migrate", "--no-input", "--verbosity", "0")
    token = run("squad-set-up", "shell", "-c", _SET_UP).rpartition("token ")[2].strip()
    port = find_free_port()
    web = [str(programs / "gunicorn"), "squad.wsgi", "--workers", "1", "--bind", f"{HOST}:{port}", "--timeout", "120"]
    worker = [str(programs / "squad-worker"), "--concurrency", "1"]
    stack.adopt(Service("squad-web", web, environment, home, is_ready=lambda: _is_answering(port), stop_seconds=10))
    stack.adopt(Service("squad-worker", worker, environment, home, stop_seconds=10))
    return Squad(port, token, stack)


def _is_answering(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/api/")
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
