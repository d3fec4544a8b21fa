"""Files that are no JUnit report are named for what they are, with what to do."""

from typing import Any

import pytest

from ingest.errors import IngestError


@pytest.mark.parametrize(
    ("data", "code", "word"),
    [
        ("<html><body><p>502</body></html>", "not_a_report", "HTML"),
        ("<!DOCTYPE html><html><head><meta charset=utf-8></head></html>", "not_a_report", "HTML"),
        ("<!doctype html><title>x</title>", "not_a_report", "HTML"),
        ('<test-run id="2"/>', "not_a_report", "NUnit 3"),
        ("<test-results/>", "not_a_report", "NUnit"),
        ('<TestRun xmlns="urn:x"/>', "not_a_report", "TRX"),
        ("<testng-results/>", "not_a_report", "TestNG"),
        ("<assemblies/>", "not_a_report", "xUnit.net"),
        ("<robot/>", "not_a_report", "Robot Framework"),
        ('<coverage version="7"/>', "not_a_report", "coverage"),
        ('<coverage clover="4"/>', "not_a_report", "Clover"),
        ("<report/>", "not_a_report", "JaCoCo"),
        ("<suites/>", "not_a_report", "<suites>"),
        ('{"tests": []}', "not_xml", "JSON"),
        ("TAP version 13\n1..2\nok 1\n", "not_xml", "TAP"),
        ("SF:a.c\nDA:1,1\n", "not_xml", "LCOV"),
        ("mode: set\na.go:1.1,2.2 1 1\n", "not_xml", "Go coverage"),
        ("=== RUN   TestA\n", "not_xml", "go test"),
        (b"\x1f\x8b\x08\x00\x00", "not_xml", "gzip"),
        (b"PK\x03\x04\x14\x00", "not_xml", "zip"),
        (b"SQLite format 3\x00", "not_xml", "SQLite"),
        ("all is well", "not_xml", "not XML"),
        ("<testsuites name=", "report_truncated", "breaks off"),
    ],
)
def test_a_stranger_is_named(read: Any, data: Any, code: str, word: str) -> None:
    with pytest.raises(IngestError) as caught:
        read(data)
    error = caught.value
    assert (error.code, error.line) == (code, 1)
    assert word in error.message
    assert error.hint


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
    from io import BytesIO

    from ingest.parsers import read_report
    from ingest.parsers.types import Limits

    report = read_report(lambda: BytesIO(b"<testsuite/>"), filename="coverage.json", limits=Limits())
    assert report.format == "junit"
