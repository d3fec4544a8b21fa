"""What the uploader leaves in the logs and pages of CI systems: annotations, sections, the summary of a job."""

import re
from pathlib import Path

import pytest

from ingest import uploader
from tests.ingest.wire import ACCEPTED, a_coverage_file, a_file, a_status

COMMIT = {"SUITEWATCH_COMMIT": "abc1234"}
ON_GITHUB = {"GITHUB_ACTIONS": "true", **COMMIT}
ON_GITLAB = {"GITLAB_CI": "true", **COMMIT}


@pytest.fixture
def page(tmp_path):
    """Where GitHub wants the summary of the job."""
    return tmp_path / "step-summary.md"


# --- annotations and sections -----------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", ["GITHUB_ACTIONS", "GITEA_ACTIONS", "FORGEJO_ACTIONS"])
def test_warnings_stand_beside_the_change_on_github(run, capsys, mark):
    assert run("gone-100%.xml", **{mark: "true"}, **COMMIT) == 3
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "::warning title=Suitewatch::No file matches gone-100%25.xml."
    assert all(line.startswith("::warning title=Suitewatch::") for line in lines)


def test_elsewhere_warnings_are_lines(run, capsys):
    assert run("gone.xml", **COMMIT) == 3
    assert capsys.readouterr().err.startswith("suitewatch: No file matches gone.xml.\n")


def test_gitlab_folds_what_is_said(run, capsys):
    assert run("junit.xml", **ON_GITLAB) == 0
    said = capsys.readouterr().out
    opened = re.match(r"\x1b\[0Ksection_start:\d{10}:(suitewatch_\d+)\r\x1b\[0KSuitewatch\nFound 1 file\.\n", said)
    assert opened
    assert re.search(rf"\n\x1b\[0Ksection_end:\d{{10}}:{opened[1]}\r\x1b\[0K\n$", said)


def test_the_section_is_closed_when_something_goes_wrong(run, door, capsys):
    door.answers((401, b""))
    assert run("junit.xml", **ON_GITLAB) == 4
    assert run("junit.xml", token="", **ON_GITLAB) == 2
    said = capsys.readouterr().out
    assert said.count("section_start:") == said.count("section_end:") == 2


def test_nothing_is_folded_elsewhere_or_when_quiet(run, capsys):
    assert run("junit.xml", **ON_GITHUB) == 0
    assert run("junit.xml", "-q", **ON_GITLAB) == 0
    assert "section_" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "name",
    ["::stop-commands::x", "  ::error::x", "##[group]x", "##vso[task.setvariable variable=x]y", "##teamcity[x]"],
)
def test_no_name_becomes_a_command_of_the_log(run, tmp_path, capsys, name):
    (tmp_path / name).mkdir()
    assert run(name, "junit.xml", **ON_GITHUB) == 0
    said = "".join(capsys.readouterr())
    assert name.strip("#: ").partition(":")[0] in said
    assert not re.search(r"^\s*::(?!warning title=Suitewatch::)", said, re.MULTILINE)
    assert not re.search(r"##\w*\[", said)


# --- the summary of a job ---------------------------------------------------------------------------------------


def test_the_page_has_the_counts_and_the_way_to_them(run, door, page):
    run_page = {"number": 12, "url": "https://sw.example/p/shop/runs/12/"}
    status = a_status("stored", a_file("unit.xml"), a_file("e2e.xml", tests=1999, passed=1999, failed=0, skipped=0))
    status[1]["run"] = run_page
    door.answers(status, method="GET")
    page.write_text("from the step before\n", encoding="utf-8")
    assert run("junit.xml", "--wait", GITHUB_STEP_SUMMARY=str(page), **ON_GITHUB) == 0
    assert page.read_text(encoding="utf-8") == (
        "from the step before\n"
        "### Suitewatch\n"
        "\n"
        "| report | tests | passed | failed | errored | skipped | expected to fail | flaky |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
        "| **all 2** | 2,002 | 2,000 | 1 | 0 | 1 | 0 | 0 |\n"
        "| unit.xml | 3 | 1 | 1 | 0 | 1 | 0 | 0 |\n"
        "| e2e.xml | 1,999 | 1,999 | 0 | 0 | 0 | 0 | 0 |\n"
        "\n"
        "[1 file in Suitewatch](https://sw.example/p/shop/runs/12/)\n"
        "\n"
    )


def test_without_waiting_the_page_has_the_way(run, page):
    assert run("junit.xml", GITHUB_STEP_SUMMARY=str(page), **ON_GITHUB) == 0
    assert page.read_text(encoding="utf-8") == (
        "### Suitewatch\n\n[1 file in Suitewatch](https://sw.example/uploads/u1)\n\n"
    )


def test_what_went_wrong_is_on_the_page(run, door, page):
    door.answers((413, {"error": {"code": "too_large", "message": "The body is <b>too</b> large."}}))
    assert run("junit.xml", GITHUB_STEP_SUMMARY=str(page), **ON_GITHUB) == 4
    assert run("gone.xml", GITHUB_STEP_SUMMARY=str(page), **ON_GITHUB) == 3
    text = page.read_text(encoding="utf-8")
    assert "**Not sent:** 1 file. The body is &#60;b&#62;too&#60;/b&#62; large. &#40;413 too&#95;large&#41;\n" in text
    assert text.endswith("### Suitewatch\n\nNothing was sent.\n\n")


def test_a_report_that_was_not_understood_comes_first(run, door, page):
    files = [a_file("good.xml"), a_file("bad.xml", "failed", tests=0)]
    door.answers(a_status("partial", *files), method="GET")
    assert run("junit.xml", "--wait", GITHUB_STEP_SUMMARY=str(page), **ON_GITHUB) == 5
    rows = [line for line in page.read_text(encoding="utf-8").splitlines() if ".xml" in line]
    assert rows == ["| **failed:** bad.xml |  |  |  |  |  |  |  |", "| good.xml | 3 | 1 | 1 | 0 | 1 | 0 | 0 |"]


HOSTILE = "<img src=x onerror=a()> [x](javascript:a) `|` \\| @team ![i](https://e.example/p) \u202e&amp;"


def test_coverage_has_a_table_of_its_own(run, door, page):
    door.answers(a_status("stored", a_file("unit.xml"), a_coverage_file(level="unit")), method="GET")
    assert run("junit.xml", "--wait", GITHUB_STEP_SUMMARY=str(page), **ON_GITHUB) == 0
    assert (
        "| unit.xml | 3 | 1 | 1 | 0 | 1 | 0 | 0 |\n"
        "\n"
        "| coverage | format | lines | level |\n"
        "| --- | ---: | ---: | ---: |\n"
        "| cob.xml | Cobertura | 15 of 22 lines &#40;68.1 &#37;&#41; | unit |\n"
    ) in page.read_text(encoding="utf-8")


def test_foreign_text_is_text_on_the_page(run, door, page):
    door.answers(
        (202, {**ACCEPTED, "url": "https://sw.example/u1) [x](https://evil.example/ <b>"}),
        (202, {**ACCEPTED, "url": "javascript:alert(1)"}),
    )
    door.answers(a_status("stored", a_file(HOSTILE)), method="GET")
    assert run("junit.xml", "--wait", GITHUB_STEP_SUMMARY=str(page), **ON_GITHUB) == 0
    assert run("junit.xml", "--job", "b", GITHUB_STEP_SUMMARY=str(page), **ON_GITHUB) == 0
    text = page.read_text(encoding="utf-8")
    (row,) = [line for line in text.splitlines() if "&#60;img" in line]
    assert row.count("|") == 9
    assert not set("<>`[]()@!\\\u202e") & set(row)
    assert "javascript:" not in text
    assert "[1 file in Suitewatch](https://sw.example/u1%29%20%5Bx%5D%28https://evil.example/%20%3Cb%3E)" in text


def test_of_many_reports_fifty_rows_are_shown():
    files = [a_file(f"r{number:03}.xml") for number in range(80)]
    lines = uploader.draw_tables(files)
    assert lines[2].startswith("| **all 80** | 240 |")
    assert lines[-2:] == ["and 31 more", ""]
    assert len(lines) == 2 + 50 + 1 + 2


def test_a_dry_run_and_a_page_that_cannot_be_written_break_nothing(run, page, capsys):
    assert run("junit.xml", "--dry-run", GITHUB_STEP_SUMMARY=str(page), **ON_GITHUB) == 0
    assert not page.exists()
    assert run("junit.xml", GITHUB_STEP_SUMMARY=str(page / "no" / "folder"), **ON_GITHUB) == 0
    assert "::warning title=Suitewatch::The summary of the job could not be written" in capsys.readouterr().err


# --- the result -------------------------------------------------------------------------------------------------


def test_several_reports_are_added_up_and_the_run_is_named(run, door, tmp_path, capsys):
    (tmp_path / "b.xml").write_bytes(b"b")
    status = a_status("stored", a_file("a.xml"), a_file("b.xml", flaky=2))
    status[1]["run"] = {"number": 12, "url": "https://sw.example/p/shop/runs/12/"}
    door.answers(status, method="GET")
    assert run("*.xml", "--wait", **COMMIT) == 0
    assert capsys.readouterr().out.endswith(
        "In all 6 tests: 2 passed, 2 failed, 2 skipped, 2 flaky\nhttps://sw.example/p/shop/runs/12/\n"
    )


def test_ci_is_read_by_the_command_itself(run, door, tmp_path):
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_SHA": "a" * 40, "GITHUB_REF": "refs/heads/main", "GITHUB_RUN_ID": "9"}
    assert run("junit.xml", "--variant", '{"os": "linux"}', **environ) == 0
    assert door.requests[0].fields == {
        "provider": "github",
        "commit": "a" * 40,
        "branch": "main",
        "run_id": "9",
        "variant": "os=linux",
    }
    assert not Path("suitewatch.py").exists()
