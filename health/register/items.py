"""The register's entries of patterns: those of the file in force are what it lists now.

Called by `health.register`, and by `health.register.named`, which finds the cases. What a person wrote is left alone.
Promise: an item that comes back finds its entry with all its history (`tests/health/test_register.py`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from health.models import Deferral
from health.register.columns import Change, Read, note_changes
from health.rules.deferral_layers import KINDS, SKIP, merge_layers
from health.sql import Cursor, format_array
from health.standing import Standing

# Where an item stands in its file says nothing of what is put off.
_PLACES: Final = ("file", "line")
_NO_RUN: Final = -1


@dataclass(frozen=True, slots=True)
class Pattern:
    """An entry of a pattern."""

    pk: int
    text: str
    written: Read
    is_open: bool
    ending: str

    @property
    def kind(self) -> str:
        """What it says of the cases it names."""
        kind = self.written.get("kind")
        return kind if kind in KINDS else SKIP

    @property
    def n_promised(self) -> int | None:
        """How many cases there should be, where it says so."""
        return merge_layers(self.written, {}, {}).count


def settle_items(
    cursor: Cursor, project_id: int, *, items: Sequence[Mapping[str, Any]], standing: Standing
) -> list[int]:
    """Make the file's entries those that it lists now, in its order; the numbers of those that changed."""
    wanted: dict[str, Read] = {}
    for item in items:
        said = {field: value for field, value in item.items() if field != "cases" and value not in (None, "", [])}
        wanted.setdefault(str(item["cases"]), said)
    known = {pattern.text: pattern for pattern in fetch_patterns(cursor, project_id, origin="file")}
    run = standing.run or _NO_RUN
    added = {text: said for text, said in wanted.items() if text not in known}
    rewritten = [(known[text], said) for text, said in wanted.items() if text in known and known[text].written != said]
    dropped = [pattern for text, pattern in known.items() if text not in wanted and pattern.is_open]
    back = [
        known[text]
        for text in wanted
        if text in known and not known[text].is_open and known[text].ending != Deferral.Ending.RAN
    ]
    close_patterns(cursor, project_id, dropped, run=run, ending=Deferral.Ending.UNNAMED)
    reopen_patterns(cursor, project_id, back, run=run)
    _rewrite(cursor, project_id, rewritten, run=run)
    made = _add(cursor, project_id, added, run=run)
    return [*made, *(pattern.pk for pattern in [*back, *dropped]), *(pattern.pk for pattern, _ in rewritten)]


def fetch_patterns(cursor: Cursor, project_id: int, *, origin: str) -> list[Pattern]:
    """All that a file or people ever named, the first ones first."""
    rows = cursor.execute(
        """
        SELECT id, pattern, written::text, closed_at IS NULL, ending FROM health_deferral
        WHERE project_id = %s AND ord IS NULL AND origin = %s ORDER BY id
        """,
        (project_id, origin),
    ).fetchall()
    return [Pattern(pk, text, json.loads(written), is_open, ending) for pk, text, written, is_open, ending in rows]


def _add(cursor: Cursor, project_id: int, added: Mapping[str, Read], *, run: int) -> list[int]:
    if not added:
        return []
    rows = cursor.execute(
        """
        INSERT INTO health_deferral (project_id, origin, pattern, written, read, kind, reason, owner, issue, precedent,
            phase, is_put_off, n_put_off, n_running, n_cases, opened_run, opened_at, n_openings, n_accepted, n_passes,
            ending, version)
        SELECT %(project)s, 'file', x.pattern, x.written, '{}', 'skip', '', '', '', '',
            '', false, 0, 0, 0, r.number, coalesce(r.ran_at, now()), 1, 1, 0,
            '', 1
        FROM unnest(%(patterns)s::text[], %(written)s::jsonb[]) AS x(pattern, written)
        LEFT JOIN health_run r ON r.project_id = %(project)s AND r.number = %(run)s
        RETURNING id
        """,
        {
            "project": project_id,
            "run": run,
            "patterns": list(added),
            "written": [json.dumps(said) for said in added.values()],
        },
    ).fetchall()
    return [pk for (pk,) in rows]


def _rewrite(cursor: Cursor, project_id: int, rewritten: Sequence[tuple[Pattern, Read]], *, run: int) -> None:
    if not rewritten:
        return
    cursor.execute(
        """
        UPDATE health_deferral d SET written = x.written
        FROM unnest(%s::bigint[], %s::jsonb[]) AS x(id, written) WHERE d.id = x.id
        """,
        (format_array(pattern.pk for pattern, _ in rewritten), [json.dumps(said) for _, said in rewritten]),
    )
    changes = [
        Change(pattern.pk, run, "edited", _drop_place(pattern.written), _drop_place(said))
        for pattern, said in rewritten
    ]
    note_changes(cursor, project_id, changes=[change for change in changes if change.before != change.after])


def _drop_place(said: Read) -> Read:
    return {field: value for field, value in said.items() if field not in _PLACES}


def close_patterns(cursor: Cursor, project_id: int, patterns: Sequence[Pattern], *, run: int, ending: str) -> None:
    """Close these; `run` is the newest one."""
    if not patterns:
        return
    ids = format_array(pattern.pk for pattern in patterns)
    cursor.execute(
        """
        UPDATE health_deferral d SET closed_run = r.number, closed_at = coalesce(r.ran_at, now()), ending = %(ending)s,
            n_passes = 0
        FROM (SELECT 1) one LEFT JOIN health_run r ON r.project_id = %(project)s AND r.number = %(run)s
        WHERE d.id = ANY(%(ids)s::bigint[])
        """,
        {"project": project_id, "run": run, "ids": ids, "ending": str(ending)},
    )
    changes = [Change(pattern.pk, run, "closed", {}, {"ending": str(ending)}) for pattern in patterns]
    note_changes(cursor, project_id, changes=changes)


def reopen_patterns(cursor: Cursor, project_id: int, patterns: Sequence[Pattern], *, run: int) -> None:
    """Open these again: who named them did so knowingly."""
    if not patterns:
        return
    cursor.execute(
        """
        UPDATE health_deferral d SET closed_run = NULL, closed_at = NULL, ending = '', n_openings = n_openings + 1,
            n_accepted = n_openings + 1, opened_run = r.number, opened_at = coalesce(r.ran_at, now())
        FROM (SELECT 1) one LEFT JOIN health_run r ON r.project_id = %(project)s AND r.number = %(run)s
        WHERE d.id = ANY(%(ids)s::bigint[])
        """,
        {"project": project_id, "run": run, "ids": format_array(pattern.pk for pattern in patterns)},
    )
    note_changes(cursor, project_id, changes=[Change(pattern.pk, run, "reopened") for pattern in patterns])
