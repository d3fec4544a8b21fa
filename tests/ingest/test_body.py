"""Reading a body from a real socket: whole, or one of five errors; and nothing is left behind."""

import errno
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.test import RequestFactory

from ingest.body import spool_body, tell_no_room
from ingest.errors import IngestError
from tests.stack import wait_for

MIB = 2**20


class Wire:
    """A client and the server's end of one connection; `request` reads its body from it as under gunicorn."""

    def __init__(self) -> None:
        self.client, self.server = socket.socketpair()
        self._reader = self.server.makefile("rb", buffering=0)

    def request(self, *, length: int | None, **headers: str) -> WSGIRequest:
        environment: dict[str, Any] = {"wsgi.input": self._reader, "gunicorn.socket": self.server, **headers}
        environment["CONTENT_LENGTH"] = "" if length is None else str(length)
        return RequestFactory().generic("PUT", "/api/v1/uploads", **environment)

    def close(self) -> None:
        self.client.close()
        self._reader.close()
        self.server.close()


@pytest.fixture
def wire() -> Iterator[Wire]:
    made = Wire()
    yield made
    made.close()
    timers = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    wait_for(lambda: not any(timer.is_alive() for timer in timers), seconds=0.25, what="the deadline's thread to end")


@pytest.fixture(autouse=True)
def _short_deadlines(settings: Any) -> None:
    settings.UPLOAD_TIMEOUT_SECONDS = 0.6
    settings.UPLOAD_READ_TIMEOUT_SECONDS = 0.3


def read(request: WSGIRequest) -> bytes:
    with spool_body(request) as spool:
        return spool.read()


def refuse(request: WSGIRequest) -> IngestError:
    with pytest.raises(IngestError) as caught:
        read(request)
    return caught.value


def in_background(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


@pytest.mark.parametrize("length", [1, 256 * 1024, 256 * 1024 + 1, 3 * MIB])
def test_a_whole_body_in_memory_or_in_a_file(wire: Wire, length: int) -> None:
    body = bytes(number % 251 for number in range(1000)) * (length // 1000 + 1)
    sender = in_background(lambda: wire.client.sendall(body[:length]))
    assert read(wire.request(length=length)) == body[:length]
    sender.join()


def test_not_one_byte_behind_the_body_is_taken(wire: Wire) -> None:
    wire.client.sendall(b"bodyGET / HTTP/1.1")
    assert read(wire.request(length=4)) == b"body"
    assert wire.server.recv(100) == b"GET / HTTP/1.1"


@pytest.mark.parametrize(
    ("length", "headers", "code"),
    [
        (None, {}, "length_required"),
        (5, {"HTTP_TRANSFER_ENCODING": "chunked"}, "length_required"),
        (0, {}, "empty_body"),
        (25 * MIB + 1, {}, "too_large"),
    ],
)
def test_what_is_refused_unread(wire: Wire, length: int | None, headers: dict[str, str], code: str) -> None:
    wire.client.sendall(b"body")
    assert refuse(wire.request(length=length, **headers)).code == code
    assert wire.server.recv(100) == b"body"


def test_the_limit_itself_is_allowed(wire: Wire, settings: Any) -> None:
    settings.UPLOAD_MAX_WIRE_BYTES = 4
    wire.client.sendall(b"body")
    assert read(wire.request(length=4)) == b"body"
    found = refuse(wire.request(length=5))
    assert (found.code, found.limit, found.actual) == ("too_large", 4, 5)


def test_what_is_no_upload_may_be_smaller(wire: Wire) -> None:
    wire.client.sendall(b"body")
    with spool_body(wire.request(length=4), most=4) as spool:
        assert spool.read() == b"body"
    with pytest.raises(IngestError) as caught, spool_body(wire.request(length=5), most=4):
        pass
    found = caught.value
    assert (found.code, found.hint, found.limit, found.actual) == ("too_large", "Make it smaller.", 4, 5)


@pytest.mark.parametrize(
    ("number", "code"), [(errno.ENOSPC, "storage_full"), (errno.EMFILE, "server_busy"), (errno.ENFILE, "server_busy")]
)
def test_what_the_system_has_no_more_of_is_told_with_when_to_come_back(number: int, code: str) -> None:
    with pytest.raises(IngestError) as caught, tell_no_room():
        raise OSError(number, "none left")
    assert caught.value.code == code
    assert caught.value.retry_after
    with pytest.raises(OSError, match="none left"), tell_no_room():
        raise OSError(errno.EBADF, "none left")


def test_a_client_that_ends_early_is_told_how_far_it_came(wire: Wire) -> None:
    wire.client.sendall(b"body")
    wire.client.shutdown(socket.SHUT_WR)
    found = refuse(wire.request(length=10))
    assert (found.code, found.limit, found.actual) == ("body_truncated", 10, 4)
    assert "4 of 10" in found.message


def test_a_silent_client_is_given_up_after_the_silence(wire: Wire) -> None:
    wire.client.sendall(b"body")
    began = time.monotonic()
    assert refuse(wire.request(length=10)).code == "upload_timeout"
    assert 0.3 <= time.monotonic() - began < 0.6


def test_a_dripping_client_is_given_up_after_the_whole_time(wire: Wire) -> None:
    done = threading.Event()

    def drip() -> None:
        with suppress(BrokenPipeError):  # given up before it was told to stop
            while not done.wait(0.05):
                wire.client.send(b"<")

    dripping = in_background(drip)
    began = time.monotonic()
    assert refuse(wire.request(length=1000)).code == "upload_timeout"
    assert 0.6 <= time.monotonic() - began < 2
    done.set()
    dripping.join()


def test_the_socket_gets_its_own_patience_back(wire: Wire) -> None:
    wire.server.settimeout(7)
    wire.client.sendall(b"body")
    read(wire.request(length=4))
    assert wire.server.gettimeout() == 7
    refuse(wire.request(length=4))
    assert wire.server.gettimeout() == 7


def test_an_answer_can_still_be_sent_after_the_deadline(wire: Wire) -> None:
    assert refuse(wire.request(length=4)).code == "upload_timeout"
    wire.server.sendall(b"HTTP/1.1 408")
    assert wire.client.recv(100) == b"HTTP/1.1 408"


def test_a_client_that_vanishes(wire: Wire) -> None:
    # What it leaves unread makes its end a reset.
    wire.server.sendall(b"unread")
    wire.client.sendall(b"body")
    wire.client.close()
    found = refuse(wire.request(length=10))
    assert found.code == "body_truncated"
    assert "before 10 bytes had come" in found.message
