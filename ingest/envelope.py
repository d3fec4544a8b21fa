"""A request becomes an Envelope: checked fields and files, each inflated once to be measured, none kept in memory.

Called by `ingest.views` through `ingest.receive`; calls body and metadata.
Promise: whatever the request holds, the answer is an Envelope or one IngestError, and memory stays flat
(`tests/ingest/test_door.py`).
"""

import hashlib
import json
import re
import unicodedata
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, Final, cast

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import MemoryFileUploadHandler, TemporaryFileUploadHandler
from django.http import HttpRequest
from django.http.multipartparser import MultiPartParser, MultiPartParserError
from django.utils import timezone
from django.utils.http import parse_header_parameters

from ingest.body import spool_body
from ingest.errors import IngestError
from ingest.metadata import Metadata, check_metadata

_PIECE: Final = 256 * 1024
_GZIP_MAGIC: Final = b"\x1f\x8b"
_LONGEST_NAME: Final = 255
_LONGEST_TAIL: Final = 64  # line breaks and blanks behind the closing boundary
# What can never be a report, by its first bytes: said at the door, where CI still listens.
_IMPOSSIBLE: Final[tuple[tuple[bytes, str], ...]] = (
    (b"SQLite format 3\x00", "an SQLite database; send the XML report made from it"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a zip archive; send the files in it"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd; use gzip"),
    (b"\x7fELF", "a program"),
)
_KEY = re.compile(r"[\x21-\x7e]{8,200}")


@dataclass(frozen=True, slots=True)
class ReceivedFile:
    """One file of a delivery: the stream is at its start and holds it as it came."""

    name: str
    stream: IO[bytes]
    encoding: str
    n_bytes_wire: int
    n_bytes_plain: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """A delivery as it came, checked but not parsed."""

    metadata: Metadata
    files: list[ReceivedFile]
    warnings: list[dict[str, Any]]
    idempotency_key: str
    content_digest: bytes
    n_bytes_wire: int

    @property
    def n_bytes_plain(self) -> int:
        """Size of all files once inflated."""
        return sum(file.n_bytes_plain for file in self.files)


@contextmanager
def open_envelope(request: HttpRequest) -> Iterator[Envelope]:
    """Read and check a delivery; its temporary files live as long as the context. Raises IngestError."""
    key = _check_idempotency_key(request)
    with spool_body(request) as body:
        if request.method == "PUT":
            fields, parts = _take_raw(request, body)
        else:
            fields, parts = _take_multipart(request, body)
        metadata, warnings = check_metadata(fields, now=timezone.now())
        files = _measure_files(parts)
        digest = _digest_content(metadata, files)
        yield Envelope(metadata, files, warnings, key or digest.hex(), digest, int(request.META["CONTENT_LENGTH"]))


def _check_idempotency_key(request: HttpRequest) -> str:
    key = request.headers.get("Idempotency-Key", "")
    if key and not _KEY.fullmatch(key):
        raise IngestError("bad_idempotency_key", "Idempotency-Key must be 8 to 200 visible ASCII characters.")
    return key


def _take_raw(request: HttpRequest, body: IO[bytes]) -> tuple[dict[str, str], list[tuple[str, IO[bytes]]]]:
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip"):
        raise IngestError("unsupported_encoding", f"Content-Encoding {encoding[:80]!r} is not supported; gzip is.")
    if encoding != "identity" and not _starts_with(body, _GZIP_MAGIC):
        raise IngestError("bad_encoding", "Content-Encoding says gzip, and the body is not gzip.")
    fields = {name: value for name, value in request.GET.items() if isinstance(value, str)}
    name = fields.pop("filename", "report.xml")
    return fields, [(name, body)]


def _take_multipart(request: HttpRequest, body: IO[bytes]) -> tuple[dict[str, str], list[tuple[str, IO[bytes]]]]:
    content_type = request.META.get("CONTENT_TYPE", "")
    if not content_type.lower().startswith("multipart/form-data"):
        raise IngestError(
            "unsupported_type",
            f"POST takes multipart/form-data, and this is {content_type[:80] or 'no type'!r}.",
        )
    if request.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise IngestError("unsupported_encoding", "A multipart body as a whole cannot be compressed.")
    handlers = [MemoryFileUploadHandler(request), TemporaryFileUploadHandler(request)]
    try:
        post, files = MultiPartParser(request.META, cast("Any", body), handlers, "utf-8").parse()
    except (TooManyFilesSent, TooManyFieldsSent) as problem:
        raise IngestError(
            "too_many_parts",
            f"One upload takes at most {settings.UPLOAD_MAX_FILES} files and "
            f"{settings.DATA_UPLOAD_MAX_NUMBER_FIELDS} fields.",
            limit=settings.UPLOAD_MAX_FILES,
        ) from problem
    except (MultiPartParserError, RequestDataTooBig) as problem:
        raise IngestError("bad_multipart", f"The multipart body cannot be read: {problem}.") from problem
    _check_end(content_type, body)
    parts: list[tuple[str, IO[bytes]]] = []
    for field in files:
        for file in files.getlist(field):
            received = cast("UploadedFile[Any]", file)
            parts.append((received.name or "report.xml", cast("IO[bytes]", received.file)))
    if not parts:
        raise IngestError("empty_body", "The upload holds no file; send each report as a part named `file`.")
    return {name: str(post[name]) for name in post if name != "csrfmiddlewaretoken"}, parts


def _check_end(content_type: str, body: IO[bytes]) -> None:
    """Refuse a form without its closing boundary: Django's parser would leave out the part that is cut."""
    boundary = str(parse_header_parameters(content_type)[1].get("boundary", ""))
    size = body.seek(0, 2)
    body.seek(max(0, size - len(boundary) - _LONGEST_TAIL))
    if f"--{boundary}--".encode() not in body.read():
        raise IngestError("bad_multipart", "The multipart body ends without its closing boundary.")


def _measure_files(parts: list[tuple[str, IO[bytes]]]) -> list[ReceivedFile]:
    files: list[ReceivedFile] = []
    left = settings.UPLOAD_MAX_PLAIN_BYTES
    for name, stream in parts:
        file = _measure(_clean_name(name), stream, left)
        left -= file.n_bytes_plain
        files.append(file)
    return files


def _measure(name: str, stream: IO[bytes], most: int) -> ReceivedFile:
    """Count and hash a file's plain bytes, inflating as we go; nothing inflated is kept."""
    _refuse_impossible(name, stream)
    is_gzip = _starts_with(stream, _GZIP_MAGIC)
    sha, plain = hashlib.sha256(), 0
    for piece in inflate(stream, name=name) if is_gzip else _read_pieces(stream):
        plain += len(piece)
        if plain > most:
            raise IngestError(
                "too_large_uncompressed",
                f"The files are larger than {settings.UPLOAD_MAX_PLAIN_BYTES:,} bytes once inflated; {name} went over.",
                limit=settings.UPLOAD_MAX_PLAIN_BYTES,
            )
        sha.update(piece)
    wire = stream.seek(0, 2)
    stream.seek(0)
    return ReceivedFile(name, stream, "gzip" if is_gzip else "identity", wire, plain, sha.digest())


def _read_pieces(stream: IO[bytes]) -> Iterator[bytes]:
    stream.seek(0)
    while piece := stream.read(_PIECE):
        yield piece


def inflate(stream: IO[bytes], *, name: str) -> Iterator[bytes]:
    """The plain bytes of a gzip file, piece by bounded piece; several members are read one after another.

    Raises IngestError bad_encoding when the stream ends early, is damaged, or is followed by something else.
    """
    inflater = zlib.decompressobj(wbits=31)
    for piece in _read_pieces(stream):
        pending = piece
        while pending:
            if inflater.eof:
                inflater = zlib.decompressobj(wbits=31)
            try:
                plain = inflater.decompress(pending, _PIECE)
            except zlib.error as problem:
                raise IngestError("bad_encoding", f"The gzip stream of {name} is damaged: {problem}.") from problem
            if plain:
                yield plain
            pending = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
    if not inflater.eof:
        raise IngestError("bad_encoding", f"The gzip stream of {name} ends early.")


def _starts_with(stream: IO[bytes], magic: bytes) -> bool:
    stream.seek(0)
    head = stream.read(len(magic))
    stream.seek(0)
    return head == magic


def _refuse_impossible(name: str, stream: IO[bytes]) -> None:
    for magic, what in _IMPOSSIBLE:
        if _starts_with(stream, magic):
            raise IngestError("unsupported_type", f"{name} is {what}.")


def _clean_name(name: str) -> str:
    """A file's name as text to show: last part of the path, nothing invisible, never used on disk."""
    last = re.split(r"[/\\]", name)[-1]
    visible = "".join(c if unicodedata.category(c)[0] != "C" else "\N{REPLACEMENT CHARACTER}" for c in last)
    return visible.strip()[:_LONGEST_NAME] or "report.xml"


def _digest_content(metadata: Metadata, files: list[ReceivedFile]) -> bytes:
    """What makes two deliveries the same: their fields and their files' names and plain bytes.

    A file compressed anew is still the same file, and a second run of the same job differs in its fields.
    """
    listed = [[file.name, file.digest.hex()] for file in files]
    text = json.dumps([metadata.to_json(), listed], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).digest()
