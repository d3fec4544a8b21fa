"""The facts about a machine without which its times mean nothing; no names and no paths."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any
from xml.parsers import expat

from benchmarks.fresh import ROOT

_PACKAGES = ("django", "celery", "gunicorn", "psycopg", "numpy", "junitparser")


def describe_machine() -> dict[str, Any]:
    """Processor, memory, versions, the commit."""
    return {
        "processor": _find_line("/proc/cpuinfo", "model name") or platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "expat": expat.EXPAT_VERSION,
        **{name: importlib.metadata.version(name) for name in _PACKAGES},
        "commit": _find_commit(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def _find_line(file: str, name: str) -> str:
    try:
        lines = Path(file).read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def _find_commit() -> str:
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return done.stdout.strip()
