"""Which configuration of a project is in force: what came with the newest runs of the default branch.

`.suitewatch.yml`, CODEOWNERS and `.suitewatch-deferrals.yml` are three files, each in force by itself: the newest one
that could be read, whichever run brought it. Called by `ingest.store` with each delivery, and by `health.rebuild`;
callers hold the project's lock.
Putting one in force is quick; where its rules name suites otherwise than before, `Project.rules_of` stays behind until
a rebuild has given cases and figures their new suites. Where it says something else about deferrals, a job of the
default branch is judged anew, which settles the register behind the upload (`health.judging`).
What is in force about deferrals and the gate is read here, too, by `health.register` and `health.gate`.
Promise: the order in which uploads arrive does not matter (`tests/health/test_in_force.py`).
"""

import json
from typing import Any, Final, NamedTuple

from health.audit import record
from health.models import Configuration
from health.rules.lanes import choose_lane
from health.sql import Cursor
from health.unjudged import doubt_series

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
_COLUMNS: Final = {
    Configuration.Role.CONFIGURATION: "configuration",
    Configuration.Role.OWNERS: "code_owners",
    Configuration.Role.DEFERRALS: "deferrals_file",
}
_NAMES: Final = {
    Configuration.Role.CONFIGURATION: "configuration",
    Configuration.Role.OWNERS: "CODEOWNERS",
    Configuration.Role.DEFERRALS: "deferrals file",
}
# What fails a run at the gate of a project that says nothing about it.
USUAL_GATE_RULES: Final = ("new-failures",)


class _Content(NamedTuple):
    suites: str | None  # as JSON, only to be compared
    timeout: int | None
    deferrals: str | None = None  # entries and policy, as JSON, only to be compared


class _Newest(NamedTuple):
    number: int | None
    commit: str = ""
    run: int | None = None


_NOTHING: Final = _Content(None, None)


def settle_configuration(cursor: Cursor, project_id: int) -> None:
    """Put the newest files of the default branch in force, if they are not yet."""
    row = cursor.execute(
        """
        SELECT p.default_branch, p.configuration, p.code_owners, p.deferrals_file, array_agg(DISTINCT c.role)
        FROM health_project p JOIN health_configuration c ON c.project_id = p.id WHERE p.id = %s GROUP BY p.id
        """,
        (project_id,),
    ).fetchone()
    if row is None:
        return
    default_branch, *numbers, known = row
    lane = _name_default_lane(default_branch)
    for role, number in zip(_COLUMNS, numbers, strict=True):
        if role not in known:
            continue
        newest = _find_newest(cursor, project_id, lane, role)
        if newest.number != number:
            contents = _fetch_contents(cursor, project_id, [number, newest.number])
            old, new = contents.get(number, _NOTHING), contents.get(newest.number, _NOTHING)
            if role == Configuration.Role.CONFIGURATION:
                _follow(cursor, project_id, number=newest.number, old=old, new=new)
            _put_in_force(cursor, project_id, role, number, newest)
            if lane and old.deferrals != new.deferrals:
                _doubt_register(cursor, project_id, lane)


def fetch_deferral_items(cursor: Cursor, project_id: int) -> list[dict[str, Any]]:
    """What the files in force put off, those of `.suitewatch.yml` first; of two entries with one pattern the first.

    Each is as it was written, with `file` and `line`: what it does not say, such as its kind, is not made up.
    """
    rows = cursor.execute(
        """
        SELECT (c.content -> 'deferrals')::text FROM health_project p
        JOIN health_configuration c ON c.project_id = p.id AND c.number IN (p.configuration, p.deferrals_file)
        WHERE p.id = %s AND c.content ? 'deferrals' ORDER BY c.role = %s
        """,
        (project_id, Configuration.Role.DEFERRALS),
    ).fetchall()
    items: dict[str, dict[str, Any]] = {}
    for (listed,) in rows:
        for item in json.loads(listed):
            items.setdefault(item["cases"], item)
    return list(items.values())


def fetch_gate_rules(cursor: Cursor, project_id: int) -> tuple[str, ...]:
    """Which reasons fail a run at the gate, by the `.suitewatch.yml` in force; an empty list there is none of them."""
    row = cursor.execute(
        """
        SELECT (c.content #> '{gate,fail_on}')::text FROM health_project p
        JOIN health_configuration c ON c.project_id = p.id AND c.number = p.configuration WHERE p.id = %s
        """,
        (project_id,),
    ).fetchone()
    return tuple(json.loads(row[0])) if row and row[0] else USUAL_GATE_RULES


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


def _name_default_lane(default_branch: str) -> str:
    """The lane of the default branch; none while that is not known."""
    if not default_branch:
        return ""
    return choose_lane(default_branch, pull_request="", default_branch=default_branch, long_lived=())


def _find_newest(cursor: Cursor, project_id: int, lane: str, role: Configuration.Role) -> _Newest:
    if not lane:
        return _Newest(None)
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


def _follow(cursor: Cursor, project_id: int, *, number: int | None, old: _Content, new: _Content) -> None:
    """What follows from other rules: how long runs wait, and no rebuild where they name suites as before."""
    row = cursor.execute("SELECT rules_of FROM health_project WHERE id = %s", (project_id,)).fetchone()
    rules_of: int | None = row[0] if row else None
    followed = _fetch_contents(cursor, project_id, [rules_of]).get(rules_of, _NOTHING)
    if followed.suites == new.suites:
        cursor.execute("UPDATE health_project SET rules_of = %s WHERE id = %s", (number, project_id))
    _set_timeout(cursor, project_id, old.timeout, new.timeout)


def _doubt_register(cursor: Cursor, project_id: int, lane: str) -> None:
    """Other entries or another policy, and perhaps no job that is new: the newest one of the branch stands for it."""
    row = cursor.execute(
        """
        SELECT j.series FROM health_series s
        JOIN health_job j ON j.project_id = s.project_id AND j.series = s.number
        WHERE s.project_id = %s AND s.lane = %s ORDER BY j.ordered_at DESC, j.ran_at DESC, j.run DESC LIMIT 1
        """,
        (project_id, lane),
    ).fetchone()
    if row:
        doubt_series(cursor, project_id, series=[row[0]])


def _fetch_contents(cursor: Cursor, project_id: int, numbers: list[int | None]) -> dict[int | None, _Content]:
    rows = cursor.execute(
        """
        SELECT number, (content -> 'suites')::text, (content #>> '{run,timeout_minutes}')::int,
            nullif(jsonb_strip_nulls(jsonb_build_object(
                'entries', content -> 'deferrals', 'policy', content -> 'deferral_policy')), '{}')::text
        FROM health_configuration WHERE project_id = %s AND number = ANY(%s)
        """,
        (project_id, [number for number in numbers if number is not None]),
    ).fetchall()
    return {number: _Content(*said) for number, *said in rows}


def _set_timeout(cursor: Cursor, project_id: int, old: int | None, new: int | None) -> None:
    """A configuration that no longer says how long to wait gives back the default; one that never did, nothing."""
    if new is None and old is None:
        return
    cursor.execute(
        "UPDATE health_project SET run_timeout_minutes = %s WHERE id = %s",
        (new or DEFAULT_TIMEOUT_MINUTES, project_id),
    )
