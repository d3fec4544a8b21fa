"""Why cases were put off, in the reports' own words: cut out of the texts that came with the results.

Called by `health.register`. The words are kept as they are, but for their end (`health.rules.cuts`): what looks like a
secret in them is masked where they are shown (`health.rules.secrets.mask_reason`).
Promise: of several deliveries the one speaks that the pages let speak, and a text that is no longer kept changes
nothing (`tests/health/test_register.py`).
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from health.aliases import Aliases
from health.rules import outcomes as codes
from health.rules.cuts import LONGEST_MESSAGE, LONGEST_REASON, is_message_cut
from health.sql import Cursor, copy_numbers, format_array
from health.texts import Span, cut_texts
from health.tiles import Ords

# In UTF-8 a character takes up to four bytes.
_LONGEST_TEXT: Final = 4 * LONGEST_REASON + LONGEST_MESSAGE

Numbers = npt.NDArray[Any]


def fetch_reasons(
    cursor: Cursor, project_id: int, *, ords: Ords, jobs: Sequence[tuple[int, int]], aliases: Aliases
) -> dict[int, str]:
    """What each case's result in its job (run and series) gives for a reason; "" where it gives none.

    What is no longer kept, or was never stored, is left out.
    """
    wanted = dict(zip(ords.tolist(), jobs, strict=True))
    if not wanted:
        return {}
    rows = _list_places(cursor, project_id, sorted(set(jobs)), aliases)
    is_wanted = np.isin(rows["ord"], ords)
    places: dict[int, list[tuple[int, int, int, int]]] = {}
    seen = set()
    columns = ("run", "series", "ord", "upload", "text_offset", "message_length", "text_length")
    for run, series, ord_, upload, *place in zip(*(rows[name][is_wanted].tolist() for name in columns), strict=True):
        if wanted[ord_] == (run, series) and ord_ not in seen:
            seen.add(ord_)
            places.setdefault(upload, []).append((ord_, *place))
    reasons = dict.fromkeys(wanted.keys() - seen, "")
    for upload, blob in _fetch_blobs(cursor, project_id, sorted(places)):
        reasons |= _read_blob(blob, places[upload])
    return reasons


def _list_places(cursor: Cursor, project_id: int, jobs: Sequence[tuple[int, int]], aliases: Aliases) -> Numbers:
    """Every put-off result with a text of these jobs, by its newest name; of each case the one that speaks first."""
    rows = copy_numbers(
        cursor,
        _PLACES_SQL,
        {
            "runs": format_array(run for run, _ in jobs),
            "series": format_array(series for _, series in jobs),
            "project": project_id,
            "deferred": format_array(sorted(codes.DEFERRED)),
        },
        run="i4",
        series="i4",
        ord="i4",
        upload="i8",
        job_attempt="i2",
        attempt="i2",
        outcome="i2",
        sequence="i4",
        fingerprint="i8",
        text_offset="i8",
        message_length="i4",
        text_length="i4",
    )
    rows["ord"] = aliases.translate(rows["ord"])
    # As in `dashboard.queries.put_off`: the last attempt, the worst in it, the first of those.
    first = (-rows["job_attempt"], -rows["attempt"], -rows["outcome"], rows["sequence"], rows["fingerprint"])
    found: Numbers = rows[np.lexsort((-rows["upload"], *reversed(first)))]
    return found


_PLACES_SQL: Final = """
SELECT f.run, f.series, f.ord, f.upload, u.attempt, f.attempt, f.outcome, f.sequence, f.fingerprint,
    f.text_offset, f.message_length, f.text_length
FROM unnest(%(runs)s::int[], %(series)s::int[]) AS j(run, series)
JOIN health_failure f ON f.project_id = %(project)s AND f.run = j.run AND f.series = j.series
    AND f.outcome = ANY(%(deferred)s::int[])
JOIN health_upload u ON u.id = f.upload
"""


def _fetch_blobs(cursor: Cursor, project_id: int, uploads: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    """One after the other: a blob may hold 25 MB."""
    for upload in uploads:
        row = cursor.execute(
            "SELECT blob FROM health_failuretext WHERE project_id = %s AND upload = %s",
            (project_id, upload),
            binary=True,
        ).fetchone()
        if row:
            yield upload, bytes(row[0])


def _read_blob(blob: bytes, places: Sequence[tuple[int, int, int, int]]) -> dict[int, str]:
    spans = {ord_: _choose_span(offset, message, text) for ord_, offset, message, text in places}
    found = cut_texts(blob, spans=spans.values())
    known: dict[tuple[bytes, int], str] = {}
    reasons = {}
    for ord_, _, length, _ in places:
        key = found[spans[ord_]], length
        reason = known.get(key)
        if reason is None:
            reason = known[key] = _take_reason(*key)
        reasons[ord_] = reason
    return reasons


def _choose_span(offset: int, message_length: int, text_length: int) -> Span:
    """The message says it; the text behind it is read where there is none, or not all of it."""
    if 0 < message_length <= LONGEST_REASON:
        return offset, offset + message_length
    return offset, offset + message_length + min(text_length, _LONGEST_TEXT)


def _take_reason(data: bytes, message_length: int) -> str:
    message = data[:message_length].decode("utf-8", "replace").strip()
    text = data[message_length:].decode("utf-8", "replace")
    reason = message or text.strip()
    if message and is_message_cut(message) and message in text:
        reason = text[text.index(message) :]
    return reason.replace("\0", "�")[:LONGEST_REASON].strip()
