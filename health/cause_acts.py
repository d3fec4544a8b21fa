"""What people say of causes: these two are one, this one is two, it is of that category.

Called by the page of a cause. Nothing that was stored is lost by it: a merge is a way of reading, and a split gives the
failures of the newest deliveries other fingerprints, which their stored messages decide.
Promise: what was said survives the same files sent again and `manage.py rebuild`; to split before or after an upload
comes to the same, and undoing leaves nothing behind (`tests/health/test_cause_acts.py`). Every act is on record.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from django.contrib.auth.models import User
from django.db import transaction

from health.audit import record
from health.baselines import JobKey
from health.causes import add_fingerprints, count_causes, fetch_merged, fetch_parts, fetch_splits, name_cause
from health.locks import lock_project
from health.revisions import bump_revision
from health.rules.causes import find_head
from health.rules.cuts import LONGEST_SAMPLE
from health.rules.fingerprints import (
    Splits,
    choose_fingerprint,
    follow_splits,
    list_masks,
    write_fingerprint,
)
from health.sql import Cursor, format_array, open_cursor
from health.texts import Span, cut_texts

# What is read again when a cause is split, the newest deliveries first and always one; what is older stays together.
# Somebody waits for it, and so do uploads: it was measured at half a second to one second, on a machine with two cores.
_MOST_UPLOADS: Final = 1_000
_MOST_FAILURES: Final = 10_000
_MOST_BYTES: Final = 100 * 2**20  # of texts, unpacked as far as they have to be


Failures = dict[int, list[tuple[Any, ...]]]  # by delivery


class Moved(NamedTuple):
    """How many failures got another fingerprint, in how many deliveries, and how many deliveries were left out."""

    n_failures: int
    n_uploads: int
    n_uploads_left: int = 0


def merge_causes(project_id: int, *, fingerprints: Sequence[int], into: int, user: User) -> int:
    """Read these causes as one with `into` from now on; returns how many.

    Left out is what would make a circle, and what was told apart into `into`: undoing that is the way back.
    """
    with transaction.atomic():
        cursor = _open_locked(project_id)
        merged, splits = fetch_merged(cursor, project_id), fetch_splits(cursor, project_id)
        chosen = []
        for fingerprint in _choose_known(cursor, project_id, fingerprints):
            parts = fetch_parts(cursor, project_id, fingerprint=fingerprint, splits=splits) if splits else ()
            if fingerprint not in merged and find_head(merged, into) != fingerprint and into not in parts:
                merged[fingerprint] = into
                chosen.append(fingerprint)
        if not chosen or not _choose_known(cursor, project_id, [into]):
            return 0
        _set_merged(cursor, project_id, chosen, into)
        detail = {"merged": [write_fingerprint(number) for number in chosen]}
        _note(cursor, project_id, into, action="cause.merged", user=user, detail=detail)
    return len(chosen)


def unmerge_cause(project_id: int, *, fingerprint: int, user: User) -> bool:
    """Read a merged cause by itself again; False when it is not merged."""
    with transaction.atomic():
        cursor = _open_locked(project_id)
        if fingerprint not in fetch_merged(cursor, project_id):
            return False
        _set_merged(cursor, project_id, [fingerprint], None)
        _note(cursor, project_id, fingerprint, action="cause.unmerged", user=user)
    return True


def set_category(project_id: int, *, fingerprint: int, category: str, user: User) -> bool:
    """Say which category a cause is of, whatever the rules say; an empty one gives it back to the rules."""
    with transaction.atomic():
        cursor = _open_locked(project_id)
        row = cursor.execute(
            "SELECT category FROM health_fingerprint WHERE project_id = %s AND fingerprint = %s",
            (project_id, fingerprint),
        ).fetchone()
        if row is None or row[0] == category:
            return False
        cursor.execute(
            "UPDATE health_fingerprint SET category = %s WHERE project_id = %s AND fingerprint = %s",
            (category, project_id, fingerprint),
        )
        detail = {"before": row[0], "after": category}
        _note(cursor, project_id, fingerprint, action="cause.category", user=user, detail=detail)
    return True


def split_cause(project_id: int, *, fingerprint: int, place: int, user: User) -> Moved | None:
    """Tell the failures of a fingerprint apart by the word at a masked place; None when that cannot be."""
    with transaction.atomic():
        cursor = _open_locked(project_id)
        splits = fetch_splits(cursor, project_id)
        known = _fetch_samples(cursor, project_id, [fingerprint])
        if fingerprint in splits or not known or not _has_place(*known[0][1:], place, splits):
            return None
        cursor.execute(
            "INSERT INTO health_causesplit (project_id, fingerprint, place, split_by) VALUES (%s, %s, %s, %s)",
            (project_id, fingerprint, place, user.get_username()),
        )
        moved = _tell_apart(cursor, project_id, fingerprint, {**splits, fingerprint: place})
        detail = {"place": place, "failures": moved.n_failures}
        _note(cursor, project_id, fingerprint, action="cause.split", user=user, detail=detail)
    return moved


def undo_split(project_id: int, *, fingerprint: int, user: User) -> Moved | None:
    """Read what was told apart as one fingerprint again, with all that was told apart further; None when it was not."""
    with transaction.atomic():
        cursor = _open_locked(project_id)
        splits = fetch_splits(cursor, project_id)
        if fingerprint not in splits:
            return None
        parts = fetch_parts(cursor, project_id, fingerprint=fingerprint, splits=splits)
        ended = [fingerprint, *(part for part in parts if part in splits)]
        cursor.execute(
            "DELETE FROM health_causesplit WHERE project_id = %s AND fingerprint = ANY(%s)", (project_id, ended)
        )
        moved = _join(cursor, project_id, parts, into=fingerprint)
        detail = {"failures": moved.n_failures}
        _note(cursor, project_id, fingerprint, action="cause.joined", user=user, detail=detail)
    return moved


def _open_locked(project_id: int) -> Cursor:
    """Facts of a project change one transaction after another."""
    cursor = open_cursor()
    lock_project(cursor, project_id)
    return cursor


def _choose_known(cursor: Cursor, project_id: int, fingerprints: Sequence[int]) -> list[int]:
    return [row[0] for row in _fetch_samples(cursor, project_id, fingerprints)]


def _fetch_samples(cursor: Cursor, project_id: int, fingerprints: Sequence[int]) -> list[tuple[int, str, str]]:
    return cursor.execute(
        """
        SELECT fingerprint, kind, message FROM health_fingerprint
        WHERE project_id = %s AND fingerprint = ANY(%s) ORDER BY 1
        """,
        (project_id, list(fingerprints)),
    ).fetchall()


def _set_merged(cursor: Cursor, project_id: int, fingerprints: Sequence[int], into: int | None) -> None:
    cursor.execute(
        "UPDATE health_fingerprint SET merged_into = %s WHERE project_id = %s AND fingerprint = ANY(%s)",
        (into, project_id, list(fingerprints)),
    )


def _has_place(kind: str, message: str, place: int, splits: Splits) -> bool:
    """Whether a message has a masked word at this place that is not kept already."""
    kept = follow_splits(kind, message, splits=splits)[-1][1]
    return 0 <= place < len(list_masks(message)) and place not in kept


def _tell_apart(cursor: Cursor, project_id: int, stale: int, splits: Splits) -> Moved:
    """Read the messages of failures with this fingerprint again, and give them those they have by the splits."""
    failures_of, n_left = _choose_deliveries(cursor, project_id, stale)
    samples: dict[int, tuple[str, str]] = {}
    changed = []
    for upload, failures in failures_of.items():
        messages = _read_messages(cursor, project_id, upload, [(start, end) for _, _, _, start, end, _ in failures])
        for run, series, sequence, start, end, kind in failures:
            message = messages.get((start, end))
            if message is not None:
                fingerprint = choose_fingerprint(kind, message, splits=splits)
                samples.setdefault(fingerprint, (kind, message[:LONGEST_SAMPLE]))
                changed.append((run, series, upload, sequence, fingerprint))
    add_fingerprints(cursor, project_id, samples=samples)
    _set_fingerprints(cursor, project_id, changed)
    jobs = sorted({(run, series) for run, series, *_ in changed})
    count_causes(cursor, project_id, jobs=[JobKey(*job) for job in jobs])
    return Moved(len(changed), len(failures_of), n_left)


def _choose_deliveries(cursor: Cursor, project_id: int, fingerprint: int) -> tuple[Failures, int]:
    """The failures of the newest deliveries with this fingerprint, by delivery, and how many deliveries are left."""
    rows = cursor.execute(
        """
        WITH mine AS MATERIALIZED (
            SELECT upload, run, series, sequence, text_offset AS start, text_offset + message_length AS finish
            FROM health_failure WHERE project_id = %(project)s AND fingerprint = %(fingerprint)s),
        deliveries AS (
            SELECT upload, row_number() OVER newest_first AS place, count(*) OVER () AS n,
                sum(n_failures) OVER newest_first AS n_failures, sum(n_bytes) OVER newest_first AS n_bytes
            FROM (SELECT upload, count(*) AS n_failures, max(finish) AS n_bytes FROM mine GROUP BY upload) counted
            WINDOW newest_first AS (ORDER BY upload DESC))
        SELECT d.n, m.upload, m.run, m.series, m.sequence, m.start, m.finish, p.kind FROM deliveries d
        JOIN mine m USING (upload)
        JOIN health_fingerprint p ON p.project_id = %(project)s AND p.fingerprint = %(fingerprint)s
        WHERE d.place = 1 OR (d.place <= %(uploads)s AND d.n_failures <= %(failures)s AND d.n_bytes <= %(bytes)s)
        """,
        {
            "project": project_id,
            "fingerprint": fingerprint,
            "uploads": _MOST_UPLOADS,
            "failures": _MOST_FAILURES,
            "bytes": _MOST_BYTES,
        },
    ).fetchall()
    failures: Failures = defaultdict(list)
    for _, upload, *failure in rows:
        failures[upload].append(tuple(failure))
    return failures, rows[0][0] - len(failures) if rows else 0


def _join(cursor: Cursor, project_id: int, parts: Sequence[int], *, into: int) -> Moved:
    """Give all failures of these parts the fingerprint that they were parts of; no message has to be read for that."""
    values = {"project": project_id, "parts": list(parts), "into": into}
    row = cursor.execute(
        """
        WITH joined AS (
            UPDATE health_failure SET fingerprint = %(into)s
            WHERE project_id = %(project)s AND fingerprint = ANY(%(parts)s) RETURNING upload)
        SELECT count(*), count(DISTINCT upload) FROM joined
        """,
        values,
    ).fetchone()
    cursor.execute(
        """
        WITH counted AS (
            DELETE FROM health_causecount WHERE project_id = %(project)s AND fingerprint = ANY(%(parts)s)
            RETURNING run, series, n_failed, n_errored)
        INSERT INTO health_causecount (project_id, run, series, fingerprint, n_failed, n_errored)
        SELECT %(project)s, run, series, %(into)s, sum(n_failed), sum(n_errored) FROM counted GROUP BY run, series
        ON CONFLICT (project_id, run, series, fingerprint) DO UPDATE SET
            n_failed = health_causecount.n_failed + excluded.n_failed,
            n_errored = health_causecount.n_errored + excluded.n_errored
        """,
        values,
    )
    return Moved(*row) if row else Moved(0, 0)


def _read_messages(cursor: Cursor, project_id: int, upload: int, spans: Sequence[Span]) -> dict[Span, str]:
    row = cursor.execute(
        "SELECT blob FROM health_failuretext WHERE project_id = %s AND upload = %s", (project_id, upload)
    ).fetchone()
    found = cut_texts(bytes(row[0]), spans=spans) if row else {}
    return {span: data.decode("utf-8", "replace") for span, data in found.items()}


def _set_fingerprints(cursor: Cursor, project_id: int, changed: Sequence[tuple[int, int, int, int, int]]) -> None:
    if not changed:
        return
    cursor.execute(
        """
        UPDATE health_failure f SET fingerprint = c.fingerprint
        FROM unnest(%s::int[], %s::int[], %s::bigint[], %s::int[], %s::bigint[])
            AS c(run, series, upload, sequence, fingerprint)
        WHERE f.project_id = %s AND f.run = c.run AND f.series = c.series AND f.upload = c.upload
          AND f.sequence = c.sequence
        """,
        (*(format_array(column) for column in zip(*changed, strict=True)), project_id),
    )


def _note(
    cursor: Cursor,
    project_id: int,
    fingerprint: int,
    *,
    action: str,
    user: User,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Put an act on record; what is shown of the project is stale after it."""
    bump_revision(cursor, project_id)
    detail = {"cause": write_fingerprint(fingerprint), **(detail or {})}
    record(project_id, user=user, action=action, subject=name_cause(cursor, project_id, fingerprint), detail=detail)
