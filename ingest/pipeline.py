"""Turn one waiting upload into facts: claim, read its payload, parse, store, and say how it ended.

Called by `ingest.tasks`; calls claims, parsers, store.
Promise: whatever happens, the upload ends in a state with a reason, and a bad file takes no good one down with it
(`tests/ingest/test_pipeline.py`).
"""

import logging
import os
import tempfile
import traceback
import zlib
from typing import IO, Any, Final

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings

from health.models import PayloadChunk, Upload, UploadFile
from health.rules.outcomes import XFAIL
from ingest.claims import claim_next, finish_failed, is_passing_trouble, keep_lease, retry_later
from ingest.errors import IngestError
from ingest.parsers import join_reports, read_report
from ingest.parsers.types import Limits, ParsedReport
from ingest.store import Delivery, LeaseLostError, store_report

log = logging.getLogger(__name__)

# The limit of cases is a file's; all files of an upload together may hold this many times as many.
_FILES_FULL_OF_CASES: Final = 5


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
        with keep_lease(delivery):
            _process(delivery)
    except LeaseLostError as lost:
        log.warning("lease_lost: %s", lost)
    except MemoryError:
        # Celery 5.7 ends the whole worker on a MemoryError that leaves a task (M10).
        _retry(delivery, "out_of_memory", "The worker ran out of memory on this upload.", is_counted=True)
    except SoftTimeLimitExceeded:
        _retry(delivery, "time_limit", "The upload took longer than the worker may take.", is_counted=True)
    except Exception as problem:  # the task's edge: an unknown error must not leave the upload without a state
        passing = is_passing_trouble(problem)
        log.warning("upload %d: %s", delivery.upload_id, "".join(traceback.format_exception(problem)))
        code = "db_unavailable" if passing else "internal"
        _retry(delivery, code, "Suitewatch failed at this upload and keeps it.", is_counted=not passing)
    return True


def _retry(delivery: Delivery, code: str, message: str, *, is_counted: bool) -> None:
    try:
        retry_later(delivery, error=IngestError(code, message).to_json(), is_counted=is_counted)
    except Exception as problem:
        if not is_passing_trouble(problem):
            raise
        log.warning("upload %d waits for the end of its lease: %s", delivery.upload_id, problem)


def _process(delivery: Delivery) -> None:
    upload = Upload.objects.get(pk=delivery.upload_id)
    receipt: dict[str, Any] = {"files": [], "warnings": (upload.receipt or {}).get("warnings", [])}
    reports: list[ParsedReport] = []
    errors: list[IngestError] = []
    left = settings.UPLOAD_MAX_CASES * _FILES_FULL_OF_CASES
    for file in UploadFile.objects.filter(upload_id=delivery.upload_id).order_by("position"):
        try:
            report = _parse(file, _limits(left))
        except IngestError as refusal:
            errors.append(refusal)
            receipt["files"].append(_describe_failure(file, refusal))
        else:
            left -= len(report.keys)
            reports.append(report)
            receipt["files"].append(_describe_report(file, report))
    if not reports:
        error = errors[0] if errors else IngestError("payload_missing", "The upload's files are no longer kept.")
        finish_failed(delivery, error=error.to_json(), receipt=receipt)
        return
    is_whole = not errors and not any(report.truncated for report in reports)
    joined = reports[0]
    if len(reports) > 1:
        joined = join_reports(reports)
        receipt["warnings"] += [warning.to_json() for warning in joined.warnings]
    store_report(delivery, joined, state="stored" if is_whole else "partial", receipt=receipt)


def _limits(cases_left: int) -> Limits:
    return Limits(max_plain_bytes=settings.UPLOAD_MAX_PLAIN_BYTES, max_cases=min(cases_left, settings.UPLOAD_MAX_CASES))


def _parse(file: UploadFile, limits: Limits) -> ParsedReport:
    """Parse one file from a temporary copy of its plain bytes: a repair may need a second look at them.

    The copy has no name, so nothing of it is left when the worker is killed.
    """
    with tempfile.TemporaryFile() as spool:
        _write_plain(file, spool)
        return read_report(lambda: _open_again(spool), filename=file.name, limits=limits)


def _open_again(spool: IO[bytes]) -> IO[bytes]:
    """The same file from its start; one reader at a time, because they share their place in it."""
    stream = os.fdopen(os.dup(spool.fileno()), "rb")
    stream.seek(0)
    return stream


def _write_plain(file: UploadFile, spool: IO[bytes]) -> None:
    """Inflate the payload's chunks into a file, one chunk at a time."""
    inflater = zlib.decompressobj(wbits=31)
    sequences = PayloadChunk.objects.filter(file=file).order_by("sequence").values_list("sequence", flat=True)
    for sequence in list(sequences):
        pending = bytes(PayloadChunk.objects.get(file=file, sequence=sequence).data)
        while pending:
            if inflater.eof:
                inflater = zlib.decompressobj(wbits=31)
            spool.write(inflater.decompress(pending, 2**20))
            pending = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
    spool.flush()
    if not inflater.eof:
        raise IngestError("payload_missing", f"The kept bytes of {file.name} are not complete.")


def _describe_failure(file: UploadFile, error: IngestError) -> dict[str, Any]:
    return {"name": file.name, "format": None, "state": "failed", "error": error.to_json(), "warnings": []}


def _describe_report(file: UploadFile, report: ParsedReport) -> dict[str, Any]:
    counts = report.elements
    return {
        "name": file.name,
        "format": report.format,
        "state": "partial" if report.truncated else "stored",
        "tests": counts.tests,
        "passed": counts.passed,
        "failed": counts.failed,
        "errored": counts.errored,
        "skipped": counts.skipped,
        "xfailed": report.outcomes.count(XFAIL),
        "flaky": counts.flaky,
        "accepted": len(report.keys),
        "merged": report.merged,
        "rejected": report.rejected,
        "error": report.truncated.to_json() if report.truncated else None,
        "warnings": [warning.to_json() for warning in report.warnings],
    }
