"""Which configuration of a project is in force: the one that came with the newest run of the default branch.

Called by `ingest.store` with each delivery, and by `health.rebuild`; callers hold the project's lock. Putting one in
force is quick; where its rules name suites otherwise than before, `Project.rules_of` stays behind until a rebuild has
given cases and figures their new suites.
Promise: the order in which uploads arrive does not matter (`tests/health/test_in_force.py`).
"""

from typing import Final, NamedTuple

from health.audit import record
from health.rules.lanes import choose_lane
from health.sql import Cursor

DEFAULT_TIMEOUT_MINUTES: Final = 360


class _Content(NamedTuple):
    suites: str | None  # as JSON, only to be compared
    timeout: int | None


_NOTHING: Final = _Content(None, None)


def settle_configuration(cursor: Cursor, project_id: int) -> None:
    """Put the newest configuration of the default branch in force, if it is not yet."""
    row = cursor.execute(
        """
        SELECT default_branch, configuration, rules_of FROM health_project p
        WHERE id = %s AND EXISTS (SELECT 1 FROM health_configuration c WHERE c.project_id = p.id)
        """,
        (project_id,),
    ).fetchone()
    if row is None:
        return
    default_branch, old, rules_of = row
    new, commit = _find_newest(cursor, project_id, default_branch) if default_branch else (None, "")
    if new == old:
        return
    contents = _fetch_contents(cursor, project_id, [old, new, rules_of])
    if contents.get(rules_of, _NOTHING).suites == contents.get(new, _NOTHING).suites:
        rules_of = new
    cursor.execute(
        "UPDATE health_project SET configuration = %s, rules_of = %s WHERE id = %s", (new, rules_of, project_id)
    )
    _set_timeout(cursor, project_id, contents.get(old, _NOTHING).timeout, contents.get(new, _NOTHING).timeout)
    record(
        project_id,
        actor="CI",
        action="configuration.in_force",
        subject=f"configuration {new}" if new else "no configuration",
        detail={"before": old, "after": new, "commit": commit},
    )


def find_due_projects(cursor: Cursor) -> list[int]:
    """Projects whose figures do not follow the rules in force yet."""
    rows = cursor.execute(
        "SELECT id FROM health_project WHERE configuration IS DISTINCT FROM rules_of ORDER BY id"
    ).fetchall()
    return [row[0] for row in rows]


def is_due(cursor: Cursor, project_id: int) -> bool:
    """Whether the figures of a project follow other rules than those in force."""
    row = cursor.execute(
        "SELECT 1 FROM health_project WHERE id = %s AND configuration IS DISTINCT FROM rules_of", (project_id,)
    ).fetchone()
    return row is not None


def _find_newest(cursor: Cursor, project_id: int, default_branch: str) -> tuple[int | None, str]:
    lane = choose_lane(default_branch, pull_request="", default_branch=default_branch, long_lived=())
    row = cursor.execute(
        """
        SELECT u.configuration, r.commit FROM health_run r
        JOIN health_upload u ON u.project_id = r.project_id AND u.run = r.number AND u.configuration IS NOT NULL
        WHERE r.project_id = %s AND r.lane = %s
        ORDER BY r.ordered_at DESC, r.ran_at DESC, r.number DESC, u.id DESC LIMIT 1
        """,
        (project_id, lane),
    ).fetchone()
    return (row[0], row[1]) if row else (None, "")


def _fetch_contents(cursor: Cursor, project_id: int, numbers: list[int | None]) -> dict[int | None, _Content]:
    rows = cursor.execute(
        """
        SELECT number, (content -> 'suites')::text, (content #>> '{run,timeout_minutes}')::int FROM health_configuration
        WHERE project_id = %s AND number = ANY(%s)
        """,
        (project_id, [number for number in numbers if number is not None]),
    ).fetchall()
    return {number: _Content(suites, timeout) for number, suites, timeout in rows}


def _set_timeout(cursor: Cursor, project_id: int, old: int | None, new: int | None) -> None:
    """A configuration that no longer says how long to wait gives back the default; one that never did, nothing."""
    if new is None and old is None:
        return
    cursor.execute(
        "UPDATE health_project SET run_timeout_minutes = %s WHERE id = %s",
        (new or DEFAULT_TIMEOUT_MINUTES, project_id),
    )
