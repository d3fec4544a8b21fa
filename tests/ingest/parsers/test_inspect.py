"""`manage.py inspect`: the worker's eyes at the command line."""

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import zstandard
from django.core.management import call_command

from ingest.management.commands.inspect import describe_finding, inspect_file

REPOSITORY = Path(__file__).parents[3]
OWN = REPOSITORY / "tests/samples/junit"
COVERAGE = REPOSITORY / "tests/samples/coverage"
KEYS = {
    *("path", "format", "state", "tests", "passed", "failed", "errored", "skipped", "flaky", "distinct"),
    *("total_time", "error", "warnings"),
}


def run(capsys: Any, *arguments: str) -> tuple[int, str]:
    try:
        call_command("inspect", *arguments)
    except SystemExit as left:
        return int(left.code or 0), capsys.readouterr().out
    return 0, capsys.readouterr().out


def test_json_is_one_object_per_file_and_line(capsys: Any) -> None:
    files = [str(OWN / name) for name in ("pytest-reruns.xml", "pytest-cut-in-failure.xml", "nginx-error-page.xml")]
    status, out = run(capsys, "--json", *files)
    findings = [json.loads(line) for line in out.splitlines()]
    assert status == 1
    assert [finding["path"] for finding in findings] == files
    assert [finding["state"] for finding in findings] == ["stored", "partial", "failed"]
    assert all(finding.keys() >= KEYS for finding in findings)
    assert findings[0]["error"] is None
    assert findings[0]["format"] == "junit"
    assert (findings[1]["error"]["line"], findings[1]["error"]["column"]) == (4, 71)
    assert "HTML" in findings[2]["error"]["message"]


def test_readable_files_exit_with_zero(capsys: Any) -> None:
    status, out = run(capsys, str(OWN / "surefire-flaky-and-rerun.xml"), str(OWN / "pytest-cut-in-failure.xml"))
    assert status == 0
    assert "3 tests: 2 passed, 1 failed (1 flaky) · 0.400 s" in out


def test_a_gzip_file_is_read_by_its_content(tmp_path: Path) -> None:
    packed = tmp_path / "report.bin"
    packed.write_bytes(gzip.compress((OWN / "pytest-reruns.xml").read_bytes()))
    assert inspect_file(packed)["tests"] == 5


def test_a_zstd_file_is_read_by_its_content(tmp_path: Path) -> None:
    packed = tmp_path / "report.bin"
    packed.write_bytes(zstandard.compress((OWN / "pytest-reruns.xml").read_bytes()))
    assert inspect_file(packed)["tests"] == inspect_file(OWN / "pytest-reruns.xml")["tests"] > 0


def test_damaged_gzip_and_missing_files_are_findings_too(tmp_path: Path) -> None:
    packed = gzip.compress((OWN / "pytest-reruns.xml").read_bytes())
    for data in (packed[:-20], packed[:40] + b"xxxx" + packed[44:], b"\x1f\x8bxx"):
        (tmp_path / "bad.gz").write_bytes(data)
        assert inspect_file(tmp_path / "bad.gz")["error"]["code"] == "bad_encoding"
    for path in (tmp_path / "missing.xml", tmp_path):
        finding = inspect_file(path)
        assert (finding["state"], finding["error"]["code"], finding["error"]["line"]) == ("failed", "cannot_open", None)


def test_the_text_says_what_where_and_what_to_do() -> None:
    text = describe_finding(inspect_file(OWN / "nginx-error-page.xml"))
    assert text.splitlines()[0].endswith("nginx-error-page.xml: failed")
    assert "✗ line 3, column 76: nginx-error-page.xml is an HTML page" in text
    assert "download step" in text
    assert "passed" not in text
    text = describe_finding(inspect_file(OWN / "jest-no-tests.xml"))
    assert "no tests" in text
    assert "100" not in text.replace("100 % passed", "")


def test_coverage_is_told_in_its_own_words() -> None:
    finding = inspect_file(COVERAGE / "coveragepy-contexts.json")
    assert finding["kind"] == "coverage"
    assert finding["contexts"] > 0
    assert "tests" not in finding
    assert "3 of 5 lines, 1 of 2 branches covered" in describe_finding(finding)
    assert "lines" in describe_finding(inspect_file(COVERAGE / "cobertura-cut.xml"))
    look_alike = describe_finding(inspect_file(COVERAGE / "opencover-look-alike.xml"))
    assert "is an OpenCover report" in look_alike
    assert "reportgenerator" in look_alike


@pytest.mark.parametrize("path", sorted(OWN.glob("*.xml")), ids=lambda path: path.name)
def test_every_finding_can_be_printed(path: Path) -> None:
    finding = inspect_file(path)
    assert json.loads(json.dumps(finding)) == finding
    assert describe_finding(finding)


def test_it_runs_without_a_database_or_any_setting(tmp_path: Path) -> None:
    """As a person runs it: a process of its own, in an empty environment."""
    command = [sys.executable, "manage.py", "inspect", "--json", str(OWN / "jest-duplicate-names.xml")]
    ran = subprocess.run(
        command, cwd=REPOSITORY, env={"HOME": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["tests"] == 3
