"""`manage.py inspect FILE…`: what the worker would make of a report, and why it would refuse one.

Runs the very parser of `ingest.pipeline`, without a database.
Promise: one JSON object per file with --json, one readable paragraph without (`tests/ingest/parsers/test_inspect.py`).
"""

import gzip
import json
import sys
import zlib
from argparse import ArgumentParser
from pathlib import Path
from typing import IO, Any, cast

from django.conf import settings
from django.core.management.base import BaseCommand

from ingest.errors import IngestError
from ingest.parsers import read_report
from ingest.parsers.types import ElementCounts, Limits, ParsedReport

_GZIP_MAGIC = b"\x1f\x8b"


class Command(BaseCommand):
    """Reads report files and prints what is in them."""

    help = "Read report files as the worker would and say what is in them, or what is wrong. Needs no database."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE", help="a report, plain or gzip")
        parser.add_argument("--json", action="store_true", help="print one JSON object per file and line")

    def handle(self, *_: Any, **options: Any) -> None:
        findings = [inspect_file(Path(file)) for file in options["files"]]
        for finding in findings:
            self.stdout.write(json.dumps(finding) if options["json"] else describe_finding(finding))
        if any(finding["state"] == "failed" for finding in findings):
            sys.exit(1)


def inspect_file(path: Path) -> dict[str, Any]:
    """What is in one file, as the JSON object the command prints."""
    try:
        report = read_report(lambda: _open_plain(path), filename=path.name, limits=_limits())
    except IngestError as error:
        return _make_finding(path, None, error.to_json())
    except (EOFError, zlib.error, gzip.BadGzipFile) as problem:
        damaged = IngestError("bad_encoding", f"{path.name} is damaged gzip: {problem}.")
        return _make_finding(path, None, damaged.to_json())
    except OSError as problem:
        message = f"{path} cannot be opened: {problem.strerror}."
        return _make_finding(path, None, {"code": "cannot_open", "message": message, "hint": "Check the path."})
    return _make_finding(path, report, report.truncated.to_json() if report.truncated else None)


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
    with path.open("rb") as stream:
        is_packed = stream.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
    # GzipFile is a binary stream in all but its declared type.
    return cast("IO[bytes]", gzip.open(path)) if is_packed else path.open("rb")


def _make_finding(path: Path, report: ParsedReport | None, error: dict[str, Any] | None) -> dict[str, Any]:
    counts = report.elements if report else ElementCounts()
    state = "failed" if report is None else "partial" if report.truncated else "stored"
    return {
        "path": str(path),
        "format": report.format if report else None,
        "state": state,
        "tests": counts.tests,
        "passed": counts.passed,
        "failed": counts.failed,
        "errored": counts.errored,
        "skipped": counts.skipped,
        "flaky": counts.flaky,
        "distinct": counts.distinct,
        "total_time": round(counts.total_time, 6),
        "accepted": len(report.keys) if report else 0,
        "merged": report.merged if report else 0,
        "rejected": report.rejected if report else 0,
        "error": {"line": None, "column": None} | error if error else None,
        "warnings": [warning.to_json() for warning in report.warnings] if report else [],
    }


def _describe_counts(finding: dict[str, Any]) -> str:
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


def _limits() -> Limits:
    """Those of the worker, so that both refuse the same files."""
    return Limits(max_plain_bytes=settings.UPLOAD_MAX_PLAIN_BYTES, max_cases=settings.UPLOAD_MAX_CASES)
