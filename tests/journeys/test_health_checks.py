"""The health checks of docker-compose.yml, asked of the real processes: yes when well, no when not."""

import os
import shlex
import socket
import subprocess
import sys

import pytest
import yaml

from config.processes import ROOT
from tests.stack import wait_for

SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]


def ask(stack, service):
    """Run the check as Docker would, inside the container of that service."""
    kind, *words = SERVICES[service]["healthcheck"]["test"]
    # Compose writes $$ for a $ of the shell.
    command = words[0].replace("$$", "$") if kind == "CMD-SHELL" else shlex.join(words)
    command = command.replace("python ", f"{shlex.quote(sys.executable)} ", 1).replace("8000", str(stack.port))
    environment = stack.environment | {"HOSTNAME": socket.gethostname(), "PATH": os.environ["PATH"]}
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return done.returncode == 0


@pytest.mark.parametrize("service", ["web", "worker", "beat"])
def test_a_service_that_is_well_is_healthy(live_stack, service):
    # After a test that took the broker away, the worker needs a moment to find it again; Docker asks three times.
    wait_for(lambda: ask(live_stack, service), seconds=30, what=f"{service} is healthy")


@pytest.mark.parametrize(("service", "gone"), [("web", "web"), ("worker", "worker"), ("beat", "valkey")])
def test_a_service_that_is_gone_is_not(live_stack, service, gone):
    live_stack.stop(gone)
    assert not ask(live_stack, service)
