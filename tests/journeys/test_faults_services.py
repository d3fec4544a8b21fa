"""What becomes of uploads while Valkey or PostgreSQL is gone, hangs, or comes back empty.

Real servers, stopped and killed; each test ends with every upload there once and every count exact.
"""

import os
import signal
import time

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
    # Two processes pay once each, then their breakers are open.
    assert len([duration for duration in durations if duration > 1]) <= 2, durations
    assert max(durations) < 5, durations
    lab.wait_until_stored(sender, len(reports), seconds=60)
    lab.assert_exact(sender, reports, n_names=209)


def test_postgres_is_stopped(lab: Lab) -> None:
    sender = lab.a_sender()
    lab.accept(sender, SMALL, run_id="before")
    worker, web = lab.stack.pid("worker"), lab.stack.pid("web")
    lab.stack.stop("postgres")
    for _ in range(3):
        began = time.monotonic()
        answer = lab.send(sender, SMALL.packed, run_id="after")
        duration = time.monotonic() - began
        assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "db_unavailable", "5"), answer
        assert duration < 4
    page = lab.ask("GET", "/", headers={"Cookie": "sw_session=abcdefghijklmnopqrstuvwxyz123456"})
    text = page.body.decode()
    assert (page.status, page.headers["content-type"].split(";")[0]) == (503, "text/html"), text
    assert page.headers["retry-after"] == "5"
    for secret in ("Traceback", "psycopg", "SELECT", "OperationalError", "/dashboard/", "django"):
        assert secret not in text
    assert lab.ask("GET", "/healthz").status == 200
    assert lab.ask("GET", "/readyz").status == 503
    lab.stack.start("postgres")
    wait_for(lambda: lab.send(sender, SMALL.packed, run_id="after").status == 202, what="the same upload is taken")
    lab.wait_until_stored(sender, 2)
    assert (lab.stack.pid("worker"), lab.stack.pid("web")) == (worker, web)
    lab.assert_exact(sender, [SMALL, SMALL], n_names=SMALL.n)


def test_postgres_is_killed_while_a_worker_holds_uploads(lab: Lab) -> None:
    sender = lab.a_sender()
    reports = [make_report(1000 + number) for number in range(3)]
    lab.traps.arm("copied", signal.SIGSTOP)
    for number, report in enumerate(reports):
        lab.accept(sender, report, run_id=str(number))
    frozen = lab.wait_until_caught("copied")
    worker = lab.stack.pid("worker")
    lab.stack.kill("postgres")
    wake(frozen)
    lab.stack.start("postgres")
    lab.wait_until_stored(sender, len(reports), seconds=45)
    assert lab.stack.pid("worker") == worker
    lab.assert_exact(sender, reports, n_names=1002)
