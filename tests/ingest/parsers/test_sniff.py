"""Files that are no JUnit report are named for what they are, with what to do."""

from io import BytesIO
from typing import Any

import pytest

from ingest.errors import IngestError
from ingest.parsers import read_report
from ingest.parsers.coverage import looks_like_coverage, read_coverage
from ingest.parsers.coverage.types import CoverageLimits
from ingest.parsers.types import Limits


@pytest.mark.parametrize(
    ("data", "code", "word", "advice"),
    [
        ("<html><body><p>502</body></html>", "not_a_report", "an HTML page", "download step"),
        ("<!DOCTYPE html><html><head><meta charset=utf-8></head></html>", "not_a_report", "an HTML page", "JUnit"),
        ("<!doctype html><title>x</title>", "not_a_report", "an HTML page", "JUnit"),
        ('<test-run id="2"/>', "not_a_report", "an NUnit 3 report", "--logger junit"),
        ("<test-results/>", "not_a_report", "an NUnit 2 report", "XSLT"),
        ('<TestRun xmlns="urn:x"/>', "not_a_report", "a TRX report", "--logger junit"),
        ("<testng-results/>", "not_a_report", "TestNG's own format", "junitreports/"),
        ("<assemblies/>", "not_a_report", "an xUnit.net report", "-junit"),
        ("<assembly/>", "not_a_report", "an xUnit.net report", "-junit"),
        ("<failsafe-summary/>", "not_a_report", "a summary of Failsafe", "TEST-*.xml"),
        ("<surefire-report/>", "not_a_report", "a summary of Surefire", "TEST-*.xml"),
        ('<e:events xmlns:e="x"/>', "not_a_report", "an Open Test Reporting file", "TEST-*.xml"),
        ("<robot/>", "not_a_report", "Robot Framework", "--xunit"),
        ("<Site/>", "not_a_report", "CTest", "--output-junit"),
        ("<Catch2TestRun/>", "not_a_report", "Catch2's own format", "--reporter junit"),
        ("<TestLog/>", "not_a_report", "Boost.Test's own format", "--log_format=JUNIT"),
        ("<TestResults/>", "not_a_report", "a QTest report", "junitxml"),
        ("<testExecutions/>", "not_a_report", "a SonarQube test report", "JUnit XML"),
        ("<checkstyle/>", "not_a_report", "a Checkstyle report", "JUnit XML"),
        ("<CoverageSession/>", "not_a_report", "an OpenCover report", "Cobertura"),
        ("<results>\n<modules/></results>", "not_a_report", "a Visual Studio coverage report", "Cobertura"),
        ("<phpunit xmlns='x'><build/></phpunit>", "not_a_report", "PHPUnit's own coverage format", "clover.xml"),
        ("<suites/>", "not_a_report", "<suites>", "JUnit XML"),
        ('{"tests": []}', "not_a_report", "JSON of an unknown kind", "JUnit XML"),
        ("TAP version 13\n1..2\nok 1\n", "not_a_report", "TAP", "JUnit XML"),
        ("1..2\nok 1\n", "not_a_report", "TAP", "JUnit XML"),
        ("=== RUN   TestA\n", "not_a_report", "go test", "gotestsum"),
        ("==== test session starts ====\n", "not_a_report", "the output of pytest", "--junitxml"),
        ("Name    Stmts   Miss  Cover\n", "not_a_report", "the output of coverage report", "coverage xml"),
        (b"\x1f\x8b\x08\x00\x00", "unsupported_type", "a gzip file", "once"),
        (b"\x28\xb5\x2f\xfd\x00", "unsupported_type", "a zstd file", "once"),
        (b"PK\x03\x04\x14\x00", "unsupported_type", "a zip archive", "files in it"),
        (b"SQLite format 3\x00", "unsupported_type", "a SQLite database", "coverage xml"),
        ("all is well", "not_xml", "not XML", "JUnit XML"),
        ("<testsuites name=", "report_truncated", "breaks off", "stopped"),
    ],
)
def test_a_stranger_is_named(read: Any, data: Any, code: str, word: str, advice: str) -> None:
    with pytest.raises(IngestError) as caught:
        read(data)
    error = caught.value
    assert (error.code, error.line) == (code, 1)
    assert error.column
    assert word in error.message
    assert advice in error.hint
    assert "say" not in error.hint


@pytest.mark.parametrize(
    ("text", "kind", "advice"),
    [
        ('[{"keyword": "Feature", "elements": []}]', "Cucumber", "--format junit"),
        (
            '{"Time":"2026-01-01T00:00:00Z","Action":"run","Package":"p"}\n{"Action":"pass"}\n',
            "go test -json",
            "gotestsum",
        ),
        ('{"stats": {}, "tests": [{"fullTitle": "a"}]}', "Mocha", "mocha-junit-reporter"),
        ('{"stats": {"passPercent": 1}}', "Mochawesome", "mocha-junit-reporter"),
        ('{"numTotalTests": 3}', "Jest or Vitest", "jest-junit"),
        ('{"summary_line": "3 examples"}', "RSpec", "rspec_junit_formatter"),
        ('{"config": {"workers": 1}}', "Playwright", "--reporter=junit"),
        ('{"historyId": "1"}', "Allure", "JUnit XML"),
        ('{"reportFormat": "CTRF"}', "CTRF", "JUnit XML"),
        ('{"exitcode": 0, "collectors": []}', "pytest-json-report", "--junitxml"),
        ('{"protocolVersion": "0.1.1"}\n{}', "dart test", "tojunit"),
        ('{"tests": 1, "testsuites": []}', "GoogleTest", "--gtest_output=xml"),
        ('{"source_files": []}', "Coveralls", "LCOV"),
    ],
)
def test_json_of_a_test_runner_is_named_by_both_readers(read: Any, text: str, kind: str, advice: str) -> None:
    errors = []
    data = text.encode()
    assert looks_like_coverage(data)
    for attempt in (
        lambda: read(data),
        lambda: read_coverage(lambda: BytesIO(data), filename="report.xml", limits=CoverageLimits()),
    ):
        with pytest.raises(IngestError) as caught:
            attempt()
        errors.append(caught.value.to_json())
    assert errors[0] == errors[1]
    assert errors[0]["code"] == "not_a_report"
    assert kind in errors[0]["message"]
    assert advice in errors[0]["hint"]
    assert errors[0]["line"] == 1


def test_output_in_front_of_a_report_is_pointed_at(read: Any) -> None:
    with pytest.raises(IngestError) as caught:
        read("Listening on 8080\n<testsuite/>")
    assert "byte 19" in caught.value.hint


def test_a_stranger_is_placed_where_it_breaks_or_begins(read: Any) -> None:
    for data, place in (("<html>\n<br></html>", (2, 7)), ("<!-- x -->\n  <html/>", (2, 3))):
        with pytest.raises(IngestError) as caught:
            read(data)
        assert (caught.value.line, caught.value.column) == place


def test_the_content_decides_and_not_the_name(read: Any) -> None:
    report = read_report(lambda: BytesIO(b"<testsuite/>"), filename="coverage.json", limits=Limits())
    assert report.format == "junit"
