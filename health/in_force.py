"""Which configuration of a project is in force: what came with the newest runs of the default branch.

`.suitewatch.yml` and CODEOWNERS are two files, each in force by itself: the newest one that could be read, whichever
run brought it. Called by `ingest.store` with each delivery, and by `health.rebuild`; callers hold the project's lock.
Putting one in force is quick; where its rules name suites otherwise than before, `Project.rules_of` stays behind until
a rebuild has given cases and figures their new suites.
Promise: the order in which uploads arrive does not matter (`tests/health/test_in_force.py`).
"""

from typing import Final, NamedTuple

from health.audit import record
from health.models import Configuration
from health.rules.lanes import choose_lane
from health.sql import Cursor

DEFAULT_TIMEOUT_MINUTES: Final = 360
_IS_DUE: Final = "(configuration IS DISTINCT FROM rules_of OR counted_epoch <> identity_epoch)"

# Files of one kind that a lane's runs brought, the newest first; within one run their content decides, not who came
# first. `{column}` is that of the upload.
FILES_OF_LANE: Final = """
    FROM health_run r
    JOIN health_upload u ON u.project_id = r.project_id AND u.run = r.number
    JOIN health_configuration c ON c.project_id = u.project_id AND c.number = u.{column}
    WHERE r.project_id = %(project)s AND r.lane = %(lane)s {only}
    ORDER BY r.ordered_at DESC, r.ran_at DESC, r.number DESC, c.digest DESC LIMIT 1
"""
_COLUMNS: Final = {Configuration.Role.CONFIGURATION: "configuration", Configuration.Role.OWNERS: "code_owners"}
_NAMES: Final = {Configuration.Role.CONFIGURATION: "configuration", Configuration.Role.OWNERS: "CODEOWNERS"}


class _Content(NamedTuple):
    suites: str | None  # as JSON, only to be compared
    timeout: int | None


class _Newest(NamedTuple):
    number: int | None
    commit: str = ""
    run: int | None = None


_NOTHING: Final = _Content(None, None)


def settle_configuration(cursor: Cursor, project_id: int) -> None:
    """Put the newest files of the default branch in force, if they are not yet."""
    row = cursor.execute(
        """
        SELECT p.default_branch, p.configuration, p.code_owners,
            bool_or(c.role = 'configuration'), bool_or(c.role = 'owners')
        FROM health_project p JOIN health_configuration c ON c.project_id = p.id WHERE p.id = %s GROUP BY p.id
        """,
        (project_id,),
    ).fetchone()
    if row is None:
        return
    default_branch, configuration, code_owners, has_configuration, has_owners = row
    if has_configuration:
        newest = _find_newest(cursor, project_id, default_branch, Configuration.Role.CONFIGURATION)
        if newest.number != configuration:
            _follow(cursor, project_id, configuration, newest.number)
            _put_in_force(cursor, project_id, Configuration.Role.CONFIGURATION, configuration, newest)
    if has_owners:
        newest = _find_newest(cursor, project_id, default_branch, Configuration.Role.OWNERS)
        if newest.number != code_owners:
            _put_in_force(cursor, project_id, Configuration.Role.OWNERS, code_owners, newest)


def find_due_projects(cursor: Cursor) -> list[int]:
    """Projects whose figures do not follow the rules in force yet, or the last merge of renames."""
    rows = cursor.execute(f"SELECT id FROM health_project WHERE {_IS_DUE} ORDER BY id").fetchall()  # noqa: S608
    return [row[0] for row in rows]


def is_due(cursor: Cursor, project_id: int) -> bool:
    """Whether the figures of a project follow other rules, or other names, than those in force."""
    row = cursor.execute(
        f"SELECT 1 FROM health_project WHERE id = %s AND {_IS_DUE}",  # noqa: S608 - a constant
        (project_id,),
    ).fetchone()
    return row is not None


def _find_newest(cursor: Cursor, project_id: int, default_branch: str, role: Configuration.Role) -> _Newest:
    if not default_branch:
        return _Newest(None)
    lane = choose_lane(default_branch, pull_request="", default_branch=default_branch, long_lived=())
    files = FILES_OF_LANE.format(column=_COLUMNS[role], only="AND c.is_readable")
    values = {"project": project_id, "lane": lane}
    row = cursor.execute(f"SELECT c.number, r.commit, r.number {files}", values).fetchone()
    return _Newest(*row) if row else _Newest(None)


def _put_in_force(cursor: Cursor, project_id: int, role: Configuration.Role, old: int | None, new: _Newest) -> None:
    cursor.execute(
        f"UPDATE health_project SET {_COLUMNS[role]} = %s WHERE id = %s",  # noqa: S608 - a constant
        (new.number, project_id),
    )
    record(
        project_id,
        actor="CI",
        action=f"{role}.in_force",
        subject=f"{_NAMES[role]} {new.number}" if new.number else f"no {_NAMES[role]}",
        detail={"before": old, "after": new.number, "commit": new.commit, "run": new.run},
    )


def _follow(cursor: Cursor, project_id: int, old: int | None, new: int | None) -> None:
    """What follows from other rules: how long runs wait, and no rebuild where they name suites as before."""
    row = cursor.execute("SELECT rules_of FROM health_project WHERE id = %s", (project_id,)).fetchone()
    rules_of: int | None = row[0] if row else None
    contents = _fetch_contents(cursor, project_id, [old, new, rules_of])
    if contents.get(rules_of, _NOTHING).suites == contents.get(new, _NOTHING).suites:
        cursor.execute("UPDATE health_project SET rules_of = %s WHERE id = %s", (new, project_id))
    _set_timeout(cursor, project_id, contents.get(old, _NOTHING).timeout, contents.get(new, _NOTHING).timeout)


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
