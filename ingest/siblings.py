"""Two deliveries of one job and attempt that ran the same tests: kept side by side, and said in the receipt.

Called by `ingest.store` for every delivery that is not the first of its job. Mostly a matrix whose legs were given no
variant. `health.tiles.merge_tiles` lets the worst outcome stand, so that what another leg passed is no evidence of a
retry. Deliveries that share no test, such as two report files sent apart, are one job's parts and nothing is said.
Promise: whichever comes later is warned, and no order of arrival changes a count (`tests/ingest/test_siblings.py`).
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from psycopg.types.json import Jsonb

from health.baselines import JobKey
from health.rules.outcomes import SKIP
from health.sql import Cursor
from health.tiles import BLOCK_SIZE, Ords, unpack_tile
from ingest.remarks import HINTS, Remark

Outcomes = npt.NDArray[np.uint8]


class _Sibling(NamedTuple):
    public_id: str
    ran: Ords


def note_siblings(
    cursor: Cursor, project_id: int, *, upload_id: int, key: JobKey, ords: Ords, outcomes: Outcomes
) -> None:
    """Add a warning to the receipt of a stored upload whose tests other deliveries of its job ran as well."""
    others = _find_others(cursor, project_id, upload_id, key)
    if not others:
        return
    ran = np.unique(ords[outcomes != SKIP])
    siblings = _read_siblings(cursor, project_id, key, others, ran)
    if siblings:
        cursor.execute(
            """
            UPDATE health_upload SET receipt = jsonb_set(coalesce(receipt, '{}'), '{warnings}',
                coalesce(receipt -> 'warnings', '[]') || %s::jsonb)
            WHERE id = %s
            """,
            (Jsonb([_warn(siblings, n_ran=len(ran)).to_json()]), upload_id),
        )


def _find_others(cursor: Cursor, project_id: int, upload_id: int, key: JobKey) -> dict[int, str]:
    """Deliveries of the same job, attempt and shard, by number, oldest first."""
    rows = cursor.execute(
        """
        SELECT other.id, other.public_id FROM health_upload mine
        JOIN health_upload other ON other.project_id = mine.project_id AND other.run = mine.run
          AND other.series = mine.series AND other.attempt = mine.attempt AND other.id <> mine.id
          AND other.metadata ->> 'shard' IS NOT DISTINCT FROM mine.metadata ->> 'shard'
        WHERE mine.id = %s AND mine.project_id = %s AND mine.run = %s AND mine.series = %s
        ORDER BY other.id
        """,
        (upload_id, project_id, key.run, key.series),
    ).fetchall()
    return {row[0]: str(row[1]) for row in rows}


def _read_siblings(cursor: Cursor, project_id: int, key: JobKey, others: dict[int, str], ran: Ords) -> list[_Sibling]:
    """Those of the others that ran some of these cases, each with the cases."""
    rows = cursor.execute(
        """
        SELECT upload, block, encoding, offsets, outcomes, durations FROM health_tile
        WHERE project_id = %s AND series = %s AND block = ANY(%s) AND run = %s AND upload = ANY(%s)
        """,
        (project_id, key.series, np.unique(ran // BLOCK_SIZE).tolist(), key.run, list(others)),
        binary=True,
    ).fetchall()
    found: dict[int, list[Ords]] = {upload: [] for upload in others}
    for upload, *tile in rows:
        theirs, outcomes, _ = unpack_tile(*tile)
        found[upload].append(np.intersect1d(ran, theirs[outcomes != SKIP]))
    shared = {upload: np.concatenate(parts) for upload, parts in found.items() if parts}
    return [_Sibling(others[upload], cases) for upload, cases in shared.items() if len(cases)]


def _warn(siblings: list[_Sibling], *, n_ran: int) -> Remark:
    shared = len(np.unique(np.concatenate([sibling.ran for sibling in siblings])))
    first = siblings[0].public_id
    more = f" and {len(siblings) - 1:,} more" if len(siblings) > 1 else ""
    whole = f"{shared:,} of its {n_ran:,} executed tests" if n_ran > 1 else "Its one executed test"
    verb = "were" if shared > 1 else "was"
    return Remark(
        "sibling_deliveries",
        f"{whole} {verb} also delivered by upload {first}{more}, under the same job, variant and attempt. "
        "The worst outcome of each stands; none counts as passed on a retry.",
        hint=HINTS["sibling_deliveries"],
        count=shared,
        upload=first,
    )
