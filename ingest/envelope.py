"""A request becomes an Envelope: checked fields and files, each inflated once to be measured, none kept in memory.

Called by `ingest.views` through `ingest.receive`; calls body, forms, archives and metadata.
Promise: whatever the request holds, the answer is an Envelope or one IngestError, and memory stays flat
(`tests/ingest/test_door.py`, `tests/ingest/test_bad_requests.py`).
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import IO, Any, Final

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from ingest import archives
from ingest.body import spool_body, tell_no_room
from ingest.companions import Companion, is_companion, read_companions
from ingest.errors import IngestError
from ingest.forms import Part, clean_name, read_form, read_query
from ingest.inflate import HEAD, find_encoding, read_pieces, unpack
from ingest.metadata import Metadata, check_metadata

# What can never be a report, by its first bytes: said at the door, where CI still listens.
_IMPOSSIBLE: Final[tuple[tuple[bytes, str], ...]] = (
    (b"SQLite format 3\x00", "an SQLite database; send the XML report made from it"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"%PDF", "a PDF document"),
    (b"\x7fELF", "a program"),
)
_LONGEST_START: Final = max(len(start) for start, _ in _IMPOSSIBLE)
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
    role: str = "report"


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
    key = check_idempotency_key(request)
    with tell_no_room(), spool_body(request) as body, ExitStack() as opened:
        fields, parts = _take_raw(request, body) if request.method == "PUT" else _take_form(request, body, opened)
        metadata, warnings = check_metadata(fields, now=timezone.now())
        files = _measure_files(_open_archives(part for part in parts if not is_companion(part)))
        digest = _digest_content(metadata, files)
        companions, remarks = read_companions(part for part in parts if is_companion(part))
        files += map(_receive_companion, companions)
        told = [remark.to_json() for remark in (*warnings, *remarks)]
        yield Envelope(metadata, files, told, key or digest.hex(), digest, int(request.META["CONTENT_LENGTH"]))


def check_idempotency_key(request: HttpRequest) -> str:
    """The sender's own name for this delivery, or nothing. Raises IngestError bad_idempotency_key."""
    key = request.headers.get("Idempotency-Key", "")
    if key and not _KEY.fullmatch(key):
        raise IngestError("bad_idempotency_key", "Idempotency-Key must be 8 to 200 visible ASCII characters.")
    return key


def _take_raw(request: HttpRequest, body: IO[bytes]) -> tuple[dict[str, str], list[Part]]:
    said = request.headers.get("Content-Encoding", "identity").strip().lower()
    said = {"x-gzip": "gzip"}.get(said, said)
    if said not in ("identity", "gzip", "zstd"):
        raise IngestError("unsupported_encoding", f"Content-Encoding {said[:80]!r} is not supported.")
    if said not in ("identity", find_encoding(_peek(body, HEAD))):
        raise IngestError("bad_encoding", f"Content-Encoding says {said}, and the body is not {said}.")
    fields = read_query(request)
    return fields, [Part("file", clean_name(fields.pop("filename", "")), body)]


def _take_form(request: HttpRequest, body: IO[bytes], opened: ExitStack) -> tuple[dict[str, str], list[Part]]:
    if request.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise IngestError("unsupported_encoding", "A multipart body as a whole cannot be compressed.")
    fields, parts = read_form(request, body, opened)
    if all(map(is_companion, parts)):
        raise IngestError("empty_body", "The upload holds no file; send each report as a part named `file`.")
    return fields, parts


def _open_archives(parts: Iterable[Part]) -> Iterator[Part]:
    """Each file itself; in place of an archive the files in it."""
    n = 0
    for part in parts:
        if archives.is_archive(part.stream):
            most = settings.UPLOAD_MAX_ARCHIVE_FILES
            entries = archives.open_archive(part.stream, name=part.name, most_files=most, n_before=n)
            n += len(entries)
            for name, stream in entries:
                yield Part(part.field, clean_name(name, keep_folders=True), stream)
        else:
            yield part


def _measure_files(parts: Iterable[Part]) -> list[ReceivedFile]:
    files: list[ReceivedFile] = []
    left = settings.UPLOAD_MAX_PLAIN_BYTES
    for part in parts:
        file = _measure(part.name, part.stream, left)
        left -= file.n_bytes_plain
        files.append(file)
    return files


def _measure(name: str, stream: IO[bytes], most: int) -> ReceivedFile:
    """Count and hash a file's plain bytes, inflating as we go; nothing inflated is kept."""
    encoding = find_encoding(_peek(stream, HEAD))
    sha, plain, head = hashlib.sha256(), 0, b""
    for piece in unpack(read_pieces(stream), encoding=encoding, name=name):
        if len(head) < _LONGEST_START:
            head += piece[:_LONGEST_START]
            _refuse_impossible(name, head, is_packed=encoding != "identity")
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
    return ReceivedFile(name, stream, encoding, wire, plain, sha.digest())


def _refuse_impossible(name: str, head: bytes, *, is_packed: bool) -> None:
    for start, what in _IMPOSSIBLE:
        if head.startswith(start):
            raise IngestError("unsupported_type", f"{name} is {what}.", "Leave it out, and send the rest again.")
    if head.startswith(archives.STARTS):  # the archive that an upload may hold was opened before
        text = f"{name} is a zip archive that was packed once more."
        raise IngestError("unsupported_encoding", text, "Send the archive itself, or the files in it.")
    if is_packed and find_encoding(head) != "identity":
        raise IngestError("unsupported_encoding", f"{name} is compressed twice.", "Compress it once.")


def _receive_companion(companion: Companion) -> ReceivedFile:
    role, name, data = companion
    return ReceivedFile(name, BytesIO(data), "identity", len(data), len(data), hashlib.sha256(data).digest(), role)


def _peek(stream: IO[bytes], size: int) -> bytes:
    stream.seek(0)
    head = stream.read(size)
    stream.seek(0)
    return head


def _digest_content(metadata: Metadata, files: list[ReceivedFile]) -> bytes:
    """What makes two deliveries the same: their fields and their files' names and plain bytes.

    A file compressed anew is still the same file, and a second run of the same job differs in its fields. What
    .suitewatch.yml says does not count: the same results sent with another one are still the same results.
    """
    listed = [[file.name, file.digest.hex()] for file in files]
    text = json.dumps([metadata.to_json(), listed], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).digest()
