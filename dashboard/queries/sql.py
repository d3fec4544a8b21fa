"""One way to ask the database in set-based SQL.

Called by the other modules of `dashboard.queries`; pages read tables that have no ORM shape of their own.
"""

from collections.abc import Mapping
from typing import Any

from django.db import connection

Row = tuple[Any, ...]


def fetch_rows(statement: str, values: Mapping[str, Any]) -> list[Row]:
    """All rows of one statement."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows: list[Row] = cursor.fetchall()
        return rows
