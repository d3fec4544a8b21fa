"""`suitewatch finish`, and what the uploader says of runs that are not whole."""

import json
from urllib.parse import parse_qs

import pytest

from ingest.uploader import NO_FILE, NOT_UNDERSTOOD, REFUSED, SENT, SERVER_TROUBLE, WRONG_USE
from tests.ci_environments import GITLAB
from tests.ingest.wire import TOKEN, a_file, a_status

WHOLE = {"number": 12, "url": "https://sw.example/p/shop/runs/12/", "is_complete": True, "told": ""}
LACKS = {**WHOLE, "is_complete": False, "told": "it waits for shard 2 of 3 of job test"}


def finished(run, waiting=0):
    return 200, {"run": run, "waiting": waiting}


def test_finish_names_the_run_as_ci_does(run, door, capsys):
    door.answers(finished(WHOLE))
    assert run("-v", command="finish", **GITLAB) == SENT
    (request,) = door.requests
    assert request.path == "/api/v1/runs/finish"
    assert parse_qs(request.body.decode()) == {"provider": ["gitlab"], "run_id": ["71"]}
    assert request.headers["Authorization"] == "Bearer " + TOKEN
    assert "Run 12 is complete.\nhttps://sw.example/p/shop/runs/12/\n" in capsys.readouterr().out


def test_what_is_still_to_be_read_is_told_and_waited_for(run, door, clock, capsys):
    door.answers(finished(None, 2))
    assert run("--run-id", "5", command="finish") == SENT
    assert "The run is finished, with 2 uploads of it still to be read." in capsys.readouterr().out
    door.answers(finished(LACKS, 2), finished(LACKS, 1), finished(WHOLE))
    assert run("--run-id", "5", "--wait", command="finish") == SENT
    assert "Run 12 is complete." in capsys.readouterr().out
    assert clock.naps == [0.5, 0.75]


def test_waiting_ends_with_the_time_given(run, door, capsys):
    door.answers(finished(None, 1))
    assert run("--run-id", "5", "--wait=3", "--fail-on-error", command="finish") == SERVER_TROUBLE
    assert "1 upload of it still to be read. That took longer than 3 s." in capsys.readouterr().err


def test_a_run_that_is_not_whole_is_never_called_so(run, door, capsys):
    door.answers(finished(LACKS))
    assert run("--run-id", "5", command="finish") == SENT
    assert run("--run-id", "5", "--wait", command="finish") == NOT_UNDERSTOOD
    told = capsys.readouterr().out
    assert told.count("Run 12 is incomplete: it waits for shard 2 of 3 of job test.") == 2
    assert "is complete" not in told


def test_a_run_of_which_nothing_could_be_read_is_told_as_such(run, door, capsys):
    door.answers((200, {"run": None, "waiting": 0, "uploads": {"failed": 2, "dead": 1}}))
    assert run("--run-id", "5", command="finish") == SENT
    assert run("--run-id", "5", "--wait", command="finish") == NOT_UNDERSTOOD
    said = "Nothing of the run could be read: 1 upload ended as dead, 2 uploads ended as failed.\n"
    assert capsys.readouterr().err.count(said) == 2


def test_without_a_run_there_is_nothing_to_finish(run, door, capsys):
    assert run("-v", command="finish") == WRONG_USE
    assert "--run-id is not given" in capsys.readouterr().err
    assert door.requests == []


def test_an_unknown_run_is_refused_and_allow_empty_forgives_it(run, door, capsys):
    door.answers((404, {"error": {"code": "run_not_found", "message": "Nothing has come of run 5.", "hint": "Look."}}))
    assert run("--run-id", "5", command="finish") == REFUSED
    assert "Nothing has come of run 5. Look. (404 run_not_found)" in capsys.readouterr().err
    assert run("--run-id", "5", "--allow-empty", command="finish") == SENT
    told, warned = capsys.readouterr()
    assert (told, warned) == ("Nothing came of run 5, so there is nothing to finish.\n", "")
    assert run("--allow-empty", command="finish", **GITLAB) == SENT
    assert "Nothing came of run 71 of gitlab, so there is nothing to finish.\n" in capsys.readouterr().out


def test_finish_tries_again_and_shows_a_dry_run(run, door, clock, capsys):
    door.answers((503, {}), finished(WHOLE))
    assert run("--run-id", "5", command="finish") == SENT
    assert clock.naps == [1]
    assert [request.body for request in door.requests] == [b"run_id=5"] * 2
    assert run("--run-id", "5", "--dry-run", command="finish") == SENT
    assert "/api/v1/runs/finish\n  run_id = 5" in capsys.readouterr().out
    assert len(door.requests) == 2


@pytest.mark.parametrize(("command", "files"), [("finish", ["junit.xml"]), ("upload", ["-q"])])
def test_files_belong_to_upload_and_not_to_finish(run, command, files, capsys):
    with pytest.raises(SystemExit) as ended:
        run(*files, command=command)
    assert ended.value.code == 2
    assert "FILES" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("told_run", "words"),
    [(LACKS, "Run 12 is incomplete: it waits for shard 2 of 3 of job test.\n"), (WHOLE, "Run 12 is complete.\n")],
)
def test_wait_says_whether_the_run_is_whole(run, door, capsys, told_run, words):
    status = a_status("stored", a_file())
    status[1]["run"] = told_run
    door.answers(status, method="GET")
    assert run("--wait", "junit.xml") == SENT
    assert f"{words}https://" in capsys.readouterr().out


def test_wait_reads_the_remarks_of_the_whole_receipt_aloud_once(run, door, capsys):
    known = {"code": "unknown_field", "message": "The field 'x' is not known.", "hint": ""}
    sibling = {"code": "sibling_deliveries", "message": "3 of its 3 executed tests …", "hint": "Give each a --variant."}
    door.answers((202, {"upload": "u1", "status_url": "/api/v1/uploads/u1", "warnings": [known]}))
    status = a_status("stored", a_file())
    status[1]["receipt"]["warnings"] = [known, sibling]
    door.answers(status, method="GET")
    assert run("--wait", "junit.xml") == SENT
    told = capsys.readouterr().err
    assert (told.count("is not known"), told.count("3 of its 3 executed tests … Give each a --variant.")) == (1, 1)


@pytest.mark.parametrize(("told_run", "words"), [(LACKS, "Run 12 is incomplete&#58; it waits"), (WHOLE, "is complete")])
def test_the_job_summary_says_whether_the_run_is_whole(run, door, tmp_path, told_run, words):
    page = tmp_path / "summary.md"
    status = a_status("stored", a_file())
    status[1]["run"] = told_run
    door.answers(status, method="GET")
    run("--wait", "junit.xml", GITHUB_STEP_SUMMARY=str(page))
    assert words in page.read_text()
    page.unlink()
    door.answers(finished(told_run))
    run("--run-id", "5", "--summary", "s.json", command="finish", GITHUB_STEP_SUMMARY=str(page))
    assert words in page.read_text()
    assert "Nothing was sent" not in page.read_text()
    assert json.loads((tmp_path / "s.json").read_text())["run"] == told_run


def test_no_file_stays_no_file(run):
    assert run("nothing-*.xml") == NO_FILE
