"""Renames: proposed when cases vanish and similar ones appear in one run, merged and undone by a person.

`propose_renames` is called by `ingest.store` inside the storing transaction, the others by the page of renames.
A merge moves nothing: it says under which number a former name's results are read (`health.aliases`), so undoing it
loses nothing, at any time. Callers have the project rebuilt afterwards, because counts were made of the names before.
Promise: whatever goes wrong with a proposal, and however long the history is, the upload is stored, and soon; only the
end of the worker's time ends the storing, too (`tests/health/test_renames.py`). A merge can be undone
(`tests/health/test_merging.py`).
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from celery.exceptions import SoftTimeLimitExceeded
from django.contrib.auth.models import User
from django.db import transaction

from health.aliases import Aliases, Ords, fetch_aliases
from health.audit import record
from health.baselines import Place
from health.locks import lock_project
from health.models import RenameProposal
from health.revisions import bump_revision
from health.rollups import Exchange
from health.rules import outcomes as codes
from health.rules.identity import Identity
from health.rules.lanes import CHANGES
from health.rules.renames import Pair, Sighting, pair_renamed
from health.sql import Cursor, format_array, open_cursor
from health.tiles import BLOCK_SIZE, Results, list_ords
from health.unjudged import doubt_vanished

log = logging.getLogger(__name__)

# Beyond, it is not a commit that renamed them but a report of something else.
_MOST_EXCHANGED: Final = 50_000
_LONGEST_SUBJECT: Final = 200
# Where a case that was reported before is looked for, and in how many tiles, over all blocks: a block's cases got
# their numbers when its oldest tiles came, and most that come back were away for a short time.
_LOOKS: Final = (("ASC", 200), ("DESC", 800), ("DESC", 8_000))

Mask = npt.NDArray[np.bool_]
State = RenameProposal.State
Renamed = tuple[int, int]  # the number of the former name, and of the one it goes on under


# --- proposals -------------------------------------------------------------------------------------------------


def propose_renames(cursor: Cursor, project_id: int, *, exchanges: Iterable[Exchange]) -> None:
    """Note which cases that appeared are likely those that vanished, in the jobs of long-lived branches."""
    for exchange in exchanges:
        try:
            with transaction.atomic():  # a savepoint
                _propose(cursor, project_id, exchange)
        except SoftTimeLimitExceeded:  # it means the whole upload: what follows would run into the hard limit
            raise
        except Exception:  # results are not to be lost for the sake of a guess
            key = exchange.place.key
            log.exception("project %d: no rename is proposed for run %d, series %d", project_id, key.run, key.series)


def _propose(cursor: Cursor, project_id: int, exchange: Exchange) -> None:
    place = exchange.place
    here, there = exchange.now.outcomes != codes.ABSENT, exchange.before.outcomes != codes.ABSENT
    gone, appeared = (np.flatnonzero(mask).astype(np.int32) for mask in (there & ~here, here & ~there))
    if len(gone) > _MOST_EXCHANGED or not _is_long_lived(cursor, project_id, place.key.series):
        return
    first_seen = appeared[~_find_reported_before(cursor, project_id, place, appeared)]
    if not len(first_seen) or len(first_seen) > _MOST_EXCHANGED:
        return
    sightings = [
        _look_at(cursor, project_id, ords, results)
        for ords, results in ((gone, exchange.before), (first_seen, exchange.now))
    ]
    if pairs := pair_renamed(*sightings):
        _write_proposals(cursor, project_id, exchange, pairs)


def _is_long_lived(cursor: Cursor, project_id: int, series: int) -> bool:
    row = cursor.execute(
        "SELECT lane FROM health_series WHERE project_id = %s AND number = %s", (project_id, series)
    ).fetchone()
    return row is not None and row[0] != CHANGES


def _find_reported_before(cursor: Cursor, project_id: int, place: Place, ords: Ords) -> Mask:
    """For each case whether an earlier job of the series had it: then it came back, and is nobody's new name.

    Not whether its number is new: a pull request has usually brought the name before the branch did. What is in none
    of the tiles looked at counts as new; a person decides.
    """
    aliases = fetch_aliases(cursor, project_id)
    names, found = aliases.add_former(ords), np.zeros(len(ords), np.bool_)
    seen = np.zeros((names.max(initial=0) // BLOCK_SIZE + 1) * BLOCK_SIZE, np.bool_)
    for order, n_tiles in _LOOKS:
        blocks = np.unique(aliases.add_former(ords[~found]) // BLOCK_SIZE).tolist()
        if not blocks:
            break
        most = max(1, n_tiles // len(blocks))
        for tile in _fetch_earlier(cursor, project_id, place, blocks=blocks, order=order, most=most):
            seen[list_ords(*tile)] = True
        found = np.isin(ords, aliases.translate(names[seen[names]]))
    return found


def _fetch_earlier(
    cursor: Cursor, project_id: int, place: Place, *, blocks: Sequence[int], order: str, most: int
) -> list[tuple[int, int, bytes | None, bytes]]:
    """The newest or oldest tiles of each block among the jobs before this place, in the order of their numbers."""
    return cursor.execute(
        f"""
        SELECT wanted.block, t.encoding, t.offsets, t.outcomes FROM unnest(%(blocks)s::int[]) AS wanted(block)
        CROSS JOIN LATERAL (
            SELECT t.encoding, t.offsets, t.outcomes FROM health_tile t
            JOIN health_job j ON j.project_id = t.project_id AND j.run = t.run AND j.series = t.series
            WHERE t.project_id = %(project)s AND t.series = %(series)s AND t.block = wanted.block
              AND (j.ordered_at, j.ran_at, j.run) < (%(ordered_at)s, %(ran_at)s, %(run)s)
            ORDER BY t.run {order} LIMIT %(most)s) t
        """,  # noqa: S608 - one of two words
        {
            "blocks": format_array(blocks),
            "project": project_id,
            "series": place.key.series,
            "ordered_at": place.ordered_at,
            "ran_at": place.ran_at,
            "run": place.key.run,
            "most": most,
        },
        binary=True,
    ).fetchall()


def _look_at(cursor: Cursor, project_id: int, ords: Ords, results: Results) -> list[Sighting]:
    rows = cursor.execute(
        """
        SELECT ord, namespace, suite_path, class_name, name, occurrence FROM health_case
        WHERE project_id = %s AND ord = ANY(%s::int[]) ORDER BY ord
        """,
        (project_id, format_array(ords.tolist())),
    ).fetchall()
    outcomes, units = results.outcomes, results.units
    return [Sighting(row[0], Identity(*row[1:]), int(outcomes[row[0]]), int(units[row[0]])) for row in rows]


def _write_proposals(cursor: Cursor, project_id: int, exchange: Exchange, pairs: Sequence[Pair]) -> None:
    """Add them to those that wait; a case is in one that is open or merged, and what was dismissed stays so."""
    key = exchange.place.key
    old, new = [pair.old for pair in pairs], [pair.new for pair in pairs]
    cursor.execute(
        """
        INSERT INTO health_renameproposal (project_id, old, new, run, series, score, evidence, state, decided_by)
        SELECT %(project)s, p.old, p.new, %(run)s, %(series)s, p.score, jsonb_build_object('kind', p.kind,
            'group', p.group, 'n_together', p.n_together, 'name_alike', p.name_alike, 'place_alike', p.place_alike,
            'outcomes', jsonb_build_array(p.old_outcome, p.new_outcome),
            'units', jsonb_build_array(p.old_units, p.new_units)), 'proposed', ''
        FROM unnest(%(olds)s::int[], %(news)s::int[], %(scores)s::float8[], %(kinds)s::text[], %(groups)s::text[],
            %(together)s::int[], %(names)s::float8[], %(places)s::float8[], %(old_outcomes)s::int[],
            %(new_outcomes)s::int[], %(old_units)s::bigint[], %(new_units)s::bigint[])
            AS p(old, new, score, kind, "group", n_together, name_alike, place_alike, old_outcome, new_outcome,
                old_units, new_units)
        WHERE NOT EXISTS (SELECT 1 FROM health_renameproposal other WHERE other.project_id = %(project)s
                AND other.state <> 'dismissed' AND other.old = p.old AND other.new <> p.new)
          AND NOT EXISTS (SELECT 1 FROM health_renameproposal other WHERE other.project_id = %(project)s
                AND other.state <> 'dismissed' AND other.new = p.new AND other.old <> p.old)
        ON CONFLICT (project_id, old, new) DO UPDATE SET (run, series, score, evidence) = (excluded.run,
            excluded.series, excluded.score, excluded.evidence) WHERE health_renameproposal.state = 'proposed'
        """,
        {
            "project": project_id,
            "run": key.run,
            "series": key.series,
            "olds": format_array(old),
            "news": format_array(new),
            "scores": [pair.score for pair in pairs],
            "kinds": [pair.kind for pair in pairs],
            "groups": [_name_group(key.run, pair) for pair in pairs],
            "together": format_array(pair.n_together for pair in pairs),
            "names": [round(pair.name_alike, 2) for pair in pairs],
            "places": [round(pair.place_alike, 2) for pair in pairs],
            "old_outcomes": format_array(exchange.before.outcomes[old].tolist()),
            "new_outcomes": format_array(exchange.now.outcomes[new].tolist()),
            "old_units": format_array(exchange.before.units[old].tolist()),
            "new_units": format_array(exchange.now.units[new].tolist()),
        },
    )


def _name_group(run: int, pair: Pair) -> str:
    """Short and the same for all pairs that one change in one run explains."""
    return blake2b(repr((run, pair.group)).encode(), digest_size=8).hexdigest()


# --- decisions -------------------------------------------------------------------------------------------------


def merge_cases(project_id: int, *, pairs: Sequence[Renamed], user: User, state: str = State.PROPOSED) -> int:
    """Read these renames as one case each from now on; returns how many, and leaves out what cannot be.

    They stand in `state`: what was found to be no rename can be one after all.
    """
    return _act(project_id, pairs, user, of=state, to=State.MERGED, action="rename.merged")


def undo_merge(project_id: int, *, pairs: Sequence[Renamed], user: User) -> int:
    """Read these merged cases apart again, as if they had never been one; returns how many."""
    return _act(project_id, pairs, user, of=State.MERGED, to=State.PROPOSED, action="rename.undone")


def dismiss_proposals(project_id: int, *, pairs: Sequence[Renamed], user: User) -> int:
    """Never propose these again; returns how many."""
    return _act(project_id, pairs, user, of=State.PROPOSED, to=State.DISMISSED, action="rename.dismissed")


def _act(project_id: int, pairs: Sequence[Renamed], user: User, *, of: str, to: str, action: str) -> int:
    with transaction.atomic():
        cursor = open_cursor()
        lock_project(cursor, project_id)
        chosen = _choose(cursor, project_id, pairs, state=of)
        if to == State.MERGED:
            chosen = _leave_out_circles(fetch_aliases(cursor, project_id), chosen)
        if not chosen:
            return 0
        if State.MERGED in (of, to):
            _set_merged(cursor, project_id, chosen, is_merged=to == State.MERGED)
        _decide(cursor, project_id, chosen, state=to, user=None if to == State.PROPOSED else user)
        doubt_vanished(cursor, project_id, ords=[old for old, _ in chosen])
        _note(cursor, project_id, chosen, action=action, user=user)
        bump_revision(cursor, project_id)
    return len(chosen)


def _choose(cursor: Cursor, project_id: int, pairs: Sequence[Renamed], *, state: str) -> list[Renamed]:
    """Those of the pairs that stand in this state: somebody else may have decided meanwhile."""
    return cursor.execute(
        """
        SELECT p.old, p.new FROM unnest(%s::int[], %s::int[]) AS wanted(old, new)
        JOIN health_renameproposal p ON p.project_id = %s AND p.old = wanted.old AND p.new = wanted.new
        WHERE p.state = %s ORDER BY p.old, p.new
        """,
        ([old for old, _ in pairs], [new for _, new in pairs], project_id, state),
    ).fetchall()


def _leave_out_circles(aliases: Aliases, wanted: Iterable[Renamed]) -> list[Renamed]:
    """A case goes on under one name, and no chain of names leads back to its start."""
    next_name = dict(aliases.next_name)
    merged = []
    for old, new in wanted:
        if old not in next_name and not _leads_to(next_name, new, old):
            next_name[old] = new
            merged.append((old, new))
    return merged


def _leads_to(next_name: Mapping[int, int], start: int, end: int) -> bool:
    at: int | None = start
    while at is not None and at != end:
        at = next_name.get(at)
    return at == end


def _set_merged(cursor: Cursor, project_id: int, pairs: Sequence[Renamed], *, is_merged: bool) -> None:
    """Every worker's and page's knowledge of cases ends with the identity epoch; until the rebuild, counts lag."""
    cursor.execute(
        """
        UPDATE health_case c SET merged_into = CASE WHEN %s THEN p.new END
        FROM unnest(%s::int[], %s::int[]) AS p(old, new)
        WHERE c.project_id = %s AND c.ord = p.old AND (c.merged_into IS NULL) = %s
        """,
        (is_merged, [old for old, _ in pairs], [new for _, new in pairs], project_id, is_merged),
    )
    cursor.execute("UPDATE health_project SET identity_epoch = identity_epoch + 1 WHERE id = %s", (project_id,))


def _decide(cursor: Cursor, project_id: int, pairs: Sequence[Renamed], *, state: str, user: User | None) -> None:
    cursor.execute(
        """
        UPDATE health_renameproposal r SET (state, decided_at, decided_by) =
            (%s, CASE WHEN %s THEN clock_timestamp() END, %s)
        FROM unnest(%s::int[], %s::int[]) AS p(old, new)
        WHERE r.project_id = %s AND r.old = p.old AND r.new = p.new
        """,
        (
            state,
            user is not None,
            user.get_username() if user else "",
            [old for old, _ in pairs],
            [new for _, new in pairs],
            project_id,
        ),
    )


def _note(cursor: Cursor, project_id: int, pairs: Sequence[Renamed], *, action: str, user: User) -> None:
    """One act is one row of the history, however many cases it was about."""
    old, new = pairs[0]
    rows = cursor.execute(
        "SELECT ord, name FROM health_case WHERE project_id = %s AND ord = ANY(%s)", (project_id, [old, new])
    ).fetchall()
    names: dict[int, str] = dict(rows)
    subject = f"{names.get(old, old)} → {names.get(new, new)}"[:_LONGEST_SUBJECT]
    detail: dict[str, Any] = {"n": len(pairs), "old": old, "new": new}
    record(project_id, user=user, action=action, subject=subject, detail=detail)
