"""A project's revision: the generation every page's cache key carries.

Called by whatever changes a project's facts, in the same transaction. Old entries die with the old number.
"""

from health.sql import Cursor


def bump_revision(cursor: Cursor, project_id: int) -> None:
    """Make every cached answer about the project stale."""
    cursor.execute("UPDATE health_project SET revision = revision + 1 WHERE id = %s", (project_id,))
