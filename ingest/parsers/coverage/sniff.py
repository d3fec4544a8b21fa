"""What a file is by its content: a coverage format, or something else that can be named with what to do about it.

Used by `ingest.parsers.coverage`; pure. Names of files decide nothing.
"""

import re
from typing import Final, Literal

from ingest.errors import IngestError
from ingest.parsers.xml import Place

Family = Literal["xml", "json", "lcov", "go", "unknown"]

_JUNIT_HINT: Final = "It is read as test results; send it without saying that it is coverage."
_HTML_HINT: Final = "Send the report in a machine's format beside it: Cobertura XML, LCOV or JSON."
_DOTNET_HINT: Final = "Write Cobertura: dotnet-coverage merge -f cobertura, or coverlet with -f cobertura."
_LLVM_HINT: Final = "Convert it: llvm-cov export -format=lcov (or =text) with the profile and the binary."
_GCOV_HINT: Final = "Convert it: gcovr --cobertura coverage.xml, or lcov --capture."

# Root element, and first child where the root says too little: what it is, and what to do about it.
_ROOTS: Final[dict[str, tuple[str, str]]] = {
    "CoverageSession": ("an OpenCover report", "Convert it: reportgenerator -reporttypes:Cobertura."),
    "coverage/module": ("an NCover report", "Convert it: reportgenerator -reporttypes:Cobertura."),
    "PartCoverReport": ("a PartCover report", "Convert it: reportgenerator -reporttypes:Cobertura."),
    "Root/Assembly": ("a dotCover report", "Convert it: reportgenerator -reporttypes:Cobertura."),
    "Root/FileIndices": ("a dotCover report", "Convert it: reportgenerator -reporttypes:Cobertura."),
    "CoverageDSPriv": ("a Visual Studio coverage report", _DOTNET_HINT),
    "results/modules": ("a Visual Studio coverage report", _DOTNET_HINT),
    "scoverage": ("a report in scoverage's own format", "Send cobertura.xml, which scoverage writes beside it."),
    "phpunit/build": ("a report in PHPUnit's own coverage format", "Run it with --coverage-clover clover.xml."),
    "testExecutions": ("a SonarQube test report", "Send the JUnit XML the runner writes beside it."),
    "testsuites": ("a JUnit report", _JUNIT_HINT),
    "testsuite": ("a JUnit report", _JUNIT_HINT),
    "html": ("an HTML page", _HTML_HINT),
}
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
_JSON_STRANGERS: Final[tuple[tuple[str, str, str], ...]] = (
    ('"scriptCoverage"', "raw V8 coverage", "Let c8 write it: c8 report --reporter=lcov."),
    ('"scriptId"', "raw V8 coverage", "Let c8 write it: c8 report --reporter=lcov."),
    ('"source_files"', "a Coveralls report", "Let the tool write LCOV or Cobertura XML."),
    ('"simplecov_version"', "SimpleCov's coverage.json", "Send coverage/.resultset.json, which stands beside it."),
    ('"traces"', "a report in tarpaulin's own format", "Run it with --out Lcov."),
    ('"coveredLines"', "a report of xccov", "Convert it to Cobertura XML, for example with xcresultparser."),
    ('"CoveredPercent"', "a dotCover report", "Convert it: reportgenerator -reporttypes:Cobertura."),
)
# SimpleCov's own words are everyday words: its shape decides.
_SIMPLECOV: Final = re.compile(r'\s*\{\s*"(?:[^"\\]|\\.){0,500}"\s*:\s*\{\s*"(?:coverage|timestamp)"\s*:')
_OPENINGS: Final[tuple[tuple[re.Pattern[bytes], str, str], ...]] = (
    (re.compile(rb"SQLite format 3\x00"), "a SQLite database", "Run `coverage xml`; databases are never opened."),
    (re.compile(rb"!coverage\.py: This is a private format"), "an old data file of coverage.py", "Run `coverage xml`."),
    (re.compile(rb"\x01\xc0\xc0"), "JaCoCo's execution data", "Send the XML report of jacocoTestReport."),
    (re.compile(rb"\xfflprof|\x81rforpl"), "a profile of LLVM", _LLVM_HINT),
    (re.compile(rb"adcg|gcda|oncg|gcno"), "data of gcov", _GCOV_HINT),
    (re.compile(rb"\s*-:\s*0:Source:"), "the output of gcov", _GCOV_HINT),
    (re.compile(rb"\x1f\x8b"), "a gzip file", "It was compressed twice: compress it once."),
    (re.compile(rb"PK\x03\x04"), "a zip archive", "Send the files in it."),
    (re.compile(rb"<\?php"), "PHPUnit's coverage in PHP", "Run it with --coverage-clover clover.xml."),
)
_WIDE_OPENINGS: Final = (
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
)
_HTML: Final = re.compile(rb"\s*<!doctype\s+html|\s*<html", re.IGNORECASE)
# Atomic groups: a prolog made to be read in many ways is read in one.
_ROOT: Final = re.compile(r"(?>(?:\s|<\?(?>.*?\?>)|<!--(?>.*?-->)|<![^>]*>)*)<([\w.:-]+)", re.DOTALL)
_COVERAGE_ROOTS: Final = frozenset(
    {"coverage", "report", "CoverageSession", "PartCoverReport", "CoverageDSPriv", "scoverage"}
)
_LCOV: Final = re.compile(r"^(?:TN|SF):", re.MULTILINE)


def find_family(head: bytes) -> Family:
    """How a file is to be read, by its first bytes."""
    text = _decode_head(head).lstrip("\ufeff\x00 \t\r\n")
    if _HTML.match(head) or any(pattern.match(head) for pattern, _, _ in _OPENINGS):
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
    return family != "unknown" or any(pattern.match(head) for pattern, _, _ in _OPENINGS)


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


def describe_root(filename: str, *, root: str, child: str, place: Place) -> IngestError:
    """The error for XML of another kind."""
    kind, hint = _ROOTS.get(f"{root}/{child}") or _ROOTS.get(root) or ("", None)
    name = f"<{root[:80]}>" + (f" and <{child[:80]}> in it" if root in ("coverage", "report") and child else "")
    return _refuse(filename, kind or f"an XML file with the root element {name}", hint, place)


def describe_json(filename: str, *, text: str) -> IngestError:
    """The error for JSON of another kind."""
    for mark, kind, hint in _JSON_STRANGERS:
        if mark in text:
            return _refuse(filename, kind, hint, (1, 1))
    return _refuse(filename, "JSON of an unknown kind", None, (1, 1))


def describe_bytes(filename: str, *, head: bytes) -> IngestError:
    """The error for a file of no family we know."""
    if _HTML.match(head):
        return _refuse(filename, "an HTML page", _HTML_HINT, (1, 1))
    for pattern, kind, hint in _OPENINGS:
        if pattern.match(head):
            return _refuse(filename, kind, hint, (1, 1), code="unsupported_type")
    return _refuse(filename, "a file of an unknown kind", None, (1, 1))


def _refuse(filename: str, kind: str, hint: str | None, place: Place, *, code: str = "not_a_report") -> IngestError:
    message = f"{filename} is {kind}, which is none of the coverage formats that are read."
    hint = hint or "Let the coverage tool write Cobertura XML, LCOV or JSON."
    return IngestError(code, message, hint, line=place[0], column=place[1])
