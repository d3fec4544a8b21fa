"""Content decides what a file is; what cannot be read is named, with what to do about it."""

from typing import Any

import pytest

from ingest.errors import IngestError
from ingest.parsers.coverage.sniff import find_family, looks_like_coverage

BOM = b"\xef\xbb\xbf"


@pytest.mark.parametrize(
    ("head", "family", "is_coverage"),
    [
        (b'<?xml version="1.0"?>\n<coverage line-rate="1">', "xml", True),
        (BOM + b"<coverage>", "xml", True),
        ('\ufeff<?xml version="1.0"?><coverage>'.encode("utf-16-le"), "xml", True),
        ('<?xml version="1.0"?><coverage>'.encode("utf-16-be"), "xml", True),
        (b'<!-- <testsuite> -->\n<!DOCTYPE report PUBLIC "a" "b.dtd"><report name="x">', "xml", True),
        (b"<CoverageSession/>", "xml", True),
        (b"<testsuites><testcase><system-out>&lt;coverage", "xml", False),
        (b"<testsuite><![CDATA[<coverage >]]>", "xml", False),
        (b"<reports>", "xml", False),
        (b"<!-- <coverage> ", "xml", False),
        (b"<?" * 30_000, "xml", False),
        (b"<!-- " * 10_000, "xml", False),
        (b' \n{"meta": 1}', "json", True),
        (BOM + b"[]", "json", True),
        ("{}".encode("utf-16-le"), "json", True),
        (b"mode: set\n", "go", True),
        (b"TN:\nSF:a.c\n", "lcov", True),
        (b"# made by hand\n\nSF:a.c\n", "lcov", True),
        (b"Reading tracefile\r\nTN:\r\nSF:a.c\r\n", "lcov", True),
        ("\ufeffSF:a.c\n".encode("utf-16-le"), "lcov", True),
        (b"SQLite format 3\x00", "unknown", True),
        (b"\x01\xc0\xc0\x10\x07", "unknown", True),
        (b"PK\x03\x04", "unknown", True),
        (b"<!DOCTYPE html><html>", "unknown", False),
        (b"Name  Stmts  Miss  Cover", "unknown", False),
    ],
)
def test_content_decides(head: bytes, family: str, is_coverage: bool) -> None:
    assert find_family(head) == family
    assert looks_like_coverage(head) == is_coverage


@pytest.mark.parametrize(
    ("data", "words", "hint"),
    [
        (b"<CoverageSession><Summary/></CoverageSession>", "an OpenCover report", "reportgenerator"),
        (b'<coverage profilerVersion="1"><module/></coverage>', "an NCover report", "reportgenerator"),
        (b"<CoverageDSPriv><Module/></CoverageDSPriv>", "a Visual Studio coverage report", "dotnet-coverage"),
        (b"<results><modules/></results>", "a Visual Studio coverage report", "dotnet-coverage"),
        (b"<Root><Assembly/></Root>", "a dotCover report", "reportgenerator"),
        (b"<scoverage><packages/></scoverage>", "scoverage's own format", "cobertura.xml"),
        (b"<phpunit><build/></phpunit>", "PHPUnit's own coverage format", "--coverage-clover"),
        (b"<testExecutions version='1'><file/></testExecutions>", "a SonarQube test report", "JUnit"),
        (b"<coverage><strange/></coverage>", "<coverage> and <strange>", "Cobertura"),
        (b"<report><strange/></report>", "<report> and <strange>", "Cobertura"),
        (b"<project/>", "<project>", "Cobertura"),
        (b"<!doctype html><html><body>100 %</body></html>", "an HTML page", "Cobertura"),
        (b'{"source_files": []}', "a Coveralls report", "LCOV"),
        (b'{"result": [{"scriptId": "1"}]}', "raw V8 coverage", "c8"),
        (b'{"meta": {"simplecov_version": "1"}, "coverage": {}}', "SimpleCov's coverage.json", ".resultset.json"),
        (b'{"files": [{"path": [], "traces": []}]}', "tarpaulin's own format", "--out Lcov"),
        (b'{"coveredLines": 1}', "xccov", "Cobertura"),
        (b'{"tests": 3}', "JSON of an unknown kind", "Cobertura"),
        (b"Name  Stmts  Miss  Cover", "the output of coverage report", "coverage xml"),
        (b"hello", "a file of an unknown kind", "Cobertura"),
    ],
)
def test_a_look_alike_is_named(read: Any, data: bytes, words: str, hint: str) -> None:
    with pytest.raises(IngestError) as caught:
        read(data)
    assert caught.value.code == "not_a_report"
    assert words in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.line
    assert caught.value.column


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"SQLite format 3\x00", "SQLite"),
        (b"!coverage.py: This is a private format", "coverage.py"),
        (b"\x01\xc0\xc0\x10\x07", "JaCoCo"),
        (b"\xfflprofi\x81", "LLVM"),
        (b"\x81rforpl\xff", "LLVM"),
        (b"adcg*33A", "gcov"),
        (b"        -:    0:Source:a.c\n", "gcov"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"PK\x03\x04", "zip"),
        (b"<?php\nreturn", "PHP"),
    ],
)
def test_the_data_of_a_tool_is_named_and_never_opened(read: Any, data: bytes, words: str) -> None:
    with pytest.raises(IngestError) as caught:
        read(data)
    assert caught.value.code == "unsupported_type"
    assert words in caught.value.message


@pytest.mark.parametrize("data", [b"", b" \r\n\t\n"])
def test_an_empty_file_is_said_to_be_empty(read: Any, data: bytes) -> None:
    with pytest.raises(IngestError) as caught:
        read(data)
    assert (caught.value.code, caught.value.line, caught.value.column) == ("empty_file", 1, 1)


@pytest.mark.parametrize(
    ("data", "format_name"),
    [
        ("<coverage/>", "cobertura"),
        ('<coverage line-rate="1"><unheard-of/></coverage>', "cobertura"),
        ('<coverage generated="1"/>', "clover"),
        ('<coverage version="1"/>', "sonarqube-generic"),
        ('<coverage generated="1"><testproject/></coverage>', "clover"),
        ('<coverage version="1"><file path="a"/></coverage>', "sonarqube-generic"),
        ('<report name="x"><counter/></report>', "jacoco"),
        ('{"meta": {}, "files": {}, "totals": {"num_statements": 0}}', "coverage.py-json"),
        ('{"files": [], "gcovr/format_version": "0.1"}', "gcovr-json"),
        ('{"data": [], "type": "llvm.coverage.json.export"}', "llvm-cov-export"),
        ('{"RSpec": {"timestamp": 1, "coverage": {}}}', "simplecov-resultset"),
        ('{"total": {"lines": {"total": 0, "covered": 0, "pct": "Unknown"}}}', "istanbul-json-summary"),
        ("mode: atomic\n", "go-coverprofile"),
        ("TN:\n", "lcov"),
    ],
)
def test_a_report_of_nothing_has_a_format_and_says_so(read: Any, data: str, format_name: str) -> None:
    report = read(data)
    assert report.format == format_name
    assert (report.lines_valid, report.branches_valid) == (0, 0)
    assert any(warning.code == "no_files" for warning in report.warnings) == (not report.files)


def test_words_inside_of_strings_decide_nothing(read: Any) -> None:
    data = '{"RSpec": {"coverage": {"a \\"statementMap\\" \\"pct\\".rb": {"lines": [1]}}, "timestamp": 1}}'
    assert read(data).format == "simplecov-resultset"
