"""The row lock under which a project's facts change, one transaction after another.

Taken by whatever writes them: the store, rollups, deletions, conclusions. Why so:
docs/decisions/0005-one-writer-per-project.md.
"""

from health.sql import Cursor


def lock_project(cursor: Cursor, project_id: int) -> None:
    """Take the project's lock; waits while another transaction has it."""
    cursor.execute("SELECT 1 FROM health_project WHERE id = %s FOR NO KEY UPDATE", (project_id,))


def try_lock_project(cursor: Cursor, project_id: int) -> bool:
    """The same lock, or False when another transaction has it: for work that may as well be done later."""
    statement = "SELECT 1 FROM health_project WHERE id = %s FOR NO KEY UPDATE SKIP LOCKED"
    return cursor.execute(statement, (project_id,)).fetchone() is not None
