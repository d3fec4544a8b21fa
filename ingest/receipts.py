"""The receipt of an upload: what became of each of its files, in the words and figures that pages and the API show.

Called by `ingest.pipeline`. `docs/uploads.md` shows one.
Promise: every test of a report is accepted, merged or rejected (`tests/ingest/test_pipeline.py`).
"""

from typing import Any

from health.models import Upload, UploadFile
from health.rules.outcomes import XFAIL
from ingest.coverage import FoundLevel, find_context_levels
from ingest.errors import IngestError
from ingest.parsers.coverage.types import ParsedCoverage
from ingest.parsers.types import ParsedReport


def open_receipt(upload: Upload) -> dict[str, Any]:
    """A receipt without files yet: what the door remarked, and how earlier tries ended."""
    kept: dict[str, Any] = upload.receipt or {}
    return {"files": [], "warnings": kept.get("warnings", []), "tries": kept.get("tries", [])}


def describe_failure(file: UploadFile, error: IngestError, kind: str | None) -> dict[str, Any]:
    """A file of which nothing could be used."""
    described = {"name": file.name, "format": None, "state": "failed", "kind": kind}
    return {**described, "error": error.to_json(), "warnings": []}


def describe_coverage(file: UploadFile, report: ParsedCoverage, level: FoundLevel) -> dict[str, Any]:
    """A coverage report: how much of it there is, and of what."""
    return {
        "name": file.name,
        "format": report.format,
        "state": "partial" if report.truncated else "stored",
        "kind": "coverage",
        "files": len(report.files),
        "lines_valid": report.lines_valid,
        "lines_covered": report.lines_covered,
        "branches_valid": report.branches_valid,
        "branches_covered": report.branches_covered,
        "level": level.name,
        "level_from": level.source,
        "context_levels": [] if level.name else find_context_levels(report.contexts.names),
        "error": report.truncated.to_json() if report.truncated else None,
        "warnings": [warning.to_json() for warning in report.warnings],
    }


def describe_report(file: UploadFile, report: ParsedReport) -> dict[str, Any]:
    """Test results: how many of each outcome, and what became of them."""
    counts = report.elements
    return {
        "name": file.name,
        "format": report.format,
        "state": "partial" if report.truncated else "stored",
        "kind": "results",
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
