"""A small server for the uploader to talk to, a clock of our own, and the command called against both.

Used by `tests/ingest/test_uploader_wire.py` and its neighbours, through `tests/ingest/conftest.py`.
"""

import gzip
import json
import os
import re
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import pytest

from ingest import uploader

TOKEN = "sw_up_" + "a" * 43 + "_000000"
ACCEPTED = {
    "upload": "u1",
    "url": "https://sw.example/uploads/u1",
    "status_url": "/api/v1/uploads/u1",
    "duplicate_of": None,
}


class Request(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def parts(self):
        """(header lines, content) of each part, read without the uploader's help."""
        boundary = re.search("boundary=(.+)", self.headers["Content-Type"])[1].encode()
        pieces = self.body.split(b"--" + boundary)
        assert (pieces[0], pieces[-1]) == (b"", b"--\r\n")
        return [
            tuple(piece.removeprefix(b"\r\n").removesuffix(b"\r\n").split(b"\r\n\r\n", 1)) for piece in pieces[1:-1]
        ]

    @property
    def fields(self):
        named = [
            (re.fullmatch(rb'Content-Disposition: form-data; name="(\w+)"', head), body) for head, body in self.parts
        ]
        return {match[1].decode(): body.decode() for match, body in named if match}

    @property
    def files(self):
        pattern = rb'Content-Disposition: form-data; name="file"; filename="([^"]*)"'
        pattern += rb"\r\nContent-Type: application/gzip"
        named = [(re.fullmatch(pattern, head), body) for head, body in self.parts]
        return {match[1].decode(): gzip.decompress(body) for match, body in named if match}


class Door(ThreadingHTTPServer):
    """Answers with the replies it was given, the last one again and again; remembers the requests."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.requests = []
        self.replies = {"POST": [(202, ACCEPTED)], "GET": []}

    def answers(self, *replies, method="POST"):
        self.replies[method] = list(replies)

    def handle_error(self, request, client_address):
        pass


class Handler(BaseHTTPRequestHandler):
    def answer(self):
        replies = self.server.replies[self.command]
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        if reply == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self.connection.close()
            self.server.requests.append(Request(self.command, self.path, dict(self.headers), b""))
            return
        how = reply[3] if len(reply) == 4 else "read"
        body = self.read_body(keep=how == "read") if how != "unread" else b""
        self.server.requests.append(Request(self.command, self.path, dict(self.headers), body))
        if reply == "silence":
            time.sleep(0.5)
            return
        status, document, headers = (*reply, {})[:3]
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), "Connection": "close", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = answer

    def read_body(self, *, keep):
        left, body = int(self.headers.get("Content-Length") or 0), b""
        while left and (chunk := self.rfile.read(min(left, 1 << 16))):
            left -= len(chunk)
            body += chunk if keep else b""
        return body

    def log_message(self, *arguments):
        pass


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self):
        self.now = 0.0
        self.naps = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.naps.append(seconds)
        self.now += seconds


@pytest.fixture
def door():
    server = Door()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def run(door, clock, tmp_path, monkeypatch):
    """Call the command in an empty folder that is no checkout, with one report in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(uploader.random, "uniform", lambda _low, _high: 1.0)
    for name in list(os.environ):
        if name.startswith("SUITEWATCH_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    (tmp_path / "junit.xml").write_bytes(b"<testsuite name='s'/>")

    def call(*arguments, command="upload", url=None, token=TOKEN, **environ):
        known = {"SUITEWATCH_URL": url or door.url, "SUITEWATCH_TOKEN": token, **environ}
        argv = [command, *(arguments or ["junit.xml"])]
        return uploader.main(argv, environ=known, sleep=clock.sleep, clock=clock)

    return call


def a_file(name="junit.xml", state="stored", **more):
    return {
        "name": name,
        "state": state,
        "tests": 3,
        "passed": 1,
        "failed": 1,
        "errored": 0,
        "skipped": 1,
        **more,
    }


def a_coverage_file(name="cob.xml", state="stored", **more):
    counts = {"files": 2, "lines_valid": 22, "lines_covered": 15, "branches_valid": 0, "branches_covered": 0}
    return {"name": name, "state": state, "kind": "coverage", "format": "cobertura", "level": "", **counts, **more}


def a_status(state, *files, error=None):
    return (
        200,
        {
            "upload": "u1",
            "state": state,
            "receipt": {"files": list(files)} if files else None,
            "error": error,
        },
    )
