"""Which coverage format a file is in, by its content; names of files decide nothing.

Used by `ingest.parsers.coverage`; pure. What is none of the formats is named by `ingest.parsers.sniff`.
"""

import re
from typing import Final, Literal

from ingest.parsers.sniff import is_data, is_html

Family = Literal["xml", "json", "lcov", "go", "unknown"]

# Strings that occur in no other JSON. Inside a JSON string the closing quote would be escaped, so a plain search finds
# whole strings only.
JSON_FORMATS: Final[tuple[tuple[str, str], ...]] = (
    ('"gcovr/summary_format_version"', "gcovr-json-summary"),
    ('"gcovr/format_version"', "gcovr-json"),
    ('"llvm.coverage.json.export"', "llvm-cov-export"),
    ('"statementMap"', "istanbul-json"),
    ('"num_statements"', "coverage.py-json"),
    ('"pct"', "istanbul-json-summary"),
)
# SimpleCov's own words are everyday words: its shape decides.
_SIMPLECOV: Final = re.compile(r'\s*\{\s*"(?:[^"\\]|\\.){0,500}"\s*:\s*\{\s*"(?:coverage|timestamp)"\s*:')
_WIDE_OPENINGS: Final = (
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
)
# Atomic groups: a prolog made to be read in many ways is read in one.
_ROOT: Final = re.compile(r"(?>(?:\s|<\?(?>.*?\?>)|<!--(?>.*?-->)|<![^>]*>)*)<([\w.:-]+)", re.DOTALL)
_COVERAGE_ROOTS: Final = frozenset(
    {"coverage", "report", "CoverageSession", "PartCoverReport", "CoverageDSPriv", "scoverage"}
)
_LCOV: Final = re.compile(r"^(?:TN|SF):", re.MULTILINE)


def find_family(head: bytes) -> Family:
    """How a file is to be read, by its first bytes."""
    text = _decode_head(head).lstrip("\ufeff\x00 \t\r\n")
    if is_html(head) or is_data(head):
        return "unknown"
    if text.startswith("<"):
        return "xml"
    if text.startswith(("{", "[")):
        return "json"
    if text.startswith("mode:"):
        return "go"
    return "lcov" if _LCOV.search(text) else "unknown"


def looks_like_coverage(head: bytes) -> bool:
    """Whether a file is for the coverage readers rather than for the JUnit reader, by its first kilobytes."""
    family = find_family(head)
    if family == "xml":
        root = _ROOT.match(_decode_head(head).lstrip("\ufeff"))
        return root is not None and root[1] in _COVERAGE_ROOTS
    return family != "unknown" or is_data(head)


def _decode_head(head: bytes) -> str:
    """The beginning of a file as text, in whatever encoding its first bytes show."""
    for opening, encoding in _WIDE_OPENINGS:
        if head.startswith(opening):
            return head.decode(encoding, "replace")
    return head.decode("utf-8", "replace")


def find_json_format(text: str) -> str | None:
    """The format of a JSON text, None if it is none of ours."""
    for mark, name in JSON_FORMATS:
        if mark in text:
            return name
    return "simplecov-resultset" if _SIMPLECOV.match(text) else None
