"""A newcomer runs `up`: the real process, its children, its ends."""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import psycopg
import pytest

from config.processes import ROOT
from tests.stack import free_port, wait_for

STARTED = "Stop everything with Ctrl-C"


class Up:
    """`manage.py up` in a state folder of its own, with what it printed so far."""

    def __init__(self, state: Path, port: int, **variables: str) -> None:
        self.state, self.port = state, port
        self.environment = clean_environment() | {"SUITEWATCH_STATE_DIR": str(state)} | variables
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "up", "--no-demo", "--port", str(port)],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.output = ""
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self) -> None:
        for line in self.process.stdout:
            self.output += line

    def wait_until_started(self) -> "Up":
        wait_for(lambda: STARTED in self.output or self.process.poll() is not None, seconds=90, what="up has started")
        assert self.process.poll() is None, self.output
        return self

    def wait_until_ended(self) -> str:
        """Its exit status, after it ended by itself or as asked."""
        wait_for(lambda: self.process.poll() is not None, seconds=60, what="up has ended")
        self.reader.join(5)
        return self.output

    def stop(self) -> str:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        return self.wait_until_ended()

    def close(self) -> None:
        for pid in processes_of(self.state):
            kill(pid)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.reader.join(5)
        self.process.stdout.close()

    def get(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command in a second terminal."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )


def clean_environment() -> dict[str, str]:
    """Ours without anything that speaks of Suitewatch or a server."""
    ours = ("SUITEWATCH_", "DATABASE_URL", "REDIS_URL", "DJANGO_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def processes_of(state: Path) -> list[int]:
    """The numbers of all processes that know this state folder, other than zombies."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if os.fsencode(state) in words:
                found.append(int(entry.name))
    return found


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def state():
    made = Path(tempfile.mkdtemp(prefix="sw-up-"))
    # Root's PostgreSQL runs as another account; under a strict parent its data would stay outside.
    made.chmod(0o755)
    yield made / "state"
    for pid in processes_of(made / "state"):
        kill(pid)
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def up(state):
    """Starts `up` as often as the test likes, on one port; ends what is left."""
    free = free_port()
    started = []

    def start(*, port: int = free, **variables) -> Up:
        started.append(Up(state, port, **variables))
        return started[-1]

    yield start
    for one in started:
        one.close()


def test_up_stop_and_up_again(up, state):
    first = up().wait_until_started()
    assert first.get("/healthz") == (200, "ok\n")
    status, text = first.get("/readyz")
    assert (status, json.loads(text)) == (200, {"state": "ready", "failing": [], "degraded": []})
    assert re.search(rf"http://127\.0\.0\.1:{first.port}/login/link/\S+", first.output)
    assert state.stat().st_mode & 0o066 == 0

    # A second terminal finds the running services, and a second `up` does not disturb them.
    code = "from django.contrib.auth.models import User; print(User.objects.get())"
    assert "owner" in first.manage("shell", "-v", "0", "-c", code).stdout
    mode = state.stat().st_mode
    beside = up().wait_until_ended()
    assert state.stat().st_mode == mode
    assert f"Suitewatch already runs at http://127.0.0.1:{first.port}" in beside
    assert "Traceback" not in beside
    assert first.get("/healthz")[0] == 200

    # Ctrl-C: everything ends, in one clear line.
    said = first.stop()
    assert first.process.returncode == 0
    assert f"Stopped. The data stays in {state}" in said
    assert not re.search("Traceback|PANIC|ERROR", said)
    assert processes_of(state) == []
    gone = first.manage("migrate", "--check")
    assert "run `make up`, or set DATABASE_URL" in gone.stderr

    # The second run has the first one's user, tables and key.
    key = (state / "secret-key").read_text()
    second = up().wait_until_started()
    assert (state / "secret-key").read_text() == key
    with psycopg.connect(json.loads((state / "running.json").read_text())["database_url"]) as connection:
        assert connection.execute("SELECT username FROM auth_user").fetchall() == [("owner",)]
    second.stop()
    assert processes_of(state) == []


def test_a_dirty_stop_is_recovered_from_and_told(up, state):
    first = up().wait_until_started()

    # Only the parent is killed: its children go on, and are in the way.
    first.process.kill()
    first.process.wait()
    assert processes_of(state) != []
    second = up().wait_until_started()
    assert "The last run did not stop cleanly" in second.output
    assert "Ended what was left of it: " in second.output
    assert second.get("/readyz")[0] == 200

    # Everything is killed, PostgreSQL in the middle of its life.
    for pid in [second.process.pid, *processes_of(state)]:
        kill(pid)
    wait_for(lambda: processes_of(state) == [], what="all are gone")
    third = up().wait_until_started()
    assert "The last run did not stop cleanly" in third.output
    assert third.get("/readyz")[0] == 200

    # A crashed child is started again by its parent.
    worker = json.loads((state / "running.json").read_text())["children"]["worker"]["pid"]
    os.killpg(worker, signal.SIGKILL)
    wait_for(lambda: "worker ended (signal SIGKILL); starting it again in 1 s." in third.output)
    wait_for(lambda: third.output.count("worker is ready") == 2, seconds=30)
    # SIGTERM, as from an init system, is as good as Ctrl-C.
    third.process.terminate()
    assert "Stopped." in third.wait_until_ended()
    assert third.process.returncode == 0


def test_ctrl_c_during_the_start_leaves_nothing(up, state):
    one = up()
    wait_for(lambda: "Preparing tables" in one.output, seconds=60)
    assert "Stopped." in one.stop()
    assert processes_of(state) == []


def test_a_taken_port_is_one_sentence(up, state):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        one = up(port=listener.getsockname()[1])
        said = one.wait_until_ended()
    assert one.process.returncode == 1
    assert f"Port {one.port} on 127.0.0.1 is taken by another program: choose another with `make up PORT=" in said
    assert len(said.splitlines()) == 1
    assert processes_of(state) == []


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        (
            {"DATABASE_URL": "postgresql://ann:hunter2@127.0.0.1:1/x"},
            "DATABASE_URL is set, but its database does not answer: ",
        ),
        (
            {"DATABASE_URL": "mysql://localhost/x"},
            "DATABASE_URL does not start like an address; allowed: postgresql://",
        ),
        ({"REDIS_URL": "redis://:hunter2@127.0.0.1:1/0"}, "REDIS_URL is set, but its server does not answer: "),
        ({"SUITEWATCH_HOST": "192.0.2.1"}, "on 192.0.2.1 cannot be used"),
        ({"SUITEWATCH_DEMO": "perhaps"}, "SUITEWATCH_DEMO is 'perhaps'; allowed: auto, yes, no."),
    ],
)
def test_a_wrong_variable_is_one_sentence_without_its_secret(up, state, variables, sentence):
    one = up(**variables)
    said = one.wait_until_ended()
    assert one.process.returncode == 1
    assert sentence in said
    assert "hunter2" not in said
    assert "Traceback" not in said
    assert processes_of(state) == []


def test_a_state_folder_that_cannot_be_made_is_one_sentence(up, tmp_path):
    (tmp_path / "file").touch()
    said = up(SUITEWATCH_STATE_DIR=str(tmp_path / "file" / "state")).wait_until_ended()
    assert "set SUITEWATCH_STATE_DIR" in said
    assert "Traceback" not in said
