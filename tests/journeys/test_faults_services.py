"""What becomes of uploads while Valkey or PostgreSQL is gone, hangs, or comes back empty.

Real servers, stopped and killed; each test ends with every upload there once and every count exact. The numbers are
those of `docs/faults.md`.
"""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from config import processes
from config.embedded.postgres import PORT
from tests.faults.lab import Lab, Sender, wake
from tests.faults.proxy import Wire
from tests.faults.reports import make_report
from tests.stack import free_port, wait_for

pytestmark = pytest.mark.fault

SMALL = make_report(300)


@pytest.mark.fault_smoke
def test_f09_valkey_is_killed_during_uploads_and_comes_back_empty(lab: Lab) -> None:
    sender = lab.a_sender()
    reports = [make_report(500 + number) for number in range(20)]
    for number, report in enumerate(reports[:5]):
        lab.accept(sender, report, run_id=str(number))
    lab.stack.kill("valkey")
    for number, report in enumerate(reports[5:], 5):
        lab.accept(sender, report, run_id=str(number))
    assert lab.ask("GET", "/readyz").json["degraded"] == ["broker"]
    lab.stack.start("valkey")
    lab.wait_until_stored(sender, len(reports), seconds=60)
    lab.assert_exact(sender, reports, n_names=519)


@pytest.mark.fault_smoke
def test_f08_valkey_hangs_and_the_door_goes_on_answering(lab: Lab) -> None:
    sender = lab.a_sender()
    reports = [make_report(200 + number) for number in range(10)]
    pid = lab.stack.pid("valkey")
    os.kill(pid, signal.SIGSTOP)
    try:
        durations = []
        for number, report in enumerate(reports):
            began = time.monotonic()
            lab.accept(sender, report, run_id=str(number))
            durations.append(time.monotonic() - began)
    finally:
        wake(pid)
    # Two processes pay once each, about a second; then their breakers are open.
    assert len([duration for duration in durations if duration > 0.9]) <= 2 + 1, durations
    assert max(durations) < 5, durations
    lab.wait_until_stored(sender, len(reports), seconds=60)
    lab.assert_exact(sender, reports, n_names=209)


@pytest.mark.fault_smoke
def test_f13_postgres_is_stopped(lab: Lab) -> None:
    sender = lab.a_sender()
    lab.accept(sender, SMALL, run_id="before")
    lab.wait_until_stored(sender, 1)
    worker, web, said = lab.stack.pid("worker"), lab.stack.pid("web"), len(lab.stack.log)
    lab.stack.stop("postgres")
    for _ in range(2):
        began = time.monotonic()
        answer = lab.send(sender, SMALL.packed, run_id="after")
        duration = time.monotonic() - began
        assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "db_unavailable", "5"), answer
        assert duration < 5
    page = lab.ask("GET", "/", headers={"Cookie": "sw_session=abcdefghijklmnopqrstuvwxyz123456"})
    text = page.body.decode()
    assert (page.status, page.headers["content-type"].split(";")[0]) == (503, "text/html"), text
    assert page.headers["retry-after"] == "5"
    for secret in ("Traceback", "psycopg", "SELECT", "OperationalError", "/dashboard/", "django"):
        assert secret not in text
    assert lab.ask("GET", "/healthz").status == 200
    assert lab.ask("GET", "/readyz").status == 503
    lab.stack.start("postgres")
    lab.wait_until_served(seconds=3)
    assert lab.send(sender, SMALL.packed, run_id="after").status == 202
    lab.wait_until_stored(sender, 2)
    assert (lab.stack.pid("worker"), lab.stack.pid("web")) == (worker, web)
    assert "nothing can be swept" in lab.stack.log[said:]
    assert "Traceback" not in lab.stack.log[said:]
    lab.assert_exact(sender, [SMALL, SMALL], n_names=SMALL.n)


def test_f14_a_restart_of_postgres_costs_each_web_process_one_answer(lab: Lab) -> None:
    with ThreadPoolExecutor(40) as pool:
        warm = list(pool.map(lambda _: lab.ask_for_nothing().status, range(40)))
    assert set(warm) == {404}
    lab.stack.restart("postgres")
    found = [lab.ask_for_nothing().status for _ in range(12)]
    assert set(found) <= {404, 503}
    assert found.count(503) <= 2
    assert found[-6:] == [404] * 6


@pytest.mark.parametrize("point", ["parsed", "copied"])
def test_f14_postgres_is_killed_while_a_worker_holds_an_upload(lab: Lab, point: str) -> None:
    sender = lab.a_sender()
    report = make_report(20_000)
    worker, said = lab.stack.pid("worker"), len(lab.stack.log)
    lab.traps.arm(point, signal.SIGSTOP)
    lab.accept(sender, report, run_id="1")
    frozen = lab.wait_until_caught(point)
    # Nobody sweeps: the lease may end before the frozen worker wakes.
    lab.stack.stop("beat")
    lab.stack.kill("postgres")
    lab.stack.start("postgres")
    wake(frozen)
    # Its answer to a lost connection: back to waiting, on a new one, and not counted.
    wait_for(lambda: lab.uploads(sender) == [("retry", 0)], what="the end of the attempt")
    lab.hurry(sender)
    lab.stack.start("beat")
    lab.wait_until_stored(sender, 1)
    assert lab.uploads(sender) == [("stored", 1)]
    assert lab.stack.pid("worker") == worker
    assert "raised unexpected" not in lab.stack.log[said:]
    lab.assert_exact(sender, [report], n_names=report.n)


@pytest.mark.fault_smoke
def test_f18_a_locked_table_is_told_as_a_busy_database(lab: Lab) -> None:
    sender = lab.a_sender()
    lab.accept(sender, SMALL, run_id="1")
    lab.wait_until_stored(sender, 1)
    with psycopg.connect(lab.stack.database_url) as connection:
        connection.execute("LOCK TABLE health_upload, health_tile IN ACCESS EXCLUSIVE MODE")
        with ThreadPoolExecutor(2) as pool:
            sent = pool.submit(lab.send, sender, SMALL.packed, run_id="2")
            cookie = {"Cookie": f"sw_session={lab.session}"}
            shown = pool.submit(lab.ask, "GET", f"/p/{sender.slug}/", headers=cookie)
            answer, page = sent.result(), shown.result()
        assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "db_busy", "5"), answer
        assert (page.status, page.headers["retry-after"]) == (503, "5"), page
    lab.accept(sender, SMALL, run_id="2")
    lab.wait_until_stored(sender, 2)
    lab.assert_exact(sender, [SMALL, SMALL], n_names=SMALL.n)


def test_f07_valkey_is_stopped_and_a_hundred_uploads_wait_for_it(lab: Lab) -> None:
    sender = lab.a_sender()
    report = make_report(1000)
    lab.stack.stop("valkey")
    durations = []
    for number in range(100):
        began = time.monotonic()
        lab.accept(sender, report, run_id=str(number))
        durations.append(time.monotonic() - began)
    # As with a bell that rings; two processes notice once each that it does not.
    assert sorted(durations)[94] < 0.5, durations
    ready = lab.ask("GET", "/readyz")
    assert (ready.status, ready.json["degraded"]) == (200, ["broker"])
    page = lab.ask("GET", f"/p/{sender.slug}/", headers={"Cookie": f"sw_session={lab.session}"})
    assert page.status == 200
    assert {state for state, _ in lab.uploads(sender)} == {"received"}
    lab.stack.start("valkey")
    lab.wait_until_stored(sender, 100, seconds=60)
    lab.assert_exact(sender, [report] * 100, n_names=1000)


def test_f09_two_hundred_bells_are_lost_with_valkey(lab: Lab) -> None:
    sender = lab.a_sender()
    report = make_report(20)
    lab.stack.stop("worker")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: lab.accept(sender, report, run_id=str(number)), range(200)))
    lab.stack.kill("valkey")
    lab.stack.start("valkey")
    lab.stack.start("worker")
    lab.wait_until_stored(sender, 200, seconds=60)
    lab.assert_exact(sender, [report] * 200, n_names=20)


def test_f13_the_uploader_waits_until_postgres_is_back(lab: Lab, tmp_path: Path) -> None:
    sender = lab.a_sender()
    (tmp_path / "junit.xml").write_bytes(SMALL.body)
    lab.stack.stop("postgres")
    uploader = start_uploader(lab, sender, tmp_path)
    time.sleep(2)
    assert uploader.poll() is None, uploader.communicate()
    lab.stack.start("postgres")
    said = uploader.communicate(timeout=60)
    assert uploader.returncode == 0, said
    lab.wait_until_stored(sender, 1)
    lab.assert_exact(sender, [SMALL], n_names=SMALL.n)


def start_uploader(lab: Lab, sender: Sender, folder: Path) -> subprocess.Popen[str]:
    """The client as CI runs it."""
    environment = {"PATH": os.environ["PATH"], "SUITEWATCH_URL": lab.stack.url, "SUITEWATCH_TOKEN": sender.token}
    command = [sys.executable, str(processes.ROOT / "ingest/uploader.py"), "upload", "junit.xml", "--run-id", "1"]
    return subprocess.Popen(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def test_f14_the_first_answer_comes_soon_after_postgres_was_killed(lab: Lab) -> None:
    sender = lab.a_sender()
    lab.stack.kill("postgres")
    assert lab.send(sender, SMALL.packed, run_id="1").status == 503
    lab.stack.start("postgres")
    answer = wait_for(lambda: accepted(lab, sender), seconds=5, what="the first upload that is accepted")
    assert answer
    lab.wait_until_stored(sender, 1)
    lab.assert_exact(sender, [SMALL], n_names=SMALL.n)


def accepted(lab: Lab, sender: Sender) -> bool:
    return lab.send(sender, SMALL.packed, run_id="1").status in (200, 202)


def test_f15_the_wire_to_postgres_swallows_everything(lab: Lab) -> None:
    """A userspace proxy acknowledges what it swallows, so it resets hanging connections as the kernel would."""
    sender = lab.a_sender()
    socket_path = str(lab.stack.servers.postgres.sockets / f".s.PGSQL.{PORT}")
    with Wire(socket_path, reset_after=3) as wire:
        port = start_distant_web(lab, wire)
        try:
            assert send_to(lab, port, sender, "1") == 202
            wire.die()
            with ThreadPoolExecutor(8) as pool:
                began = time.monotonic()
                found = list(pool.map(lambda number: send_to(lab, port, sender, f"dead-{number}"), range(8)))
            assert set(found) == {503}, found
            assert time.monotonic() - began < 15
            assert lab.ask("GET", "/healthz", port=port).status == 200
            wire.revive()
            wait_for(lambda: send_to(lab, port, sender, "2") == 202, seconds=10, what="an answer over the mended wire")
        finally:
            lab.stack.stop("distant")
            del lab.stack.services["distant"]
    lab.wait_until_stored(sender, 2)
    lab.assert_exact(sender, [SMALL, SMALL], n_names=SMALL.n)


def start_distant_web(lab: Lab, wire: Wire) -> int:
    """A web server whose database is behind the wire; its port."""
    port = free_port()
    own = psycopg.conninfo.conninfo_to_dict(lab.stack.database_url)
    address = f"postgresql://{own['user']}@127.0.0.1:{wire.port}/{own['dbname']}"
    environment = {**lab.stack.environment, "DATABASE_URL": address, "SUITEWATCH_WEB_PROCESSES": "1"}
    lab.stack.services["distant"] = replace(
        processes.web_service(environment, host="127.0.0.1", port=port), name="distant"
    )
    lab.stack.start("distant")
    return port


def send_to(lab: Lab, port: int, sender: Sender, run_id: str) -> int:
    path, headers = f"/api/v1/uploads?run_id={run_id}", {"Authorization": f"Bearer {sender.token}"}
    return lab.ask("PUT", path, body=SMALL.packed, headers=headers, port=port).status


def test_f16_more_requests_than_the_pool_has_connections(lab: Lab) -> None:
    """A hundred requests on four connections, each held up for a second and a half."""
    with psycopg.connect(lab.stack.database_url) as connection:
        connection.execute("LOCK TABLE health_upload IN ACCESS EXCLUSIVE MODE")
        with ThreadPoolExecutor(100) as pool:
            asked = [pool.submit(lambda: lab.ask_for_nothing(strict=True).status) for _ in range(100)]
            time.sleep(1.5)
            connection.rollback()
            found = [answer.result() for answer in asked]
    assert set(found) <= {404, 503}, found
    began = time.monotonic()
    assert [lab.ask_for_nothing(strict=True).status for _ in range(8)] == [404] * 8
    assert time.monotonic() - began < 2
    held = """
        SELECT count(*) FILTER (WHERE state <> 'idle'), count(*) <= 2 * 8 + 4 FROM pg_stat_activity
        WHERE application_name = 'suitewatch-web'
    """
    wait_for(lambda: lab.stack.query(held) == [(0, True)], seconds=5, what="connections given back")


def test_f18_a_table_locked_while_a_worker_stores_costs_a_retry(lab: Lab) -> None:
    sender = lab.a_sender()
    with psycopg.connect(lab.stack.database_url) as connection:
        connection.execute("LOCK TABLE health_tile IN ACCESS EXCLUSIVE MODE")
        lab.accept(sender, SMALL, run_id="1")
        wait_for(lambda: lab.uploads(sender) == [("retry", 0)], seconds=25, what="an attempt that is not counted")
    lab.hurry(sender)
    lab.wait_until_stored(sender, 1)
    assert lab.uploads(sender) == [("stored", 1)]
    lab.assert_exact(sender, [SMALL], n_names=SMALL.n)
