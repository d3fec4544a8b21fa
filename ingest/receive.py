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

_CHUNK: Final = 2**18


@dataclass(frozen=True, slots=True)
class Receipt:
    """The upload a delivery ended in, and whether it had been delivered before."""

    upload: Upload
    is_repeat: bool


def receive(envelope: Envelope, *, token: UploadToken) -> Receipt:
    """Keep a delivery. Raises IngestError idempotency_key_reused when its key stands for another content."""
    with transaction.atomic(), connection.wrap_database_errors:
        cursor = open_cursor()
        upload_id = _insert_upload(cursor, envelope, token)
        if upload_id is not None:
            for position, file in enumerate(envelope.files):
                _insert_file(cursor, upload_id, position, file)
            # robust: a bell that cannot ring must not turn a committed upload into an error.
            transaction.on_commit(lambda: ring(upload_id), robust=True)
    if upload_id is not None:
        return Receipt(Upload.objects.get(pk=upload_id), is_repeat=False)
    return Receipt(_find_earlier(envelope, token), is_repeat=True)


def _insert_upload(cursor: Cursor, envelope: Envelope, token: UploadToken) -> int | None:
    """The new row's id, or None when the key is taken; waits for another transaction that is taking it."""
    receipt: dict[str, Any] | None = {"files": [], "warnings": envelope.warnings} if envelope.warnings else None
    row = cursor.execute(
        """
        INSERT INTO health_upload (public_id, project_id, token_id, state, idempotency_key, content_digest, metadata,
            n_bytes_wire, n_bytes_plain, attempts, lease_epoch, worker, attempt, n_suite_errors, receipt)
        VALUES (gen_random_uuid(), %s, %s, 'received', %s, %s, %s, %s, %s, 0, 0, '', %s, 0, %s)
        ON CONFLICT (project_id, idempotency_key) DO NOTHING RETURNING id
        """,
        (
            token.project_id,
            token.pk,
            envelope.idempotency_key,
            envelope.content_digest,
            Jsonb(envelope.metadata.to_json()),
            envelope.n_bytes_wire,
            envelope.n_bytes_plain,
            envelope.metadata.attempt,
            Jsonb(receipt) if receipt else None,
        ),
    ).fetchone()
    return row[0] if row else None


def _insert_file(cursor: Cursor, upload_id: int, position: int, file: ReceivedFile) -> None:
    row = cursor.execute(
        """
        INSERT INTO health_uploadfile (upload_id, position, name, n_bytes_wire, n_bytes_plain, digest)
        VALUES (%s, %s, %s, %s, %s, %s) RETURNING id
        """,
        (upload_id, position, file.name, file.n_bytes_wire, file.n_bytes_plain, file.digest),
    ).fetchone()
    file_id = row[0] if row else None
    with cursor.copy("COPY health_payloadchunk (file_id, sequence, data) FROM STDIN (FORMAT binary)") as copy:
        copy.set_types(["int8", "int2", "bytea"])
        for sequence, chunk in enumerate(_cut(_pack(file))):
            copy.write_row((file_id, sequence, chunk))


def _pack(file: ReceivedFile) -> Iterator[bytes]:
    """The file's bytes as gzip: as they came, or packed quickly. XML shrinks tenfold, and backups with it."""
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
