"""How the coverage tests get at reports: from bytes or text."""

import io
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from ingest.parsers.coverage import read_coverage
from ingest.parsers.coverage.types import CoverageLimits, ParsedCoverage
from ingest.remarks import Remark

Read = Callable[..., ParsedCoverage]


@pytest.fixture
def read() -> Read:
    """Reads a report from bytes or text: `read(data, prefixes=(), **limits)`."""

    def read_bytes(data: bytes | str, *, prefixes: Sequence[str] = (), **limits: Any) -> ParsedCoverage:
        raw = data.encode() if isinstance(data, str) else data
        limit = CoverageLimits(**limits)
        return read_coverage(lambda: io.BytesIO(raw), filename="report", limits=limit, prefixes=prefixes)

    return read_bytes


@pytest.fixture
def warning_of() -> Callable[[ParsedCoverage], dict[str, Remark]]:
    """The warnings of a report by code."""
    return lambda report: {warning.code: warning for warning in report.warnings}


@pytest.fixture
def cobertura() -> Callable[..., str]:
    """A Cobertura report of one file: `cobertura('<line …/>', path='a.py')`."""

    def write(lines: str, *, path: str = "a.py") -> str:
        return (
            '<coverage line-rate="1"><packages><package><classes>'
            f'<class filename="{path}"><lines>\n{lines}</lines></class></classes></package></packages></coverage>'
        )

    return write
