"""The containers run what `make up` runs: there is no Docker here, so the files are held against the code."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from config import gunicorn, launch, processes, settings
from config.env import environment

ROOT = Path(__file__).resolve().parents[2]
OURS = ("web", "worker", "beat", "migrate")


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


@pytest.fixture(scope="module")
def dockerfile():
    """The instructions as (name, rest) pairs, with continued lines joined."""
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [tuple(line.split(maxsplit=1)) for line in lines]


def instructions(dockerfile, name):
    return [rest for found, rest in dockerfile if found == name]


@pytest.fixture
def image(dockerfile, tmp_path):
    """A folder with what the image's /app has, and nothing else."""
    for rest in instructions(dockerfile, "COPY"):
        source, target = rest.split()[:2]
        if source.startswith("--from") or target.startswith("/"):
            continue
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, tmp_path / target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, tmp_path / target)
    return tmp_path


@pytest.mark.parametrize("command", [processes.COLLECT_STATIC, ["manage.py", "check"]], ids=lambda words: words[1])
def test_what_the_image_copies_is_enough(image, command):
    environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, *command], cwd=image, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (image / "static-collected" / "staticfiles.json").exists() is (command == processes.COLLECT_STATIC)


@pytest.mark.parametrize(
    ("service", "command"),
    [
        ("web", processes.WEB),
        ("worker", processes.WORKER),
        ("beat", processes.BEAT),
        ("migrate", processes.MIGRATE),
    ],
)
def test_each_container_runs_the_command_of_up(compose, service, command):
    assert compose["services"][service]["command"] == ["python", *command]


def test_the_image_alone_serves_the_web(dockerfile):
    assert json.loads(instructions(dockerfile, "CMD")[0]) == ["python", *processes.WEB]


def test_the_image_collects_static_files_as_up_does(dockerfile):
    assert any(shlex.join(["python", *processes.COLLECT_STATIC]) in rest for rest in instructions(dockerfile, "RUN"))


def test_each_variable_given_is_one_that_is_read(compose, dockerfile):
    launch.read_plan(host=None, port=None, demo=None)
    assert settings.DEBUG is False
    assert gunicorn.workers == 2
    given = {name for service in OURS for name in compose["services"][service]["environment"]}
    for rest in instructions(dockerfile, "ENV"):
        given |= {name for name in re.findall(r"(\w+)=", rest) if name.startswith("SUITEWATCH_")}
    assert given <= environment.names


def test_what_the_person_must_choose_is_demanded(compose):
    shared = compose["services"]["web"]["environment"]
    assert shared["SUITEWATCH_SECRET_KEY"].startswith("${SUITEWATCH_SECRET_KEY:?")
    assert "${POSTGRES_PASSWORD:?" in shared["DATABASE_URL"]


def test_all_of_ours_share_one_environment_and_know_their_process(compose):
    web, worker, beat = (compose["services"][name]["environment"] for name in ("web", "worker", "beat"))
    assert worker == web | {"SUITEWATCH_PROCESS": "worker"}
    assert beat == web | {"SUITEWATCH_PROCESS": "beat"}


def test_nobody_is_root(dockerfile):
    users = [position for position, (name, _) in enumerate(dockerfile) if name == "USER"]
    commands = [position for position, (name, _) in enumerate(dockerfile) if name == "CMD"]
    assert users
    assert users[-1] < commands[-1]
    assert dockerfile[users[-1]][1] not in ("root", "0")


def test_each_service_has_a_health_check_and_data_live_in_a_volume(compose):
    for name, service in compose["services"].items():
        assert ("healthcheck" in service) is (name != "migrate"), name
    mounted = {volume.split(":")[0] for volume in compose["services"]["postgres"]["volumes"]}
    assert mounted == set(compose["volumes"])


def test_web_waits_for_the_tables_and_they_for_the_database(compose):
    services = compose["services"]
    for name in ("web", "worker", "beat"):
        assert services[name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
    assert services["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}


def test_everything_the_image_copies_exists(dockerfile):
    for rest in instructions(dockerfile, "COPY"):
        if not rest.startswith("--from"):
            assert (ROOT / rest.split()[0]).exists(), rest


def test_all_that_the_product_needs_is_copied(dockerfile):
    copied = {rest.split()[0] for rest in instructions(dockerfile, "COPY")}
    assert {"config", "health", "ingest", "dashboard", "templates", "static", "manage.py"} <= copied


def test_the_images_ignore_file_lets_the_same_through(dockerfile):
    let_through = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    sources = [rest.split()[0] for rest in instructions(dockerfile, "COPY") if not rest.startswith("--from")]
    copied = {source.split("/")[0] for source in sources}
    assert copied == let_through
