"""The patient worker by itself; what it does with real clients is in tests/journeys/test_stalled_sockets.py."""

import threading
from types import SimpleNamespace

from config.web_worker import PatientBody, PatientWorker
from tests.stack import wait_for


def test_our_own_queue_is_no_delay_of_the_client() -> None:
    """The body is there at once, and others work: no deadline runs until it is our turn again."""
    gate, waits = threading.BoundedSemaphore(1), ["none"]
    connection = SimpleNamespace(
        wait_until=lambda *_, **__: waits.append("for the client"), end_wait=lambda: waits.append("over")
    )

    def read() -> bytes:
        assert waits[-1] == "for the client"
        gate.acquire()  # another request goes to work meanwhile
        return b"body"

    gate.acquire()
    body = PatientBody(SimpleNamespace(read=read), connection, gate)  # type: ignore[arg-type]
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(body.read()))
    reader.start()
    wait_for(lambda: waits[-1] == "over", seconds=5, what="the end of the wait for the client")
    assert got == []
    gate.release()
    reader.join(5)
    assert got == [b"body"]


def test_whoever_waits_for_a_turn_lets_others_work_and_not_too_many_wait() -> None:
    gate, aside = threading.BoundedSemaphore(1), threading.BoundedSemaphore(1)
    worker = SimpleNamespace(_gate=gate, _aside=aside)
    gate.acquire()  # we work
    with PatientWorker._step_aside(worker) as has_room:  # type: ignore[arg-type]
        assert has_room
        assert gate.acquire(blocking=False)  # another one does
        with PatientWorker._step_aside(worker) as has_more_room:  # type: ignore[arg-type]
            assert not has_more_room
            assert not gate.acquire(blocking=False)  # it goes on working
        gate.release()
    assert not gate.acquire(blocking=False)  # it is our turn again
    assert aside.acquire(blocking=False)
