"""Causes: how often each fingerprint broke the cases of a job, and what people said of fingerprints.

`count_causes` is called by `health.judging` behind each upload, the rest by `ingest.store`, `health.cause_acts` and the
pages. Promise: the counts are of merged results, each case once, whatever the order in which deliveries came
(`tests/health/test_causes.py`).
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from health.aliases import Aliases, fetch_aliases
from health.baselines import JobKey
from health.rules import outcomes as codes
from health.rules.fingerprints import Splits, follow_splits, mask_message, write_fingerprint
from health.rules.secrets import mask_kind, mask_said
from health.sql import Cursor, format_array
from health.windows import fetch_grid

_OF_FINGERPRINTS: Final = """
    WHERE (f.run, f.series, f.ord) IN (
        SELECT o.run, o.series, o.ord FROM health_failure o JOIN unnest(%s::int[], %s::int[]) AS w(run, series)
            ON o.run = w.run AND o.series = w.series
        WHERE o.project_id = %s AND o.fingerprint = ANY(%s))
"""
# Jobs that are counted together: their results stand in memory as a grid.
_N_TOGETHER: Final = 20
_LONGEST_NAME: Final = 200


class BrokenResult(NamedTuple):
    """A case that broke in a job, with the failure that says why: that of its last attempt."""

    run: int
    series: int
    ord: int
    fingerprint: int
    outcome: int
    upload: int
    sequence: int


# --- counting --------------------------------------------------------------------------------------------------


def count_causes(cursor: Cursor, project_id: int, *, jobs: Sequence[JobKey]) -> None:
    """Count anew what broke the cases of these jobs; a job without broken cases, or that is gone, has no row."""
    aliases = fetch_aliases(cursor, project_id)
    for at in range(0, len(jobs), _N_TOGETHER):
        keys = jobs[at : at + _N_TOGETHER]
        last = fetch_last_failures(cursor, project_id, jobs=keys, aliases=aliases)
        broken = keep_broken(cursor, project_id, last=last, aliases=aliases)
        _write_counts(cursor, project_id, keys, broken)


def _write_counts(cursor: Cursor, project_id: int, jobs: Sequence[JobKey], broken: Iterable[BrokenResult]) -> None:
    counts: dict[tuple[int, int, int], Counter[bool]] = defaultdict(Counter)
    for result in broken:
        counts[result.run, result.series, result.fingerprint][result.outcome == codes.ERROR] += 1
    cursor.execute(
        """
        DELETE FROM health_causecount c USING unnest(%s::int[], %s::int[]) AS j(run, series)
        WHERE c.project_id = %s AND c.run = j.run AND c.series = j.series
        """,
        (format_array(job.run for job in jobs), format_array(job.series for job in jobs), project_id),
    )
    if not counts:
        return
    cursor.execute(
        """
        INSERT INTO health_causecount (project_id, run, series, fingerprint, n_failed, n_errored)
        SELECT %s, * FROM unnest(%s::int[], %s::int[], %s::bigint[], %s::int[], %s::int[])
        """,
        (
            project_id,
            *(format_array(column) for column in zip(*counts, strict=True)),
            format_array(count[False] for count in counts.values()),
            format_array(count[True] for count in counts.values()),
        ),
    )


def fetch_last_failures(
    cursor: Cursor, project_id: int, *, jobs: Sequence[JobKey], aliases: Aliases, fingerprints: Collection[int] = ()
) -> list[BrokenResult]:
    """The last failure of each case in each of these jobs, by its newest name: of the last attempt in CI and in there,
    the worst, the first: what was sent first or last makes no difference.

    With `fingerprints`, of the cases alone that failed with one of them in their job.
    The case may have passed after it: `keep_broken` tells.
    """
    keys = [format_array(job.run for job in jobs), format_array(job.series for job in jobs)]
    rows = cursor.execute(
        f"""
        SELECT DISTINCT ON (f.run, f.series, f.ord) f.run, f.series, f.ord, f.fingerprint, f.outcome, f.upload,
            f.sequence, u.attempt, f.attempt
        FROM unnest(%s::int[], %s::int[]) AS j(run, series)
        JOIN health_failure f ON f.project_id = %s AND f.run = j.run AND f.series = j.series AND f.outcome = ANY(%s)
        JOIN health_upload u ON u.id = f.upload
        {_OF_FINGERPRINTS if fingerprints else ""}
        ORDER BY f.run, f.series, f.ord, u.attempt DESC, f.attempt DESC,
            f.outcome DESC, f.sequence, f.fingerprint, f.upload DESC
        """,  # noqa: S608 - a constant
        (
            *keys,
            project_id,
            sorted(codes.BROKEN),
            *([*keys, project_id, list(fingerprints)] if fingerprints else []),
        ),
    ).fetchall()
    if not aliases:
        return [BrokenResult(*row[:7]) for row in rows]
    # Of several names of one case the last attempt speaks, as it does of one name.
    rows.sort(key=lambda row: (row[7], row[8], row[4], -row[6], -row[3], row[5]))
    newest = {(run, series, aliases.canonical(ord_)): rest for run, series, ord_, *rest in rows}
    return [BrokenResult(*key, *rest[:4]) for key, rest in sorted(newest.items())]


def keep_broken(
    cursor: Cursor, project_id: int, *, last: Sequence[BrokenResult], aliases: Aliases
) -> list[BrokenResult]:
    """Those of the last failures whose case is broken in all that its job says, with the outcome that it says."""
    jobs = sorted({(result.run, result.series) for result in last})
    ords = np.unique(np.array([result.ord for result in last], np.int32))
    grid = fetch_grid(cursor, project_id, jobs=jobs, ords=ords, aliases=aliases)
    rows = {job: place for place, job in enumerate(jobs)}
    columns = np.searchsorted(ords, [result.ord for result in last])
    outcomes = (
        int(grid.outcomes[rows[result.run, result.series], column])
        for result, column in zip(last, columns.tolist(), strict=True)
    )
    return [
        result._replace(outcome=outcome)
        for result, outcome in zip(last, outcomes, strict=True)
        if outcome in codes.BROKEN
    ]


# --- reading what people said ----------------------------------------------------------------------------------


def fetch_splits(cursor: Cursor, project_id: int) -> dict[int, int]:
    """The masked place that is kept in each fingerprint that was split: one probe of an index, mostly empty."""
    rows = cursor.execute("SELECT fingerprint, place FROM health_causesplit WHERE project_id = %s", (project_id,))
    return dict(rows.fetchall())


def fetch_merged(cursor: Cursor, project_id: int) -> dict[int, int]:
    """The fingerprint that each merged one goes on under, one step."""
    rows = cursor.execute(
        "SELECT fingerprint, merged_into FROM health_fingerprint WHERE project_id = %s AND merged_into IS NOT NULL",
        (project_id,),
    )
    return dict(rows.fetchall())


def fetch_parts(
    cursor: Cursor, project_id: int, *, fingerprint: int, splits: Splits, limit: int | None = None
) -> list[int]:
    """The fingerprints that failures of a split one were told apart into, however many times.

    Their messages begin alike, up to the first word that is masked. With `limit`, so many of those are looked at.
    """
    row = cursor.execute(
        "SELECT kind, message FROM health_fingerprint WHERE project_id = %s AND fingerprint = %s",
        (project_id, fingerprint),
    ).fetchone()
    if row is None:
        return []
    rows = cursor.execute(
        """
        SELECT p.fingerprint, p.kind, p.message FROM health_fingerprint p
        WHERE p.project_id = %s AND p.kind = %s AND p.fingerprint <> %s AND strpos(p.message, %s) > 0
        ORDER BY p.fingerprint LIMIT %s
        """,
        (project_id, row[0], fingerprint, _take_beginning(row[1]), limit),
    ).fetchall()
    parts = []
    for part, kind, message in rows:
        path = [one for one, _ in follow_splits(kind, message, splits=splits)]
        if fingerprint in path and part in path[path.index(fingerprint) + 1 :]:
            parts.append(part)
    return parts


def _take_beginning(message: str) -> str:
    """What stands in front of the first blank and the first masked word: the same in all that are masked alike."""
    masked = mask_message(message)
    return re.split(r"[\s<]", masked, maxsplit=1)[0]


def find_kept(fingerprint: int, kind: str, message: str, *, splits: Splits) -> tuple[int, ...]:
    """The masked places that are kept in this fingerprint, because it was told apart by the words there."""
    path = dict(follow_splits(kind, message, splits=splits)) if splits else {}
    return path.get(fingerprint, ())


def name_cause(cursor: Cursor, project_id: int, fingerprint: int) -> str:
    """What a cause is called in the history of what people did: its message without what is masked, or secret."""
    row = cursor.execute(
        "SELECT kind, message FROM health_fingerprint WHERE project_id = %s AND fingerprint = %s",
        (project_id, fingerprint),
    ).fetchone()
    kind, message = row or ("", "")
    return (mask_message(mask_said(message)) or mask_kind(kind) or write_fingerprint(fingerprint))[:_LONGEST_NAME]


def add_fingerprints(cursor: Cursor, project_id: int, *, samples: Mapping[int, tuple[str, str]]) -> None:
    """Note kind and message of each fingerprint that is new."""
    if not samples:
        return
    kinds, messages = zip(*samples.values(), strict=True)
    cursor.execute(
        """
        INSERT INTO health_fingerprint (project_id, fingerprint, kind, message)
        SELECT %s, * FROM unnest(%s::bigint[], %s::text[], %s::text[]) ON CONFLICT DO NOTHING
        """,
        (project_id, format_array(samples), list(kinds), list(messages)),
    )
