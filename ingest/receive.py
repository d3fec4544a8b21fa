"""An Envelope becomes an upload row with its payload, in one transaction; then the bell is rung.

Called by `ingest.views`. Promise: CI is answered 202 only when everything is committed; the same delivery again
gives the same row, however many arrive at once (`tests/ingest/test_door.py`).
"""

import hmac
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection, transaction
from psycopg.types.json import Jsonb

from health.models import Upload, UploadToken
from health.sql import Cursor, open_cursor
from ingest.bell import ring
from ingest.envelope import Envelope, ReceivedFile
from ingest.errors import IngestError
from ingest.quotas import take_share

_CHUNK: Final = 2**18


@dataclass(frozen=True, slots=True)
class Receipt:
    """The upload a delivery ended in, and whether it had been delivered before."""

    upload: Upload
    is_repeat: bool


def receive(envelope: Envelope, *, token: UploadToken) -> Receipt:
    """Keep a delivery. Raises IngestError when its key stands for another content, or its project sent too much."""
    with transaction.atomic(), connection.wrap_database_errors:
        cursor = open_cursor()
        upload = _insert_upload(cursor, envelope, token)
        if upload is not None:
            upload_id = upload.pk
            _insert_files(cursor, upload_id, envelope.files)
            # robust: a bell that cannot ring must not turn a committed upload into an error.
            transaction.on_commit(lambda: ring(upload_id), robust=True)
            # Last, because all uploads of a project wait for this row until the commit.
            take_share(token, n_bytes=envelope.n_bytes_wire)
    if upload is not None:
        return Receipt(upload, is_repeat=False)
    return Receipt(_find_earlier(envelope, token), is_repeat=True)


def _insert_upload(cursor: Cursor, envelope: Envelope, token: UploadToken) -> Upload | None:
    """The new row, or None when the key is taken; waits for another transaction that is taking it."""
    receipt: dict[str, Any] | None = {"files": [], "warnings": envelope.warnings} if envelope.warnings else None
    row = cursor.execute(
        """
        INSERT INTO health_upload (public_id, project_id, token_id, state, idempotency_key, content_digest, metadata,
            n_bytes_wire, n_bytes_plain, attempts, lease_epoch, worker, attempt, n_suite_errors, receipt)
        VALUES (gen_random_uuid(), %s, %s, 'received', %s, %s, %s, %s, %s, 0, 0, '', %s, 0, %s)
        ON CONFLICT (project_id, idempotency_key) DO NOTHING RETURNING id, public_id
        """,
        (
            token.project_id,
            token.pk,
            envelope.idempotency_key,
            envelope.content_digest,
            Jsonb(envelope.metadata.to_json()),
            envelope.n_bytes_wire,
            envelope.n_bytes_plain,
            envelope.metadata.attempt or 1,
            Jsonb(receipt) if receipt else None,
        ),
    ).fetchone()
    if row is None:
        return None
    return Upload(pk=row[0], public_id=row[1], project_id=token.project_id, n_bytes_wire=envelope.n_bytes_wire)


def _insert_files(cursor: Cursor, upload_id: int, files: list[ReceivedFile]) -> None:
    """All files in one statement and all chunks in one COPY: an archive may hold a thousand."""
    rows = cursor.execute(
        """
        INSERT INTO health_uploadfile (upload_id, position, name, role, encoding, n_bytes_wire, n_bytes_plain, digest)
        SELECT %s, position - 1, name, role, encoding, wire, plain, digest
        FROM unnest(%s::text[], %s::text[], %s::text[], %s::int8[], %s::int8[], %s::bytea[])
            WITH ORDINALITY AS file (name, role, encoding, wire, plain, digest, position)
        RETURNING position, id
        """,
        (
            upload_id,
            [file.name for file in files],
            [file.role for file in files],
            [_kept_as(file) for file in files],
            [file.n_bytes_wire for file in files],
            [file.n_bytes_plain for file in files],
            [file.digest for file in files],
        ),
    ).fetchall()
    ids: dict[int, int] = dict(rows)
    with cursor.copy("COPY health_payloadchunk (file_id, sequence, data) FROM STDIN (FORMAT binary)") as copy:
        copy.set_types(["int8", "int2", "bytea"])
        for position, file in enumerate(files):
            for sequence, chunk in enumerate(_cut(_pack(file))):
                copy.write_row((ids[position], sequence, chunk))


def _kept_as(file: ReceivedFile) -> str:
    return "gzip" if file.encoding == "identity" else file.encoding


def _pack(file: ReceivedFile) -> Iterator[bytes]:
    """The file's bytes as they came, or packed quickly as gzip. XML shrinks tenfold, and backups with it."""
    packer = zlib.compressobj(level=1, wbits=31) if file.encoding == "identity" else None
    file.stream.seek(0)
    while piece := file.stream.read(_CHUNK):
        yield packer.compress(piece) if packer else piece
    if packer:
        yield packer.flush()


def _cut(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Chunks of 256 KiB; larger values were measured at several times their size in memory."""
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) >= _CHUNK:
            yield bytes(held[:_CHUNK])
            del held[:_CHUNK]
    if held:
        yield bytes(held)


def _find_earlier(envelope: Envelope, token: UploadToken) -> Upload:
    upload = Upload.objects.get(project_id=token.project_id, idempotency_key=envelope.idempotency_key)
    if not hmac.compare_digest(bytes(upload.content_digest), envelope.content_digest):
        raise IngestError(
            "idempotency_key_reused",
            f"This Idempotency-Key already stands for upload {upload.public_id}, which has other content.",
            field="Idempotency-Key",
        )
    return upload
