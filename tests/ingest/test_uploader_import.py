"""Old reports with the dates they tell: what was one run, when it ran, and that a second import changes nothing."""

import gzip
import os
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from ingest.uploader import LONG_AGO, find_old_files, group_runs, parse_moment, read_timestamp

OLD = datetime(2021, 5, 4, 3, 2, 1, tzinfo=UTC)


@pytest.fixture
def archive(run, tmp_path):
    """Two builds in sub-folders and a single report; the run fixture has made this the working folder."""
    for name, timestamp in {
        "old/11/unit/TEST-a.xml": "2024-02-01T10:00:00Z",
        "old/11/e2e.xml": "2024-02-01T09:30:00+01:00",
        "old/10/junit.xml": "2024-01-01T10:00:00Z",
        "old/single.xml": "2023-12-24T18:00:00Z",
    }.items():
        write(tmp_path / name, f"<testsuites><testsuite name='{name}' timestamp='{timestamp}'/></testsuites>")
    (tmp_path / "old" / "11" / "notes.txt").write_text("not a report", encoding="utf-8")
    return tmp_path / "old"


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    os.utime(path, (OLD.timestamp(), OLD.timestamp()))
    return str(path)


def sent(door):
    return [(request.fields["ran_at"], sorted(request.files)) for request in door.requests]


# --- which files were one run -----------------------------------------------------------------------------------


def test_sub_folders_and_single_files_are_runs_sent_in_the_order_they_ran(run, door, archive, capsys):
    assert run("old", command="import") == 0
    assert sent(door) == [
        ("2023-12-24T18:00:00+00:00", ["old/single.xml"]),
        ("2024-01-01T10:00:00+00:00", ["old/10/junit.xml"]),
        ("2024-02-01T09:30:00+01:00", ["old/11/e2e.xml", "old/11/unit/TEST-a.xml"]),
    ]
    assert len({request.fields["run_id"] for request in door.requests}) == 3
    assert {request.fields["provider"] for request in door.requests} == {"import"}
    said = capsys.readouterr()
    assert "2024-01-01T10:00:00+00:00  old/10\nSent 1 file, " in said.out
    assert said.err == ""


@pytest.mark.parametrize(
    ("each", "runs"),
    [
        ("subfolder", {"old/11": 2, "old/10": 1, "old/single.xml": 1}),
        ("folder", {"old": 4}),
        ("file", {"old/11/e2e.xml": 1, "old/11/unit/TEST-a.xml": 1, "old/10/junit.xml": 1, "old/single.xml": 1}),
    ],
)
@pytest.mark.parametrize("folder", ["old", "old/", "./old"])
def test_what_was_one_run_can_be_said(archive, each, runs, folder):
    paths = find_old_files([folder], exclude=[]).paths
    found = group_runs(paths, folders=[folder], each=each)
    assert {os.path.normpath(name): len(files) for name, files in found.items()} == runs


def test_a_file_named_by_itself_is_a_run(archive):
    paths = find_old_files(["old/11/*.xml", "old/11/unit/*.xml"], exclude=[]).paths
    assert len(group_runs(paths, folders=[], each="subfolder")) == 2


def test_packed_reports_are_found_and_names_with_brackets_too(run, door, tmp_path):
    report = "<testsuite timestamp='2024-01-01T10:00:00Z'/>"
    write(tmp_path / "o[1]" / "a.xml", report)
    (tmp_path / "o[1]" / "b.xml.gz").write_bytes(gzip.compress(report.encode()))
    assert run("o[1]", "--run-per", "folder", command="import") == 0
    assert sent(door) == [("2024-01-01T10:00:00+00:00", ["o[1]/a.xml", "o[1]/b.xml.gz"])]


def test_an_empty_folder_is_no_file(run, door, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert run("empty", command="import") == 3
    assert "No file matches empty/**/*.xml*." in capsys.readouterr().err


# --- when it ran ------------------------------------------------------------------------------------------------


def test_without_a_timestamp_the_file_s_time_is_taken_with_a_warning(run, door, tmp_path, capsys):
    write(tmp_path / "a.xml", "<testsuite/>")
    assert run("a.xml", command="import") == 0
    assert door.requests[0].fields["ran_at"] == OLD.isoformat()
    assert capsys.readouterr().err == (
        "suitewatch: No report says when it ran, so the time of its file is taken: a.xml.\n"
    )


def test_a_time_given_by_hand_stands_between(run, door, tmp_path, capsys):
    write(tmp_path / "a.xml", "<testsuite/>")
    write(tmp_path / "b.xml", "<testsuite timestamp='2024-01-01T10:00:00Z'/>")
    assert run("a.xml", "b.xml", "--ran-at", "2022-02-02T00:00:00Z", command="import") == 0
    assert [moment for moment, _ in sent(door)] == ["2022-02-02T00:00:00Z", "2024-01-01T10:00:00+00:00"]
    assert capsys.readouterr().err == ""


def test_the_file_s_time_can_be_asked_for(run, door, tmp_path, capsys):
    write(tmp_path / "a.xml", "<testsuite timestamp='2024-01-01T10:00:00Z'/>")
    assert run("a.xml", "--ran-at-from", "mtime", command="import") == 0
    assert door.requests[0].fields["ran_at"] == OLD.isoformat()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-02-01T10:00:00Z", datetime(2024, 2, 1, 10, tzinfo=UTC)),
        ("2024-02-01T10:00:00.123456+02:00", datetime(2024, 2, 1, 10, tzinfo=timezone(timedelta(hours=2)))),
        ("2024-02-01 10:00:00 -0700", datetime(2024, 2, 1, 10, tzinfo=timezone(timedelta(hours=-7)))),
        (" 2024-02-01T10:00:00,5Z ", datetime(2024, 2, 1, 10, tzinfo=UTC)),
        *[
            (text, None)
            for text in ("", "yesterday", "2024-02-30T10:00:00Z", "1970-01-01T00:00:00Z", "2999-01-01T00:00:00Z")
        ],
        *[(text, None) for text in ("1706781600", "2024-02-01", "0000-00-00T00:00:00", "9999-12-31T23:59:59")],
    ],
)
def test_dates_are_read_as_reports_write_them(text, moment):
    assert parse_moment(text) == moment


def test_a_date_without_a_zone_is_this_machine_s(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert parse_moment("2024-02-01T10:00:00") == datetime(2024, 2, 1, 1, tzinfo=UTC)
    finally:
        monkeypatch.undo()
        time.tzset()


TOLD = "timestamp='2024-01-01T10:00:00Z'"


@pytest.mark.parametrize(
    "text",
    [
        f"<testsuites {TOLD}><testsuite timestamp='2024-01-02T10:00:00Z'/></testsuites>",
        f"<testsuites><testsuite/><testsuite {TOLD}/></testsuites>",
        f"<j:testsuite xmlns:j='x' name='a > b' {TOLD}/>",
        f"<testsuite {TOLD}><testcase name='cut",
    ],
)
def test_the_first_suite_that_tells_a_time_is_heard(tmp_path, text):
    assert read_timestamp(write(tmp_path / "a.xml", text)) == datetime(2024, 1, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        f"<report {TOLD}/>",
        f"<!DOCTYPE x [<!ENTITY a 'b'>]><testsuite {TOLD}/>",
        "<testsuite timestamp='long ago'/>",
        "no xml",
        "",
    ],
)
def test_what_tells_no_time_has_none(tmp_path, text):
    assert read_timestamp(write(tmp_path / "a.xml", text)) is None


def test_only_the_start_of_a_report_is_read(tmp_path):
    late = "<testsuites><!--" + "x" * (2 << 20) + "--><testsuite timestamp='2024-01-01T10:00:00Z'/></testsuites>"
    assert read_timestamp(write(tmp_path / "a.xml", late)) is None


def test_the_order_knows_runs_without_a_usable_date(run, door, archive):
    assert run("old", "--run-per", "file", "--ran-at", "someday", command="import") == 0
    assert LONG_AGO < OLD
    assert len(door.requests) == 4


# --- a second import --------------------------------------------------------------------------------------------


def test_a_second_import_sends_the_same_to_the_byte(run, door, archive):
    assert run("old", command="import") == 0
    assert run("old", command="import") == 0
    keys = [request.headers["Idempotency-Key"] for request in door.requests]
    assert keys[:3] == keys[3:]


def test_the_run_is_known_by_its_contents_wherever_they_lie(run, door, archive, tmp_path):
    assert run("old", command="import") == 0
    archive.rename(tmp_path / "moved")
    assert run("moved", command="import") == 0
    runs = [request.fields["run_id"] for request in door.requests]
    assert runs[:3] == runs[3:]
    assert all(name.startswith("import-") for name in runs)


def test_what_ci_and_git_know_is_about_today(run, door, archive):
    environ = {"TRAVIS": "true", "TRAVIS_COMMIT": "a" * 40, "TRAVIS_BUILD_ID": "5", "SUITEWATCH_RUN_ID": "5"}
    assert run("old/10", "--branch", "main", "--job", "unit", command="import", **environ) == 0
    assert set(door.requests[0].fields) == {"provider", "branch", "job", "ran_at", "run_id"}
    assert door.requests[0].fields["run_id"] != "5"


# --- trouble ----------------------------------------------------------------------------------------------------


def test_one_bad_run_does_not_stop_the_others_a_bad_token_does(run, door, archive, capsys):
    door.answers((422, b""), (202, {"upload": "u1", "url": "", "status_url": "", "duplicate_of": None}))
    assert run("old", command="import") == 4
    assert len(door.requests) == 3
    door.requests.clear()
    door.answers((401, b""))
    assert run("old", command="import") == 4
    assert len(door.requests) == 1


def test_a_dry_run_shows_every_run(run, door, archive, capsys):
    assert run("old", "--dry-run", command="import") == 0
    said = capsys.readouterr().out
    assert said.count("Would send: POST ") == 3
    assert "  ran_at = 2024-01-01T10:00:00+00:00\n" in said
    assert door.requests == []


def test_no_temporary_file_is_left(run, archive, tmp_path, monkeypatch):
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    assert run("old", command="import") == 0
    assert list(Path(folder).iterdir()) == []
