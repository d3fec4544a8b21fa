"""What the door refused, as a line for the project's people: who sends is a machine, and nobody reads its log.

Called by `ingest.views` with the token of a refused delivery; shown on the uploads page.
Promise: best effort: noting never turns an answer into another, a flood of one kind is one line a minute, and a
project keeps its newest 500 (`tests/ingest/test_refusals.py`).
"""

import logging
from typing import Final

import psycopg
from django.db import Error, transaction
from psycopg.types.json import Jsonb

from health.models import UploadToken
from health.sql import Cursor, open_cursor
from ingest.errors import IngestError

log = logging.getLogger(__name__)

_MOST_KEPT: Final = 500
_NOTE: Final = """
    WITH again AS (
        UPDATE health_refusal SET n = n + 1, error = %(error)s WHERE id = (
            SELECT id FROM health_refusal
            WHERE project_id = %(project)s AND token_id = %(token)s AND error->>'code' = %(code)s
              AND at >= date_trunc('minute', clock_timestamp())
            ORDER BY at DESC LIMIT 1)
        RETURNING true)
    INSERT INTO health_refusal (project_id, token_id, at, error, n)
    SELECT %(project)s, %(token)s, clock_timestamp(), %(error)s, 1 WHERE NOT EXISTS (SELECT FROM again)
    RETURNING id
"""
_FORGET: Final = """
    DELETE FROM health_refusal WHERE project_id = %(project)s AND id <= (
        SELECT id FROM health_refusal WHERE project_id = %(project)s ORDER BY id DESC OFFSET %(most)s LIMIT 1)
"""


def note_refusal(token: UploadToken, error: IngestError) -> None:
    """Remember that a delivery with this token was refused, in a transaction of its own."""
    try:
        with transaction.atomic():
            cursor = open_cursor()
            # Losing such a line in a crash hurts nobody, and a refusal should not wait for the disk.
            cursor.execute("SET LOCAL synchronous_commit = off")
            _note(cursor, token, error)
    except (Error, psycopg.Error) as problem:
        log.warning("a refusal could not be noted: %s", problem)


def _note(cursor: Cursor, token: UploadToken, error: IngestError) -> None:
    values = {
        "project": token.project_id,
        "token": token.pk,
        "code": error.code,
        "error": Jsonb(error.to_json()),
        "most": _MOST_KEPT,
    }
    if cursor.execute(_NOTE, values).fetchone():
        cursor.execute(_FORGET, values)
