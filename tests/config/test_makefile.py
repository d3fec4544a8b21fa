"""The Makefile on machines that lack something: one clear sentence each."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def clone(tmp_path):
    """A folder with what the Makefile reads, and nothing else."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements").mkdir()
    return tmp_path


def make(clone, *arguments):
    return subprocess.run(["make", *arguments], cwd=clone, capture_output=True, text=True, check=False)


def fake_python(clone, *, script) -> str:
    path = clone / "fake-python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_help_is_the_default_and_names_each_target(clone):
    shown = make(clone).stdout
    for target in ("up", "test", "lint", "bench", "lock", "setup", "demo-data"):
        assert f"  {target} " in shown
    assert make(clone, "help").stdout == shown


def test_an_old_python_is_one_sentence(clone):
    python = fake_python(clone, script='case "$1" in --version) echo Python 3.9.2;; *) exit 1;; esac')
    done = make(clone, "venv", f"PYTHON={python}")
    assert done.returncode != 0
    assert f"needs Python 3.11 or newer; {python} is Python 3.9.2." in done.stderr


def test_no_python_is_one_sentence(clone):
    done = make(clone, "venv", "PYTHON=/no/such/python")
    assert "needs Python 3.11 or newer; /no/such/python is missing." in done.stderr


def test_a_python_without_venv_is_one_sentence(clone):
    python = fake_python(clone, script='case "$2" in *ensurepip*) exit 1;; *) exit 0;; esac')
    done = make(clone, "venv", f"PYTHON={python}")
    assert "has no venv module; install it (Debian, Ubuntu: apt-get install python3-venv)." in done.stderr


def test_the_ci_script_runs_the_tests_and_nothing_else():
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    commands = [line for line in lines if line and not line.startswith("#")]
    assert commands == ["set -euo pipefail", 'cd "$(dirname "$0")/.."', "exec make test"]


def test_no_file_of_the_build_names_an_index():
    for name in ("Makefile", "Dockerfile", "docker-compose.yml", ".ci/run"):
        text = (ROOT / name).read_text()
        assert not re.search(r"(?<!--no-emit-)index-url|find-links[ =]/|/simple\b|pypi\.", text), name
