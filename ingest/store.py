"""What a delivery held becomes facts: run, series, tiles, failures, texts, coverage, rollups; one fenced transaction.

Called by `ingest.pipeline`. Binary COPY and set-based SQL, no ORM.
Promise: nothing is ever half visible; storing the same upload twice changes nothing, because the second one finds
the lease gone (`tests/ingest/test_store.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from django.db import transaction
from psycopg.types.json import Jsonb

from health.baselines import JobKey, fetch_place
from health.causes import add_fingerprints, fetch_splits
from health.coverage import settle_coverage
from health.in_force import settle_configuration
from health.lanes import find_series, name_branch
from health.rebuild import recount_project
from health.renames import propose_renames
from health.revisions import bump_revision
from health.rollups import refresh_job, settle_run
from health.rules.cuts import LONGEST_SAMPLE
from health.rules.durations import decode_units, encode_seconds
from health.rules.fingerprints import choose_fingerprint
from health.rules.lanes import choose_lane, guess_default_branch
from health.sql import BinaryRow, Cursor, fetch_together, open_cursor, pack_large_row
from health.tiles import NO_SUITE, Ords, Outcomes, Results, pack_tiles
from health.unjudged import doubt_run
from ingest.cases import Naming, fetch_cached_cases, forget_names, resolve_ords, resolve_suite
from ingest.coverage import CoverageFile, store_coverage
from ingest.metadata import Metadata
from ingest.parsers.types import ParsedReport
from ingest.remarks import HINTS, Remark
from ingest.siblings import note_siblings

_STALE_EPOCH_TRIES = 3
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


class StaleEpochError(Exception):
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
    has_configuration: bool


@dataclass(frozen=True, slots=True)
class Contents:
    """What the files of a delivery held: all test results joined, and each coverage report."""

    report: ParsedReport | None = None
    coverage: Sequence[CoverageFile] = ()


@dataclass(frozen=True, slots=True)
class _Named:
    """Results with their names resolved: case numbers, the epoch they are valid in, the suite the delivery named."""

    report: ParsedReport
    outcomes: Outcomes
    durations: "np.typing.NDArray[np.uint16]"
    ords: Ords
    epoch: int
    suite: int | None


def store_contents(delivery: Delivery, contents: Contents, *, state: str, receipt: dict[str, Any]) -> None:
    """Store what a delivery held and finish its upload as `state` with `receipt`.

    Raises LeaseLostError when the upload is no longer ours, StaleEpochError when the project's cases were renamed again
    and again; database errors pass through. Then nothing is stored.
    """
    for _ in range(_STALE_EPOCH_TRIES):
        named, told = _resolve_names(delivery, contents.report, receipt)
        try:
            with transaction.atomic():
                _store(delivery, named, contents.coverage, state, told)
        except StaleEpochError:
            forget_names()
        else:
            return
    raise StaleEpochError(f"upload {delivery.upload_id}: case identities kept changing while it was stored")


def _resolve_names(
    delivery: Delivery, report: ParsedReport | None, receipt: dict[str, Any]
) -> tuple[_Named | None, dict[str, Any]]:
    if report is None:
        return None, receipt
    metadata = delivery.metadata
    naming = Naming(delivery.project_id, metadata.namespace, metadata.job, metadata.level)
    suite = resolve_suite(metadata.suite, naming=naming) if metadata.suite else None
    resolved = resolve_ords(report.keys, naming=naming)
    outcomes = np.frombuffer(bytes(report.outcomes), np.uint8)
    named = _Named(report, outcomes, encode_seconds(report.seconds), resolved.ords, resolved.epoch, suite)
    return named, _tell_volatile(receipt, resolved.n_volatile)


def _tell_volatile(receipt: dict[str, Any], n_volatile: int) -> dict[str, Any]:
    if not n_volatile:
        return receipt
    remark = Remark(
        "volatile_name",
        "Names that hold an address, a UUID or a moment are followed without it, in the report's order.",
        hint=HINTS["volatile_name"],
        count=n_volatile,
    )
    return {**receipt, "warnings": [*receipt.get("warnings", []), remark.to_json()]}


def _store(
    delivery: Delivery,
    named: _Named | None,
    coverage: Sequence[CoverageFile],
    state: str,
    receipt: dict[str, Any],
) -> None:
    cursor = open_cursor()
    project = _lock(cursor, delivery)
    if named and named.epoch != project.epoch:
        raise StaleEpochError
    settled = _settle_default_branch(cursor, delivery, project)
    run, lane = _find_run(cursor, delivery, settled)
    series = _store_results(cursor, delivery, named, run, lane) if named else None
    if coverage:
        store_coverage(cursor, delivery.project_id, upload=delivery.upload_id, run=run, coverage=coverage)
    has_configuration = _finish_upload(cursor, delivery, run, series, named, state, receipt)
    if named and series is not None:
        _refresh(cursor, delivery, named, JobKey(run, series))
    else:
        settle_run(cursor, delivery.project_id, run=run)
    settle_coverage(cursor, delivery.project_id, run=run, has_new=bool(coverage))
    if project.has_configuration or (has_configuration and lane == settled.default_branch):
        settle_configuration(cursor, delivery.project_id)
    bump_revision(cursor, delivery.project_id)
    if settled.default_branch != project.default_branch:
        # Runs that came before could not know their lane or baseline.
        recount_project(delivery.project_id)


def _store_results(cursor: Cursor, delivery: Delivery, named: _Named, run: int, lane: str) -> int:
    """Write tiles, failures and texts; returns the series they belong to."""
    metadata = delivery.metadata
    series = find_series(cursor, delivery.project_id, job=metadata.job, variant=metadata.variant, lane=lane)
    key = JobKey(run, series)
    _copy_tiles(cursor, delivery, key, named)
    if named.report.details:
        splits = fetch_splits(cursor, delivery.project_id)
        fingerprints = [choose_fingerprint(one.kind, one.message, splits=splits) for one in named.report.details]
        _copy_failures(cursor, delivery, key, named, fingerprints)
        _insert_texts(cursor, delivery, named.report, fingerprints)
    return series


def _refresh(cursor: Cursor, delivery: Delivery, named: _Named, key: JobKey) -> None:
    cases = fetch_cached_cases(cursor, project_id=delivery.project_id, epoch=named.epoch)
    is_first = fetch_place(cursor, delivery.project_id, key) is None
    results = _spread(named, cases.n) if is_first and not cases.aliases.touch(named.ords) else None
    exchanges = refresh_job(cursor, delivery.project_id, key=key, cases=cases, results=results)
    propose_renames(cursor, delivery.project_id, exchanges=exchanges)
    if not is_first:
        note_siblings(
            cursor, delivery.project_id, upload_id=delivery.upload_id, key=key, ords=named.ords, outcomes=named.outcomes
        )


def _lock(cursor: Cursor, delivery: Delivery) -> _Project:
    """Lock the project, so that its facts change one transaction after another, and check the fence."""
    projects, fence = fetch_together(
        cursor,
        (
            """
            SELECT identity_epoch, default_branch, long_lived_branches,
                num_nonnulls(configuration, code_owners, deferrals_file) > 0 FROM health_project
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
    return _Project(project.epoch, guess, project.long_lived, project.has_configuration)


def _find_run(cursor: Cursor, delivery: Delivery, project: _Project) -> tuple[int, str]:
    """The number of the run this delivery belongs to, made if new, and its lane: what the first delivery said."""
    metadata = delivery.metadata
    lane = choose_lane(
        metadata.branch,
        pull_request=metadata.pull_request,
        default_branch=project.default_branch,
        long_lived=project.long_lived,
    )
    branch = name_branch(metadata.branch, lane=lane, pull_request=metadata.pull_request)
    ran_at = metadata.ran_at or delivery.received_at
    cursor.execute(
        """
        WITH known AS (
            SELECT commit FROM health_run
            WHERE project_id = %(project)s AND provider = %(provider)s AND external_id = %(external_id)s)
        INSERT INTO health_run (project_id, number, provider, external_id, commit, branch, lane, pull_request,
            build_url, committed_at, ran_at, ordered_at, is_complete, closed, n_attempts, n_declared, n_passed,
            n_failed, n_errored, n_skipped, n_xfailed, n_flaky, n_suite_errors, n_new, n_still, n_fixed, n_gone,
            duration)
        SELECT %(project)s, (SELECT coalesce(max(number) + 1, 1) FROM health_run WHERE project_id = %(project)s),
            %(provider)s, %(external_id)s, %(commit)s, %(branch)s, %(lane)s, %(pull_request)s, %(build_url)s,
            %(committed_at)s, %(ran_at)s, coalesce(%(committed_at)s, %(ran_at)s), true, '', 1,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
        ON CONFLICT (project_id, provider, external_id) DO UPDATE SET
            commit = coalesce(nullif(health_run.commit, ''), excluded.commit),
            build_url = coalesce(nullif(health_run.build_url, ''), excluded.build_url),
            committed_at = coalesce(health_run.committed_at, excluded.committed_at)
        RETURNING number, lane, commit <> (SELECT commit FROM known)
        """,
        {
            "project": delivery.project_id,
            "provider": metadata.provider,
            # No run id that is sent begins with a blank, so nobody's run is another upload's.
            "external_id": metadata.run_id or f" upload {delivery.upload_id}",
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
    if row[2]:  # its other jobs were judged without it
        doubt_run(cursor, delivery.project_id, run=row[0])
    return row[0], row[1]


def _copy_tiles(cursor: Cursor, delivery: Delivery, key: JobKey, named: _Named) -> None:
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
        middle = (key.run, delivery.upload_id, delivery.metadata.attempt or 1, named.suite)
        for tile in pack_tiles(named.ords, named.outcomes, named.durations):
            body = (tile.encoding, tile.n, tile.offsets, tile.outcomes, tile.durations)
            copy.write_row((*head, tile.block, *middle, *body))


def _copy_failures(cursor: Cursor, delivery: Delivery, key: JobKey, named: _Named, fingerprints: Sequence[int]) -> None:
    details = named.report.details
    rows = _FAILURE_ROW.fill(
        len(details),
        project=delivery.project_id,
        run=key.run,
        series=key.series,
        upload=delivery.upload_id,
        sequence=np.arange(len(details)),
        ord=named.ords[[detail.case for detail in details]],
        attempt=[detail.attempt for detail in details],
        outcome=[detail.outcome for detail in details],
        fingerprint=fingerprints,
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


def _insert_texts(cursor: Cursor, delivery: Delivery, report: ParsedReport, fingerprints: Sequence[int]) -> None:
    """The texts of all failures as they are, and one sample of each new fingerprint."""
    samples: dict[int, tuple[str, str]] = {}
    for fingerprint, detail in zip(fingerprints, report.details, strict=True):
        samples.setdefault(fingerprint, (detail.kind, detail.message[:LONGEST_SAMPLE]))
    add_fingerprints(cursor, delivery.project_id, samples=samples)
    with cursor.copy("COPY health_failuretext (project_id, upload, blob) FROM STDIN (FORMAT binary)") as copy:
        for piece in pack_large_row(delivery.project_id, delivery.upload_id, value=report.texts):
            copy.write(piece)


def _finish_upload(
    cursor: Cursor,
    delivery: Delivery,
    run: int,
    series: int | None,
    named: _Named | None,
    state: str,
    receipt: dict[str, Any],
) -> bool:
    """Close the upload; returns whether a configuration came with it."""
    row = cursor.execute(
        """
        UPDATE health_upload SET (state, finished_at, lease_until, progress, run, series, attempt, ran_at,
            n_suite_errors, receipt, error) = (%s, clock_timestamp(), NULL, NULL, %s, %s, %s, %s, %s, %s, NULL)
        WHERE id = %s RETURNING num_nonnulls(configuration, code_owners, deferrals_file) > 0
        """,
        (
            state,
            run,
            series,
            delivery.metadata.attempt or 1,
            delivery.metadata.ran_at or delivery.received_at,
            len(named.report.suite_errors) if named else 0,
            Jsonb(receipt),
            delivery.upload_id,
        ),
    ).fetchone()
    return bool(row and row[0])


def _spread(named: _Named, n_cases: int) -> Results:
    """The merged results of a job that has only this delivery: what reading its tiles back would give."""
    spread = Results(np.zeros(n_cases, np.uint8), np.zeros(n_cases, np.int64), np.full(n_cases, NO_SUITE, np.int32))
    spread.outcomes[named.ords] = named.outcomes
    spread.units[named.ords] = decode_units(named.durations)
    spread.suites[named.ords] = NO_SUITE if named.suite is None else named.suite
    return spread
