"""The cases that backings are pinned to: read, followed through renames, and written where they changed.

Used by `health.backings`. A case stays pinned when it goes, which is how it is missed.
Promise: a case goes on under its newest name, and back under the one it was found by when a merge is undone
(`tests/health/test_backings.py`).
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from health.named_cases import StandingCases
from health.rules.backings import ABSENT, STATUSES
from health.sql import Cursor, format_array
from health.tiles import Ords

Codes = npt.NDArray[np.uint8]  # places in STATUSES


class Pins(NamedTuple):
    """The cases of a backing, ascending; `part` is the text that found each, `status` as of the check before."""

    ords: Ords
    parts: npt.NDArray[np.int16]
    status: Codes


NO_PINS: Final = Pins(np.zeros(0, np.int32), np.zeros(0, np.int16), np.zeros(0, np.uint8))


def fetch_pins(cursor: Cursor, project_id: int, numbers: Sequence[int]) -> dict[int, Pins]:
    """Packed by text and status: a row each would cost ten times as much."""
    rows = cursor.execute(
        """
        SELECT backing_id, part, status, string_agg(int4send(ord), ''::bytea) FROM health_backingcase
        WHERE project_id = %s AND backing_id = ANY(%s) GROUP BY 1, 2, 3
        """,
        (project_id, format_array(numbers)),
        binary=True,
    ).fetchall()
    pieces: dict[int, list[Pins]] = {}
    for number, part, status, packed in rows:
        ords = np.frombuffer(packed, ">i4").astype(np.int32)
        same = np.full(len(ords), part, np.int16), np.full(len(ords), STATUSES.index(status), np.uint8)
        pieces.setdefault(number, []).append(Pins(ords, *same))
    return {number: _sort(of_it) for number, of_it in pieces.items()}


def _sort(pieces: Sequence[Pins]) -> Pins:
    """All of them in order; of a case that is there twice the first."""
    ords, first = np.unique(np.concatenate([piece.ords for piece in pieces]), return_index=True)
    parts, status = (np.concatenate(column)[first] for column in list(zip(*pieces, strict=True))[1:])
    return Pins(ords, parts, status)


def pin(
    cursor: Cursor,
    project_id: int,
    before: Pins,
    *,
    named: Sequence[Ords | None],
    cases: StandingCases,
) -> Pins:
    """The cases that were pinned, under their newest names, and those that are there now and are new.

    `named` are the cases of each text of the backing, whether they are there or not; None of one that is not read.
    """
    pins = _follow_names(cursor, project_id, before, named=named, cases=cases)
    is_new = cases.is_there & ~cases.mark(pins.ords)
    fresh = []
    for part, ords in enumerate(named):
        if ords is not None and len(new := ords[is_new[ords]]):
            is_new[new] = False
            # A status that what is there cannot have.
            absent = np.full(len(new), STATUSES.index(ABSENT), np.uint8)
            fresh.append(Pins(new, np.full(len(new), part, np.int16), absent))
    return _sort([pins, *fresh]) if fresh else pins


def _follow_names(
    cursor: Cursor, project_id: int, pins: Pins, *, named: Sequence[Ords | None], cases: StandingCases
) -> Pins:
    """After a merge a case goes on under its newest name; where one was undone, under the name it was found by."""
    ords = cases.aliases.translate(pins.ords)
    is_named = cases.mark(*(found for found in named if found is not None))
    strays = ords[~is_named[ords]]
    if len(strays):
        rows = cursor.execute(
            "SELECT new, old FROM health_renameproposal WHERE project_id = %s AND new = ANY(%s) ORDER BY old",
            (project_id, format_array(strays.tolist())),
        ).fetchall()
        back = {new: old for new, old in rows if is_named[old]}
        ords = np.array([back.get(ord_, ord_) for ord_ in ords.tolist()], np.int32)
    return pins if np.array_equal(ords, pins.ords) else _sort([Pins(ords, pins.parts, pins.status)])


def write_pins(cursor: Cursor, project_id: int, backing: int, *, before: Pins, now: Pins) -> None:
    """Only what is new or otherwise than before."""
    if np.array_equal(before.ords, now.ords) and np.array_equal(before.status, now.status):
        return
    gone = np.setdiff1d(before.ords, now.ords)
    if len(gone):
        cursor.execute(
            "DELETE FROM health_backingcase WHERE project_id = %s AND backing_id = %s AND ord = ANY(%s)",
            (project_id, backing, format_array(gone.tolist())),
        )
    places = np.searchsorted(before.ords, now.ords)
    places[places == len(before.ords)] = 0
    is_same = np.zeros(len(now.ords), np.bool_)
    if len(before.ords):
        is_same = (before.ords[places] == now.ords) & (before.status[places] == now.status)
    if is_same.all():
        return
    cursor.execute(
        """
        INSERT INTO health_backingcase (project_id, backing_id, ord, part, status)
        SELECT %s, %s, ord, part, status FROM unnest(%s::int[], %s::int[], %s::text[]) AS now(ord, part, status)
        ON CONFLICT (project_id, backing_id, ord) DO UPDATE SET status = excluded.status
        """,
        (
            project_id,
            backing,
            format_array(now.ords[~is_same].tolist()),
            format_array(now.parts[~is_same].tolist()),
            [STATUSES[code] for code in now.status[~is_same].tolist()],
        ),
    )
