"""Which cases the register's patterns name now, and which entry of a case is named by which pattern.

Called by `health.register` after the entries of cases and of the file are settled. What is named is put off already,
or quarantined, or was planned: then the pattern closes once all that was promised runs.
Promise: a case's entry is named by one pattern, a person's before the file's, the first of each before the others
(`tests/health/test_register.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from health.aliases import Aliases
from health.backings import fetch_members
from health.models import Deferral
from health.register.columns import Change, note_changes
from health.register.facts import NOWHERE, fetch_passes, find_running
from health.register.items import Pattern, close_patterns, fetch_patterns, reopen_patterns
from health.rules.deferral_layers import PLANNED, QUARANTINE
from health.sql import Cursor, copy_numbers, format_array
from health.standing import Standing
from health.tiles import Ords

# Quarantined and planned: a pattern that names more is no list of tests any more. What CI puts off has no such bound.
MOST_NAMED: Final = 1_000

Numbers = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class _Naming:
    """A pattern with the cases it names, and the entries of cases that take its word."""

    pattern: Pattern
    cases: Ords
    entries: Ords


def name_cases(
    cursor: Cursor,
    project_id: int,
    *,
    items: Sequence[str],
    newest_known: int,
    standing: Standing,
    aliases: Aliases,
) -> list[int]:
    """Find what each pattern names now; the numbers of the entries that another one names than before.

    `items`: the file's patterns in their order. `newest_known`: entries with higher numbers are new, and that they are
    named is no change.
    """
    of_file = {pattern.text: pattern for pattern in fetch_patterns(cursor, project_id, origin="file")}
    patterns = [*fetch_patterns(cursor, project_id, origin="person"), *(of_file[text] for text in items)]
    patterns = [pattern for pattern in patterns if pattern.is_open or pattern.ending == Deferral.Ending.RAN]
    entries = _fetch_open(cursor, project_id)
    namings = _find_cases(cursor, project_id, patterns, entries, standing)
    namings = _settle_planned(cursor, project_id, namings, standing, aliases)
    _write_cases(cursor, project_id, {naming.pattern.pk: naming.cases for naming in namings})
    _write_passes(cursor, project_id, namings, standing, aliases)
    return _write_names(cursor, project_id, namings, entries, newest_known, standing)


def _fetch_open(cursor: Cursor, project_id: int) -> Numbers:
    return copy_numbers(
        cursor,
        """
        SELECT ord, id, coalesce(named_by_id, -1), is_put_off::int FROM health_deferral
        WHERE project_id = %s AND closed_at IS NULL AND ord IS NOT NULL ORDER BY ord
        """,
        (project_id,),
        ord="i4",
        id="i8",
        named_by="i8",
        is_put_off="i4",
    )


def _find_cases(
    cursor: Cursor, project_id: int, patterns: Sequence[Pattern], entries: Numbers, standing: Standing
) -> list[_Naming]:
    if not patterns:
        return []
    members = fetch_members(cursor, project_id, [pattern.text for pattern in patterns], standing=standing)
    put_off = entries["ord"][entries["is_put_off"] == 1]
    namings = []
    for pattern in patterns:
        found = members.get(pattern.text, np.zeros(0, np.int32))
        if pattern.kind in (QUARANTINE, PLANNED):
            found = found[:MOST_NAMED]
        cases = found if pattern.kind in (QUARANTINE, PLANNED) else np.intersect1d(found, put_off)
        namings.append(_Naming(pattern, cases, np.intersect1d(found, entries["ord"])))
    return namings


def _settle_planned(
    cursor: Cursor, project_id: int, namings: Sequence[_Naming], standing: Standing, aliases: Aliases
) -> list[_Naming]:
    """Close what was planned and runs now, and open again what does not any more; those that are open then."""
    planned = [naming for naming in namings if naming.pattern.kind == PLANNED]
    ords = np.unique(np.concatenate([np.zeros(0, np.int32), *(naming.cases for naming in planned)])).astype(np.int32)
    where = find_running(cursor, project_id, standing=standing, ords=ords, aliases=aliases)
    running = ords[where.n_running > 0]
    done = {naming.pattern.pk for naming in planned if _is_done(naming, running)}
    run = standing.run or NOWHERE
    ended = [naming.pattern for naming in planned if naming.pattern.pk in done and naming.pattern.is_open]
    back = [one.pattern for one in namings if one.pattern.pk not in done and not one.pattern.is_open]
    close_patterns(cursor, project_id, ended, run=run, ending=Deferral.Ending.RAN)
    reopen_patterns(cursor, project_id, back, run=run)
    return [replace(naming, entries=naming.entries[:0]) if naming.pattern.pk in done else naming for naming in namings]


def _is_done(naming: _Naming, running: Ords) -> bool:
    """Whether as many run as were promised; where no number was, all there are."""
    n_running = len(np.intersect1d(naming.cases, running))
    return n_running >= (naming.pattern.n_promised or max(1, len(naming.cases)))


def _write_cases(cursor: Cursor, project_id: int, named: Mapping[int, Ords]) -> None:
    before = copy_numbers(
        cursor,
        "SELECT deferral_id, ord FROM health_deferredcase WHERE project_id = %s",
        (project_id,),
        id="i8",
        ord="i4",
    )
    old = before["id"] << 32 | before["ord"]
    new = np.array([], np.int64)
    for pk, ords in named.items():
        new = np.concatenate([new, pk << 32 | ords.astype(np.int64)])
    gone, fresh = np.setdiff1d(old, new), np.setdiff1d(new, old)
    if len(gone):
        cursor.execute(
            """
            DELETE FROM health_deferredcase c USING unnest(%s::bigint[], %s::int[]) AS x(id, ord)
            WHERE c.project_id = %s AND c.deferral_id = x.id AND c.ord = x.ord
            """,
            (*_split(gone), project_id),
        )
    if len(fresh):
        cursor.execute(
            "INSERT INTO health_deferredcase (deferral_id, ord, project_id)"
            " SELECT x.id, x.ord, %s FROM unnest(%s::bigint[], %s::int[]) AS x(id, ord)",
            (project_id, *_split(fresh)),
        )
    if named:
        cursor.execute(
            """
            UPDATE health_deferral d SET n_cases = x.n FROM unnest(%s::bigint[], %s::int[]) AS x(id, n)
            WHERE d.id = x.id AND d.n_cases <> x.n
            """,
            (format_array(named), format_array(len(ords) for ords in named.values())),
        )


def _split(pairs: Numbers) -> tuple[str, str]:
    return format_array((pairs >> 32).tolist()), format_array((pairs & 0xFFFF_FFFF).tolist())


def _write_passes(
    cursor: Cursor, project_id: int, namings: Sequence[_Naming], standing: Standing, aliases: Aliases
) -> None:
    """On how many commits in a row all passed that a pattern quarantines."""
    quarantined = [naming for naming in namings if naming.pattern.kind == QUARANTINE]
    if not quarantined:
        return
    ords = np.concatenate([naming.cases for naming in quarantined])
    passes = fetch_passes(cursor, project_id, standing=standing, ords=ords, aliases=aliases)
    counts = [passes.count(naming.cases) for naming in quarantined]
    cursor.execute(
        """
        UPDATE health_deferral d SET n_passes = x.n FROM unnest(%s::bigint[], %s::int[]) AS x(id, n)
        WHERE d.id = x.id AND d.n_passes <> x.n
        """,
        (format_array(naming.pattern.pk for naming in quarantined), format_array(counts)),
    )


def _write_names(
    cursor: Cursor,
    project_id: int,
    namings: Sequence[_Naming],
    entries: Numbers,
    newest_known: int,
    standing: Standing,
) -> list[int]:
    named_by = np.full(len(entries), NOWHERE, np.int64)
    for naming in reversed(namings):  # the first one is written last
        named_by[np.searchsorted(entries["ord"], naming.entries)] = naming.pattern.pk
    is_changed = named_by != entries["named_by"]
    if not is_changed.any():
        return []
    changed: list[int] = entries["id"][is_changed].tolist()
    names = named_by[is_changed].tolist()
    cursor.execute(
        """
        UPDATE health_deferral d SET named_by_id = nullif(x.named_by, -1)
        FROM unnest(%s::bigint[], %s::bigint[]) AS x(id, named_by) WHERE d.id = x.id
        """,
        (format_array(changed), format_array(names)),
    )
    texts = {naming.pattern.pk: naming.pattern.text for naming in namings}
    run = standing.run or NOWHERE
    changes = [
        Change(pk, run, "named", {}, {"pattern": texts[name]}) if name in texts else Change(pk, run, "unnamed")
        for pk, name in zip(changed, names, strict=True)
        if pk <= newest_known
    ]
    note_changes(cursor, project_id, changes=changes)
    return changed
