"""One way to ask the database in set-based SQL.

Called by the other modules of `dashboard.queries`; pages read tables that have no ORM shape of their own.
"""

from collections.abc import Mapping
from typing import Any, Final

from django.db import connection

Row = tuple[Any, ...]

# The case of each row of a short list `v`, one by one: joined, the planner reads all there are for two thousand.
EACH_CASE: Final = """CROSS JOIN LATERAL (
    SELECT * FROM health_case WHERE project_id = v.project_id AND ord = v.ord LIMIT 1) c"""


def fetch_rows(statement: str, values: Mapping[str, Any]) -> list[Row]:
    """All rows of one statement."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows: list[Row] = cursor.fetchall()
        return rows
