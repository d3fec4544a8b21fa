"""Somebody writes a `.suitewatch.yml`: checks it, sends it with a mistake, mends it, and sees the tests move."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from config.processes import ROOT
from tests.stack import LiveStack, wait_for

MAKE_PROJECT = """
from tests.builders import a_project, a_token
project = a_project("configured")
print("project", project.pk, a_token(project))
"""
WRONG = "suites:\n  - path: tests/contract\n    suit: Contracts\n    level: contract\nexpected_jobs: [unit]\n"
RIGHT = WRONG.replace("suit:", "suite:")
REPORT = """<testsuite name="pytest">
<testcase classname="tests.contract.test_api" name="test_one" time="0.1"/>
<testcase classname="tests.unit.test_cart" name="test_two" time="0.1"/>
</testsuite>
"""


class Checkout:
    """A repository with the uploader in it, as CI downloads it: one file, nothing of ours beside it."""

    def __init__(self, folder: Path, stack: LiveStack, project: int, token: str) -> None:
        self.folder, self.stack, self.project, self.token = folder, stack, project, token
        (folder / ".git").mkdir()
        (folder / "junit.xml").write_text(REPORT, encoding="utf-8")
        shutil.copy(ROOT / "ingest" / "uploader.py", folder / "suitewatch.py")

    def say(self, text: str) -> None:
        """Write the configuration."""
        (self.folder / ".suitewatch.yml").write_text(text, encoding="utf-8")

    def call(self, *arguments: str) -> tuple[int, str]:
        """Run the uploader; its exit code and all it said."""
        done = subprocess.run(
            [sys.executable, "-I", "suitewatch.py", *arguments],
            cwd=self.folder,
            env={
                "SUITEWATCH_URL": self.stack.url,
                "SUITEWATCH_TOKEN": self.token,
                "PATH": self.stack.environment["PATH"],
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, done.stdout

    def upload(self, run_id: str) -> tuple[int, str]:
        """Send the report as the unit job of a run on main."""
        given = ("--branch", "main", "--run-id", run_id, "--job", "unit", "--provider", "ci")
        return self.call("upload", "junit.xml", *given, "--wait")


@pytest.fixture
def checkout(live_stack: LiveStack, tmp_path: Path) -> Checkout:
    told = live_stack.manage("shell", "--command", MAKE_PROJECT)
    _, key, token = next(line for line in told.splitlines() if line.startswith("project ")).split()
    return Checkout(tmp_path, live_stack, int(key), token)


def read_suites(checkout: Checkout) -> set[tuple[object, ...]]:
    """Run, suite, level and how many tests of it."""
    rows = checkout.stack.query(
        """
        SELECT r.run, s.name, s.level, r.n_declared FROM health_runsuite r
        JOIN health_suite s ON s.project_id = r.project_id AND s.number = r.suite WHERE r.project_id = %s
        """,
        checkout.project,
    )
    return set(rows)


def test_a_configuration_is_checked_sent_mended_and_followed(checkout: Checkout) -> None:
    mistake = ".suitewatch.yml:3: suites[0].suit: suit is not known here. Did you mean suite?"

    checkout.say(WRONG)
    assert checkout.call("check") == (1, mistake + "\n")
    code, said = checkout.upload("1")
    assert code == 0, said
    assert f"suitewatch: {mistake}" in said
    assert "junit.xml: 2 tests: 2 passed" in said
    assert read_suites(checkout) == {(1, "tests.contract", "contract", 1), (1, "tests.unit", "unit", 1)}

    checkout.say(RIGHT)
    code, said = checkout.call("check")
    assert (code, said) == (0, ".suitewatch.yml: nothing to mend. It speaks of expected jobs, suites.\n")
    code, said = checkout.upload("2")
    assert code == 0, said
    moved = {(run, *suite) for run in (1, 2) for suite in (("Contracts", "contract", 1), ("tests.unit", "unit", 1))}
    wait_for(lambda: read_suites(checkout) == moved, seconds=30, what="both runs counted by the new rule")
