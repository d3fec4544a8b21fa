"""Somebody writes a `.suitewatch.yml`: checks it, sends it with a mistake, mends it, and sees the tests move."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from config.processes import ROOT
from tests.stack import LiveStack, wait_for

MAKE_PROJECT = """
from uuid import uuid4
from tests.builders import a_project, a_token
project = a_project(f"configured-{uuid4()}")
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

    def say(self, text: str, *, name: str = ".suitewatch.yml") -> None:
        """Write the configuration, or another file that travels with it."""
        (self.folder / name).write_text(text, encoding="utf-8")

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


DEFERRED = """deferrals:
  - cases: tests/contract/test_api*
    reason: The other side is not there yet.
    review: 2026-02-30
  - cases: tests/unit/test_cart::test_two
    owner: ann
    backing: [11 unit tests]
"""
MENDED = DEFERRED.replace("2026-02-30", "2026-03-02").replace("11 unit tests", "1 unit test in tests/unit/test_cart*")


def read_items(checkout: Checkout) -> list[tuple[object, ...]]:
    """What the file in force puts off: pattern, line, review day."""
    return checkout.stack.query(
        """
        SELECT item ->> 'cases', (item ->> 'line')::int, item ->> 'review'
        FROM health_project p
        JOIN health_configuration c ON c.project_id = p.id AND c.number = p.deferrals_file
        CROSS JOIN LATERAL jsonb_array_elements(c.content -> 'deferrals') WITH ORDINALITY AS listed (item, place)
        WHERE p.id = %s ORDER BY place
        """,
        checkout.project,
    )


def read_register(checkout: Checkout) -> list[tuple[object, ...]]:
    """The entries of patterns that stand: pattern and owner."""
    return checkout.stack.query(
        """
        SELECT pattern, owner FROM health_deferral
        WHERE project_id = %s AND ord IS NULL AND closed_at IS NULL ORDER BY pattern
        """,
        checkout.project,
    )


def test_a_file_of_deferrals_is_checked_sent_and_in_force(checkout: Checkout) -> None:
    name = ".suitewatch-deferrals.yml"
    wrong_day = f"{name}:4: deferrals[0].review: deferrals[0].review has to be a day that there is"
    unread = f"{name}:7: deferrals[1].backing[0]: '11 unit tests' names no tests that can be looked up;"

    checkout.say(DEFERRED, name=name)
    code, said = checkout.call("check")
    assert (code, wrong_day in said, unread in said) == (1, True, True), said
    code, said = checkout.upload("1")
    assert code == 0, said
    assert f"With {name}." in said
    assert wrong_day in said
    assert read_items(checkout) == [("tests/unit/test_cart::test_two", 5, None)]

    checkout.say(MENDED, name=name)
    assert checkout.call("check") == (0, f"{name}: nothing to mend. It speaks of deferrals.\n")
    code, said = checkout.upload("2")
    assert code == 0, said
    assert [row[:2] for row in read_items(checkout)] == [
        ("tests/contract/test_api*", 2),
        ("tests/unit/test_cart::test_two", 5),
    ]
    stand = [("tests/contract/test_api*", ""), ("tests/unit/test_cart::test_two", "ann")]
    wait_for(lambda: read_register(checkout) == stand, seconds=30, what="both entries in the register")

    checkout.say("", name=name)
    code, said = checkout.upload("3")
    assert code == 0, said
    wait_for(
        lambda: read_register(checkout) == [], seconds=30, what="what the file no longer names to leave the register"
    )
