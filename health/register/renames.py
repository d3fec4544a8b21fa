"""Entries of renamed cases: they go on under the newest name, and are as they were once that is undone.

`follow_renames` is called by `health.rebuild`, before anything is judged by the new names. Where both names have an
entry, the one that a person wrote in goes on, the newer name's before the former's; the other is kept in the history.
Promise: nothing that a person wrote is lost, and undoing gives it back (`tests/health/test_register.py`).
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from health.aliases import Aliases, fetch_aliases
from health.register.columns import IS_TOUCHED
from health.sql import Cursor, format_array


class _Entry(NamedTuple):
    pk: int
    ord: int
    is_touched: bool


def follow_renames(cursor: Cursor, project_id: int) -> None:
    """Bring every entry to the name its case is read under now; the caller holds the project's lock."""
    aliases = fetch_aliases(cursor, project_id)
    _undo(cursor, project_id, aliases)
    former = list(aliases.next_name)
    if not former:
        return
    # The oldest names first: of a chain the newest of those that went before wins.
    entries = _fetch_entries(cursor, project_id, former)
    others = _fetch_entries(cursor, project_id, sorted({aliases.canonical(entry.ord) for entry in entries}))
    by_ord = {entry.ord: entry for entry in others}
    for entry in entries:
        newest = aliases.canonical(entry.ord)
        other = by_ord.get(newest)
        if other is None or (entry.is_touched and not other.is_touched):
            if other:
                _absorb(cursor, project_id, entry.pk, other)
            _move(cursor, project_id, entry, newest)
            by_ord[newest] = entry._replace(ord=newest)
        else:
            _absorb(cursor, project_id, other.pk, entry)


def _fetch_entries(cursor: Cursor, project_id: int, ords: Sequence[int]) -> list[_Entry]:
    rows = cursor.execute(
        f"""
        SELECT id, ord, {IS_TOUCHED} FROM health_deferral
        WHERE project_id = %s AND ord = ANY(%s::int[]) ORDER BY id
        """,  # noqa: S608 - a constant
        (project_id, format_array(ords)),
    ).fetchall()
    return [_Entry(*row) for row in rows]


def _move(cursor: Cursor, project_id: int, entry: _Entry, newest: int) -> None:
    cursor.execute("UPDATE health_deferral SET ord = %s WHERE id = %s", (newest, entry.pk))
    cursor.execute(
        """
        INSERT INTO health_deferralchange (project_id, deferral_id, actor, action, fields, before, after)
        VALUES (%s, %s, '', 'renamed', '{}', jsonb_build_object('ord', %s::int), jsonb_build_object('ord', %s::int))
        """,
        (project_id, entry.pk, entry.ord, newest),
    )


def _absorb(cursor: Cursor, project_id: int, into: int, other: _Entry) -> None:
    """Close the history of one entry into another's; what a person wrote in it is kept there as it was."""
    cursor.execute(
        """
        WITH history AS (UPDATE health_deferralchange SET deferral_id = %(into)s WHERE deferral_id = %(other)s)
        INSERT INTO health_deferralchange (project_id, deferral_id, actor, action, fields, before, after)
        SELECT %(project)s, %(into)s, '', 'renamed', '{}', jsonb_build_object('ord', d.ord, 'entry', to_jsonb(d)), '{}'
        FROM health_deferral d WHERE d.id = %(other)s AND %(touched)s
        """,
        {"project": project_id, "into": into, "other": other.pk, "touched": other.is_touched},
    )
    cursor.execute("DELETE FROM health_deferral WHERE id = %s", (other.pk,))


def _undo(cursor: Cursor, project_id: int, aliases: Aliases) -> None:
    """Give back what was brought together under names that are two cases again."""
    rows: list[tuple[Any, ...]] = cursor.execute(
        """
        SELECT c.id, c.deferral_id, d.ord, (c.before ->> 'ord')::int, c.before ? 'entry' FROM health_deferralchange c
        JOIN health_deferral d ON d.id = c.deferral_id
        WHERE c.project_id = %s AND c.action = 'renamed' ORDER BY c.id DESC
        """,
        (project_id,),
    ).fetchall()
    moved: dict[int, int] = {}
    for change, entry, ord_, former, is_kept in rows:
        home = aliases.canonical(former)
        if home == aliases.canonical(moved.get(entry, ord_)):
            continue
        if not _has_entry(cursor, project_id, home):
            if is_kept:
                cursor.execute(_RESTORE_SQL, {"change": change, "ord": home})
            else:
                cursor.execute("UPDATE health_deferral SET ord = %s WHERE id = %s", (home, entry))
                moved[entry] = home
        cursor.execute("DELETE FROM health_deferralchange WHERE id = %s", (change,))


def _has_entry(cursor: Cursor, project_id: int, ord_: int) -> bool:
    row = cursor.execute(
        "SELECT 1 FROM health_deferral WHERE project_id = %s AND ord = %s", (project_id, ord_)
    ).fetchone()
    return row is not None


# The entry has its own number again; who named it, and its backing, are found anew.
_RESTORE_SQL: Final = """
INSERT INTO health_deferral SELECT (jsonb_populate_record(
    NULL::health_deferral,
    c.before -> 'entry' || jsonb_build_object('ord', %(ord)s::int, 'named_by_id', NULL, 'backing_id', NULL))).*
FROM health_deferralchange c WHERE c.id = %(change)s
"""
