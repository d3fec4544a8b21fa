"""Requests as no honest client sends them: byte by byte over a raw socket."""

import http.client
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.faults.lab import Answer


def make_head(token: str, *, length: int | None, run_id: str = "1", extra: str = "") -> bytes:
    """The head of a PUT of a report, with the length it claims, if any."""
    lines = [
        f"PUT /api/v1/uploads?run_id={run_id} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {token}",
        *([f"Content-Length: {length}"] if length is not None else []),
        *([extra] if extra else []),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@contextmanager
def connect(port: int, *, seconds: float = 20) -> Iterator[socket.socket]:
    """A connection to a web server of the tests."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        yield connection


def push(connection: socket.socket, data: bytes) -> None:
    """Send as much as the server takes; it may answer and close before the end."""
    with suppress(BrokenPipeError, ConnectionResetError):
        connection.sendall(data)


def read_answer(connection: socket.socket) -> Answer:
    """The server's answer on this connection."""
    response = http.client.HTTPResponse(connection)
    response.begin()
    found = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, found, response.read())
