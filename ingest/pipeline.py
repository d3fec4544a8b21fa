"""Turn one waiting upload into facts: claim, read its payload, parse, store, and say how it ended.

Called by `ingest.tasks`; calls claims, parsers, receipts, store.
Promise: whatever happens, the upload ends in a state with a reason, and a bad file takes no good one down with it
(`tests/ingest/test_pipeline.py`).
"""

import logging
import os
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import IO, Any, Final

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings

from health.judging import judge_next
from health.models import PayloadChunk, Upload, UploadFile
from health.rebuild import rebuild_if_due
from health.sql import open_cursor
from ingest.claims import Progress, claim_next, finish_failed, is_passing_trouble, keep_lease, retry_later
from ingest.configuration.keep import Kept, keep_configuration
from ingest.coverage import CoverageFile, CoverageRules, FoundLevel, choose_level, fetch_rules
from ingest.errors import IngestError, is_disk_full
from ingest.inflate import unpack
from ingest.parsers import join_reports, read_report
from ingest.parsers.coverage import HEAD_BYTES, looks_like_coverage, read_coverage
from ingest.parsers.coverage.types import CoverageLimits
from ingest.parsers.types import Limits, ParsedReport
from ingest.receipts import describe_coverage, describe_failure, describe_report, open_receipt
from ingest.store import Contents, Delivery, LeaseLostError, StaleEpochError, store_contents

log = logging.getLogger(__name__)

# The limit of cases is a file's; all files of an upload together may hold this many times as many.
_FILES_FULL_OF_CASES: Final = 5
# What a file is told that is neither test results nor coverage.
_STRANGER: Final = frozenset({"empty_file", "not_a_report", "not_xml", "payload_missing", "unsupported_type"})


@dataclass(slots=True)
class _Findings:
    """What the files of an upload held, as far as they are read."""

    rules: CoverageRules
    described: list[dict[str, Any]]
    reports: list[ParsedReport] = field(default_factory=list)
    coverage: list[CoverageFile] = field(default_factory=list)
    errors: list[IngestError] = field(default_factory=list)
    # Levels at which some coverage is missing, because a file broke off or could not be read.
    broken_levels: set[str] = field(default_factory=set)
    # Files that could not be told from any other may have been coverage of any level.
    has_strangers: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether every file was read to its end."""
        return not (self.errors or self.broken_levels or any(report.truncated for report in self.reports))

    def list_coverage(self) -> list[CoverageFile]:
        """The coverage, marked where what is missing says nothing."""
        return [
            replace(item, is_partial=self.has_strangers or item.level in self.broken_levels) for item in self.coverage
        ]


def process_next() -> bool:
    """Work on the upload whose turn it is; False when nothing waits, or the database cannot say what does."""
    try:
        delivery = claim_next()
    except Exception as problem:
        if not is_passing_trouble(problem):
            raise
        log.warning("no upload can be claimed: %s", problem)
        return False
    if delivery is None:
        return False
    try:
        with keep_lease(delivery) as progress:
            _process(delivery, progress)
    except LeaseLostError as lost:
        log.warning("lease_lost: %s", lost)
    except StaleEpochError as busy:
        log.warning("%s", busy)
        message = "The project's cases were renamed again and again while this was stored."
        _retry(delivery, "internal", message, is_counted=False)
    except MemoryError:
        # Celery 5.7 ends the whole worker on a MemoryError that leaves a task (M10).
        _retry(delivery, "out_of_memory", "The worker ran out of memory on this upload.", is_counted=True)
    except SoftTimeLimitExceeded:
        _retry(delivery, "time_limit", "The upload took longer than the worker may take.", is_counted=True)
    except Exception as problem:  # the task's edge: an unknown error must not leave the upload without a state
        passing = is_passing_trouble(problem)
        log.warning("upload %d: %s", delivery.upload_id, "".join(traceback.format_exception(problem)))
        code = "storage_full" if is_disk_full(problem) else "db_unavailable" if passing else "internal"
        _retry(delivery, code, "Suitewatch failed at this upload and keeps it.", is_counted=not passing)
    else:
        _follow_rules(delivery.project_id)
        _draw_conclusions(delivery.project_id)
    return True


def _follow_rules(project_id: int) -> None:
    """Rebuild when the upload brought other rules: behind its own transaction, so that nothing of it waits for that."""
    try:
        if rebuild_if_due(project_id):
            log.info("project %d follows new rules", project_id)
    except Exception as problem:  # the upload is stored; the sweeper rings for the rest
        log.warning("project %d does not follow its rules yet: %s", project_id, problem)


def _draw_conclusions(project_id: int) -> None:
    """Behind the last of several uploads, since one look covers them all; what is left behind the sweeper finds."""
    try:
        while not _has_more(project_id) and judge_next(project_id):
            pass
    except Exception as problem:  # the upload is stored
        log.warning("project %d waits for its conclusions: %s", project_id, problem)


def _has_more(project_id: int) -> bool:
    """Whether another upload of the project waits its turn, or is being read."""
    row = open_cursor().execute(_MORE, (project_id,)).fetchone()
    return bool(row and row[0])


_MORE: Final = """
    SELECT EXISTS (
        SELECT 1 FROM health_upload WHERE project_id = %s AND (
            (state = 'processing' AND lease_until > clock_timestamp())
            OR (state IN ('received', 'retry') AND next_attempt_at <= clock_timestamp())))
"""


def _retry(delivery: Delivery, code: str, message: str, *, is_counted: bool) -> None:
    try:
        retry_later(delivery, error=IngestError(code, message).to_json(), is_counted=is_counted)
    except Exception as problem:
        if not is_passing_trouble(problem):
            raise
        log.warning("upload %d waits for the end of its lease: %s", delivery.upload_id, problem)


def _process(delivery: Delivery, progress: Progress) -> None:
    upload = Upload.objects.get(pk=delivery.upload_id)
    progress.expect(upload.n_bytes_plain)
    receipt = open_receipt(upload)
    files = list(UploadFile.objects.filter(upload_id=delivery.upload_id).order_by("position"))
    kept = _keep_configuration(delivery, files)
    if kept:
        receipt["configuration"] = kept.to_json()
    found = _Findings(fetch_rules(open_cursor(), delivery.upload_id), receipt["files"])
    for file in files:
        if file.role == UploadFile.Role.REPORT:
            _read_file(file, found, delivery, progress)
    if not found.reports and not found.coverage:
        missing = IngestError("payload_missing", "The upload's files are no longer kept.")
        error = found.errors[0] if found.errors else missing
        finish_failed(delivery, error=error.to_json(), receipt=receipt)
        return
    joined = found.reports[0] if found.reports else None
    if len(found.reports) > 1:
        joined = join_reports(found.reports)
        receipt["warnings"] += [warning.to_json() for warning in joined.warnings]
    contents = Contents(joined, found.list_coverage())
    store_contents(delivery, contents, state="stored" if found.is_whole else "partial", receipt=receipt)


def _read_file(file: UploadFile, found: _Findings, delivery: Delivery, progress: Progress) -> None:
    """Read one file from a temporary copy of its plain bytes: a repair may need a second look at them.

    The copy has no name, so nothing of it is left when the worker is killed.
    """
    is_coverage = False
    level = choose_level(file.name, metadata=delivery.metadata, rules=found.rules)
    try:
        with tempfile.TemporaryFile() as spool:
            _write_plain(file, spool)
            is_coverage = looks_like_coverage(_read_head(spool))
            with progress.follow(spool, n_bytes=file.n_bytes_plain):
                if is_coverage:
                    _add_coverage(file, spool, found, level)
                else:
                    report = read_report(lambda: _open_again(spool), filename=file.name, limits=_limits(found))
                    found.reports.append(report)
                    found.described.append(describe_report(file, report))
    except IngestError as refusal:
        found.errors.append(refusal)
        kind = None if refusal.code in _STRANGER else "coverage" if is_coverage else "results"
        if kind == "coverage":
            found.broken_levels.add(level.name)
        found.has_strangers |= kind is None
        found.described.append(describe_failure(file, refusal, kind))


def _add_coverage(file: UploadFile, spool: IO[bytes], found: _Findings, level: FoundLevel) -> None:
    report = read_coverage(
        lambda: _open_again(spool),
        filename=file.name,
        limits=_limit_coverage(found),
        prefixes=found.rules.prefixes,
    )
    if report.truncated:
        found.broken_levels.add(level.name)
    found.coverage.append(CoverageFile(report, level.name))
    found.described.append(describe_coverage(file, report, level))


def _read_head(spool: IO[bytes]) -> bytes:
    with _open_again(spool) as stream:
        return stream.read(HEAD_BYTES)


def _keep_configuration(delivery: Delivery, files: Sequence[UploadFile]) -> Kept | None:
    """Keep what came beside the reports; None when nothing did."""
    found = {file.role: _read_small(file) for file in files if file.role != UploadFile.Role.REPORT}
    came = {role: data for role, data in found.items() if data is not None}
    if not came:
        return None
    return keep_configuration(
        project_id=delivery.project_id,
        upload_id=delivery.upload_id,
        data=came.get(UploadFile.Role.CONFIGURATION),
        owners_data=came.get(UploadFile.Role.OWNERS),
        deferrals_data=came.get(UploadFile.Role.DEFERRALS),
    )


def _read_small(file: UploadFile) -> bytes | None:
    """A whole file; None when its bytes are no longer kept, which is not the same as an empty one."""
    with tempfile.TemporaryFile() as spool:
        try:
            _write_plain(file, spool)
        except IngestError:
            return None
        spool.seek(0)
        return spool.read()


def _limits(found: _Findings) -> Limits:
    left = settings.UPLOAD_MAX_CASES * _FILES_FULL_OF_CASES - sum(len(report.keys) for report in found.reports)
    return Limits(max_plain_bytes=settings.UPLOAD_MAX_PLAIN_BYTES, max_cases=min(left, settings.UPLOAD_MAX_CASES))


def _limit_coverage(found: _Findings) -> CoverageLimits:
    """Files and lines are counted over all coverage of an upload, because all of it is held until it is stored."""
    files = [file for item in found.coverage for file in item.report.files]
    return CoverageLimits(
        max_plain_bytes=settings.UPLOAD_MAX_PLAIN_BYTES,
        max_json_bytes=settings.UPLOAD_MAX_JSON_BYTES,
        max_files=settings.UPLOAD_MAX_SOURCE_FILES,
        max_line_sum=settings.UPLOAD_MAX_SOURCE_LINES,
        n_files_before=len(files),
        line_sum_before=sum(file.valid.bits.bit_length() for file in files),
    )


def _open_again(spool: IO[bytes]) -> IO[bytes]:
    """The same file from its start; one reader at a time, because they share their place in it."""
    stream = os.fdopen(os.dup(spool.fileno()), "rb")
    stream.seek(0)
    return stream


def _write_plain(file: UploadFile, spool: IO[bytes]) -> None:
    """Unpack the payload's chunks into a file, one chunk at a time."""
    try:
        for plain in unpack(_read_chunks(file), encoding=file.encoding, name=file.name):
            spool.write(plain)
    except IngestError as problem:  # the door read it to its end
        raise IngestError("payload_missing", f"The kept bytes of {file.name} are not complete.") from problem
    spool.flush()


def _read_chunks(file: UploadFile) -> Iterator[bytes]:
    sequences = PayloadChunk.objects.filter(file=file).order_by("sequence").values_list("sequence", flat=True)
    for sequence in list(sequences):
        yield bytes(PayloadChunk.objects.get(file=file, sequence=sequence).data)
