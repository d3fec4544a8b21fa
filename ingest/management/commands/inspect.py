"""`manage.py inspect FILE…`: what the worker would make of a report, and why it would refuse one.

Runs the very parsers of `ingest.pipeline`, without a database; content decides whether a file is results or coverage.
Promise: one JSON object per file with --json, one readable paragraph without (`tests/ingest/parsers/test_inspect.py`).
"""

import json
import sys
import tempfile
from argparse import ArgumentParser
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, cast

from django.conf import settings
from django.core.management.base import BaseCommand

from ingest.errors import IngestError
from ingest.inflate import HEAD, find_encoding, read_pieces, unpack
from ingest.parsers import read_report
from ingest.parsers.coverage import HEAD_BYTES, looks_like_coverage, read_coverage
from ingest.parsers.coverage.types import CoverageLimits, ParsedCoverage
from ingest.parsers.types import Limits, ParsedReport


class Command(BaseCommand):
    """Reads report files and prints what is in them."""

    help = "Read report files as the worker would and say what is in them, or what is wrong. Needs no database."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE", help="a report, plain, gzip or zstd")
        parser.add_argument("--json", action="store_true", help="print one JSON object per file and line")

    def handle(self, *_: Any, **options: Any) -> None:
        findings = [inspect_file(Path(file)) for file in options["files"]]
        for finding in findings:
            self.stdout.write(json.dumps(finding) if options["json"] else describe_finding(finding))
        if any(finding["state"] == "failed" for finding in findings):
            sys.exit(1)


def inspect_file(path: Path) -> dict[str, Any]:
    """What is in one file, as the JSON object the command prints."""
    is_coverage = False
    try:
        with _open_plain(path) as stream:
            is_coverage = looks_like_coverage(stream.read(HEAD_BYTES))
        report = _read(path, is_coverage=is_coverage)
    except IngestError as error:
        return _make_finding(path, is_coverage=is_coverage, error=error.to_json())
    except OSError as problem:
        message = f"{path} cannot be opened: {problem.strerror}."
        closed = {"code": "cannot_open", "message": message, "hint": "Check the path."}
        return _make_finding(path, is_coverage=is_coverage, error=closed)
    return _make_finding(path, report, is_coverage=is_coverage)


def _read(path: Path, *, is_coverage: bool) -> ParsedReport | ParsedCoverage:
    """By the limits of the worker, so that both refuse the same files."""
    max_bytes = settings.UPLOAD_MAX_PLAIN_BYTES
    if not is_coverage:
        limits = Limits(max_plain_bytes=max_bytes, max_cases=settings.UPLOAD_MAX_CASES)
        return read_report(lambda: _open_plain(path), filename=path.name, limits=limits)
    coverage_limits = CoverageLimits(
        max_plain_bytes=max_bytes,
        max_json_bytes=settings.UPLOAD_MAX_JSON_BYTES,
        max_files=settings.UPLOAD_MAX_SOURCE_FILES,
        max_line_sum=settings.UPLOAD_MAX_SOURCE_LINES,
    )
    return read_coverage(lambda: _open_plain(path), filename=path.name, limits=coverage_limits)


def describe_finding(finding: dict[str, Any]) -> str:
    """A finding as a person reads it."""
    lines = [f"{finding['path']}: {finding['state']}"]
    if finding["state"] != "failed":
        lines.append(f"  {_describe_counts(finding)}")
    if finding["error"]:
        lines += _describe_remark("✗", finding["error"])
    for warning in finding["warnings"]:
        lines += _describe_remark("!", warning)
    return "\n".join(lines)


def _open_plain(path: Path) -> IO[bytes]:
    """The file; a packed one is unpacked into another without a name, to just beyond the limit."""
    stream = path.open("rb")
    encoding = find_encoding(stream.read(HEAD))
    if encoding == "identity":
        stream.seek(0)
        return stream
    plain = tempfile.TemporaryFile()  # noqa: SIM115 - whoever asked closes it
    with stream, ExitStack() as on_error:
        on_error.callback(plain.close)
        for piece in unpack(read_pieces(stream), encoding=encoding, name=path.name):
            plain.write(piece)
            if plain.tell() > settings.UPLOAD_MAX_PLAIN_BYTES:
                break
        on_error.pop_all()
    plain.seek(0)
    return cast("IO[bytes]", plain)


def _make_finding(
    path: Path,
    report: ParsedReport | ParsedCoverage | None = None,
    *,
    is_coverage: bool,
    error: dict[str, Any] | None = None,
) -> dict[str, Any]:
    if report and report.truncated:
        error = report.truncated.to_json()
    counts = _count_coverage(report) if is_coverage else _count_results(report)
    return {
        "path": str(path),
        "kind": "coverage" if is_coverage else "results",
        "format": report.format if report else None,
        "state": "failed" if report is None else "partial" if report.truncated else "stored",
        **counts,
        "error": {"line": None, "column": None} | error if error else None,
        "warnings": [warning.to_json() for warning in report.warnings] if report else [],
    }


def _count_results(report: ParsedReport | ParsedCoverage | None) -> dict[str, Any]:
    found = report if isinstance(report, ParsedReport) else ParsedReport("")
    counts = found.elements
    return {
        "tests": counts.tests,
        "passed": counts.passed,
        "failed": counts.failed,
        "errored": counts.errored,
        "skipped": counts.skipped,
        "flaky": counts.flaky,
        "distinct": counts.distinct,
        "total_time": round(counts.total_time, 6),
        "accepted": len(found.keys),
        "merged": found.merged,
        "rejected": found.rejected,
    }


def _count_coverage(report: ParsedReport | ParsedCoverage | None) -> dict[str, Any]:
    found = report if isinstance(report, ParsedCoverage) else ParsedCoverage("")
    counts: dict[str, Any] = {
        "files": len(found.files),
        "lines_valid": found.lines_valid,
        "lines_covered": found.lines_covered,
        "branches_valid": found.branches_valid,
        "branches_covered": found.branches_covered,
        "contexts": len(found.contexts.names),
    }
    if found.statements_valid is not None:
        counts |= {"statements_valid": found.statements_valid, "statements_covered": found.statements_covered}
    return counts


def _describe_counts(finding: dict[str, Any]) -> str:
    return _describe_lines(finding) if finding["kind"] == "coverage" else _describe_cases(finding)


def _describe_lines(finding: dict[str, Any]) -> str:
    """For example: 37 files: 7,226 of 8,154 lines, 1,296 of 1,714 branches covered."""
    n = finding["files"]
    parts = [
        f"{finding[f'{what}_covered']:,} of {finding[f'{what}_valid']:,} {what}"
        for what in ("lines", "branches")
        if finding[f"{what}_valid"]
    ]
    return f"{n:,} {'file' if n == 1 else 'files'}: {', '.join(parts) or 'no lines'}{' covered' if parts else ''}"


def _describe_cases(finding: dict[str, Any]) -> str:
    """For example: 657 tests: 634 passed, 1 failed, 22 skipped · 0.672 s."""
    tests = finding["tests"]
    if not tests:
        return "no tests"
    words = [("passed", "passed"), ("failed", "failed"), ("errored", "with an error"), ("skipped", "skipped")]
    parts = [f"{finding[key]:,} {word}" for key, word in words if finding[key]]
    text = f"{tests:,} {'test' if tests == 1 else 'tests'}: {', '.join(parts)}"
    if finding["flaky"]:
        text += f" ({finding['flaky']:,} flaky)"
    if finding["accepted"] != tests:
        text += f" = {finding['accepted']:,} {'case' if finding['accepted'] == 1 else 'cases'}"
    return f"{text} · {finding['total_time']:,.3f} s"


def _describe_remark(sign: str, remark: dict[str, Any]) -> list[str]:
    text = remark["message"]
    if remark.get("line") and f"line {remark['line']}" not in text:
        text = f"line {remark['line']}, column {remark['column']}: {text}"
    if remark.get("count", 1) > 1:
        text += f" ({remark['count']:,} times)"
    return [f"  {sign} {text}", f"    {remark['hint']}"]
