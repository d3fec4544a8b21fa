"""A parsed report becomes facts: run, series, tiles, failures, texts and all rollups, in one fenced transaction.

Called by `ingest.pipeline`. Binary COPY and set-based SQL, no ORM.
Promise: nothing is ever half visible; storing the same upload twice changes nothing, because the second one finds
the lease gone (`tests/ingest/test_store.py`).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from django.db import transaction
from psycopg.types.json import Jsonb

from health.baselines import JobKey, fetch_place
from health.lanes import find_series, name_branch
from health.rebuild import rebuild_project
from health.revisions import bump_revision
from health.rollups import refresh_job
from health.rules.durations import decode_units, encode_seconds
from health.rules.fingerprints import take_fingerprint
from health.rules.lanes import choose_lane, guess_default_branch
from health.sql import BinaryRow, Cursor, fetch_together, format_array, open_cursor
from health.tiles import NO_SUITE, Ords, Results, pack_tiles
from ingest.cases import Naming, fetch_cached_cases, forget_names, resolve_ords, resolve_suite
from ingest.metadata import Metadata
from ingest.parsers.types import ParsedReport

_STALE_EPOCH_TRIES = 3
_LONGEST_SAMPLE = 500
_FAILURE_ROW = BinaryRow(
    project="i8",
    run="i4",
    series="i4",
    upload="i8",
    sequence="i4",
    ord="i4",
    attempt="i2",
    outcome="i2",
    fingerprint="i8",
    text_offset="i8",
    message_length="i4",
    text_length="i4",
)


class LeaseLostError(Exception):
    """Another worker has taken the upload over; whatever was computed here must not be stored."""


class _StaleEpochError(Exception):
    """Case numbers were resolved in an identity epoch that has ended."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One claimed upload: whose it is, under which lease, and what CI said about it."""

    upload_id: int
    project_id: int
    lease_epoch: int
    received_at: datetime
    metadata: Metadata


@dataclass(frozen=True, slots=True)
class _Project:
    epoch: int
    default_branch: str
    long_lived: list[str]


def store_report(delivery: Delivery, report: ParsedReport, *, state: str, receipt: dict[str, Any]) -> None:
    """Store a report and finish its upload as `state` with `receipt`.

    Raises LeaseLostError when the upload is no longer ours; database errors pass through and nothing is stored.
    """
    metadata = delivery.metadata
    naming = Naming(delivery.project_id, metadata.namespace, metadata.job, metadata.level)
    for _ in range(_STALE_EPOCH_TRIES):
        suite = resolve_suite(metadata.suite, naming=naming) if metadata.suite else None
        resolved = resolve_ords(report.keys, naming=naming)
        told = _tell_volatile(receipt, resolved.n_volatile)
        try:
            with transaction.atomic():
                _store(delivery, report, resolved.ords, resolved.epoch, suite, state, told)
        except _StaleEpochError:
            forget_names()
        else:
            return
    raise LeaseLostError(f"upload {delivery.upload_id}: case identities kept changing while it was stored")


def _tell_volatile(receipt: dict[str, Any], n_volatile: int) -> dict[str, Any]:
    if not n_volatile:
        return receipt
    warning = {
        "code": "volatile_name",
        "message": "Names that hold an address, a UUID or a moment are followed without it, in the report's order.",
        "hint": "Give the parameters ids that stay the same from run to run.",
        "line": None,
        "column": None,
        "count": n_volatile,
    }
    return {**receipt, "warnings": [*receipt.get("warnings", []), warning]}


def _store(
    delivery: Delivery,
    report: ParsedReport,
    ords: Ords,
    epoch: int,
    suite: int | None,
    state: str,
    receipt: dict[str, Any],
) -> None:
    cursor = open_cursor()
    project = _lock(cursor, delivery)
    if project.epoch != epoch:
        raise _StaleEpochError
    settled = _settle_default_branch(cursor, delivery, project)
    key, is_first = _find_job(cursor, delivery, settled)
    outcomes = np.frombuffer(bytes(report.outcomes), np.uint8)
    durations = encode_seconds(report.seconds)
    _copy_tiles(cursor, delivery, key, suite, ords, outcomes, durations)
    _copy_failures(cursor, delivery, key, ords, report)
    with cursor.connection.pipeline():
        _insert_texts(cursor, delivery, report)
        _finish_upload(cursor, delivery, key, report, state, receipt)
    cases = fetch_cached_cases(cursor, project_id=delivery.project_id, epoch=epoch)
    results = _spread(ords, outcomes, durations, suite, cases.n) if is_first else None
    refresh_job(cursor, delivery.project_id, key=key, cases=cases, results=results)
    bump_revision(cursor, delivery.project_id)
    if settled.default_branch != project.default_branch:
        # Runs that came before could not know their lane or baseline.
        rebuild_project(delivery.project_id)


def _lock(cursor: Cursor, delivery: Delivery) -> _Project:
    """Lock the project, so that its facts change one transaction after another, and check the fence."""
    projects, fence = fetch_together(
        cursor,
        (
            """
            SELECT identity_epoch, default_branch, long_lived_branches FROM health_project
            WHERE id = %s FOR NO KEY UPDATE
            """,
            (delivery.project_id,),
        ),
        (
            "SELECT 1 FROM health_upload WHERE id = %s AND lease_epoch = %s AND state = 'processing' FOR UPDATE",
            (delivery.upload_id, delivery.lease_epoch),
        ),
    )
    if not projects or not fence:
        raise LeaseLostError(f"upload {delivery.upload_id}: lease {delivery.lease_epoch} is over")
    return _Project(*projects[0])


def _settle_default_branch(cursor: Cursor, delivery: Delivery, project: _Project) -> _Project:
    if project.default_branch:
        return project
    branch = "" if delivery.metadata.pull_request else delivery.metadata.branch
    guess = guess_default_branch(branch, stated=delivery.metadata.default_branch)
    if not guess:
        return project
    cursor.execute("UPDATE health_project SET default_branch = %s WHERE id = %s", (guess, delivery.project_id))
    return _Project(project.epoch, guess, project.long_lived)


def _find_job(cursor: Cursor, delivery: Delivery, project: _Project) -> tuple[JobKey, bool]:
    """The job this delivery belongs to, and whether it is the first to arrive for it. Makes series and run."""
    metadata = delivery.metadata
    lane = choose_lane(
        metadata.branch,
        pull_request=metadata.pull_request,
        default_branch=project.default_branch,
        long_lived=project.long_lived,
    )
    branch = name_branch(metadata.branch, lane=lane, pull_request=metadata.pull_request)
    ran_at = metadata.ran_at or delivery.received_at
    series = find_series(cursor, delivery.project_id, job=metadata.job, variant=metadata.variant, lane=lane)
    cursor.execute(
        """
        INSERT INTO health_run (project_id, number, provider, external_id, commit, branch, lane, pull_request,
            build_url, committed_at, ran_at, ordered_at, is_complete, n_attempts, n_declared, n_passed, n_failed,
            n_errored, n_skipped, n_xfailed, n_flaky, n_suite_errors, n_new, n_still, n_fixed, n_gone, duration)
        SELECT %(project)s, (SELECT coalesce(max(number) + 1, 1) FROM health_run WHERE project_id = %(project)s),
            %(provider)s, %(external_id)s, %(commit)s, %(branch)s, %(lane)s, %(pull_request)s, %(build_url)s,
            %(committed_at)s, %(ran_at)s, coalesce(%(committed_at)s, %(ran_at)s), true, 1,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
        ON CONFLICT (project_id, provider, external_id) DO UPDATE SET
            commit = coalesce(nullif(health_run.commit, ''), excluded.commit),
            build_url = coalesce(nullif(health_run.build_url, ''), excluded.build_url),
            committed_at = coalesce(health_run.committed_at, excluded.committed_at)
        RETURNING number, EXISTS (
            SELECT FROM health_job j WHERE j.project_id = health_run.project_id AND j.run = health_run.number)
        """,
        {
            "project": delivery.project_id,
            "provider": metadata.provider,
            "external_id": metadata.run_id or f"upload {delivery.upload_id}",
            "commit": metadata.commit,
            "branch": branch,
            "lane": lane,
            "pull_request": metadata.pull_request,
            "build_url": metadata.build_url,
            "committed_at": metadata.committed_at,
            "ran_at": ran_at,
        },
    )
    row = cursor.fetchone()
    if row is None:
        raise LookupError("a statement that always answers gave no row")
    key, has_jobs = JobKey(row[0], series), row[1]
    return key, not has_jobs or fetch_place(cursor, delivery.project_id, key) is None


def _copy_tiles(
    cursor: Cursor,
    delivery: Delivery,
    key: JobKey,
    suite: int | None,
    ords: Ords,
    outcomes: "np.typing.NDArray[np.uint8]",
    durations: "np.typing.NDArray[np.uint16]",
) -> None:
    with cursor.copy(
        """
        COPY health_tile (project_id, series, block, run, upload, attempt, suite, encoding, n, offsets, outcomes,
                          durations) FROM STDIN (FORMAT binary)
        """
    ) as copy:
        copy.set_types(
            [
                "int8",
                "int4",
                "int4",
                "int4",
                "int8",
                "int2",
                "int4",
                "int2",
                "int2",
                "bytea",
                "bytea",
                "bytea",
            ]
        )
        head = (delivery.project_id, key.series)
        middle = (key.run, delivery.upload_id, delivery.metadata.attempt, suite)
        for tile in pack_tiles(ords, outcomes, durations):
            body = (tile.encoding, tile.n, tile.offsets, tile.outcomes, tile.durations)
            copy.write_row((*head, tile.block, *middle, *body))


def _copy_failures(cursor: Cursor, delivery: Delivery, key: JobKey, ords: Ords, report: ParsedReport) -> None:
    if not report.details:
        return
    details = report.details
    rows = _FAILURE_ROW.fill(
        len(details),
        project=delivery.project_id,
        run=key.run,
        series=key.series,
        upload=delivery.upload_id,
        sequence=np.arange(len(details)),
        ord=ords[[detail.case for detail in details]],
        attempt=[detail.attempt for detail in details],
        outcome=[detail.outcome for detail in details],
        fingerprint=[take_fingerprint(detail.kind, detail.message) for detail in details],
        text_offset=[detail.text_offset for detail in details],
        message_length=[detail.message_length for detail in details],
        text_length=[detail.text_length for detail in details],
    )
    with cursor.copy(
        """
        COPY health_failure (project_id, run, series, upload, sequence, ord, attempt, outcome, fingerprint,
                             text_offset, message_length, text_length) FROM STDIN (FORMAT binary)
        """
    ) as copy:
        copy.write(rows)


def _insert_texts(cursor: Cursor, delivery: Delivery, report: ParsedReport) -> None:
    """The texts of all failures as they are, and one sample of each new fingerprint."""
    if not report.details:
        return
    samples: dict[int, tuple[str, str]] = {}
    for detail in report.details:
        fingerprint = take_fingerprint(detail.kind, detail.message)
        samples.setdefault(fingerprint, (detail.kind, detail.message[:_LONGEST_SAMPLE]))
    kinds, messages = zip(*samples.values(), strict=True)
    cursor.execute(
        """
        INSERT INTO health_fingerprint (project_id, fingerprint, kind, message)
        SELECT %s, * FROM unnest(%s::bigint[], %s::text[], %s::text[]) ON CONFLICT DO NOTHING
        """,
        (delivery.project_id, format_array(samples), list(kinds), list(messages)),
    )
    cursor.execute(
        "INSERT INTO health_failuretext (project_id, upload, blob) VALUES (%b, %b, %b)",
        (delivery.project_id, delivery.upload_id, report.texts),
    )


def _finish_upload(
    cursor: Cursor, delivery: Delivery, key: JobKey, report: ParsedReport, state: str, receipt: dict[str, Any]
) -> None:
    cursor.execute(
        """
        UPDATE health_upload SET (state, finished_at, lease_until, run, series, attempt, ran_at, n_suite_errors,
            receipt, error) = (%s, clock_timestamp(), NULL, %s, %s, %s, %s, %s, %s, NULL)
        WHERE id = %s
        """,
        (
            state,
            key.run,
            key.series,
            delivery.metadata.attempt,
            delivery.metadata.ran_at or delivery.received_at,
            len(report.suite_errors),
            Jsonb(receipt),
            delivery.upload_id,
        ),
    )


def _spread(
    ords: Ords,
    outcomes: "np.typing.NDArray[np.uint8]",
    durations: "np.typing.NDArray[np.uint16]",
    suite: int | None,
    n_cases: int,
) -> Results:
    """The merged results of a job that has only this delivery: what reading its tiles back would give."""
    spread = Results(np.zeros(n_cases, np.uint8), np.zeros(n_cases, np.int64), np.full(n_cases, NO_SUITE, np.int32))
    spread.outcomes[ords] = outcomes
    spread.units[ords] = decode_units(durations)
    spread.suites[ords] = NO_SUITE if suite is None else suite
    return spread
