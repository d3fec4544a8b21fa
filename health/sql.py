"""The raw psycopg cursor behind Django's connection, for binary COPY and set-based SQL.

Used by the store, the rollups and the tile reader; everything else uses the ORM.
"""

from typing import Any

import psycopg
from django.db import connection

Cursor = psycopg.Cursor[tuple[Any, ...]]


def open_cursor() -> Cursor:
    """A psycopg cursor on Django's connection: binary COPY, pipelines, prepared statements.

    It shares Django's transaction, so it belongs inside `transaction.atomic()`.
    """
    connection.ensure_connection()
    raw: psycopg.Connection[tuple[Any, ...]] = connection.connection
    raw.prepare_threshold = 2
    return psycopg.Cursor(raw)
