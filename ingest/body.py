"""Read a request's body into a temporary file: bounded in size and time, and no shorter than it promised.

Called by `ingest.envelope`. Promise: memory stays flat, a stalled or dripping client costs a thread at most
UPLOAD_TIMEOUT_SECONDS, and every way a body can be wrong has its own error (B10–B14); a full disk and too many open
files are ours to say (`tests/ingest/test_body.py`).
"""

import errno
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Final

from django.conf import settings
from django.http import HttpRequest, UnreadablePostError

from ingest.errors import IngestError, is_disk_full

_PIECE: Final = 256 * 1024
_IN_MEMORY: Final = 256 * 1024
_GRACE_SECONDS: Final = 5
_NO_MORE_FILES: Final = (errno.EMFILE, errno.ENFILE)


@contextmanager
def tell_no_room() -> Iterator[None]:
    """Turn no room on a disk, met anywhere inside, into the IngestError storage_full; no free file into server_busy."""
    try:
        yield
    except OSError as problem:
        if problem.errno in _NO_MORE_FILES:
            raise IngestError("server_busy", "The server has too much open at once.", retry_after=5) from problem
        if not is_disk_full(problem):
            raise
        raise IngestError("storage_full", "There is no room to take this upload.", retry_after=60) from problem


@contextmanager
def spool_body(request: HttpRequest, *, most: int | None = None) -> Iterator[IO[bytes]]:
    """The whole body as a file positioned at its start; deleted on leaving.

    It has at most as many bytes as an upload may have, or `most` where it is no upload.

    Raises IngestError: length_required, too_large, empty_body, body_truncated, upload_timeout.
    """
    length = _check_length(request, most)
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as spool:
        with _deadline(request) as expired:
            received = _copy(request, spool, length, expired)
        if received < length:
            raise IngestError(
                "body_truncated",
                f"The connection broke after {received:,} of {length:,} bytes.",
                limit=length,
                actual=received,
            )
        spool.seek(0)
        yield spool


def _check_length(request: HttpRequest, most: int | None) -> int:
    declared = request.META.get("CONTENT_LENGTH") or ""
    if "HTTP_TRANSFER_ENCODING" in request.META or not declared:
        raise IngestError("length_required", "The request does not say how long its body is.")
    length = int(declared)
    hint = None if most is None else "Make it smaller."
    most = settings.UPLOAD_MAX_WIRE_BYTES if most is None else most
    if length > most:
        text = f"The body has {length:,} bytes; at most {most:,} are accepted."
        raise IngestError("too_large", text, hint, limit=most, actual=length)
    if length == 0:
        raise IngestError("empty_body", "The request has no body.")
    return length


def _copy(
    request: HttpRequest, spool: "tempfile.SpooledTemporaryFile[bytes]", length: int, expired: threading.Event
) -> int:
    received = 0
    while received < length and (piece := _read(request, min(_PIECE, length - received), length, expired)):
        received += len(piece)
        spool.write(piece)
    if expired.is_set():
        raise _timed_out(length)
    return received


def _read(request: HttpRequest, size: int, length: int, expired: threading.Event) -> bytes:
    try:
        return request.read(size)
    except (OSError, UnreadablePostError) as problem:
        if expired.is_set() or isinstance(problem.__cause__ or problem, TimeoutError):
            raise _timed_out(length) from problem
        # How many had arrived is not known: the piece that was being read is lost with the connection.
        raise IngestError("body_truncated", f"The connection broke before {length:,} bytes had come.") from problem


def _timed_out(length: int) -> IngestError:
    return IngestError("upload_timeout", f"The body came too slowly: it should be {length:,} bytes.", limit=length)


@contextmanager
def _deadline(request: HttpRequest) -> Iterator[threading.Event]:
    """End reading after a silence, and after the whole time; a socket timeout alone does not stop a drip.

    gunicorn hands its socket over in the environment; a server that does not is expected to have its own limits.
    """
    expired = threading.Event()
    if allow_seconds := request.META.get("suitewatch.allow_body_seconds"):  # config.web_worker gives a form less
        allow_seconds(settings.UPLOAD_TIMEOUT_SECONDS + _GRACE_SECONDS)
    connection: socket.socket | None = request.META.get("gunicorn.socket")
    if connection is None:
        yield expired
        return

    def shut() -> None:
        expired.set()
        with suppress(OSError):  # the client may have gone in the meantime
            connection.shutdown(socket.SHUT_RD)

    before = connection.gettimeout()
    timer = threading.Timer(settings.UPLOAD_TIMEOUT_SECONDS, shut)
    timer.daemon = True
    connection.settimeout(settings.UPLOAD_READ_TIMEOUT_SECONDS)
    timer.start()
    try:
        yield expired
    finally:
        timer.cancel()
        connection.settimeout(before)
