"""What becomes of uploads while Valkey or PostgreSQL is gone, hangs, or comes back empty.

Real servers, stopped and killed; each test ends with every upload there once and every count exact.
"""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.faults.lab import Lab, wake
from tests.faults.reports import make_report
from tests.stack import wait_for

SMALL = make_report(300)


def test_valkey_is_killed_during_uploads_and_comes_back_empty(lab: Lab) -> None:
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


def test_valkey_hangs_and_the_door_goes_on_answering(lab: Lab) -> None:
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


def test_postgres_is_stopped(lab: Lab) -> None:
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


def test_a_restart_of_postgres_costs_each_web_process_one_answer(lab: Lab) -> None:
    with ThreadPoolExecutor(40) as pool:
        warm = list(pool.map(lambda _: lab.ask_for_nothing().status, range(40)))
    assert set(warm) == {404}
    lab.stack.restart("postgres")
    found = [lab.ask_for_nothing().status for _ in range(12)]
    assert set(found) <= {404, 503}
    assert found.count(503) <= 2
    assert found[-6:] == [404] * 6


@pytest.mark.parametrize("point", ["parsed", "copied"])
def test_postgres_is_killed_while_a_worker_holds_an_upload(lab: Lab, point: str) -> None:
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


def test_a_locked_table_is_told_as_a_busy_database(lab: Lab) -> None:
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
