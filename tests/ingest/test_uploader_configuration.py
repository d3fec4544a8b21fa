"""What the uploader sends beside the reports, and `check`, against a small server and with the package's own reader."""

import gzip
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ingest import uploader
from ingest.configuration import shapes
from tests.ingest.wire import a_file

ROOT = Path(__file__).resolve().parents[2]
RULES = "suites:\n  - {path: a, level: unit}\n"
BAD = "suites:\n  - path: a\n    levle: unit\n"
DEFERRED = "deferrals:\n  - cases: tests/a\n    reason: later\n"


def companions(request):
    """The parts beside the reports: form name to (file name, plain bytes)."""
    pattern = rb'Content-Disposition: form-data; name="(configuration|owners|deferrals)"; filename="([^"]*)".*'
    named = [(re.fullmatch(pattern, head, re.DOTALL), body) for head, body in request.parts]
    return {match[1].decode(): (match[2].decode(), gzip.decompress(body)) for match, body in named if match}


def test_both_files_travel_with_the_reports_and_are_named(run, door, tmp_path, capsys):
    (tmp_path / ".suitewatch.yml").write_text(RULES)
    (tmp_path / ".github").mkdir()
    (tmp_path / ".github" / "CODEOWNERS").write_text("* @a\n")
    assert run() == 0
    assert companions(door.requests[0]) == {
        "configuration": (".suitewatch.yml", RULES.encode()),
        "owners": (".github/CODEOWNERS", b"* @a\n"),
    }
    assert door.requests[0].files == {"junit.xml": b"<testsuite name='s'/>"}
    assert "With .suitewatch.yml and .github/CODEOWNERS.\n" in capsys.readouterr().out


@pytest.mark.parametrize("name", [".suitewatch-deferrals.yml", ".suitewatch-deferrals.yaml"])
def test_a_file_of_deferrals_travels_as_the_third_and_also_alone(run, door, tmp_path, capsys, name):
    (tmp_path / name).write_text(DEFERRED)
    assert run() == 0
    assert companions(door.requests[0]) == {"deferrals": (name, DEFERRED.encode())}
    (tmp_path / ".suitewatch.yml").write_text(RULES)
    (tmp_path / "CODEOWNERS").write_text("* @a\n")
    assert run() == 0
    assert list(companions(door.requests[1])) == ["configuration", "owners", "deferrals"]
    assert f"With .suitewatch.yml, CODEOWNERS and {name}.\n" in capsys.readouterr().out
    assert run("junit.xml", "--no-config") == 0
    assert companions(door.requests[2]) == {}


def test_without_them_nothing_is_said(run, door, capsys):
    assert run() == 0
    assert companions(door.requests[0]) == {}
    assert "With" not in capsys.readouterr().out


def test_they_are_looked_for_in_the_root_of_the_repository(run, door, tmp_path, monkeypatch):
    (tmp_path / ".git").mkdir()
    (tmp_path / ".suitewatch.yaml").write_text(RULES)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "CODEOWNERS").write_text("* @a\n")
    inner = tmp_path / "packages" / "cart"
    inner.mkdir(parents=True)
    (inner / ".suitewatch.yml").write_text("owners:")
    (inner / "junit.xml").write_bytes(b"x")
    monkeypatch.chdir(inner)
    assert run() == 0
    found = companions(door.requests[0])
    assert {part: data for part, (_, data) in found.items()} == {"configuration": RULES.encode(), "owners": b"* @a\n"}


def test_another_file_can_be_given_and_none(run, door, tmp_path):
    (tmp_path / ".suitewatch.yml").write_text(RULES)
    (tmp_path / "other.yml").write_text("owners:")
    assert run("junit.xml", "--config", "other.yml") == 0
    assert companions(door.requests[0]) == {"configuration": ("other.yml", b"owners:")}
    assert run("junit.xml", "--no-config") == 0
    assert companions(door.requests[1]) == {}
    assert run("junit.xml", "--config", "missing.yml") == 2


def test_the_same_results_with_another_configuration_carry_the_same_key(run, door, tmp_path):
    keys = []
    for text in (None, RULES, "owners:"):
        if text:
            (tmp_path / ".suitewatch.yml").write_text(text)
        run()
        keys.append(door.requests[-1].headers["Idempotency-Key"])
    assert len(set(keys)) == 1


def test_each_of_several_deliveries_brings_them_and_stays_below_the_limit(run, door, tmp_path):
    (tmp_path / ".suitewatch.yml").write_text(RULES)
    for number in range(120):
        (tmp_path / f"r{number:03}.xml").write_text("x")
    assert run("r*.xml") == 0
    assert [len(request.files) for request in door.requests] == [99, 21]
    assert all(companions(request)["configuration"] for request in door.requests)


def test_old_reports_bring_nothing_of_today(run, door, tmp_path):
    (tmp_path / ".suitewatch.yml").write_text(RULES)
    assert run("junit.xml", command="import") == 0
    assert companions(door.requests[0]) == {}
    assert run("junit.xml", "--config", ".suitewatch.yml", command="import") == 0
    assert companions(door.requests[1])["configuration"][1] == RULES.encode()


def test_a_large_one_is_sent_with_a_warning(run, door, tmp_path, capsys):
    (tmp_path / ".suitewatch.yml").write_text("#" * (64 * 1024 + 1))
    assert run() == 0
    assert companions(door.requests[0])
    assert "a server reads it only when it allows so much" in capsys.readouterr().err


def test_dry_run_and_summary_name_them(run, tmp_path, capsys):
    (tmp_path / ".suitewatch.yml").write_text(RULES)
    assert run("junit.xml", "--dry-run", "--summary", "s.json") == 0
    assert f"  configuration .suitewatch.yml ({len(RULES)} bytes)\n" in capsys.readouterr().out
    (told,) = json.loads((tmp_path / "s.json").read_text())["configuration"]
    assert (told["part"], told["name"], told["bytes"]) == ("configuration", ".suitewatch.yml", len(RULES))


def test_wait_says_what_is_wrong_with_it_and_the_step_stays_green(run, door, capsys):
    warning = {"file": ".suitewatch.yml", "line": 3, "field": "suites[0].levle", "message": "No.", "hint": "Ah."}
    receipt = {"files": [a_file()], "configuration": {"number": 1, "warnings": [warning]}}
    door.answers((200, {"upload": "u1", "state": "stored", "receipt": receipt, "error": None}), method="GET")
    assert run("junit.xml", "--wait") == 0
    assert "suitewatch: .suitewatch.yml:3: suites[0].levle: No. Ah.\n" in capsys.readouterr().err


# --- check --------------------------------------------------------------------------------------------


def test_check_is_done_here_where_the_package_is(run, door, tmp_path, capsys):
    (tmp_path / "good.yml").write_text(RULES)
    (tmp_path / "bad.yml").write_text(BAD)
    assert run("good.yml", command="check", token="") == 0
    assert capsys.readouterr().out == "good.yml: nothing to mend. It speaks of suites.\n"
    assert run("bad.yml", command="check", token="") == 1
    assert capsys.readouterr().out == "bad.yml:3: suites[0].levle: levle is not known here. Did you mean level?\n"
    assert door.requests == []


def test_check_looks_at_the_repository_s_files_when_none_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert uploader.main(["check"], environ={}) == 3
    (tmp_path / ".suitewatch.yml").write_text(RULES)
    (tmp_path / "CODEOWNERS").write_text("* @a\nx y\n")
    (tmp_path / ".suitewatch-deferrals.yml").write_text(DEFERRED + "    revew: 2026-12-01\nsuites: []\n")
    assert uploader.main(["check"], environ={}) == 1
    said = capsys.readouterr().out
    assert ".suitewatch-deferrals.yml:4: deferrals[0].revew: revew is not known here. Did you mean review?" in said
    assert ".suitewatch-deferrals.yml:5: suites: suites is not known here. Known here: deferrals." in said
    assert ".suitewatch.yml: nothing to mend." in said
    assert "CODEOWNERS:2: 'y' is neither @team, @person nor a mail address." in said


def test_check_as_json(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.yml").write_text(BAD)
    assert uploader.main(["check", "bad.yml", "--json"], environ={}) == 1
    (told,) = json.loads(capsys.readouterr().out)["files"]
    assert (told["file"], told["ok"]) == ("bad.yml", False)
    assert [(w["line"], w["column"], w["field"]) for w in told["warnings"]] == [(3, 5, "suites[0].levle")]


def test_check_of_a_file_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert uploader.main(["check", "missing.yml"], environ={}) == 2


def alone(folder, *arguments, **environ):
    """The uploader as it is downloaded: one file without our package."""
    (folder / "suitewatch.py").write_bytes((ROOT / "ingest" / "uploader.py").read_bytes())
    command = [sys.executable, "-I", "suitewatch.py", *arguments]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=60, check=False)


def test_alone_it_asks_the_server_without_a_token(door, tmp_path):
    (tmp_path / ".suitewatch.yml").write_text(BAD)
    (tmp_path / "CODEOWNERS").write_text("* @a\n")
    (tmp_path / ".suitewatch-deferrals.yml").write_text(DEFERRED)
    warning = {"line": 3, "field": "suites[0].levle", "message": "levle is not known here.", "hint": "Did you?"}
    good = {"ok": True, "warnings": [], "content": {"code_owners": []}}
    deferred = {"ok": True, "warnings": [], "content": {"deferrals": [{}]}}
    door.answers((200, {"ok": False, "warnings": [warning], "content": {}}), (200, good), (200, deferred))
    done = alone(tmp_path, "check", SUITEWATCH_URL=door.url)
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines() == [
        ".suitewatch.yml:3: suites[0].levle: levle is not known here. Did you?",
        "CODEOWNERS: nothing to mend. It speaks of code owners.",
        ".suitewatch-deferrals.yml: nothing to mend. It speaks of deferrals.",
    ]
    asked = [(request.path, request.body.decode()) for request in door.requests]
    assert asked == [
        ("/api/v1/check?filename=.suitewatch.yml", BAD),
        ("/api/v1/check?filename=CODEOWNERS", "* @a\n"),
        ("/api/v1/check?filename=.suitewatch-deferrals.yml", DEFERRED),
    ]
    assert "Authorization" not in door.requests[0].headers


def test_alone_and_without_a_server_it_says_so(tmp_path):
    (tmp_path / ".suitewatch.yml").write_text(RULES)
    done = alone(tmp_path, "check")
    assert done.returncode == 2
    assert "Who checks? Set SUITEWATCH_URL or give --url" in done.stderr


@pytest.mark.parametrize(("status", "exit_code"), [(413, 4), (500, 6)])
def test_what_could_not_be_checked_is_not_good(run, door, tmp_path, monkeypatch, status, exit_code):
    monkeypatch.setattr(uploader, "find_local_reader", lambda: None)
    error = {"error": {"code": "x", "message": "Too much.", "hint": "", "docs": ""}}
    door.answers((status, error))
    (tmp_path / "a.yml").write_text(RULES)
    assert run("a.yml", command="check") == exit_code


def test_the_reader_s_schema_travels_in_the_package():
    assert shapes.SCHEMA_PATH.is_file()
