"""How parser tests get at reports: from bytes, from our own samples, from the shared corpus beside the repository."""

import io
from collections.abc import Callable
from typing import Any

import pytest

from ingest.parsers import read_report
from ingest.parsers.types import Limits, ParsedReport

Read = Callable[..., ParsedReport]


@pytest.fixture
def read() -> Read:
    """Reads a report from bytes or text: `read(data, **limits)`."""

    def read_bytes(data: bytes | str, **limits: Any) -> ParsedReport:
        raw = data.encode() if isinstance(data, str) else data
        return read_report(lambda: io.BytesIO(raw), filename="report.xml", limits=Limits(**limits))

    return read_bytes


@pytest.fixture
def warning_of() -> Callable[[ParsedReport], dict[str, Any]]:
    """The warnings of a report by code."""
    return lambda report: {warning.code: warning for warning in report.warnings}


@pytest.fixture
def text_of() -> Callable[..., str]:
    """The text of one of a report's details: `text_of(report, 0)`."""
    import zlib

    def find_text(report: ParsedReport, number: int) -> str:
        detail = report.details[number]
        start = detail.text_offset + detail.message_length
        return zlib.decompress(report.texts)[start : start + detail.text_length].decode()

    return find_text
