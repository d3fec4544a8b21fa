"""What a file is that is no report we read, so that the error can name it and say what to do.

Used by `ingest.parsers` for files that are no JUnit report and by `ingest.parsers.coverage` for those that are none of
its formats; pure. Both ask the same tables, so that a file is called the same whichever way it came.
Promise: every look-alike is named with what to do about it (`tests/ingest/parsers/test_sniff.py`).
"""

import re
from typing import Final

from ingest.errors import IngestError
from ingest.parsers.xml import Place

_DOTNET_TESTS: Final = "Use the JUnit logger: dotnet test --logger junit (package JunitXml.TestLogger)."
_DOTNET_COVERAGE: Final = "Write Cobertura: dotnet-coverage merge -f cobertura, or coverlet with -f cobertura."
_REPORTGENERATOR: Final = "Convert it: reportgenerator -reporttypes:Cobertura."
_LLVM: Final = "Convert it: llvm-cov export -format=lcov (or =text) with the profile and the binary."
_GCOV: Final = "Convert it: gcovr --cobertura coverage.xml, or lcov --capture."
_BOOST: Final = ("a report in Boost.Test's own format", "Run it with --log_format=JUNIT.")
_CATCH: Final = ("a report in Catch2's own format", "Run it with --reporter junit.")
_CHECKS: Final = "Findings of linters are not read; send the JUnit XML of the test run."
_HTML_HINT: Final = (
    "If it is an error or login page, check the download step. If it is a report, send the one for machines beside it:"
    " JUnit XML; for coverage Cobertura XML, LCOV or JSON."
)
_UNKNOWN_HINT: Final = (
    "Let the test runner write JUnit XML, and the coverage tool Cobertura XML, LCOV or one of the other formats"
    " that are read."
)
_TAP_HINT: Final = (
    "Let the runner write JUnit XML (prove --formatter TAP::Formatter::JUnit, node --test-reporter=junit,"
    " bats --report-formatter junit), or convert it with tap-junit."
)
_JUNIT_FROM_JSON: Final = "Let the runner write JUnit XML beside it"

# Root element, with its first child where the root says too little: what it is, and what to do about it.
_ROOTS: Final[dict[str, tuple[str, str]]] = {
    "html": ("an HTML page", _HTML_HINT),
    # Test results of others.
    "test-run": ("an NUnit 3 report", f"{_DOTNET_TESTS} Or convert it with nunit3-junit.xslt."),
    "test-results": ("an NUnit 2 report", "Let the runner write NUnit's JUnit format, or convert it with an XSLT."),
    "TestRun": ("a TRX report of Visual Studio", _DOTNET_TESTS),
    "assemblies": ("an xUnit.net report", f"{_DOTNET_TESTS} The console runner has -junit FILE."),
    "assembly": ("an xUnit.net report (version 1)", f"{_DOTNET_TESTS} The console runner has -junit FILE."),
    "testng-results": ("a report in TestNG's own format", "Send the files in junitreports/, which TestNG writes too."),
    "failsafe-summary": ("a summary of Failsafe", "Send TEST-*.xml, which stand beside it."),
    "surefire-report": ("a summary of Surefire", "Send TEST-*.xml in surefire-reports/."),
    "e:events": ("an Open Test Reporting file", "Send TEST-*.xml of JUnit's legacy XML reporter, or of Surefire."),
    "robot": ("Robot Framework's output.xml", "Run it with --xunit junit.xml and send that file."),
    "Site": ("a CTest dashboard file", "Run ctest with --output-junit junit.xml and send that file."),
    "Catch": _CATCH,
    "Catch2TestRun": _CATCH,
    "doctest": ("a report in doctest's own format", "Run it with --reporters=junit."),
    "TestLog": _BOOST,
    "TestResult": _BOOST,
    "TestResults": ("a QTest report", "Run it with -o junit.xml,junitxml."),
    "testResults": ("JMeter results", "Convert them to JUnit XML, for example with jmeter-to-junit."),
    "testExecutions": ("a SonarQube test report", "Send the JUnit XML that the runner writes beside it."),
    # Coverage of others.
    "CoverageSession": ("an OpenCover report", _REPORTGENERATOR),
    "coverage/module": ("an NCover report", _REPORTGENERATOR),
    "PartCoverReport": ("a PartCover report", _REPORTGENERATOR),
    "Root/Assembly": ("a dotCover report", _REPORTGENERATOR),
    "Root/FileIndices": ("a dotCover report", _REPORTGENERATOR),
    "CoverageDSPriv": ("a Visual Studio coverage report", _DOTNET_COVERAGE),
    "results/modules": ("a Visual Studio coverage report", _DOTNET_COVERAGE),
    "scoverage": ("a report in scoverage's own format", "Send cobertura.xml, which scoverage writes beside it."),
    "phpunit/build": ("a report in PHPUnit's own coverage format", "Run it with --coverage-clover clover.xml."),
    "mutations": ("a mutation report of PIT", "Mutations are not read; send the JaCoCo XML and the JUnit XML."),
    # Neither.
    "checkstyle": ("a Checkstyle report", _CHECKS),
    "pmd": ("a PMD report", _CHECKS),
    "BugCollection": ("a SpotBugs report", _CHECKS),
    "plist": ("a property list", "Convert Xcode's result bundle: xcrun xcresulttool, xcresultparser or xcpretty."),
}
# Strings that no other JSON holds. Inside a JSON string the closing quote would be escaped, so that a plain search
# finds whole strings only.
_JSONS: Final[tuple[tuple[str, str, str], ...]] = (
    ('"scriptCoverage"', "raw V8 coverage", "Let c8 write it: c8 report --reporter=lcov."),
    ('"scriptId"', "raw V8 coverage", "Let c8 write it: c8 report --reporter=lcov."),
    ('"source_files"', "a Coveralls report", "Let the tool write LCOV or Cobertura XML."),
    ('"simplecov_version"', "SimpleCov's coverage.json", "Send coverage/.resultset.json, which stands beside it."),
    ('"traces"', "a report in tarpaulin's own format", "Run it with --out Lcov."),
    ('"coveredLines"', "a report of xccov", "Convert it to Cobertura XML, for example with xcresultparser."),
    ('"CoveredPercent"', "a dotCover report", _REPORTGENERATOR),
    ('"numTotalTests"', "a JSON report of Jest or Vitest", "Use jest-junit, or vitest --reporter=junit."),
    ('"passPercent"', "a Mochawesome report", "Use mocha-junit-reporter."),
    ('"fullTitle"', "a JSON report of Mocha", "Use mocha-junit-reporter, or mocha --reporter xunit."),
    ('"summary_line"', "a JSON report of RSpec", "Use rspec_junit_formatter."),
    ('"workers"', "a JSON report of Playwright", "Use --reporter=junit."),
    ('"historyId"', "an Allure result", _JUNIT_FROM_JSON + "; Allure's files are not read."),
    ('"CTRF"', "a CTRF report", _JUNIT_FROM_JSON + "."),
    ('"collectors"', "a report of pytest-json-report", "Run pytest with --junitxml=junit.xml."),
    ('"protocolVersion"', "the JSON output of dart test", "Convert it with tojunit (package junitreport)."),
    ('"testsuites"', "a JSON report of GoogleTest", "Run it with --gtest_output=xml:junit.xml."),
    ('"sarifLog"', "SARIF", _CHECKS),
    ('"runAutomationDetails"', "SARIF", _CHECKS),
)
_GO_JSON: Final = re.compile(r'\s*\{[^{}]*"Action"\s*:\s*"')
_CUCUMBER: Final = re.compile(r'"keyword"\s*:\s*"[^"]*"')
# First bytes of what is no text at all: never opened.
_DATA: Final[tuple[tuple[re.Pattern[bytes], str, str], ...]] = (
    (re.compile(rb"SQLite format 3\x00"), "a SQLite database", "Run `coverage xml`; databases are never opened."),
    (re.compile(rb"!coverage\.py: This is a private format"), "an old data file of coverage.py", "Run `coverage xml`."),
    (re.compile(rb"\x01\xc0\xc0"), "JaCoCo's execution data", "Send the XML report of jacocoTestReport."),
    (re.compile(rb"\xfflprof|\x81rforpl"), "a profile of LLVM", _LLVM),
    (re.compile(rb"adcg|gcda|oncg|gcno"), "data of gcov", _GCOV),
    (re.compile(rb"\s*-:\s*0:Source:"), "the output of gcov", _GCOV),
    (re.compile(rb"\x1f\x8b"), "a gzip file", "It was compressed twice: compress it once."),
    (re.compile(rb"\x28\xb5\x2f\xfd"), "a zstd file", "It was compressed twice: compress it once."),
    (re.compile(rb"PK\x03\x04"), "a zip archive", "Send the files in it."),
    (re.compile(rb"<\?php"), "PHPUnit's coverage in PHP", "Run it with --coverage-clover clover.xml."),
)
_HTML: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<!doctype\s+html|<html)", re.IGNORECASE)
# How the output of a program begins.
_TEXTS: Final[tuple[tuple[re.Pattern[bytes], str, str], ...]] = (
    (
        re.compile(rb"(?:TAP version \d|1\.\.\d|(?:not )?ok \d)"),
        "TAP",
        _TAP_HINT,
    ),
    (re.compile(rb"(?:===|---) (?:RUN|PASS|FAIL)"), "the output of go test", "Run it through gotestsum --junitfile."),
    (re.compile(rb"=+ test session starts ="), "the output of pytest", "Run pytest with --junitxml=junit.xml."),
    (re.compile(rb"Name\s+Stmts\s+Miss\s"), "the output of coverage report", "Run `coverage xml` and send that file."),
)
_REPORT_BEGINNING: Final = re.compile(rb"<(?:testsuites?|coverage|report)[\s/>]")


def is_html(head: bytes) -> bool:
    """Whether a file is a page for people."""
    return _HTML.match(head) is not None


def is_data(head: bytes) -> bool:
    """Whether a file is the data of a tool: a database, an archive, a profile."""
    return any(pattern.match(head) for pattern, _, _ in _DATA)


def describe_root(filename: str, *, root: str, child: str = "", place: Place) -> IngestError:
    """The error for XML of another kind."""
    kind, hint = _ROOTS.get(f"{root}/{child}") or _ROOTS.get(root) or _ROOTS.get(root.lower()) or ("", None)
    name = f"<{root[:80]}>" + (f" and <{child[:80]}> in it" if root in ("coverage", "report") and child else "")
    return _refuse(filename, kind or f"an XML file with the root element {name}", hint, place)


def find_child(head: bytes, *, root: str) -> str:
    """The first element in the root, where a file's first bytes show it."""
    found = re.search(rf"<{re.escape(root)}(?:\s[^<>]*)?>\s*<([\w.:-]+)".encode(), head)
    return found[1].decode("utf-8", "replace") if found else ""


def describe_json(filename: str, *, text: str) -> IngestError:
    """The error for JSON of another kind."""
    for mark, kind, hint in _JSONS:
        if mark in text:
            return _refuse(filename, kind, hint, (1, 1))
    if _GO_JSON.match(text):
        return _refuse(filename, "the output of go test -json", "Run it through gotestsum --junitfile.", (1, 1))
    if _CUCUMBER.search(text):
        return _refuse(filename, "a JSON report of Cucumber", "Run it with --format junit.", (1, 1))
    return _refuse(filename, "JSON of an unknown kind", None, (1, 1))


def describe_bytes(filename: str, *, head: bytes) -> IngestError | None:
    """The error for a file that is known by its first bytes; None if it is not."""
    if is_html(head):
        return _refuse(filename, "an HTML page", _HTML_HINT, (1, 1))
    for pattern, kind, hint in _DATA:
        if pattern.match(head):
            return _refuse(filename, kind, hint, (1, 1), code="unsupported_type")
    for pattern, kind, hint in _TEXTS:
        if pattern.match(head):
            return _refuse(filename, kind, hint, (1, 1))
    return None


def describe_text(filename: str, *, head: bytes, reason: str, place: Place) -> IngestError:
    """The error for a file that is no XML; `head` is how it begins, `reason` what the XML reader said."""
    known = describe_bytes(filename, head=head)
    if known:
        return known
    if head.lstrip().startswith((b"{", b"[")):
        return describe_json(filename, text=head.decode("utf-8", "replace"))
    line, column = place
    message = f"{filename} is not XML: {reason} at line {line}, column {column}."
    found = _REPORT_BEGINNING.search(head)
    if found and found.start():
        hint = f"Other output stands before the report: it begins at byte {found.start() + 1}. Keep the two apart."
        return IngestError("not_xml", message, hint, line=line, column=column)
    return IngestError("not_xml", message, _UNKNOWN_HINT, line=line, column=column)


def describe_unknown(filename: str) -> IngestError:
    """The error for a file of no kind we can name."""
    return _refuse(filename, "a file of an unknown kind", None, (1, 1))


def _refuse(filename: str, kind: str, hint: str | None, place: Place, *, code: str = "not_a_report") -> IngestError:
    message = f"{filename} is {kind}, which is not read."
    return IngestError(code, message, hint or _UNKNOWN_HINT, line=place[0], column=place[1])
