"""The patient worker by itself; what it does with real clients is in tests/journeys/test_stalled_sockets.py."""

import threading
from types import SimpleNamespace

from config.web_worker import PatientBody
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
