"""Keep what came with an upload: one row for each content of each of the files, and the upload's numbers of them.

Called by `ingest.pipeline` before it parses the reports. Promise: the same content is one row, however often and by
how many workers it comes; a file nobody can read costs a warning, never the upload
(`tests/ingest/configuration/test_keep.py`).
"""

import hashlib
import json
import logging
from dataclasses import dataclass
from typing import Any, Final

from django.db import transaction
from psycopg.types.json import Jsonb

from health.models import Configuration
from health.sql import Cursor, open_cursor
from ingest.configuration import CONFIGURATION, DEFERRALS, OWNERS, ConfigurationRead, decode_text, read_file
from ingest.errors import HINTS
from ingest.remarks import Remark

log = logging.getLogger(__name__)

_LOCK_SPACE: Final = 0x5357_0002
# Part of the digest: a server that reads more out of the same text keeps it anew.
_READER: Final = b"4"
_ROLES: Final = {
    CONFIGURATION: Configuration.Role.CONFIGURATION,
    OWNERS: Configuration.Role.OWNERS,
    DEFERRALS: Configuration.Role.DEFERRALS,
}


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of an upload's files: their numbers in the project, and what was not understood of them."""

    number: int | None
    code_owners: int | None
    deferrals: int | None
    warnings: list[dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """The receipt's part about it."""
        numbers = {"number": self.number, "code_owners": self.code_owners, "deferrals": self.deferrals}
        return {**numbers, "warnings": self.warnings}


def keep_configuration(
    *,
    project_id: int,
    upload_id: int,
    data: bytes | None = None,
    owners_data: bytes | None = None,
    deferrals_data: bytes | None = None,
) -> Kept:
    """Read and keep the files of an upload; None is one that did not come, which an empty one is not."""
    with transaction.atomic():
        cursor = open_cursor()
        number, warnings = _keep_file(cursor, project_id, CONFIGURATION, data)
        code_owners, about_owners = _keep_file(cursor, project_id, OWNERS, owners_data)
        deferrals, about_deferrals = _keep_file(cursor, project_id, DEFERRALS, deferrals_data)
        cursor.execute(
            "UPDATE health_upload SET configuration = %s, code_owners = %s, deferrals_file = %s WHERE id = %s",
            (number, code_owners, deferrals, upload_id),
        )
    return Kept(number, code_owners, deferrals, warnings + about_owners + about_deferrals)


def _keep_file(
    cursor: Cursor, project_id: int, file: str, data: bytes | None
) -> tuple[int | None, list[dict[str, Any]]]:
    """The number of a file's content, made where it is new, and the remarks about it."""
    if data is None:
        return None, []
    digest = hashlib.sha256(b"\x00".join((_READER, file.encode(), data))).digest()
    kept = _find(cursor, project_id, digest)
    if kept is None:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", (_LOCK_SPACE, project_id))
        kept = _find(cursor, project_id, digest)  # another worker may have been first
    return kept or _insert(cursor, project_id, digest, file, data)


def _find(cursor: Cursor, project_id: int, digest: bytes) -> tuple[int, list[dict[str, Any]]] | None:
    row = cursor.execute(
        "SELECT number, warnings::text FROM health_configuration WHERE project_id = %s AND digest = %s",
        (project_id, digest),
    ).fetchone()
    return (row[0], json.loads(row[1])) if row else None


def _insert(cursor: Cursor, project_id: int, digest: bytes, file: str, data: bytes) -> tuple[int, list[dict[str, Any]]]:
    text, remarks = decode_text(data, file=file)
    read = _read_safely(text, file)
    warnings = [remark.to_json() for remark in remarks + read.warnings]
    row = cursor.execute(
        """
        INSERT INTO health_configuration (project_id, number, digest, role, text, is_readable, content, warnings)
        SELECT %(project)s, (SELECT coalesce(max(number) + 1, 1) FROM health_configuration
                             WHERE project_id = %(project)s),
            %(digest)s, %(role)s, %(text)s, %(is_readable)s, %(content)s, %(warnings)s
        RETURNING number
        """,
        {
            "project": project_id,
            "digest": digest,
            "role": _ROLES[file].value,
            "text": text,
            "is_readable": read.is_readable,
            "content": Jsonb(read.content),
            "warnings": Jsonb(warnings),
        },
    ).fetchone()
    if row is None:
        raise LookupError("a statement that always answers gave no row")
    return row[0], warnings


def _read_safely(text: str, file: str) -> ConfigurationRead:
    """What a text says. A fault of ours in reading it must not cost the upload it came with."""
    try:
        return read_file(text, file=file)
    except Exception:
        log.exception("a configuration could not be read")
        remark = Remark("internal", "Reading this file failed.", hint=HINTS["internal"], file=file)
        return ConfigurationRead({}, [remark], is_readable=False)
