"""Coverage reports in, files with their lines out: the one way from bytes to a ParsedCoverage.

Pure: no Django, no database, and no path in a report is ever looked up on the disk.
Promise: any bytes give a report or an IngestError, never anything else
(`tests/ingest/parsers/coverage/test_properties.py`).
"""

from collections.abc import Callable, Sequence
from typing import IO, Final

from ingest.errors import IngestError
from ingest.parsers.coverage.elements import read_xml
from ingest.parsers.coverage.go_profile import read_go_profile
from ingest.parsers.coverage.json_reports import read_json
from ingest.parsers.coverage.lcov import read_lcov
from ingest.parsers.coverage.sniff import Family, find_family, looks_like_coverage
from ingest.parsers.coverage.types import CoverageLimits, ParsedCoverage, Source
from ingest.parsers.sniff import describe_bytes, describe_unknown

__all__ = ["HEAD_BYTES", "looks_like_coverage", "read_coverage"]

# So much of a file's beginning decides what it is.
HEAD_BYTES: Final = 2**16
_READERS: Final[dict[Family, Callable[[Source], ParsedCoverage]]] = {
    "xml": read_xml,
    "json": read_json,
    "lcov": read_lcov,
    "go": read_go_profile,
}


def read_coverage(
    open_stream: Callable[[], IO[bytes]], *, filename: str, limits: CoverageLimits, prefixes: Sequence[str] = ()
) -> ParsedCoverage:
    """Read a coverage report from its plain bytes; `open_stream` is called again for each look at them.

    The longest of `prefixes` that a path begins with is taken off it. Raises IngestError when nothing can be read. A
    file that breaks off gives what came before, with `truncated` set.
    """
    with open_stream() as stream:
        head = stream.read(HEAD_BYTES)
    if not head.strip():
        raise IngestError("empty_file", f"{filename} is an empty file.", line=1, column=1)
    read = _READERS.get(find_family(head))
    if read is None:
        raise describe_bytes(filename, head=head) or describe_unknown(filename)
    return read(Source(open_stream, filename, limits, tuple(prefixes)))
