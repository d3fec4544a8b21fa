"""The register's entries of single cases: opened, closed and opened again by what CI says, with its reasons read.

Called by `health.register`. A skipped case that runs closes its entry. One that was expected to fail and passes stays
open, for a person to release: pytest writes an unexpected pass as a plain one, so nobody knows whether it is mended.
Once it fails the entry closes.
Promise: the entries end in what the spans say now, whether judged behind each upload or once for many, and those that
stay as they are are not written (`tests/health/test_register.py`).
"""

import json
from collections.abc import Collection, Sequence
from typing import Any, Final

import numpy as np

from health.aliases import Aliases
from health.baselines import JobKey
from health.models import Deferral
from health.register.columns import COLUMNS, IS_TOUCHED, Change, merge_all, note_changes, understand
from health.register.facts import NOWHERE, Facts, Mask, Numbers, fetch_facts, fetch_passes, find_running
from health.register.newest import Newest, find_newest
from health.register.reasons import fetch_reasons
from health.rules import outcomes as codes
from health.rules.deferral_layers import SKIP, XFAIL
from health.rules.fingerprints import mask_message
from health.sql import Cursor, copy_numbers, format_array
from health.standing import Standing
from health.windows import N_JOBS

# Whoever accepted a fourth time knows that the case comes and goes, say with the machine it runs on. To ask again at
# each opening would be noise without end, so that all later ones are taken as accepted, too.
COMES_AND_GOES: Final = 4

_ENDINGS: Final = ("", Deferral.Ending.RAN, Deferral.Ending.GONE)
_STAYS, _RAN, _GONE = range(3)  # those, as `_fetch_entries` gives them; others are larger
_XFAIL, _QUARANTINE = 1, 2  # kinds, as `_fetch_entries` gives them
_ALL: Final = 2**31 - 1
_KINDS: Final = {codes.SKIP: SKIP, codes.XFAIL: XFAIL}
_STATE: Final = (
    *("id", "is_put_off", "n_put_off", "n_running", "opened", "n_openings", "n_passes", "closed_run", "ending"),
)


def settle_entries(
    cursor: Cursor, project_id: int, *, standing: Standing, aliases: Aliases, jobs: Collection[JobKey] | None
) -> list[int]:
    """Bring the entries of cases up to date; the numbers of those whose layers changed.

    `jobs`: those that may say something else than before. The reasons that others gave are not read again.
    """
    facts = fetch_facts(cursor, project_id, standing=standing)
    entries = _fetch_entries(cursor, project_id)
    put_off = facts.choose(facts.n_put_off > 0)
    n_running = _count_running(cursor, project_id, put_off, standing=standing, aliases=aliases)
    new = facts.choose(~np.isin(facts.ords, entries["ord"]))
    speaking = facts.choose((facts.n_put_off > 0) | np.isin(facts.ords, new.ords))
    newest = find_newest(cursor, project_id, facts=speaking, aliases=aliases)
    if len(new.ords):
        at_new = np.isin(newest.ords, new.ords)
        running = np.zeros(len(facts.ords), np.int64)
        running[facts.n_put_off > 0] = n_running
        _open_entries(cursor, project_id, new, newest.choose(at_new), running[facts.look_up(new.ords)], aliases)
        entries = _fetch_entries(cursor, project_id)
    is_off = np.isin(entries["ord"], put_off.ords)
    of_put_off, others = entries[is_off], entries[~is_off]
    others = others[~_forget_unfounded(cursor, others, facts)]
    limit = _ALL if (new.n_put_off == 0).any() else max(N_JOBS, len(jobs or ()))
    states = _state_put_off(of_put_off["id"], put_off, n_running)
    running = others[(others["ending"] == _STAYS) | _ended_otherwise(others, facts)]
    ended = _state_running(cursor, project_id, running, facts, standing=standing, aliases=aliases, limit=limit)
    before, after = np.concatenate([of_put_off, running]), np.concatenate([states, ended])
    is_changed = _differ(after, before)
    _write_states(cursor, project_id, after[is_changed])
    _note_states(cursor, project_id, before=before, after=after)
    newest = newest.choose(np.isin(newest.ords, put_off.ords))
    reopened = of_put_off["ending"] != _STAYS
    is_read = (is_changed[: len(states)] | _come_from(newest, jobs)) & ~np.isin(put_off.ords, new.ords)
    dirty = _read_again(cursor, project_id, of_put_off[is_read], newest.choose(is_read), aliases)
    return [*dirty, *of_put_off["id"][reopened].tolist()]


def _count_running(cursor: Cursor, project_id: int, facts: Facts, *, standing: Standing, aliases: Aliases) -> Numbers:
    """In how many of the standing jobs each of these cases runs that others put off."""
    is_split = facts.n_put_off < len(standing.jobs)
    n_running = np.zeros(len(facts.ords), np.int64)
    where = find_running(cursor, project_id, standing=standing, ords=facts.ords[is_split], aliases=aliases)
    n_running[is_split] = where.n_running
    return n_running


def _ended_otherwise(entries: Numbers, facts: Facts) -> Mask:
    """Which entries closed in another way than their cases' stretches ended: older runs came, or the case came back."""
    is_known: Mask = np.isin(entries["ord"], facts.ords) & (entries["opened"] != NOWHERE)
    entry, at = entries[is_known], facts.look_up(entries["ord"][is_known])
    is_same = entry["ending"] == np.where(facts.has_run[at], _RAN, _GONE)
    for name, now in (("opened", facts.opened), ("closed_run", facts.ended), ("n_openings", facts.n_openings)):
        is_same &= entry[name] == now[at]
    is_known[is_known] = ~is_same & np.isin(entry["ending"], (_RAN, _GONE))
    return is_known


# --- what holds of entries -------------------------------------------------------------------------------------


def _fetch_entries(cursor: Cursor, project_id: int) -> Numbers:
    """All of them, by case; flags are numbers, and NOWHERE stands for null."""
    return copy_numbers(
        cursor,
        f"""
        SELECT ord, id, CASE ending WHEN '' THEN 0 WHEN 'ran' THEN 1 WHEN 'gone' THEN 2 ELSE 3 END,
            is_put_off::int, n_put_off, n_running, coalesce(opened_run, -1), n_openings, n_passes,
            coalesce(closed_run, -1),
            CASE kind WHEN 'xfail' THEN 1 WHEN 'quarantine' THEN 2 ELSE 0 END,
            CASE read ->> 'kind' WHEN 'xfail' THEN 5 WHEN 'skip' THEN 4 ELSE 0 END,
            {IS_TOUCHED}::int
        FROM health_deferral WHERE project_id = %s AND ord IS NOT NULL ORDER BY ord
        """,  # noqa: S608 - a constant
        (project_id,),
        ord="i4",
        id="i8",
        ending="i4",
        is_put_off="i4",
        n_put_off="i2",
        n_running="i2",
        opened="i4",
        n_openings="i2",
        n_passes="i2",
        closed_run="i4",
        kind="i4",
        outcome="i4",
        is_touched="i4",
    )


def _make_states(ids: Numbers, **values: Any) -> Numbers:
    states = np.zeros(len(ids), [(name, np.int64) for name in _STATE])
    states["id"], states["closed_run"] = ids, NOWHERE
    for name, value in values.items():
        states[name] = value
    return states


def _differ(states: Numbers, entries: Numbers) -> Mask:
    """Which of these entries, in their order, are to be written."""
    found: Mask = np.zeros(len(entries), np.bool_)
    for name in _STATE[1:]:
        found |= states[name] != entries[name]
    return found


def _state_put_off(ids: Numbers, facts: Facts, n_running: Numbers) -> Numbers:
    return _make_states(
        ids,
        is_put_off=1,
        n_put_off=facts.n_put_off,
        n_running=n_running,
        opened=facts.opened,
        n_openings=facts.n_openings,
    )


def _state_running(
    cursor: Cursor,
    project_id: int,
    entries: Numbers,
    facts: Facts,
    *,
    standing: Standing,
    aliases: Aliases,
    limit: int,
) -> Numbers:
    """What becomes of entries that no job puts off now. What a person opened, a person closes.

    `limit`: into so many jobs of each series the new ones may reach.
    """
    where = find_running(cursor, project_id, standing=standing, ords=entries["ord"], aliases=aliases)
    is_ci = entries["opened"] != NOWHERE
    of_entry = facts.look_up(entries["ord"])
    has_facts = of_entry != NOWHERE
    of_entry = of_entry[has_facts]
    is_reporting, has_run = where.is_there.copy(), where.n_running > 0
    is_reporting[has_facts] |= facts.is_reporting[of_entry]
    has_run[has_facts] |= facts.has_run[of_entry]
    ended, opened, n_openings = where.run.copy(), entries["opened"].copy(), entries["n_openings"].copy()
    ended[has_facts] = facts.ended[of_entry]
    opened[has_facts & is_ci] = facts.opened[facts.look_up(entries["ord"][has_facts & is_ci])]
    n_openings[has_facts & is_ci] = facts.n_openings[facts.look_up(entries["ord"][has_facts & is_ci])]
    gone = np.array([facts.gone.get(ord_, standing.run or NOWHERE) for ord_ in entries["ord"].tolist()], np.int64)
    is_counted = (is_ci & (entries["kind"] == _XFAIL)) | (entries["kind"] == _QUARANTINE)
    n_passes, is_unbroken = np.zeros(len(entries), np.int64), np.zeros(len(entries), np.bool_)
    ords = entries["ord"][is_counted]
    passes = fetch_passes(cursor, project_id, standing=standing, ords=ords, aliases=aliases, limit=limit)
    n_passes[is_counted] = passes.count_each()
    is_unbroken[is_counted] = passes.find_unbroken(ended[is_counted])
    is_kept = ~is_ci | (entries["kind"] == _QUARANTINE) | ((entries["kind"] == _XFAIL) & is_unbroken)
    stays = is_kept & (is_reporting | ~is_ci)
    is_gone = ~is_reporting & (is_kept | ~has_run)
    ending = np.where(stays, _STAYS, np.where(is_gone, _GONE, _RAN))
    return _make_states(
        entries["id"],
        n_running=np.where(stays, where.n_running, 0),
        opened=opened,
        n_openings=n_openings,
        n_passes=np.where(stays, n_passes, 0),
        closed_run=np.choose(ending, [np.full(len(entries), NOWHERE), ended, gone]),
        ending=ending,
    )


def _forget_unfounded(cursor: Cursor, entries: Numbers, facts: Facts) -> Mask:
    """Take away entries that nothing speaks for any more since runs were deleted, and that nobody wrote in; which.

    A closed one stays while the run that opened it is there: its results may only be kept no longer.
    """
    is_doubted: Mask = (facts.look_up(entries["ord"]) == NOWHERE) & (entries["is_touched"] == 0)
    if not is_doubted.any():
        return is_doubted
    rows = cursor.execute(
        """
        WITH gone AS MATERIALIZED (
            SELECT d.id FROM health_deferral d WHERE d.id = ANY(%s::bigint[])
              AND (d.closed_at IS NULL OR NOT EXISTS (
                  SELECT FROM health_run r WHERE r.project_id = d.project_id AND r.number = d.opened_run))
              AND NOT EXISTS (
                  SELECT FROM health_deferredspan s WHERE s.project_id = d.project_id AND s.ord = d.ord)),
        history AS (DELETE FROM health_deferralchange c USING gone WHERE c.deferral_id = gone.id)
        DELETE FROM health_deferral d USING gone WHERE d.id = gone.id
        RETURNING d.id
        """,
        (format_array(entries["id"][is_doubted].tolist()),),
    ).fetchall()
    is_gone: Mask = np.isin(entries["id"], [row[0] for row in rows])
    return is_gone


def _write_states(cursor: Cursor, project_id: int, states: Numbers) -> None:
    if not len(states):
        return
    cursor.execute(
        """
        UPDATE health_deferral d SET is_put_off = x.is_put_off = 1, n_put_off = x.n_put_off, n_running = x.n_running,
            opened_run = nullif(x.opened, -1), opened_at = coalesce(opening.ran_at, d.opened_at),
            n_openings = x.n_openings, n_passes = x.n_passes,
            n_accepted = CASE WHEN d.n_accepted < %(enough)s THEN d.n_accepted
                              ELSE greatest(d.n_accepted, x.n_openings) END,
            closed_run = nullif(x.closed_run, -1), ending = (%(endings)s::text[])[x.ending + 1],
            closed_at = CASE WHEN x.ending > 0 THEN coalesce(closing.ran_at, now()) END
        FROM unnest(%(id)s::bigint[], %(is_put_off)s::int[], %(n_put_off)s::int[], %(n_running)s::int[],
            %(opened)s::int[], %(n_openings)s::int[], %(n_passes)s::int[], %(closed_run)s::int[], %(ending)s::int[])
            AS x(id, is_put_off, n_put_off, n_running, opened, n_openings, n_passes, closed_run, ending)
        LEFT JOIN health_run opening ON opening.project_id = %(project)s AND opening.number = x.opened
        LEFT JOIN health_run closing ON closing.project_id = %(project)s AND closing.number = x.closed_run
        WHERE d.id = x.id
        """,
        {
            "project": project_id,
            "enough": COMES_AND_GOES,
            "endings": list(_ENDINGS),
            **{name: format_array(states[name].tolist()) for name in _STATE},
        },
    )


def _note_states(cursor: Cursor, project_id: int, *, before: Numbers, after: Numbers) -> None:
    """Write down which entries were closed and which opened again."""
    changes = []
    moved = after[after["ending"] != before["ending"]]
    names = ("id", "opened", "closed_run", "ending")
    for pk, opened, closed, ending in zip(*(moved[name].tolist() for name in names), strict=True):
        if ending == _STAYS:
            changes.append(Change(pk, opened, "reopened"))
        else:
            changes.append(Change(pk, closed, "closed", {}, {"ending": str(_ENDINGS[ending])}))
    note_changes(cursor, project_id, changes=changes)


# --- reasons ---------------------------------------------------------------------------------------------------


def _come_from(newest: Newest, jobs: Collection[JobKey] | None) -> Mask:
    """Of which cases the newest put-off result is in one of these jobs."""
    if jobs is None:
        return np.ones(len(newest.ords), np.bool_)
    pairs = np.array([job.run << 32 | job.series for job in jobs], np.int64)
    return np.isin(newest.run.astype(np.int64) << 32 | newest.series, pairs)


def _fetch_reasons(cursor: Cursor, project_id: int, newest: Newest, aliases: Aliases) -> dict[int, str]:
    sources = list(zip(newest.run.tolist(), newest.series.tolist(), strict=True))
    return fetch_reasons(cursor, project_id, ords=newest.ords, jobs=sources, aliases=aliases)


def _read_again(cursor: Cursor, project_id: int, entries: Numbers, newest: Newest, aliases: Aliases) -> list[int]:
    """Read what the newest results of these entries say; the numbers of those where that is something else."""
    said = _fetch_reasons(cursor, project_id, newest, aliases)
    rows = cursor.execute(
        "SELECT id, ord, read ->> 'reason' FROM health_deferral WHERE id = ANY(%s::bigint[])",
        (format_array(entries["id"].tolist()),),
    ).fetchall()
    outcomes = dict(zip(newest.ords.tolist(), newest.outcome.tolist(), strict=True))
    before = dict(zip(newest.ords.tolist(), entries["outcome"].tolist(), strict=True))
    runs = dict(zip(newest.ords.tolist(), newest.run.tolist(), strict=True))
    changed = [
        (pk, runs[ord_], said.get(ord_, reason or ""), _KINDS[outcomes[ord_]])
        for pk, ord_, reason in rows
        if said.get(ord_, reason) != reason or outcomes[ord_] != before[ord_]
    ]
    _write_read(cursor, project_id, changed)
    return [row[0] for row in changed]


def _write_read(cursor: Cursor, project_id: int, changed: Sequence[tuple[int, int, str, str]]) -> None:
    """Keep what was read of these entries (number, run, reason, kind), and that it changed where that is news."""
    if not changed:
        return
    known = {row[2:]: understand(row[2], kind=row[3]) for row in changed}
    rows = cursor.execute(
        """
        WITH before AS MATERIALIZED (SELECT id, read::text FROM health_deferral WHERE id = ANY(%(ids)s::bigint[])),
        written AS (
            UPDATE health_deferral d SET read = x.read
            FROM unnest(%(ids)s::bigint[], %(texts)s::jsonb[]) AS x(id, read) WHERE d.id = x.id)
        SELECT * FROM before
        """,
        {
            "ids": format_array(row[0] for row in changed),
            "texts": [json.dumps(known[row[2:]]) for row in changed],
        },
    ).fetchall()
    old = {pk: json.loads(text) for pk, text in rows}
    changes = [Change(pk, run, "reason", old[pk], known[reason, kind]) for pk, run, reason, kind in changed]
    note_changes(cursor, project_id, changes=[change for change in changes if _is_news(change)])


def _is_news(change: Change) -> bool:
    """Not that an address or a moment in the words is another one each time: that would be a row for each run."""
    before, after = change.before, change.after
    is_reworded = mask_message(before.get("reason", "")) != mask_message(after.get("reason", ""))
    return is_reworded or any(before.get(field) != after.get(field) for field in {*before, *after} - {"reason"})


# --- new entries -----------------------------------------------------------------------------------------------


def _open_entries(
    cursor: Cursor, project_id: int, facts: Facts, newest: Newest, n_running: Numbers, aliases: Aliases
) -> None:
    """Make entries of cases that have none; those that are not put off any more are closed by who calls this."""
    said = _fetch_reasons(cursor, project_id, newest, aliases)
    known: dict[tuple[str, int], str] = {}
    reads = []
    for ord_, outcome in zip(newest.ords.tolist(), newest.outcome.tolist(), strict=True):
        key = said.get(ord_, ""), outcome
        text = known.get(key)
        if text is None:
            text = known[key] = json.dumps(understand(key[0], kind=_KINDS[outcome]))
        reads.append(text)
    rows = merge_all(cursor, project_id, [("{}", "{}", text) for text in reads])
    names = ", ".join(COLUMNS)
    cursor.execute(
        f"""
        INSERT INTO health_deferral (project_id, origin, pattern, written, version, n_cases, n_accepted, n_passes,
            ending, is_put_off, ord, n_put_off, n_running, opened_run, opened_at, n_openings, read, {names})
        SELECT %(project)s, 'ci', '', '{{}}', 1, 1, 1, 0,
            '', x.n_put_off > 0, x.ord, x.n_put_off, x.n_running, x.opened, coalesce(r.ran_at, now()), x.n_openings,
            x.read, {", ".join(f"x.{name}" for name in COLUMNS)}
        FROM unnest(%(ord)s::int[], %(n_put_off)s::int[], %(n_running)s::int[], %(opened)s::int[],
            %(n_openings)s::int[], %(read)s::jsonb[], {", ".join(f"%({n})s::{kind}[]" for n, kind in COLUMNS.items())})
            AS x(ord, n_put_off, n_running, opened, n_openings, read, {names})
        LEFT JOIN health_run r ON r.project_id = %(project)s AND r.number = x.opened
        """,  # noqa: S608 - the columns are a constant
        {
            "project": project_id,
            "ord": format_array(facts.ords.tolist()),
            "n_put_off": format_array(facts.n_put_off.tolist()),
            "n_running": format_array(n_running.tolist()),
            "opened": format_array(facts.opened.tolist()),
            "n_openings": format_array(facts.n_openings.tolist()),
            "read": reads,
            **{name: list(column) for name, column in zip(COLUMNS, zip(*rows, strict=True), strict=True)},
        },
    )
