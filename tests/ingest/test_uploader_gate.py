"""`suitewatch gate` and `suitewatch deferred`: what is asked, what is said, and with which exit code it ends."""

import io
import json
import os
from urllib.parse import parse_qs

import pytest

from ingest import uploader
from ingest.uploader import HELD, NOT_UNDERSTOOD, REFUSED, SENT, SERVER_TROUBLE, WRONG_USE
from tests.ci_environments import GITLAB
from tests.ingest.wire import TOKEN

RUN = {"number": 12, "url": "https://sw.example/p/shop/runs/12/", "is_complete": True, "told": ""}
NOTHING = {"reasons": [], "warnings": [], "tolerated": [], "waiting": 0, "run": RUN}
PASSES = {**NOTHING, "verdict": "pass", "told": "Run 12 passes: no new failures."}
UNKNOWN = {**NOTHING, "verdict": "unknown", "told": "Whether run 12 passes is not known: it waits for job e2e."}
FAILURES = {
    "code": "new_failures",
    "n": 3,
    "told": "3 tests fail that did not before.",
    "listed": [
        {"name": "tests.a::one", "note": "in unit, 3.11", "url": "https://sw.example/p/shop/cases/1/"},
        {"name": "::error::\x1b[2J|<b>", "note": "", "url": "javascript:alert(1)"},
    ],
}
QUARANTINED = {"code": "quarantined", "n": 1, "told": "1 test fails and is quarantined.", "listed": []}
SHRINKING = {
    "code": "shrinking_suites",
    "n": 1,
    "told": "1 suite declares fewer tests than in the runs before.",
    "listed": [{"name": "fields", "note": "10 tests, 14 before", "url": None}],
}
HELD_BACK = {
    **NOTHING,
    "verdict": "fail",
    "told": "Run 12 does not pass.",
    "reasons": [FAILURES],
    "warnings": [SHRINKING],
    "tolerated": [QUARANTINED],
}
UNREAD = {**UNKNOWN, "run": None, "waiting": 1, "told": "1 upload of it is still to be read."}
NO_RUN = (404, {"error": {"code": "run_not_found", "message": "Nothing has come of run 5.", "hint": "Look."}})


# --- gate -------------------------------------------------------------------------------------------------------


def test_the_run_is_named_as_ci_names_it_and_a_pass_is_zero(run, door, capsys):
    door.answers((200, PASSES))
    assert run("-v", command="gate", **GITLAB) == SENT
    (request,) = door.requests
    assert request.path == "/api/v1/runs/gate"
    assert parse_qs(request.body.decode()) == {"provider": ["gitlab"], "run_id": ["71"]}
    assert request.headers["Authorization"] == "Bearer " + TOKEN
    assert "Run 12 passes: no new failures.\nhttps://sw.example/p/shop/runs/12/\n" in capsys.readouterr().out


def test_a_run_that_does_not_pass_says_why_with_names_and_addresses(run, door, capsys):
    door.answers((200, HELD_BACK))
    assert run("--run-id", "5", "--fail-on", "new-failures,overdue-reviews", command="gate") == HELD
    assert parse_qs(door.requests[0].body.decode())["fail_on"] == ["new-failures,overdue-reviews"]
    told, warned = capsys.readouterr()
    assert warned == "suitewatch: Run 12 does not pass.\n"
    assert told == (
        "3 tests fail that did not before.\n"
        "  tests.a::one (in unit, 3.11)  https://sw.example/p/shop/cases/1/\n"
        "(::error:: [2J|<b>  javascript:alert(1))\n"
        "  and 1 more\n"
        "Not failing this run: 1 suite declares fewer tests than in the runs before.\n"
        "  fields (10 tests, 14 before)\n"
        "Tolerated: 1 test fails and is quarantined.\n"
        "https://sw.example/p/shop/runs/12/\n"
    )


def test_it_waits_until_all_is_read_for_two_minutes_unless_told_otherwise(run, door, clock, capsys):
    door.answers((200, UNREAD), (200, {**UNREAD, "waiting": 1}), (200, PASSES))
    assert run("--run-id", "5", command="gate") == SENT
    assert clock.naps == [0.5, 0.75]
    door.answers((200, UNREAD))
    assert run("--run-id", "5", command="gate") == SENT
    told = capsys.readouterr().err
    assert "1 upload of it is still to be read. That took longer than 120 s." in told
    assert "The trouble is the server's, not your build's: exit code 0" in told
    assert run("--run-id", "5", "--wait=3", "--fail-on-error", command="gate") == SERVER_TROUBLE
    assert "That took longer than 3 s." in capsys.readouterr().err


def test_what_nobody_can_tell_never_passes(run, door, capsys):
    door.answers((200, {**UNKNOWN, "reasons": [FAILURES]}))
    assert run("--run-id", "5", command="gate") == NOT_UNDERSTOOD
    told, warned = capsys.readouterr()
    assert "Whether run 12 passes is not known: it waits for job e2e." in warned
    assert "3 tests fail that did not before." in told
    door.answers((200, {**PASSES, "verdict": "splendid"}))
    assert run("--run-id", "5", command="gate") == NOT_UNDERSTOOD


def test_a_run_nothing_came_of_is_not_known_and_allow_empty_forgives_it(run, door, capsys):
    door.answers(NO_RUN)
    assert run("--run-id", "5", command="gate") == NOT_UNDERSTOOD
    assert "Nothing has come of run 5. Look." in capsys.readouterr().err
    assert run("--run-id", "5", "--allow-empty", command="gate") == SENT
    assert capsys.readouterr().out == "Nothing came of run 5, so there is nothing to judge.\n"


def test_trouble_of_the_server_breaks_no_build_and_is_said(run, door, capsys):
    door.answers((503, {}))
    assert run("--run-id", "5", command="gate") == SENT
    assert "exit code 0 (--fail-on-error makes it 6)" in capsys.readouterr().err
    assert run("--run-id", "5", "--fail-on-error", command="gate") == SERVER_TROUBLE


@pytest.mark.parametrize(
    "answer",
    [
        {"reasons": "all"},
        {"reasons": [1, None]},
        {"reasons": [{"told": "x", "n": "9", "listed": [{"name": "a"}]}]},
        {"warnings": [{"told": "x", "n": 9, "listed": "abc"}]},
        {"tolerated": 5},
        {"run": [1]},
        {"waiting": "no"},
    ],
)
def test_an_answer_of_another_form_is_a_stranger_s_and_no_traceback(run, door, capsys, answer):
    door.answers((200, {**PASSES, **answer}))
    assert run("--run-id", "5", command="gate") == REFUSED
    assert "not as Suitewatch does" in capsys.readouterr().err


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"waiting": 0, "run": ' + b"[" * 100_000])
def test_a_nest_of_brackets_is_a_stranger_s_too(run, door, body):
    door.answers((200, body))
    assert run("--run-id", "5", command="gate") == REFUSED


def test_what_no_calendar_or_number_has_in_a_head_is_not_believed(run, door, clock):
    door.answers((503, {}, {"Retry-After": "Mon, 01 Jan 99999999 00:00:00 GMT"}), (200, PASSES))
    assert run("--run-id", "5", "--fail-on-error", command="gate") == SENT
    assert clock.naps == [1]


def test_a_length_that_is_no_number_is_not_believed(run, door):
    door.answers((200, PASSES, {"Content-Length": "abc"}))
    assert run("--run-id", "5", "--fail-on-error", command="gate") == SENT


def test_a_wrong_reason_is_refused(run, door, capsys):
    door.answers((400, {"error": {"code": "invalid_field", "message": "Nothing fails a run under that name."}}))
    assert run("--run-id", "5", "--fail-on", "x", command="gate") == REFUSED
    assert "Nothing fails a run under that name." in capsys.readouterr().err


def test_a_gate_needs_a_run_takes_no_files_and_can_be_tried(run, door, capsys):
    assert run("-v", command="gate") == WRONG_USE
    with pytest.raises(SystemExit) as ended:
        run("junit.xml", command="gate")
    assert ended.value.code == 2
    assert run("--run-id", "5", "--fail-on", "new-failures", "--dry-run", command="gate") == SENT
    assert "/api/v1/runs/gate\n  fail_on = new-failures\n  run_id = 5" in capsys.readouterr().out
    assert door.requests == []


def test_the_summaries_hold_the_verdict_and_no_name_is_markup(run, door, tmp_path):
    page = tmp_path / "summary.md"
    door.answers((200, HELD_BACK))
    assert run("--run-id", "5", "--summary", "s.json", command="gate", GITHUB_STEP_SUMMARY=str(page)) == HELD
    kept = json.loads((tmp_path / "s.json").read_text())
    assert (kept["gate"]["verdict"], kept["exit_code"]) == ("fail", HELD)
    text = page.read_text()
    assert "**Run 12 does not pass.**" in text
    assert "- [tests.a&#58;&#58;one](https://sw.example/p/shop/cases/1/) (in unit, 3.11)" in text.replace("&#40;", "(")
    assert "<b>" not in text
    assert "javascript&#58;" not in text.replace("](", "")
    assert "[The run in Suitewatch](https://sw.example/p/shop/runs/12/)" in text
    assert "Nothing was sent" not in text


# --- deferred ---------------------------------------------------------------------------------------------------

PLAIN = {"Content-Type": "text/plain; charset=utf-8"}


@pytest.fixture
def fetch(run):
    def call(*arguments, **environ):
        return run(*arguments, "--project", "shop", command="deferred", **environ)

    return call


def test_the_register_is_written_to_a_file_or_to_standard_output(fetch, door, tmp_path, capsys):
    door.answers((200, b"tests/a.py::one\n", PLAIN), method="GET")
    assert fetch("--format", "deselect", "--output", "off.txt") == SENT
    assert door.requests[0].path == "/api/v1/projects/shop/deferred/export?format=deselect"
    assert (tmp_path / "off.txt").read_bytes() == b"tests/a.py::one\n"
    assert capsys.readouterr().out == "Wrote off.txt, 16 bytes.\n"
    assert fetch("--format", "xfail", **GITLAB) == SENT
    assert capsys.readouterr().out == "tests/a.py::one\n"
    assert sorted(os.listdir(tmp_path)) == ["junit.xml", "off.txt"]


def test_names_leave_as_they_are_whatever_the_console_can_write(fetch, door, monkeypatch):
    name = "tests/a.py::größe[ß]\n".encode()
    door.answers((200, name, PLAIN), method="GET")
    console = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", console)
    assert fetch("--format", "deselect") == SENT
    assert console.buffer.getvalue() == name


def test_what_is_no_file_is_written_to_and_not_replaced(fetch, door, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    door.answers((200, b"tests/a.py::one\n", PLAIN), method="GET")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert fetch("--format", "deselect", "--output", "link") == SENT
        assert os.read(reader, 100) == b"tests/a.py::one\n"
    finally:
        os.close(reader)
    assert (tmp_path / "pipe").is_fifo()
    assert (tmp_path / "link").is_symlink()


def test_an_empty_register_is_an_empty_file(fetch, door, tmp_path):
    door.answers((200, b"", PLAIN), method="GET")
    assert fetch("--format", "deselect", "--output", "off.txt") == SENT
    assert (tmp_path / "off.txt").read_bytes() == b""


@pytest.mark.parametrize(
    "reply",
    [
        (200, b"half of it", {**PLAIN, "Content-Length": "4000"}),
        (503, {}),
        (200, b"<html>Sign in</html>", {"Content-Type": "text/html"}),
        (200, b"tests/a.py::one", PLAIN),
        (200, b"\x1f\x8b\x08", {"Content-Type": "application/json", "Content-Encoding": "gzip"}),
    ],
)
def test_what_did_not_come_whole_leaves_the_file_as_it_was(fetch, door, tmp_path, reply):
    (tmp_path / "off.txt").write_text("before")
    door.answers(reply, method="GET")
    assert fetch("--output", "off.txt") in (SERVER_TROUBLE, REFUSED)
    assert (tmp_path / "off.txt").read_text() == "before"
    assert sorted(os.listdir(tmp_path)) == ["junit.xml", "off.txt"]


def test_it_is_tried_again(fetch, door, clock, tmp_path):
    door.answers((503, {}), (200, b"{}", {"Content-Type": "application/json"}), method="GET")
    assert fetch("--output", "off.json") == SENT
    assert clock.naps == [1]


def test_a_token_that_may_only_upload_is_told_so(fetch, door, capsys):
    door.answers((403, {"error": {"code": "scope_missing", "message": "This token may not read."}}), method="GET")
    assert fetch() == REFUSED
    words = "This token may only upload. Make one that may read on the project's settings page"
    assert words in capsys.readouterr().err


def test_it_needs_a_project_and_a_folder_that_is_there(run, fetch, door, capsys):
    assert run("-v", command="deferred") == WRONG_USE
    assert "SUITEWATCH_PROJECT" in capsys.readouterr().err
    door.answers((200, b"{}", {"Content-Type": "application/json"}), method="GET")
    assert run("-v", command="deferred", SUITEWATCH_PROJECT="a/b") == SENT
    assert door.requests[-1].path.startswith("/api/v1/projects/a%2Fb/deferred/export")
    assert fetch("--output", "nowhere/off.txt") == WRONG_USE
    assert "could not be written" in capsys.readouterr().err


def test_the_help_lists_every_exit_code():
    codes = (
        uploader.SENT,
        uploader.PROBLEMS,
        WRONG_USE,
        uploader.NO_FILE,
        REFUSED,
        NOT_UNDERSTOOD,
        SERVER_TROUBLE,
        HELD,
    )
    assert all(f"\n  {code}  " in uploader.EXIT_CODES for code in codes)
