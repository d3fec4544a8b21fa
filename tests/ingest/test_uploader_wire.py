"""What the uploader says and hears on the wire: against a small server, with a clock of our own."""

import email.utils
import json
import os
import shutil
import socket
import ssl
import subprocess
import time
import tracemalloc
from pathlib import Path

import pytest

from dashboard.queries import receipt
from ingest import uploader
from tests.ingest.wire import ACCEPTED, TOKEN, a_coverage_file, a_file, a_status


def refusal(code, message, hint="", docs=""):
    return {"error": {"code": code, "message": message, "hint": hint, "docs": docs, "request_id": "r1"}}


# --- what is sent ---------------------------------------------------------------------------------


def test_a_report_arrives_whole_with_its_fields(run, door, capsys):
    assert run("junit.xml", "--job", "unit tests", "--variant", "größe", "--pr", "7", SUITEWATCH_RUN_ID="42") == 0
    (request,) = door.requests
    assert (request.method, request.path) == ("POST", "/api/v1/uploads")
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert request.headers["User-Agent"] == f"suitewatch/{uploader.__version__}"
    assert int(request.headers["Content-Length"]) == len(request.body)
    assert not {"Transfer-Encoding", "Content-Encoding"} & set(request.headers)
    assert request.fields == {"job": "unit tests", "variant": "größe", "pull_request": "7", "run_id": "42"}
    assert request.files == {"junit.xml": b"<testsuite name='s'/>"}
    said = capsys.readouterr()
    assert said.out.startswith("Found 1 file.\nSent 1 file, ")
    assert said.out.endswith("https://sw.example/uploads/u1\n")
    assert (
        said.err == "suitewatch: The commit is unknown: neither CI nor git says it here, and --commit is not given.\n"
    )


def test_a_base_path_in_the_address_is_kept(run, door):
    assert run(url=door.url + "/tools/suitewatch/") == 0
    assert door.requests[0].path == "/tools/suitewatch/api/v1/uploads"


def test_names_beyond_ascii_and_hostile_names_arrive_harmless(run, door, tmp_path):
    (tmp_path / "größe-测试.xml").write_bytes(b"a")
    (tmp_path / 'x"; name="commit"\r\nX-Evil: 1.xml').write_bytes(b"b")
    assert run("*.xml", "--exclude", "junit.xml") == 0
    files = door.requests[0].files
    assert files == {"größe-测试.xml": b"a", "x%22; name=%22commit%22%0D%0AX-Evil: 1.xml": b"b"}
    assert "X-Evil" not in door.requests[0].headers


def test_line_breaks_in_metadata_add_no_part(run, door):
    evil = 'main\r\n--suitewatch\r\nContent-Disposition: form-data; name="job"\r\n\r\nstolen'
    assert run("junit.xml", "--branch", evil) == 0
    assert list(door.requests[0].fields) == ["branch"]
    assert "\n" not in door.requests[0].fields["branch"]


def test_a_hundred_and_one_files_are_two_deliveries_of_one_run(run, door, tmp_path, capsys):
    for number in range(101):
        (tmp_path / f"r{number:03}.xml").write_bytes(b"%d" % number)
    assert run("r*.xml") == 0
    first, second = door.requests
    assert (len(first.files), len(second.files)) == (100, 1)
    assert first.fields["run_id"] == second.fields["run_id"]
    assert first.headers["Idempotency-Key"] != second.headers["Idempotency-Key"]
    assert "Found 101 files." in capsys.readouterr().out


def test_the_same_command_sends_the_same_key_and_the_token_does_not_matter(run, door):
    run("junit.xml", "--run-id", "1")
    run("junit.xml", "--run-id", "1", token=TOKEN.replace("a", "b"))
    run("junit.xml", "--run-id", "2")
    keys = [request.headers["Idempotency-Key"] for request in door.requests]
    assert keys[0] == keys[1] != keys[2]
    assert door.requests[0].body == door.requests[1].body


def test_a_repeat_is_called_one(run, door, capsys):
    door.answers((200, {**ACCEPTED, "duplicate_of": "u1"}))
    assert run() == 0
    assert "It was there already: nothing is stored twice." in capsys.readouterr().out


def test_memory_stays_flat_on_the_way(run, door, tmp_path):
    with (tmp_path / "large.xml").open("wb") as large:
        large.writelines(os.urandom(1 << 20) for _ in range(24))
    door.answers((202, ACCEPTED, {}, "drain"))
    tracemalloc.start()
    try:
        assert run("large.xml") == 0
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert int(door.requests[0].headers["Content-Length"]) > 24 << 20
    assert peak < 8 << 20


def test_a_remark_of_the_door_is_passed_on(run, door, capsys):
    remark = {
        "code": "timestamp_out_of_range",
        "message": "ran_at has no time zone.",
        "line": None,
        "hint": "",
    }
    door.answers((202, {**ACCEPTED, "warnings": [remark]}))
    assert run("junit.xml", "--commit", "abc1234") == 0
    assert capsys.readouterr().err == "suitewatch: ran_at has no time zone.\n"


# --- trouble that passes --------------------------------------------------------------------------

BUSY = (503, refusal("busy", "The database is away."))


@pytest.mark.parametrize("trouble", [(408, b""), (429, b""), (500, b""), BUSY, (507, b""), "reset"], ids=str)
def test_passing_trouble_is_tried_again_with_the_same_delivery(run, door, clock, trouble):
    door.answers(trouble, trouble, (202, ACCEPTED))
    assert run() == 0
    assert clock.naps == [1, 2]
    assert len({request.headers["Idempotency-Key"] for request in door.requests}) == 1
    sent = [request.body for request in door.requests if request.body]
    assert set(sent) == {door.requests[-1].body}


def test_silence_counts_as_trouble(run, door, clock):
    door.answers("silence", (202, ACCEPTED))
    assert run("junit.xml", "--timeout", "0.1") == 0
    assert clock.naps == [1]


def test_the_pauses_double_and_end(run, door, clock, capsys):
    door.answers(BUSY)
    assert run() == 0
    assert clock.naps == [1, 2, 4, 8, 16]
    said = capsys.readouterr().err
    assert "The database is away. (503 busy) Trying again in 16 s." in said
    assert "Not sent: 1 file. The database is away. (503 busy)" in said
    assert "exit code 0" in said


def test_the_pauses_are_spread_by_thirty_percent(door, clock, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(uploader.random, "uniform", lambda low, high: asked.append((low, high)) or high)
    (tmp_path / "a.xml").write_bytes(b"x")
    door.answers(BUSY, (202, ACCEPTED))
    courier = uploader.Courier(door.url, token=TOKEN, sleep=clock.sleep, clock=clock)
    report = uploader.pack(str(tmp_path / "a.xml"), folder=str(tmp_path))
    assert courier.send(uploader.Delivery({}, [report])) == ACCEPTED
    assert (asked, clock.naps) == ([(0.7, 1.3)], [1.3])


@pytest.mark.parametrize(("asked", "slept"), [("7", 7), ("0", 1), ("110", 110), ("soon", 1), ("-5", 1), ("\xb2", 1)])
def test_retry_after_is_honoured_up_to_two_minutes(run, door, clock, asked, slept):
    door.answers((429, b"", {"Retry-After": asked}), (202, ACCEPTED))
    assert run() == 0
    assert clock.naps == [slept]


@pytest.mark.parametrize(
    ("status", "code", "ended"), [(429, "quota_exceeded", 4), (429, "rate_limited", 6), (503, "x", 6)]
)
def test_a_longer_wait_is_not_begun_and_its_end_is_named(run, door, clock, capsys, monkeypatch, status, code, ended):
    """A day's quota is not the server's trouble: reports that are lost must not leave the build green."""
    monkeypatch.setattr(uploader.time, "time", lambda: 1_780_000_000.0)  # 2026-05-28 20:26:40 UTC
    door.answers((status, refusal(code, "Not now."), {"Retry-After": "7200"}))
    assert run("junit.xml", "--fail-on-error") == ended
    assert run("junit.xml") == (4 if ended == 4 else 0)
    assert (clock.naps, len(door.requests)) == ([], 2)
    said = capsys.readouterr().err
    assert said.count(f"Not now. ({status} {code}) Another try makes sense from 2026-05-28 22:27 UTC on.") == 2


def test_a_quota_that_is_free_again_soon_is_waited_for(run, door, clock):
    door.answers((429, refusal("quota_exceeded", "Not now."), {"Retry-After": "20"}), (202, ACCEPTED))
    assert (run(), clock.naps) == (0, [20])


def test_retry_after_may_be_a_date(run, door, clock):
    moment = email.utils.formatdate(time.time() + 30, usegmt=True)
    door.answers((503, b"", {"Retry-After": moment}), (202, ACCEPTED))
    assert run() == 0
    assert 20 < clock.naps[0] <= 30


def test_all_tries_together_end_within_two_minutes(run, door, clock):
    door.answers((503, b"", {"Retry-After": "50"}))
    assert run() == 0
    assert clock.naps == [50, 50]
    assert clock.now <= 120


def test_slow_tries_count_too(run, door, clock):
    """Each try takes the whole time-out: the last one starts before the two minutes are over."""
    posts = []

    def slow(_self, _url, _headers, *, timeout, body=None, most=0):
        posts.append((clock.now, timeout))
        clock.now += timeout
        return uploader.Reply(0, email.message.Message(), b"timed out")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uploader.Courier, "_ask", slow)
        assert run("junit.xml", "--timeout", "50") == 0
    assert posts == [(0, 50), (51, 50), (103, 17)]
    assert clock.now <= 120


def test_nobody_at_home_is_the_server_s_trouble(run, clock, capsys):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        assert run(url=url) == 0
        assert run("junit.xml", "--fail-on-error", url=url) == 6
    assert clock.naps == [1, 2, 4, 8, 16] * 2
    assert f"{url} could not be reached (" in capsys.readouterr().err


def test_after_the_server_s_trouble_no_further_delivery_is_tried(run, door, tmp_path, capsys):
    for number in range(101):
        (tmp_path / f"r{number:03}.xml").write_bytes(b"x%d" % number)
    door.answers((202, ACCEPTED), BUSY)
    assert run("r*.xml", "--fail-on-error") == 6
    assert len(door.requests) == 1 + 6
    assert "Not sent: 1 file." in capsys.readouterr().err


# --- trouble that stays ---------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 411, 413, 415, 422])
def test_a_refusal_is_final_and_in_the_server_s_words(run, door, clock, capsys, status):
    docs = "https://sw.example/docs"
    door.answers((status, refusal("some_code", "This cannot be.", "Do that instead.", docs)))
    assert run() == 4
    assert (len(door.requests), clock.naps) == (1, [])
    assert (
        f"Not sent: 1 file. This cannot be. Do that instead. ({status} some_code) {docs}\n" in capsys.readouterr().err
    )


def test_a_refusal_before_the_body_was_read_is_heard(run, door, clock, tmp_path, capsys):
    """A server may answer 413 and hang up while we are still sending: no lost connection, a refusal."""
    (tmp_path / "large.xml").write_bytes(os.urandom(12 << 20))
    door.answers((413, refusal("too_large", "The body is too large."), {}, "unread"))
    assert run("large.xml") == 4
    assert clock.naps == []
    assert "The body is too large. (413 too_large)" in capsys.readouterr().err


def test_a_wrong_token_stops_everything_a_wrong_file_only_its_delivery(run, door, tmp_path):
    for number in range(101):
        (tmp_path / f"r{number:03}.xml").write_bytes(b"y%d" % number)
    door.answers((413, refusal("too_large", "Too large.")), (202, ACCEPTED))
    assert run("r*.xml") == 4
    assert len(door.requests) == 2
    door.requests.clear()
    door.answers((401, refusal("token_invalid", "Token unknown.")))
    assert run("r*.xml") == 4
    assert len(door.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_told_not_followed(run, door, capsys, status):
    elsewhere = "https://elsewhere.example/api/v1/uploads"
    door.answers((status, b"", {"Location": elsewhere}))
    door.answers((200, ACCEPTED), method="GET")
    assert run() == 4
    assert [request.method for request in door.requests] == ["POST"]
    assert f"points to {elsewhere} ({status} " in capsys.readouterr().err


@pytest.mark.parametrize(
    "reply", [(200, b"<html>Log in</html>"), (404, b"nothing here"), (202, b"[]"), (200, {"ok": 1})]
)
def test_a_stranger_at_the_address_is_called_one(run, door, capsys, reply):
    door.answers(reply)
    assert run() == 4
    assert "not as Suitewatch does. Is the address right?" in capsys.readouterr().err


def test_foreign_text_cannot_repaint_the_terminal(run, door, capsys):
    door.answers((400, refusal("bad", "\x1b[2J\x1b[31mowned\r\n::warning::x\u202e\ud800")))
    assert run() == 4
    said = capsys.readouterr().err
    assert not [mark for mark in ("\x1b", "\u202e", "\ud800", "\r", "\n::warning") if mark in said]


# --- wrong use ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"SUITEWATCH_URL": ""}, "Where to? Set SUITEWATCH_URL or give --url."),
        ({"SUITEWATCH_TOKEN": " \n"}, "No token. Set SUITEWATCH_TOKEN or give --token."),
        ({"SUITEWATCH_TOKEN": "sw_up_a\r\nX-Evil: 1"}, "The token holds a space, a line break"),
        ({"SUITEWATCH_URL": "suitewatch.example"}, "suitewatch.example is no address like"),
        ({"SUITEWATCH_URL": "ftp://x/"}, "ftp://x/ is no address like"),
        ({"SUITEWATCH_URL": "https://u:secret@host:port"}, "https://host:port is no address like"),
        ({"SUITEWATCH_URL": "http://[::1"}, "is no address like"),
    ],
)
def test_wrong_use_is_exit_code_2(run, door, capsys, settings, sentence):
    assert run("junit.xml", **settings) == 2
    said = "".join(capsys.readouterr())
    assert sentence in said
    assert "secret" not in said
    assert TOKEN not in said
    assert door.requests == []


@pytest.mark.parametrize(
    "argv", [[], ["upload"], ["download", "x"], ["upload", "x", "--wat"], ["upload", "x", "--timeout", "-1"]]
)
def test_wrong_arguments_are_exit_code_2(argv, capsys):
    with pytest.raises(SystemExit) as ended:
        uploader.main(argv)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("suitewatch: ")
    assert said.endswith(". `suitewatch --help` lists the options.\n")
    assert said.count("\n") == 1


def test_options_may_stand_anywhere(run, door, tmp_path):
    (tmp_path / "b.xml").write_bytes(b"b")
    assert run("junit.xml", "--job", "unit", "b.xml", "--attempt=2") == 0
    assert list(door.requests[0].files) == ["b.xml", "junit.xml"]
    assert door.requests[0].fields == {"attempt": "2", "job": "unit"}


def test_a_trailing_line_break_of_a_secret_is_forgiven(run, door):
    assert run("junit.xml", token=f"{TOKEN}\n") == 0
    assert door.requests[0].headers["Authorization"] == f"Bearer {TOKEN}"


def test_credentials_in_the_address_go_nowhere(run, door, capsys):
    assert run(url=door.url.replace("http://", "http://user:secret@")) == 0
    assert door.requests[0].headers["Authorization"] == f"Bearer {TOKEN}"
    assert "secret" not in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("host", "is_near"),
    [
        *[(host, True) for host in ("127.0.0.1", "::1", "localhost", "web", "192.168.1.4", "ci.local")],
        *[(host, False) for host in ("sw.example.com", "93.184.216.34")],
    ],
)
def test_plain_http_is_worth_a_warning_only_far_away(host, is_near):
    assert uploader.is_near(host) is is_near


# --- nothing to send, nothing sent ----------------------------------------------------------------


def test_no_file_is_exit_code_3_and_says_where_it_looked(run, door, tmp_path, capsys):
    assert run("reports/**/*.xml") == 3
    said = capsys.readouterr()
    assert said.out == "Found 0 files.\n"
    assert "No file matches reports/**/*.xml." in said.err
    assert f"Nothing to send. Looked from {tmp_path}." in said.err
    assert run("reports/**/*.xml", "--allow-empty") == 0
    assert door.requests == []


def test_what_was_found_and_ignored_is_told(run, tmp_path, capsys):
    (tmp_path / "gone.xml").symlink_to("nowhere")
    assert run("*.xml") == 0
    said = capsys.readouterr().out
    assert said.startswith("Found 1 file, 1 ignored:\n  gone.xml: not a regular file\nSent 1 file, ")


def test_of_many_ignored_files_ten_are_named(run, tmp_path, capsys):
    for number in range(12):
        (tmp_path / f"old{number:02}.xml").touch()
    assert run("*.xml", "--exclude", "old*", "--summary", "out.json") == 0
    said = capsys.readouterr().out
    assert said.startswith("Found 1 file, 12 ignored:\n  old00.xml: excluded\n")
    assert "  old09.xml: excluded\n  and 2 more\n" in said
    assert len(json.loads(Path("out.json").read_text(encoding="utf-8"))["ignored"]) == 12


def test_a_file_that_vanishes_is_a_sentence_not_a_traceback(run, door, monkeypatch, capsys):
    monkeypatch.setattr(uploader, "find_files", lambda *_, **__: uploader.Found(["gone.xml"], [], []))
    assert run("gone.xml") == 2
    assert "The files could not be read and packed: " in capsys.readouterr().err
    assert door.requests == []


def test_a_dry_run_sends_nothing_and_shows_no_token(run, door, capsys):
    assert run("junit.xml", "--dry-run", "--job", "unit", "--token", TOKEN) == 0
    said = "".join(capsys.readouterr())
    assert door.requests == []
    assert TOKEN[:12] not in said
    assert f"Would send: POST {door.url}/api/v1/uploads\n  Authorization: Bearer ***\n  Idempotency-Key: sw1-" in said
    assert "  job = unit\n  file junit.xml (21 bytes, " in said


def test_a_dry_run_needs_neither_address_nor_token(run, door, capsys):
    assert run("junit.xml", "--dry-run", token="", SUITEWATCH_URL="") == 0
    assert "(no address given)" in capsys.readouterr().out


def test_quiet_leaves_the_warnings_and_verbose_adds_the_fields(run, door, capsys):
    assert run("junit.xml", "-q", "--commit", "abc1234") == 0
    assert capsys.readouterr() == ("", "")
    assert run("junit.xml", "-v", "--commit", "abc1234") == 0
    assert "  commit = abc1234\n" in capsys.readouterr().out


# --- waiting --------------------------------------------------------------------------------------


def test_wait_follows_to_the_receipt_and_reads_it_aloud(run, door, clock, capsys):
    remarks = [{"line": 4, "column": 2, "code": "c", "message": "A remark.", "hint": "A hint."}] * 7
    door.answers(
        a_status("received"),
        (503, b""),
        a_status("processing"),
        a_status("stored", a_file(warnings=remarks)),
        method="GET",
    )
    assert run("junit.xml", "--wait") == 0
    assert [request.method for request in door.requests] == ["POST", "GET", "GET", "GET", "GET"]
    assert door.requests[1].path == "/api/v1/uploads/u1"
    assert door.requests[1].headers["Authorization"] == f"Bearer {TOKEN}"
    assert "junit.xml: 3 tests: 1 passed, 1 failed, 1 skipped\n  line 4, column 2: A remark. A hint.\n" in (
        said := capsys.readouterr().out
    )
    assert said.count("A remark.") == 5
    assert "  and 2 remarks more\n" in said


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (a_coverage_file(level="unit"), "cob.xml: Cobertura, 15 of 22 lines (68.1 %), level unit"),
        (a_coverage_file(lines_covered=22), "cob.xml: Cobertura, 22 of 22 lines (100 %), no level"),
        (a_coverage_file(lines_valid=9999, lines_covered=9998, format="lcov"), "LCOV, 9,998 of 9,999 lines (99.9 %)"),
        (a_coverage_file(lines_valid=9999, lines_covered=1, format="new"), "new, 1 of 9,999 lines (under 0.1 %)"),
        (a_coverage_file(lines_valid=3, lines_covered=0), "0 of 3 lines (0.0 %)"),
        (a_coverage_file(lines_valid=0, lines_covered=0), "cob.xml: Cobertura, no lines, no level"),
        (
            a_file(tests=6, skipped=4, xfailed=3),
            "6 tests: 1 passed, 1 failed, 1 skipped, 3 expected to fail",
        ),
    ],
)
def test_each_kind_of_file_is_said_in_its_own_figures(run, door, capsys, file, words):
    door.answers(a_status("stored", file), method="GET")
    assert run("--wait", "junit.xml") == 0
    assert words in (said := capsys.readouterr().out)
    assert ("no tests" in said, "In all" in said) == (False, False)


def test_only_results_are_added_up(run, door, capsys):
    files = [a_file("a.xml"), a_file("b.xml"), a_coverage_file()]
    door.answers(a_status("stored", *files), method="GET")
    assert run("--wait", "junit.xml") == 0
    assert "In all 6 tests: 2 passed, 2 failed, 2 skipped\n" in capsys.readouterr().out


def test_coverage_that_breaks_off_has_its_figures_and_says_so(run, door, capsys):
    error = {"line": 3, "column": 7, "code": "report_truncated", "message": "It breaks off.", "hint": "Killed?"}
    door.answers(a_status("partial", a_coverage_file(state="partial", error=error)), method="GET")
    assert run("--wait", "junit.xml") == 5
    assert capsys.readouterr().err == (
        "suitewatch: The commit is unknown: neither CI nor git says it here, and --commit is not given.\n"
        "suitewatch: cob.xml: Cobertura, 15 of 22 lines (68.1 %), no level\n"
        "suitewatch:   partly stored. line 3, column 7: It breaks off. Killed?\n"
        "suitewatch: The upload is partly stored.\n"
    )


def test_the_formats_have_the_names_that_the_pages_give_them():
    assert uploader.FORMATS == receipt._FORMATS


def test_a_bare_wait_does_not_swallow_a_file(run, door):
    door.answers(a_status("stored", a_file()), method="GET")
    assert run("--wait", "junit.xml") == 0


@pytest.mark.parametrize("state", ["failed", "partial"])
def test_a_file_not_understood_is_exit_code_5(run, door, capsys, state):
    error = {
        "line": 3,
        "column": 7,
        "code": "xml_truncated",
        "message": "The file ends early.",
        "hint": "Was the job killed?",
    }
    door.answers(a_status(state, a_file("a.xml", state, error=error), error=error), method="GET")
    assert run("junit.xml", "--wait") == 5
    said = capsys.readouterr().err
    assert "line 3, column 7: The file ends early. Was the job killed?" in said
    assert ("a.xml: failed." in said) == (state == "failed")
    assert f"The upload {uploader.ENDS[state]}.\n" in said
    assert said.count("The file ends early.") == 1


def test_a_place_is_said_once():
    error = {"line": 3, "column": 7, "message": "It breaks off at line 3, column 7: no element found."}
    assert uploader.describe_error(error) == error["message"]


@pytest.mark.parametrize("state", ["dead", "cancelled"])
def test_what_the_server_gave_up_is_its_own_trouble(run, door, state):
    door.answers(a_status(state, error={"code": "worker_crashed", "message": "Given up.", "hint": ""}), method="GET")
    assert run("junit.xml", "--wait") == 0
    assert run("junit.xml", "--wait", "--fail-on-error") == 6


def test_waiting_ends_when_the_time_is_up(run, door, clock, capsys):
    door.answers(a_status("processing"), method="GET")
    assert run("junit.xml", "--wait=30", "--fail-on-error") == 6
    assert clock.now <= 30
    assert "No receipt after 30 s. It is still being read." in capsys.readouterr().err


def test_the_token_follows_no_status_address_to_another_host(run, door):
    door.answers((202, {**ACCEPTED, "status_url": "https://elsewhere.example/api/v1/uploads/u1"}))
    door.answers(a_status("stored", a_file()), method="GET")
    assert run("junit.xml", "--wait") == 0
    assert door.requests[-1].path == "/api/v1/uploads/u1"


# --- the summary ----------------------------------------------------------------------------------


def test_the_summary_holds_what_happened_but_no_token(run, door, tmp_path):
    (tmp_path / "gone.xml").symlink_to("nowhere")
    door.answers(a_status("stored", a_file()), method="GET")
    assert run("*.xml", "--wait", "--summary", "out.json", "--job", "unit") == 0
    text = Path("out.json").read_text(encoding="utf-8")
    summary = json.loads(text)
    assert TOKEN not in text
    assert summary["exit_code"] == 0
    assert summary["fields"] == {"job": "unit"}
    assert [file["name"] for file in summary["files"]] == ["junit.xml"]
    assert summary["ignored"] == [{"name": "gone.xml", "reason": "not a regular file"}]
    (delivery,) = summary["deliveries"]
    assert (delivery["upload"], delivery["state"], delivery["files"]) == ("u1", "stored", ["junit.xml"])
    assert delivery["receipt"]["files"][0]["tests"] == 3


def test_the_summary_is_written_when_things_go_wrong_too(run, door):
    door.answers((401, refusal("token_invalid", "Token unknown or revoked.")))
    assert run("junit.xml", "--summary", "out.json") == 4
    summary = json.loads(Path("out.json").read_text(encoding="utf-8"))
    assert summary["exit_code"] == 4
    assert "Token unknown or revoked." in summary["deliveries"][0]["error"]


def test_a_summary_that_cannot_be_written_is_wrong_use(run, capsys):
    assert run("junit.xml", "--summary", "no/such/folder.json") == 2
    assert "The summary could not be written" in capsys.readouterr().err


# --- proxies and certificates ---------------------------------------------------------------------


def test_the_proxy_of_the_environment_is_used(run, door, monkeypatch):
    monkeypatch.setenv("http_proxy", door.url)
    assert run(url="http://suitewatch.internal") == 0
    assert door.requests[0].path == "http://suitewatch.internal/api/v1/uploads"


def test_no_proxy_stands_before_this_machine(run, door, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://proxy.invalid:3128")
    assert run() == 0
    assert door.requests[0].path == "/api/v1/uploads"


@pytest.fixture
def certificate(tmp_path):
    """A self-signed certificate of 127.0.0.1, made by openssl."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make a certificate with")
    folder = tmp_path / "tls"
    folder.mkdir()
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "key.pem",
        "-out",
        "cert.pem",
        *subject,
    ]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


def test_an_own_authority_is_trusted_through_ssl_cert_file(run, door, clock, certificate, monkeypatch, capsys):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    door.socket = context.wrap_socket(door.socket, server_side=True)
    url = door.url.replace("http:", "https:")
    assert run("junit.xml", "--fail-on-error", url=url) == 6
    assert "is not trusted (self" in capsys.readouterr().err
    assert clock.naps == []
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    assert run(url=url) == 0
    assert door.requests[0].files == {"junit.xml": b"<testsuite name='s'/>"}
