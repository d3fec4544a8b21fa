"""Is everything as it has to be? Every law of `health.invariants`, and what a rebuild would change.

Called by the command of that name, and at the end of every fault test. `find_violations` only reads; `find_drift`
computes everything derived anew and takes it back.
Promise: each broken law is found and said in words (`tests/health/test_fsck.py`).
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.db import transaction

from health.invariants import INVARIANTS, THOROUGH, Invariant
from health.judging import judge_project
from health.locks import lock_project
from health.rebuild import rebuild_project, settle_unread
from health.sql import Cursor, open_cursor

# So many places of each broken law are named; that there are more is said.
_MOST_NAMED: Final = 100
# Everything that `rebuild_project` computes, with the columns that name a row.
_DERIVED: Final[dict[str, tuple[str, ...]]] = {
    "run": ("number",),
    "job": ("run", "series"),
    "runsuite": ("run", "series", "suite"),
    "suiteday": ("day", "series", "suite"),
    "runcoverage": ("run", "level"),
    "filecoverage": ("lane", "level", "file"),
    "directoryday": ("lane", "level", "day", "directory"),
    "serieswindow": ("series",),
    "caseverdict": ("series", "ord"),
    "vanishedcase": ("series", "ord"),
    "casespeed": ("series", "ord"),
    "deferredspan": ("series", "ord", "first_run"),
    "causecount": ("run", "series", "fingerprint"),
}


@dataclass(frozen=True, slots=True)
class Violation:
    """A law that does not hold: its name, the project (None when it is nobody's), and what is wrong there."""

    project_id: int | None
    law: str
    message: str


def find_violations(
    cursor: Cursor,
    *,
    project_ids: Iterable[int],
    patience_seconds: float = 0,
    laws: Sequence[Invariant] = INVARIANTS,
) -> list[Violation]:
    """Where the laws are broken in these projects; a lease may be over for `patience_seconds` before it is one."""
    values = {
        "projects": list(project_ids),
        "patience": patience_seconds,
        "most_attempts": settings.MAX_ATTEMPTS,
    }
    found = []
    for law in laws:
        cursor.execute(law.statement, values)
        rows = cursor.fetchmany(_MOST_NAMED)
        found += [Violation(row[0], law.name, law.words.format(*row[1:])) for row in rows]
        if cursor.fetchone():
            found.append(Violation(None, law.name, f"and so on: more than {_MOST_NAMED} places"))
    return found


def find_drift(project_id: int) -> list[Violation]:
    """What a rebuild of the project would change. It is done, compared, and taken back; the project waits meanwhile."""
    with transaction.atomic():
        cursor = open_cursor()
        lock_project(cursor, project_id)
        found = find_violations(cursor, project_ids=[project_id], laws=THOROUGH)
        # That something arrived since a run was summed up, or since conclusions were drawn, is no drift.
        settle_unread(cursor, project_id)
        judge_project(project_id)
        for table in _DERIVED:
            cursor.execute(
                f"CREATE TEMPORARY TABLE kept_{table} ON COMMIT DROP AS "  # noqa: S608 - the tables are a constant
                f"SELECT * FROM health_{table} WHERE project_id = {project_id:d}"
            )
        rebuild_project(project_id)
        for table, key in _DERIVED.items():
            found += _compare_table(cursor, project_id, table, key)
        transaction.set_rollback(True)
    return found


def _compare_table(cursor: Cursor, project_id: int, table: str, key: tuple[str, ...]) -> list[Violation]:
    """Where a table as it was kept differs from what the rebuild made of it."""
    cursor.execute(
        f"""
        SELECT to_jsonb(kept)::text, to_jsonb(rebuilt)::text FROM kept_{table} kept
        FULL JOIN (SELECT * FROM health_{table} WHERE project_id = %s) rebuilt
            ON {" AND ".join(f"kept.{name} = rebuilt.{name}" for name in key)}
        WHERE to_jsonb(kept) IS DISTINCT FROM to_jsonb(rebuilt) LIMIT {_MOST_NAMED}
        """,  # noqa: S608 - the tables and their keys are constants
        (project_id,),
    )
    return [
        Violation(project_id, f"{table}_drifted", _describe_drift(table, key, kept, rebuilt))
        for kept, rebuilt in cursor.fetchall()
    ]


def _describe_drift(table: str, key: tuple[str, ...], kept: str | None, rebuilt: str | None) -> str:
    old, new = json.loads(kept or "{}"), json.loads(rebuilt or "{}")
    names = ", ".join(f"{name} {(old or new)[name]!r}" for name in key)
    if not old or not new:
        return (
            f"{table} of {names} is {'there' if old else 'missing'}, a rebuild would {'remove' if old else 'make'} it"
        )
    different = [name for name in old if old[name] != new[name]]
    changes = [f"{name} is {_shorten(old[name])}, rebuilt {_shorten(new[name])}" for name in different]
    return f"{table} of {names}: {'; '.join(changes)}"


def _shorten(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
