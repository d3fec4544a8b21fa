"""Somebody brings years of old reports, twice: each run once, on the day it ran."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from config.processes import ROOT
from tests.stack import LiveStack, wait_for

MAKE_PROJECT = """
from tests.builders import a_project, a_token
project = a_project("old-reports")
print("project", project.pk, a_token(project))
"""


def bring(stack: LiveStack, token: str, folder: Path) -> str:
    """`suitewatch import`, as its own process; what it said."""
    command = [sys.executable, str(ROOT / "ingest" / "uploader.py"), "import", "old", "--branch", "main", "--wait"]
    environ = {"SUITEWATCH_URL": stack.url, "SUITEWATCH_TOKEN": token, "PATH": stack.environment["PATH"]}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def read_runs(stack: LiveStack, project: int) -> list[tuple[object, ...]]:
    """The runs in the order they ran: when, how many cases, how many failed."""
    return stack.query(
        "SELECT ran_at, n_declared, n_failed FROM health_run WHERE project_id = %s ORDER BY ran_at", project
    )


def test_old_reports_arrive_on_their_days_and_once(live_stack: LiveStack, tmp_path: Path) -> None:
    told = live_stack.manage("shell", "--command", MAKE_PROJECT)
    _, key, token = next(line for line in told.splitlines() if line.startswith("project ")).split()
    for day, outcome in (("2024-01-02", "<failure/>"), ("2024-01-01", ""), ("2024-01-03", "")):
        for number in range(2):
            path = tmp_path / "old" / day / f"part-{number}.xml"
            path.parent.mkdir(parents=True, exist_ok=True)
            case = f"<testcase classname='tests.shop' name='case {number}'>{outcome if number else ''}</testcase>"
            path.write_text(f"<testsuite timestamp='{day}T12:0{number}:00Z'>{case}</testsuite>", encoding="utf-8")

    assert "In all 6 tests: 5 passed, 1 failed\n" in bring(live_stack, token, tmp_path)
    wanted = [(datetime(2024, 1, day, 12, tzinfo=UTC), 2, 1 if day == 2 else 0) for day in (1, 2, 3)]
    wait_for(lambda: read_runs(live_stack, int(key)) == wanted, seconds=30, what="three runs on their days")

    assert bring(live_stack, token, tmp_path).count("nothing is stored twice") == 3
    assert read_runs(live_stack, int(key)) == wanted
    assert live_stack.query("SELECT count(*) FROM health_upload WHERE project_id = %s", int(key)) == [(3,)]
