"""Bad inputs, hostile clients and dying web servers: each gets its clear answer, and hurts nothing else.

Raw sockets to real web servers; right after each of them a good upload is sent, stored and counted.
"""

import gzip
import os
import signal
import socket
import threading
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from tests.faults.lab import Answer, Lab, Sender
from tests.faults.reports import make_report
from tests.faults.wire import connect, make_head, push, read_answer
from tests.stack import wait_for

MIB = 2**20
# Deadlines of the strict web server are 2 s and 3 s; the machine may be busy.
GENEROUS_SECONDS = 12
SMALL = make_report(300)
LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><testsuite name="&c;"><testcase name="x"/></testsuite>"""
PAGE = b"<!doctype html><html><head><title>Sign in</title></head><body><p>Please sign in.</p></body></html>"


def make_bomb() -> bytes:
    """One gigabyte of zeros in one megabyte."""
    packer = zlib.compressobj(9, wbits=31)
    zeros = bytes(16 * MIB)
    return b"".join([*(packer.compress(zeros) for _ in range(64)), packer.flush()])


# --- Refused at the door -----------------------------------------------------------------------------------------


def send_chunked(port: int, token: str) -> Answer:
    with connect(port) as connection:
        head = make_head(token, length=None, extra="Transfer-Encoding: chunked")
        push(connection, head + b"5\r\n<test\r\n0\r\n\r\n")
        return read_answer(connection)


def send_too_little(port: int, token: str) -> Answer:
    with connect(port) as connection:
        push(connection, make_head(token, length=len(SMALL.body)) + SMALL.body[:5000])
        connection.shutdown(socket.SHUT_WR)
        return read_answer(connection)


def announce_too_much(port: int, token: str) -> Answer:
    """Not one byte of the body is sent: the answer must come before it is read."""
    with connect(port) as connection:
        push(connection, make_head(token, length=25 * MIB + 1))
        return read_answer(connection)


def send_fifty_megabytes(port: int, token: str) -> Answer:
    with connect(port) as connection:
        push(connection, make_head(token, length=50 * MIB))
        for _ in range(50):
            push(connection, bytes(MIB))
        return read_answer(connection)


def stall(port: int, token: str) -> Answer:
    with connect(port) as connection:
        push(connection, make_head(token, length=len(SMALL.body)) + SMALL.body[:5000])
        return read_answer(connection)


def drip(port: int, token: str) -> Answer:
    """A byte every tenth of a second: never silent for long, never done."""
    with connect(port) as connection, ExitStack() as cleanup:
        push(connection, make_head(token, length=len(SMALL.body)))
        done = threading.Event()

        def feed() -> None:
            while not done.wait(0.1):
                push(connection, b"<")

        feeder = threading.Thread(target=feed)
        cleanup.callback(feeder.join)
        cleanup.callback(done.set)
        feeder.start()
        return read_answer(connection)


def send_bomb(port: int, token: str) -> Answer:
    bomb = make_bomb()
    with connect(port) as connection:
        push(connection, make_head(token, length=len(bomb), extra="Content-Encoding: gzip") + bomb)
        return read_answer(connection)


def send_damaged_gzip(port: int, token: str) -> Answer:
    body = SMALL.packed[:-20]
    with connect(port) as connection:
        push(connection, make_head(token, length=len(body), extra="Content-Encoding: gzip") + body)
        return read_answer(connection)


@pytest.mark.parametrize(
    ("behave", "status", "code"),
    [
        (send_chunked, 411, "length_required"),
        (send_too_little, 400, "body_truncated"),
        (announce_too_much, 413, "too_large"),
        (send_fifty_megabytes, 413, "too_large"),
        (stall, 408, "upload_timeout"),
        (drip, 408, "upload_timeout"),
        (send_bomb, 413, "too_large_uncompressed"),
        (send_damaged_gzip, 400, "bad_encoding"),
    ],
)
def test_a_bad_body_gets_its_answer_and_hurts_nobody(
    lab: Lab, behave: Callable[[int, str], Answer], status: int, code: str
) -> None:
    sender = lab.a_sender()
    began = time.monotonic()
    answer = behave(lab.strict_port, sender.token)
    assert (answer.status, answer.code) == (status, code), answer
    assert answer.json["error"]["hint"]
    assert time.monotonic() - began < GENEROUS_SECONDS
    assert lab.uploads(sender) == []
    assert_a_good_one_is_stored(lab, sender)


def assert_a_good_one_is_stored(lab: Lab, sender: Sender, *, others: tuple[str, ...] = ()) -> None:
    answer = lab.send(sender, SMALL.packed, strict=True, run_id="good")
    assert answer.status == 202, answer
    lab.wait_until_stored(sender, 1 + len(others))
    lab.assert_exact(sender, [SMALL], n_names=SMALL.n, others=others)


# --- Taken, and found to be bad by the worker --------------------------------------------------------------------


@pytest.mark.parametrize(("body", "code"), [(PAGE, "not_a_report"), (LAUGHS, "xml_entities_forbidden")])
def test_a_file_that_is_no_report_fails_with_its_reason(lab: Lab, body: bytes, code: str) -> None:
    sender = lab.a_sender()
    answer = lab.send(sender, body, strict=True, run_id="bad", filename="junit.xml")
    assert answer.status == 202
    lab.wait_until_stored(sender, 1)
    status = read_status(lab, sender, answer)
    assert (status["state"], status["attempts"], status["error"]["code"]) == ("failed", 1, code)
    assert status["error"]["line"] == 1
    assert_a_good_one_is_stored(lab, sender, others=("failed",))


def test_a_cut_file_keeps_what_came_before_the_cut(lab: Lab) -> None:
    sender = lab.a_sender()
    whole = make_report(1000)
    cut = whole.body[: whole.body.index(b"test_700'")]
    answer = lab.send(sender, gzip.compress(cut), strict=True, run_id="cut", filename="junit.xml")
    assert answer.status == 202
    lab.wait_until_stored(sender, 1)
    status = read_status(lab, sender, answer)
    (file,) = status["receipt"]["files"]
    assert (status["state"], file["accepted"], file["error"]["code"]) == ("partial", 700, "report_truncated")
    assert file["error"]["line"] == 702
    kept = lab.stack.query("SELECT n_declared, is_complete FROM health_run WHERE project_id = %s", sender.project)
    assert kept == [(700, False)]
    assert lab.send(sender, whole.packed, strict=True, run_id="good").status == 202
    lab.wait_until_stored(sender, 2)
    runs = lab.stack.query("SELECT n_declared, n_failed FROM health_run WHERE project_id = %s", sender.project)
    assert sorted(runs) == [(700, 7), (1000, 10)]


def read_status(lab: Lab, sender: Sender, answer: Answer) -> dict[str, Any]:
    path = f"/api/v1/uploads/{answer.json['upload']}"
    return lab.ask("GET", path, headers={"Authorization": f"Bearer {sender.token}"}).json


# --- Many at once ------------------------------------------------------------------------------------------------


@pytest.mark.fault
@pytest.mark.fault_smoke
def test_f25_the_same_upload_fifty_times_at_once(lab: Lab) -> None:
    sender = lab.a_sender()
    body = SMALL.packed
    gate = threading.Barrier(50)

    def send(_: int) -> Answer:
        gate.wait(30)
        return lab.send(sender, body, run_id="1")

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(send, range(50)))
    assert sorted(answer.status for answer in answers) == [200] * 49 + [202]
    assert len({answer.json["upload"] for answer in answers}) == 1
    lab.wait_until_stored(sender, 1)
    lab.assert_exact(sender, [SMALL], n_names=SMALL.n)


@pytest.mark.fault
@pytest.mark.fault_smoke
def test_f32_slow_clients_leave_the_database_to_others(lab: Lab) -> None:
    """Six connections that send nothing are more than the pool has; there are threads left for a good upload."""
    sender = lab.a_sender()
    with ExitStack() as cleanup:
        slow = [cleanup.enter_context(connect(lab.strict_port)) for _ in range(6)]
        for connection in slow:
            push(connection, make_head(sender.token, length=len(SMALL.body)) + SMALL.body[:5000])
        answer = lab.send(sender, SMALL.packed, strict=True, run_id="good")
        assert answer.status == 202, answer
        assert {read_answer(connection).status for connection in slow} == {408}
    lab.wait_until_stored(sender, 1)
    lab.assert_exact(sender, [SMALL], n_names=SMALL.n)


@pytest.mark.fault
@pytest.mark.fault_smoke
def test_f32_clients_that_vanish_while_sending(lab: Lab) -> None:
    sender = lab.a_sender()
    large = make_report(30_000)
    for _ in range(20):
        with connect(lab.strict_port) as connection:
            push(connection, make_head(sender.token, length=len(large.body)) + large.body[: len(large.body) // 2])
            # A reset instead of an end.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert_a_good_one_is_stored(lab, sender)


@pytest.mark.fault
@pytest.mark.fault_smoke
def test_f26_a_used_key_with_another_body_is_refused(lab: Lab) -> None:
    sender = lab.a_sender()
    key = {"Authorization": f"Bearer {sender.token}", "Idempotency-Key": "one-key-for-all"}
    first = lab.ask("PUT", "/api/v1/uploads?run_id=1", body=SMALL.packed, headers=key)
    other = lab.ask("PUT", "/api/v1/uploads?run_id=1", body=make_report(20).packed, headers=key)
    assert (first.status, other.status, other.code) == (202, 422, "idempotency_key_reused")
    assert first.json["upload"] in other.json["error"]["message"]
    lab.wait_until_stored(sender, 1)
    lab.assert_exact(sender, [SMALL], n_names=SMALL.n)


@pytest.mark.fault
@pytest.mark.fault_smoke
def test_f27_the_same_bytes_of_two_shards_are_two_uploads(lab: Lab) -> None:
    sender = lab.a_sender()
    answers = [lab.send(sender, SMALL.packed, run_id="1", job="tests", shard=f"{part}/2") for part in (1, 2)]
    assert [answer.status for answer in answers] == [202, 202]
    lab.wait_until_stored(sender, 2)
    again = lab.send(sender, SMALL.packed, run_id="1", job="tests", shard="2/2")
    assert (again.status, again.json["upload"]) == (200, answers[1].json["upload"])
    jobs = lab.stack.query("SELECT n_declared, is_complete FROM health_job WHERE project_id = %s", sender.project)
    assert jobs == [(SMALL.n, True)]


# --- Dying web servers -------------------------------------------------------------------------------------------


@pytest.mark.fault
@pytest.mark.fault_smoke
@pytest.mark.parametrize(("point", "status"), [("inserted", 202), ("accepted", 200)])
def test_f05_a_web_server_killed_before_its_answer(lab: Lab, point: str, status: int) -> None:
    sender = lab.a_sender()
    lab.traps.arm(point, signal.SIGKILL)
    with pytest.raises(ConnectionError):
        lab.send(sender, SMALL.packed, strict=True, run_id="1")
    lab.wait_until_caught(point)
    answer = wait_for(lambda: try_again(lab, sender), what="an answer of the next web server")
    assert answer.status == status
    lab.wait_until_stored(sender, 1)
    lab.assert_exact(sender, [SMALL], n_names=SMALL.n)


def try_again(lab: Lab, sender: Sender) -> Answer | None:
    try:
        return lab.send(sender, SMALL.packed, strict=True, run_id="1")
    except ConnectionError:
        return None


@pytest.mark.fault
@pytest.mark.fault_smoke
def test_f44_a_web_server_told_to_stop_answers_whom_it_has(lab: Lab) -> None:
    sender = lab.a_sender()
    with connect(lab.stack.port) as connection:
        push(connection, make_head(sender.token, length=len(SMALL.body)) + SMALL.body[:5000])
        os.kill(lab.stack.pid("web"), signal.SIGTERM)
        wait_for(lambda: not is_served(lab), what="an end of new connections")
        push(connection, SMALL.body[5000:])
        assert read_answer(connection).status == 202
    lab.stack.restart("web")
    lab.wait_until_stored(sender, 1)
    lab.assert_exact(sender, [SMALL], n_names=SMALL.n)


def is_served(lab: Lab) -> bool:
    try:
        return lab.ask("GET", "/healthz", seconds=0.3).status == 200
    except OSError:
        return False
