"""What a file is that is no JUnit report, so that the error can name it and say what to do.

Used by `ingest.parsers` when a file has another root element or is no XML at all; pure.
"""

import re
from collections.abc import Mapping
from typing import Final

from ingest.errors import IngestError

_HTML_HINT: Final = "Probably an error or login page was saved in place of the report: check the download step."
_COVERAGE_HINT: Final = "Coverage cannot be read yet. Send the JUnit XML of the test run."

# Root element: what it is, and what to do about it.
_ROOTS: Final[dict[str, tuple[str, str]]] = {
    "html": ("an HTML page", _HTML_HINT),
    "test-results": (
        "an NUnit report (version 2)",
        "Convert it, for example with nunit-to-junit, or use a JUnit logger.",
    ),
    "test-run": ("an NUnit 3 report", "Use the JUnit logger: dotnet test --logger junit."),
    "TestRun": ("a TRX report of Visual Studio", "Use the JUnit logger: dotnet test --logger junit."),
    "testng-results": (
        "a report in TestNG's own format",
        "Send the files in junitreports/ that TestNG writes beside it.",
    ),
    "assemblies": ("an xUnit.net report", "Use the JUnit logger: dotnet test --logger junit."),
    "assembly": ("an xUnit.net report (version 1)", "Use the JUnit logger: dotnet test --logger junit."),
    "robot": ("Robot Framework's output.xml", "Run it with --xunit junit.xml and send that file."),
    "Site": ("a CTest dashboard file", "Run ctest with --output-junit junit.xml and send that file."),
    "Catch": ("a report in Catch2's own format", "Run it with --reporter junit."),
    "Catch2TestRun": ("a report in Catch2's own format", "Run it with --reporter junit."),
    "doctest": ("a report in doctest's own format", "Run it with --reporters=junit."),
    "TestLog": ("a report in Boost.Test's own format", "Run it with --log_format=JUNIT."),
    "TestResult": ("a report in Boost.Test's own format", "Run it with --log_format=JUNIT."),
    "TestResults": ("a QTest report", "Run it with -o junit.xml,junitxml."),
    "testExecutions": ("a SonarQube test report", "Send the JUnit XML the runner writes beside it."),
    "coverage": ("a coverage report", _COVERAGE_HINT),
    "report": ("a JaCoCo coverage report", _COVERAGE_HINT),
    "checkstyle": ("a Checkstyle report", "Only test results can be read; send the JUnit XML of the test run."),
}
# First bytes of a file that is no XML: what it is, and what to do about it.
_OPENINGS: Final[tuple[tuple[re.Pattern[bytes], str, str], ...]] = (
    (re.compile(rb"\s*<!doctype\s+html|\s*<html", re.IGNORECASE), "an HTML page", _HTML_HINT),
    (re.compile(rb"\x1f\x8b"), "a gzip file", "It was compressed twice: compress it once."),
    (re.compile(rb"PK\x03\x04"), "a zip archive", "Send the files in it."),
    (re.compile(rb"\s*[\[{]"), "JSON", "Let the runner write JUnit XML."),
    (re.compile(rb"(?:TAP version|1\.\.\d|(?:not )?ok\b)"), "TAP", "Convert it with tap-junit or a similar tool."),
    (re.compile(rb"(?:TN|SF):"), "an LCOV coverage report", _COVERAGE_HINT),
    (re.compile(rb"mode: (?:set|count|atomic)"), "a Go coverage profile", _COVERAGE_HINT),
    (re.compile(rb"SQLite format 3\x00"), "a SQLite database", "Run `coverage xml`; databases are never opened."),
    (re.compile(rb"(?:===|---) (?:RUN|PASS|FAIL)"), "the output of go test", "Run it through gotestsum --junitfile."),
)


def describe_foreign(filename: str, *, root: str, attributes: Mapping[str, str], line: int, column: int) -> IngestError:
    """The error for XML with another root element than a report's."""
    kind, hint = _ROOTS.get(root) or _ROOTS.get(root.lower()) or ("", None)
    if root == "coverage" and "clover" in attributes:
        kind = "a Clover coverage report"
    what = kind or f"an XML file with the root element <{root[:80]}>"
    message = f"{filename} is {what}, not a JUnit report."
    return IngestError("not_a_report", message, hint or None, line=line, column=column)


def describe_text(filename: str, *, head: bytes, reason: str, line: int, column: int) -> IngestError:
    """The error for a file that is no XML; `head` is how it begins, `reason` what the XML reader said."""
    for pattern, kind, hint in _OPENINGS:
        if pattern.match(head):
            code = "not_a_report" if "HTML" in kind else "not_xml"
            return IngestError(code, f"{filename} is {kind}, not a JUnit report.", hint, line=line, column=column)
    message = f"{filename} is not XML: {reason} at line {line}, column {column}."
    before = head.find(b"<testsuite")
    if before > 0:
        hint = f"Other output stands before the report: it begins at byte {before + 1}. Keep the two apart."
        return IngestError("not_xml", message, hint, line=line, column=column)
    return IngestError("not_xml", message, line=line, column=column)
