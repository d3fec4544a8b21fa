"""Keep what came with an upload: one row for each content of the two files, and the upload's number of it.

Called by `ingest.pipeline` before it parses the reports. Promise: the same content is one row, however often and by
how many workers it comes; a file nobody can read costs a warning, never the upload
(`tests/ingest/configuration/test_keep.py`).
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db import transaction
from psycopg.types.json import Jsonb

from health.sql import Cursor, open_cursor
from ingest.configuration import CONFIGURATION, OWNERS, ConfigurationRead, Remark, decode_text, read_configuration
from ingest.errors import HINTS

log = logging.getLogger(__name__)

_LOCK_SPACE: Final = 0x5357_0002
# Part of the digest: a server that reads more out of the same text keeps it anew.
_READER: Final = b"1"


@dataclass(frozen=True, slots=True)
class Kept:
    """A configuration as it is kept: its number in the project, what was understood, what was not."""

    number: int
    content: Mapping[str, Any]
    warnings: list[dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """The receipt's part about it."""
        return {"number": self.number, "warnings": self.warnings}


def keep_configuration(*, project_id: int, upload_id: int, data: bytes, owners_data: bytes) -> Kept:
    """Read and keep the two files of an upload; an empty one is a file that did not come."""
    text, remarks = decode_text(data, file=CONFIGURATION)
    owners_text, owners_remarks = decode_text(owners_data, file=OWNERS)
    digest = hashlib.sha256(b"\x00".join((_READER, hashlib.sha256(data).digest(), owners_data))).digest()
    with transaction.atomic():
        cursor = open_cursor()
        kept = _find(cursor, project_id, digest)
        if kept is None:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", (_LOCK_SPACE, project_id))
            kept = _find(cursor, project_id, digest)  # another worker may have been first
        if kept is None:
            kept = _insert(cursor, project_id, digest, text, owners_text, remarks + owners_remarks)
        cursor.execute("UPDATE health_upload SET configuration = %s WHERE id = %s", (kept.number, upload_id))
    return kept


def _find(cursor: Cursor, project_id: int, digest: bytes) -> Kept | None:
    row = cursor.execute(
        """
        SELECT number, content::text, warnings::text FROM health_configuration WHERE project_id = %s AND digest = %s
        """,
        (project_id, digest),
    ).fetchone()
    return Kept(row[0], json.loads(row[1]), json.loads(row[2])) if row else None


def _read_safely(text: str, owners_text: str) -> ConfigurationRead:
    """What the texts say. A fault of ours in reading them must not cost the upload they came with."""
    try:
        return read_configuration(text, owners_text)
    except Exception:
        log.exception("a configuration could not be read")
        hint = HINTS["internal"]
        return ConfigurationRead({}, [Remark(CONFIGURATION, "internal", "Reading this file failed.", hint=hint)])


def _insert(cursor: Cursor, project_id: int, digest: bytes, text: str, owners_text: str, remarks: list[Remark]) -> Kept:
    read = _read_safely(text, owners_text)
    warnings = [remark.to_json() for remark in remarks + read.warnings]
    row = cursor.execute(
        """
        INSERT INTO health_configuration (project_id, number, digest, text, owners_text, content, warnings)
        SELECT %(project)s, (SELECT coalesce(max(number) + 1, 1) FROM health_configuration
                             WHERE project_id = %(project)s),
            %(digest)s, %(text)s, %(owners)s, %(content)s, %(warnings)s
        RETURNING number
        """,
        {
            "project": project_id,
            "digest": digest,
            "text": text,
            "owners": owners_text,
            "content": Jsonb(read.content),
            "warnings": Jsonb(warnings),
        },
    ).fetchone()
    if row is None:
        raise LookupError("a statement that always answers gave no row")
    return Kept(row[0], read.content, warnings)
