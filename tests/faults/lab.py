"""The bench of the fault tests: the real stack with traps in its worker, one project per test, and exact counts.

Every test ends with nothing left unfinished, nothing left in the temporary folders and no law broken that
`manage.py fsck` knows; when all are done, `fsck --deep` looks at everything once more. The fixtures see to it.
"""

import http.client
import json
import os
import signal
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from config import processes
from health.fsck import find_violations
from tests.faults.reports import Report
from tests.faults.traps import FOLDER, Traps
from tests.faults.worker_limits import LIMITS
from tests.stack import LiveStack, free_port, wait_for

UNFINISHED = "state IN ('received', 'processing', 'retry')"
MAKE_PROJECTS = """
from django.test import Client
from tests.builders import a_project, a_token, a_user
owner, client = a_user("faults"), Client()
client.force_login(owner)
print("session", client.cookies["sw_session"].value)
for number in range(100):
    project = a_project(f"fault-{number}", owner=owner)
    print("project", project.pk, project.slug, a_token(project))
"""


@dataclass(frozen=True)
class Sender:
    """A project with the token to send to it."""

    project: int
    slug: str
    token: str


@dataclass(frozen=True)
class Answer:
    """What the door said."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """Its body, which under /api/ is always JSON."""
        return json.loads(self.body)  # type: ignore[no-any-return]

    @property
    def code(self) -> str:
        """The error's code, or nothing."""
        return str(self.json.get("error", {}).get("code", ""))


class Lab:
    """A stack whose worker has traps, and a second web server with short deadlines and traps of its own."""

    def __init__(self, stack: LiveStack, folder: Path) -> None:
        self.stack = stack
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.traps = Traps(folder / "traps")
        self.strict_port = free_port()
        self._server = stack.pid("postgres")
        # What was committed must survive a killed server, as it does everywhere but in tests.
        with psycopg.connect(stack.database_url, autocommit=True) as connection:
            connection.execute("ALTER ROLE CURRENT_USER SET synchronous_commit = on")
        told = stack.manage("shell", "--command", MAKE_PROJECTS)
        rows = [line.split() for line in told.splitlines()]
        self._senders = [Sender(int(row[1]), row[2], row[3]) for row in rows if row[:1] == ["project"]]
        self.session = next(row[1] for row in rows if row[:1] == ["session"])
        environment = {**stack.environment, FOLDER: str(folder / "traps"), "TMPDIR": str(self.temporary)}
        # The limit of the address wins over the settings' 150 s.
        quick = {"DATABASE_URL": f"{stack.database_url}&options=-cidle_in_transaction_session_timeout%3D5s"}
        worker = processes.worker_service(environment | quick)
        stack.services["worker"] = _point(worker, "config", "tests.faults.worker")
        strict = {
            **environment,
            "SUITEWATCH_UPLOAD_TIMEOUT_SECONDS": "3",
            "SUITEWATCH_UPLOAD_READ_TIMEOUT_SECONDS": "2",
            "SUITEWATCH_WEB_PROCESSES": "1",
            "SUITEWATCH_WEB_THREADS": "12",
            "SUITEWATCH_DATABASE_POOL_SIZE": "4",
            # A test may send more at once than a project may.
            "SUITEWATCH_UPLOAD_BURST": "5000",
            "SUITEWATCH_UPLOAD_MAX_WAITING": "5000",
        }
        web = processes.web_service(strict, host="127.0.0.1", port=self.strict_port)
        web = _point(web, "config.wsgi:application", "tests.faults.web:application")
        stack.services["strict"] = replace(web, name="strict")
        stack.restart("worker")
        stack.start("strict")

    def close(self) -> None:
        """Look at everything once more, thoroughly; then end what the stack itself does not know."""
        self.stack.ensure_running()
        try:
            self.stack.manage("fsck", "--deep")
        finally:
            self.stack.stop("strict")

    def a_sender(self) -> Sender:
        """A project nobody else uses."""
        return self._senders.pop()

    # --- Sending -----------------------------------------------------------------------------------------------

    def send(self, sender: Sender, body: bytes, *, strict: bool = False, **fields: str) -> Answer:
        """One delivery as a raw body; `fields` stand in the address."""
        query = "&".join(f"{name}={value}" for name, value in fields.items())
        headers = {"Authorization": f"Bearer {sender.token}"}
        return self.ask("PUT", f"/api/v1/uploads?{query}", body=body, headers=headers, strict=strict)

    def ask(
        self,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        strict: bool = False,
        port: int = 0,
        seconds: float = 30,
    ) -> Answer:
        """One request to the stack's web server, to the strict one, or to the one at `port`."""
        port = port or (self.strict_port if strict else self.stack.port)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
        try:
            connection.request(method, path, body=body or None, headers=headers or {})
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()

    def accept(self, sender: Sender, report: Report, **fields: str) -> str:
        """Send a report, which must be accepted; its upload's id."""
        answer = self.send(sender, report.packed, **fields)
        assert answer.status == 202, answer.body
        return str(answer.json["upload"])

    def ensure_served(self) -> None:
        """After a change of the database server, wait until the web servers noticed."""
        server = self.stack.pid("postgres")
        if server != self._server:
            self.wait_until_served()
            self._server = server

    def wait_until_served(self, *, seconds: float = 10) -> None:
        """Until each process of both web servers has its database."""
        for port in (self.stack.port, self.strict_port):
            wait_for(lambda port=port: self._is_served(port), seconds=seconds, what="web servers with a database")  # type: ignore[misc]

    def _is_served(self, port: int) -> bool:
        try:
            # Several in a row, so that each process is asked.
            return all(self.ask_for_nothing(strict=port == self.strict_port).status == 404 for _ in range(10))
        except OSError:
            return False

    def ask_for_nothing(self, *, strict: bool = False) -> Answer:
        """For an upload that is not there: 404 when the database answers."""
        headers = {"Authorization": f"Bearer {self._senders[0].token}"}
        return self.ask("GET", f"/api/v1/uploads/{uuid.uuid4()}", headers=headers, strict=strict)

    # --- Watching ----------------------------------------------------------------------------------------------

    def wait_until_caught(self, point: str) -> int:
        """The process that fell into the trap at `point`; it is dead or stands still now."""
        pid: int = wait_for(lambda: self.traps.caught(point), what=f"a process at {point!r}")
        wait_for(lambda: state_of(pid) in "TZ", what=f"process {pid} stands still or is dead")
        return pid

    def uploads(self, sender: Sender) -> list[tuple[str, int]]:
        """State and attempts of a project's uploads, in the order they came."""
        rows = self.stack.query(
            "SELECT state, attempts FROM health_upload WHERE project_id = %s ORDER BY id", sender.project
        )
        return [(row[0], row[1]) for row in rows]

    def revision(self, sender: Sender) -> int:
        """The generation of a project's pages."""
        rows = self.stack.query("SELECT revision FROM health_project WHERE id = %s", sender.project)
        return int(rows[0][0])

    def wait_until_stored(self, sender: Sender, n: int, *, seconds: float = 30) -> None:
        """Until the project has `n` uploads, all of them at their end."""
        wait_for(
            lambda: len(self.uploads(sender)) == n and not self.count_unfinished(sender),
            seconds=seconds,
            what=f"{n} finished uploads of {sender.slug}, got {self.uploads(sender)}",
        )

    def hurry(self, sender: Sender) -> None:
        """Let what waits for another try be tried now."""
        self.stack.query(
            """
            UPDATE health_upload SET next_attempt_at = now()
            WHERE project_id = %s AND state = 'retry' AND next_attempt_at > now() RETURNING id
            """,
            sender.project,
        )

    def end_lease(self, sender: Sender) -> None:
        """As if the time of a lease had passed; where a crash itself is tested, it really passes."""
        self.stack.query(
            "UPDATE health_upload SET lease_until = now() WHERE project_id = %s AND state = 'processing' RETURNING id",
            sender.project,
        )

    @contextmanager
    def short_limits(self, *, soft: float, hard: float) -> Iterator[None]:
        """A worker whose tasks may take only so many seconds."""
        usual = self.stack.services["worker"]
        self.stack.services["worker"] = replace(usual, environment={**usual.environment, LIMITS: f"{soft} {hard}"})
        self.stack.restart("worker")
        try:
            yield
        finally:
            self.stack.services["worker"] = usual
            self.stack.restart("worker")

    def find_violations(self) -> list[str]:
        """What `manage.py fsck` would say of all projects."""
        with psycopg.connect(self.stack.database_url) as connection, connection.cursor() as cursor:
            projects = [row[0] for row in cursor.execute("SELECT id FROM health_project").fetchall()]
            found = find_violations(cursor, project_ids=projects, patience_seconds=30)
            return [f"{violation.law}: {violation.message}" for violation in found]

    def count_unfinished(self, sender: Sender | None = None) -> int:
        """Uploads that still wait or are being worked on: of a project, or of all."""
        where = f"{UNFINISHED} AND project_id = {sender.project}" if sender else UNFINISHED
        return int(self.stack.query(f"SELECT count(*) FROM health_upload WHERE {where}")[0][0])

    def assert_exact(
        self, sender: Sender, reports: Sequence[Report], *, n_names: int, others: Sequence[str] = ()
    ) -> None:
        """Each report is there once, as a run of its own; every count agrees; names are numbered densely.

        `others` are the states of uploads that gave no results.
        """
        project = sender.project
        wanted = sorted((report.n, report.failed) for report in reports)
        states = sorted(state for state, _ in self.uploads(sender))
        assert states == sorted(["stored"] * len(reports) + list(others))
        results = """
            SELECT count(*), count(*) FILTER (WHERE outcome = 2), count(DISTINCT (series, ord)), count(DISTINCT upload)
            FROM health_result WHERE project_id = %s GROUP BY run
        """
        found = self.stack.query(results, project)
        assert sorted(row[:2] for row in found) == wanted
        assert all(row[0] == row[2] and row[3] == 1 for row in found)
        for table in ("health_run", "health_job"):
            rows = self.stack.query(f"SELECT n_declared, n_failed FROM {table} WHERE project_id = %s", project)
            assert sorted(rows) == wanted, table
        suites = """
            SELECT sum(n_declared)::int, sum(n_failed)::int FROM health_runsuite WHERE project_id = %s GROUP BY run
        """
        assert sorted(self.stack.query(suites, project)) == wanted
        total = (sum(report.n for report in reports), sum(report.failed for report in reports))
        day = "SELECT sum(n_declared)::int, sum(n_failed)::int FROM health_suiteday WHERE project_id = %s"
        assert self.stack.query(day, project) == [total]
        failures = "SELECT count(*), count(DISTINCT (upload, ord)) FROM health_failure WHERE project_id = %s"
        assert self.stack.query(failures, project) == [(total[1], total[1])]
        texts = "SELECT count(*) FROM health_failuretext WHERE project_id = %s"
        assert self.stack.query(texts, project) == [(len([r for r in reports if r.failed]),)]
        names = "SELECT count(*), max(ord) + 1, count(DISTINCT digest) FROM health_case WHERE project_id = %s"
        assert self.stack.query(names, project) == [(n_names, n_names, n_names)]

    def end_frozen(self) -> None:
        """What a failed test left standing still would be missing in the next one."""
        for pid in self.traps.all_caught():
            if state_of(pid) == "T":
                os.kill(pid, signal.SIGKILL)

    def leftovers(self) -> list[str]:
        """What worker and strict web left in their temporary folder; Celery's pool keeps an empty one of its own."""
        return sorted(path.name for path in self.temporary.iterdir() if not path.name.startswith("pymp-"))


def state_of(pid: int) -> str:
    """The kernel's letter for a process: R, S, D, T (stopped), Z (dead, not yet buried); Z when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "Z"


def wake(pid: int) -> None:
    """Let a stopped process go on."""
    os.kill(pid, signal.SIGCONT)


def _point(service: Any, old: str, new: str) -> Any:
    """The same service with another application."""
    assert old in service.argv
    return replace(service, argv=[new if word == old else word for word in service.argv])


@pytest.fixture(scope="session")
def lab_of_session(live_stack_of_session: LiveStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One lab for the fault tests of this process."""
    live_stack_of_session.ensure_running()
    lab = Lab(live_stack_of_session, tmp_path_factory.mktemp("lab"))
    yield lab
    lab.close()


@pytest.fixture
def lab(lab_of_session: Lab, live_stack: LiveStack) -> Iterator[Lab]:
    """The lab, all of it running; after the test nothing may be left unfinished."""
    lab_of_session.ensure_served()
    yield lab_of_session
    lab_of_session.end_frozen()
    lab_of_session.traps.clear()
    live_stack.ensure_running()
    wait_for(lambda: not lab_of_session.count_unfinished(), seconds=60, what="every upload at its end")
    assert wait_for(lambda: lab_of_session.leftovers() == [], seconds=5, what=f"{lab_of_session.leftovers()} to go")
    assert lab_of_session.find_violations() == []
