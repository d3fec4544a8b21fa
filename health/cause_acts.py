"""What people say of causes: these two are one, this one is two, it is of that category.

Called by the page of a cause. Nothing that was stored is lost by it: a merge is a way of reading, and a split gives the
failures other fingerprints, which their stored messages decide.
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
from health.causes import add_fingerprints, count_causes, fetch_merged, fetch_parts, fetch_splits
from health.locks import lock_project
from health.revisions import bump_revision
from health.rules.causes import find_head
from health.rules.fingerprints import (
    Splits,
    choose_fingerprint,
    follow_splits,
    list_masks,
    mask_message,
    write_fingerprint,
)
from health.rules.secrets import mask_secrets
from health.sql import Cursor, format_array, open_cursor
from health.texts import Span, cut_texts

# Deliveries whose texts are read again when a cause is split; what is older stays together.
MOST_UPLOADS: Final = 2_000
_LONGEST_SAMPLE: Final = 500
_LONGEST_SUBJECT: Final = 200


class Moved(NamedTuple):
    """How many failures got another fingerprint, and in how many deliveries they are."""

    n_failures: int
    n_uploads: int


def merge_causes(project_id: int, *, fingerprints: Sequence[int], into: int, user: User) -> int:
    """Read these causes as one with `into` from now on; returns how many, and leaves out what would make a circle."""
    with transaction.atomic():
        cursor = _open_locked(project_id)
        merged = fetch_merged(cursor, project_id)
        chosen = []
        for fingerprint in _choose_known(cursor, project_id, fingerprints):
            if fingerprint not in merged and find_head(merged, into) != fingerprint:
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
        moved = _choose_anew(cursor, project_id, [fingerprint], {**splits, fingerprint: place})
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
        left = {one: place for one, place in splits.items() if one not in ended}
        moved = _choose_anew(cursor, project_id, parts, left)
        detail = {"failures": moved.n_failures}
        _note(cursor, project_id, fingerprint, action="cause.joined", user=user, detail=detail)
    return moved


def _open_locked(project_id: int) -> Cursor:
    """Facts of a project change one transaction after another, and what is shown of it is stale after this one."""
    cursor = open_cursor()
    lock_project(cursor, project_id)
    bump_revision(cursor, project_id)
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


def _choose_anew(cursor: Cursor, project_id: int, stale: Sequence[int], splits: Splits) -> Moved:
    """Read the messages of all failures with these fingerprints again, and give them those they have by the splits."""
    rows = cursor.execute(
        """
        WITH mine AS (SELECT * FROM health_failure WHERE project_id = %(project)s AND fingerprint = ANY(%(stale)s))
        SELECT f.upload, f.run, f.series, f.sequence, f.text_offset, f.text_offset + f.message_length, p.kind
        FROM mine f JOIN health_fingerprint p ON p.project_id = f.project_id AND p.fingerprint = f.fingerprint
        WHERE f.upload IN (SELECT DISTINCT upload FROM mine ORDER BY upload DESC LIMIT %(most)s)
        """,
        {"project": project_id, "stale": list(stale), "most": MOST_UPLOADS},
    ).fetchall()
    of_upload = defaultdict(list)
    for upload, *failure in rows:
        of_upload[upload].append(failure)
    samples: dict[int, tuple[str, str]] = {}
    changed = []
    for upload, failures in of_upload.items():
        messages = _read_messages(cursor, project_id, upload, [(start, end) for _, _, _, start, end, _ in failures])
        for run, series, sequence, start, end, kind in failures:
            message = messages.get((start, end))
            if message is not None:
                fingerprint = choose_fingerprint(kind, message, splits=splits)
                samples.setdefault(fingerprint, (kind, message[:_LONGEST_SAMPLE]))
                changed.append((run, series, upload, sequence, fingerprint))
    add_fingerprints(cursor, project_id, samples=samples)
    _set_fingerprints(cursor, project_id, changed)
    jobs = sorted({(run, series) for run, series, *_ in changed})
    count_causes(cursor, project_id, jobs=[JobKey(*job) for job in jobs])
    return Moved(len(changed), len(of_upload))


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
    (_, kind, message), *_ = _fetch_samples(cursor, project_id, [fingerprint])
    subject = (mask_message(mask_secrets(message)) or kind)[:_LONGEST_SUBJECT]
    detail = {"cause": write_fingerprint(fingerprint), **(detail or {})}
    record(project_id, user=user, action=action, subject=subject, detail=detail)
