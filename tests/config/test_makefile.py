"""The Makefile on machines that lack something: one clear sentence each."""

import os
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
    path = f"{clone / 'bin'}:{os.environ['PATH']}"
    environment = {"PATH": path, "HOME": str(clone)}
    return subprocess.run(["make", *arguments], cwd=clone, env=environment, capture_output=True, text=True, check=False)


def stub(path, script):
    """A program that writes its words to the log `calls`, then does what `script` says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\necho "{path.name} $*" >> calls\n{script}\n')
    path.chmod(0o755)


def calls(clone):
    log = clone / "calls"
    found = log.read_text().splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return [line for line in found if "pip --version" not in line]


@pytest.fixture
def built(clone):
    """A clone whose environment is a stub."""
    stub(clone / ".venv" / "bin" / "python", "exit 0")
    for name in ("app", "dev"):
        (clone / "requirements" / f"{name}.txt").write_text(f"{name}==1\n")
    return clone


def fake_python(clone, *, script) -> str:
    path = clone / "fake-python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_help_is_the_default_and_names_each_target(clone):
    shown = make(clone).stdout
    for target in ("up", "test", "faults", "lint", "bench", "lock", "setup", "demo-data"):
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


def test_packages_are_installed_by_hash_and_again_only_when_the_file_changed(built):
    assert make(built, "app").returncode == 0
    (installed,) = calls(built)
    assert "--require-hashes" in installed
    assert installed.endswith("-r requirements/app.txt")
    make(built, "app")
    assert calls(built) == []
    (built / "requirements" / "app.txt").write_text("app==2\n")
    make(built, "app")
    assert len(calls(built)) == 1


def test_what_development_needs_includes_what_up_needs(built):
    make(built, "dev")
    assert calls(built)[0].endswith("-r requirements/dev.txt")
    make(built, "app")
    assert calls(built) == []


def test_an_installation_that_failed_is_tried_again(built):
    stub(built / ".venv" / "bin" / "python", 'case "$*" in *requirements*) exit 1;; esac')
    assert make(built, "app").returncode != 0
    calls(built)
    assert make(built, "app").returncode != 0
    assert len(calls(built)) == 1


def without_browser(built, *, user):
    stub(built / ".venv" / "bin" / "python", 'case "$*" in *tests.browser*) exit 1;; esac')
    stub(built / "bin" / "apt-get", "exit 0")
    stub(built / "bin" / "id", f"echo {user}")
    done = make(built, "browser")
    return done, [line for line in calls(built) if line.startswith("apt-get")]


def test_root_gets_a_browser_from_apt(built):
    done, asked = without_browser(built, user=0)
    assert done.returncode == 0
    assert asked == ["apt-get update -qq", "apt-get install -qq --yes --no-install-recommends chromium"]


def test_anybody_else_is_told_what_to_install(built):
    done, asked = without_browser(built, user=1000)
    assert done.returncode != 0
    assert asked == []
    assert "The tests need a browser: install Chromium or Chrome (Debian: apt-get install chromium)." in done.stderr


def test_the_ci_script_runs_the_tests_and_nothing_else():
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    commands = [line for line in lines if line and not line.startswith("#")]
    assert commands == ["set -euo pipefail", 'cd "$(dirname "$0")/.."', "exec make test"]


def test_no_file_of_the_build_names_an_index():
    for name in ("Makefile", "Dockerfile", "docker-compose.yml", ".ci/run"):
        text = (ROOT / name).read_text()
        assert not re.search(r"(?<!--no-emit-)index-url|find-links[ =]/|/simple\b|pypi\.", text), name
