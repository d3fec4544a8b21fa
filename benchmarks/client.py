"""A small client of the upload API on one keep-alive connection, for timing it from outside.

Used by the pieces and by `benchmarks.load`.
"""

import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any, Final

from benchmarks.stack import HOST

_BOUNDARY: Final = "suitewatch-bench-boundary"
_FINAL: Final = frozenset({"stored", "partial", "failed", "dead", "cancelled"})
_POLL_SECONDS: Final = 0.004


class ClientError(Exception):
    """The server answered what no bench can use."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """Seconds from the first byte of a POST: until it was answered, and until its results were stored."""

    accepted: float
    stored: float


class Door:
    """One client; not for several threads at once."""

    def __init__(self, *, port: int, token: str) -> None:
        self.port, self.token = port, token
        self._connection = http.client.HTTPConnection(HOST, port, timeout=60)

    def post(self, report: bytes, fields: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """Send one report as multipart; the status and what the server says."""
        return self._send("POST", "/api/v1/uploads", pack_multipart(report, fields))

    def post_stream(self, head: bytes, stream: IO[bytes], tail: bytes, *, size: int) -> tuple[int, dict[str, Any]]:
        """Send a multipart body whose file is read while it is sent."""

        def pieces() -> Any:
            yield head
            while piece := stream.read(2**18):
                yield piece
            yield tail

        return self._send("POST", "/api/v1/uploads", pieces(), {"Content-Length": str(len(head) + size + len(tail))})

    def deliver(self, report: bytes, fields: Mapping[str, str], *, seconds: float = 60) -> Delivered:
        """Send a report and wait until its status is `stored`."""
        # As CI does it; and the server ends a connection that was idle for a while.
        self.reconnect()
        began = time.perf_counter()
        status, answer = self.post(report, fields)
        accepted = time.perf_counter() - began
        if status != 202:
            raise ClientError(f"the upload was answered {status}: {answer}")
        state = self.wait_until_final(answer["upload"], seconds=seconds)
        if state != "stored":
            raise ClientError(f"the upload ended as {state}")
        return Delivered(accepted, time.perf_counter() - began)

    def wait_until_final(self, upload: str, *, seconds: float) -> str:
        """Ask for an upload's status until it is final; the state."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            _, answer = self._send("GET", f"/api/v1/uploads/{upload}", None)
            if answer.get("state") in _FINAL:
                return str(answer["state"])
            time.sleep(_POLL_SECONDS)
        raise ClientError(f"upload {upload} was not final after {seconds:g} s")

    def reconnect(self) -> None:
        """Begin a new connection: the server may have ended a process and the old one with it."""
        self._connection.close()

    def _send(
        self, method: str, path: str, body: Any, headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        named = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        if body is not None:
            named["Content-Type"] = f"multipart/form-data; boundary={_BOUNDARY}"
        self._connection.request(method, path, body=body, headers=named)
        response = self._connection.getresponse()
        content = response.read()
        try:
            return response.status, json.loads(content)
        except ValueError:
            return response.status, {"text": content[:200].decode("utf-8", "replace")}


def pack_multipart(report: bytes, fields: Mapping[str, str]) -> bytes:
    """A multipart body with text fields and one file."""
    head, tail = frame_multipart(fields)
    return head + report + tail


def frame_multipart(fields: Mapping[str, str]) -> tuple[bytes, bytes]:
    """What stands before and behind the file in a multipart body."""
    parts = [
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    parts.append(
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="junit.xml"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return "".join(parts).encode(), f"\r\n--{_BOUNDARY}--\r\n".encode()


def name_run(number: int, **more: str) -> dict[str, str]:
    """The fields of one CI run on the default branch."""
    return {
        "commit": f"{number + 1:040x}",
        "branch": "main",
        "default_branch": "main",
        "job": "tests",
        "run_id": f"bench-{number}",
        **more,
    }
