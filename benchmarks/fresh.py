"""Call a function of this package in a fresh process, so that memory and caches of one measurement are its own.

Used by the pieces; arguments and results travel as JSON. Promise: the process is gone when the call returns or is
interrupted, and a call never outlasts its time.
"""

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


class FreshCallError(Exception):
    """The function failed or took too long; the text holds its last words."""


def call_fresh(
    function: str, *, seconds: float, environment: Mapping[str, str] | None = None, arguments: Mapping[str, Any]
) -> Any:
    """What `module:function(**arguments)` returns. Modules below `benchmarks.inside` find Django set up."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.fresh", function],
        cwd=ROOT,
        env=dict(environment if environment is not None else os.environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Its own group: Ctrl-C reaches us alone, and we end it with everything it started.
        start_new_session=True,
    ) as process:
        try:
            answer, words = process.communicate(json.dumps(dict(arguments)), timeout=seconds)
        except subprocess.TimeoutExpired as problem:
            raise FreshCallError(f"{function} took longer than {seconds:g} s") from problem
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode:
        raise FreshCallError(f"{function} failed:\n{words[-3000:]}")
    return json.loads(answer)


def _serve(function: str) -> None:
    """The other side: read arguments, call, write the result. What the function prints goes to stderr."""
    arguments = json.load(sys.stdin)
    module, _, name = function.partition(":")
    with contextlib.redirect_stdout(sys.stderr):
        if module.startswith("benchmarks.inside."):
            import django

            os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
            django.setup()
        result = getattr(importlib.import_module(module), name)(**arguments)
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    _serve(sys.argv[1])
