"""What holds of an entry, written into its columns: merged from what was read, named and written.

Called by the other modules of the register, and through `health.register` by what people do.
Promise: entries that said the same before are not written again (`tests/health/test_register.py`).
"""

import json
from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple

from health.backings import ensure_backings, hand_on
from health.rules.deferral_layers import Layers, merge_layers
from health.rules.reasons import read_reason
from health.rules.secrets import mask_reason
from health.sql import Cursor, format_array

# As in the table: text, but for the last two numbers and the day before them.
COLUMNS: Final = {
    **dict.fromkeys(("kind", "reason", "owner", "issue", "precedent", "phase"), "text"),
    "review_on": "date",
    "n_promised": "int",
    "backing_id": "bigint",
}
# Whether a person ever did something to an entry of a case, in SQL: such a one is never taken away.
IS_TOUCHED: Final = "(origin = 'person' OR written <> '{}' OR version > 1 OR n_accepted > 1)"
Read = dict[str, Any]


class Change(NamedTuple):
    """What became of an entry, by a run or a file; `run` may be -1 for none."""

    entry: int
    run: int
    action: str
    before: Read = {}
    after: Read = {}


def understand(reason: str, *, kind: str) -> Read:
    """What CI says of a put-off case, as `Deferral.read` keeps it."""
    found = read_reason(mask_reason(reason))  # what looks like a secret is nobody's name and no backing
    understood = {
        "issue": found.issue,
        "review": found.until.isoformat() if found.until else "",
        "owner": found.owner,
        "precedent": found.precedent,
        "backing": list(found.backing),
    }
    return {"kind": kind, "reason": reason} | {field: value for field, value in understood.items() if value}


def merge_all(cursor: Cursor, project_id: int, layers: Sequence[tuple[str, str, str]]) -> list[tuple[Any, ...]]:
    """The values of COLUMNS of each of these (written, written by who names it, read); the layers are JSON texts.

    What many entries say alike is merged once, and the backings are found at once.
    """
    known = {key: merge_layers(*map(json.loads, key)) for key in dict.fromkeys(layers)}
    claims = [(merged.backing, merged.code) for merged in known.values()]
    backings = ensure_backings(cursor, project_id, [claim for claim in dict.fromkeys(claims) if any(claim)])
    rows = {key: _write(merged, backings.get((merged.backing, merged.code))) for key, merged in known.items()}
    return [rows[key] for key in layers]


def _write(layers: Layers, backing: int | None) -> tuple[Any, ...]:
    texts = (layers.kind, layers.reason, layers.owner, layers.issue, layers.precedent, layers.phase)
    return (*texts, layers.review_on, layers.count, backing)


def apply_layers(cursor: Cursor, project_id: int, deferral_ids: Collection[int]) -> None:
    """Bring the columns of these entries up to date, and of those that they name."""
    if not deferral_ids:
        return
    rows = cursor.execute(
        """
        SELECT d.id, d.written::text, coalesce(n.written, '{}')::text, d.read::text
        FROM health_deferral d
        LEFT JOIN health_deferral n ON n.id = d.named_by_id AND n.closed_at IS NULL
        WHERE d.project_id = %(project)s AND (d.id = ANY(%(ids)s::bigint[]) OR d.named_by_id = ANY(%(ids)s::bigint[]))
        """,
        {"project": project_id, "ids": format_array(deferral_ids)},
    ).fetchall()
    merged = merge_all(cursor, project_id, [row[1:] for row in rows])
    write_columns(cursor, ids=[row[0] for row in rows], rows=merged)


def write_columns(cursor: Cursor, *, ids: Sequence[int], rows: Sequence[tuple[Any, ...]]) -> None:
    """Write the values of COLUMNS of these entries, where they are others."""
    if not ids:
        return
    _hand_backings_on(cursor, {pk: row[-1] for pk, row in zip(ids, rows, strict=True) if row[-1] is not None})
    names = ", ".join(COLUMNS)
    cursor.execute(
        f"""
        UPDATE health_deferral d SET ({names}) = (SELECT {", ".join(f"x.{name}" for name in COLUMNS)})
        FROM unnest(%s::bigint[], {", ".join(f"%s::{kind}[]" for kind in COLUMNS.values())}) AS x(id, {names})
        WHERE d.id = x.id AND ({", ".join(f"d.{name}" for name in COLUMNS)})
            IS DISTINCT FROM ({", ".join(f"x.{name}" for name in COLUMNS)})
        """,  # noqa: S608 - the columns are a constant
        (format_array(ids), *(list(column) for column in zip(*rows, strict=True))),
    )


def _hand_backings_on(cursor: Cursor, backings: dict[int, int]) -> None:
    """What backed these entries until now says to what backs them from now on which cases it knew, and its log."""
    if not backings:
        return
    rows = cursor.execute(
        """
        SELECT DISTINCT d.backing_id, x.backing FROM unnest(%s::bigint[], %s::bigint[]) AS x(id, backing)
        JOIN health_deferral d ON d.id = x.id AND d.backing_id <> x.backing
        """,
        (format_array(backings), format_array(backings.values())),
    ).fetchall()
    hand_on(cursor, rows)


def note_changes(cursor: Cursor, project_id: int, *, changes: Sequence[Change]) -> None:
    """Write them into the history, of each side the fields that differ, at the time their run ran."""
    if not changes:
        return
    fields = [
        [field for field in sorted({*change.before, *change.after}) if _differs(change, field)] for change in changes
    ]
    cursor.execute(
        """
        INSERT INTO health_deferralchange (project_id, deferral_id, at, run, actor, action, fields, before, after)
        SELECT %(project)s, x.entry, coalesce(r.ran_at, now()), nullif(x.run, -1), '', x.action,
            ARRAY(SELECT jsonb_array_elements_text(x.fields)), x.before, x.after
        FROM unnest(%(entry)s::bigint[], %(run)s::int[], %(action)s::text[], %(fields)s::jsonb[], %(before)s::jsonb[],
            %(after)s::jsonb[]) AS x(entry, run, action, fields, before, after)
        LEFT JOIN health_run r ON r.project_id = %(project)s AND r.number = x.run
        """,
        {
            "project": project_id,
            "entry": format_array(change.entry for change in changes),
            "run": format_array(change.run for change in changes),
            "action": [change.action for change in changes],
            "fields": [
                json.dumps(names if change.action in _WITH_FIELDS else [])
                for change, names in zip(changes, fields, strict=True)
            ],
            "before": [_dump(change.before, names) for change, names in zip(changes, fields, strict=True)],
            "after": [_dump(change.after, names) for change, names in zip(changes, fields, strict=True)],
        },
    )


_WITH_FIELDS: Final = ("reason", "edited")


def _differs(change: Change, field: str) -> bool:
    return change.before.get(field) != change.after.get(field)


def _dump(values: Read, names: Sequence[str]) -> str:
    return json.dumps({name: values[name] for name in names if name in values})
