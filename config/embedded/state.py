"""The one file that says which services run here, and at which addresses.

Written by `config.launch` while it runs; read by `config.settings`, so that a command in a second terminal finds
the running services, and by the next start, which ends what a dirty stop left behind.
Promise: the addresses of a process that is gone are never handed out (`tests/config/test_state.py`).
"""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

FILE_NAME = "running.json"
KEY_FILE = "secret-key"


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process, told from a later one with the same number by the moment it began."""

    pid: int
    began: str

    @classmethod
    def of(cls, pid: int) -> "ProcessId":
        """The identity of a process that runs now."""
        return cls(pid=pid, began=_began(pid))

    def is_alive(self) -> bool:
        """Whether this very process still runs (one that is dead but not yet collected does not)."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return bool(self.began) and _began(self.pid) == self.began


@dataclass(frozen=True, slots=True)
class Running:
    """What one `up` started: itself, its address, its services, its children by name."""

    owner: ProcessId
    url: str
    database_url: str
    redis_url: str
    children: dict[str, ProcessId] = field(default_factory=dict)


def write(running: Running, *, directory: Path) -> None:
    """Replace the state file in one step; it holds addresses, so only its owner may read it."""
    draft = directory / f"{FILE_NAME}.new"
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(asdict(running), file, indent=1)
    draft.replace(directory / FILE_NAME)


def read(directory: Path) -> Running | None:
    """What the file says, whether or not it still runs; None when there is none or it is damaged."""
    try:
        raw = json.loads((directory / FILE_NAME).read_text(encoding="utf-8"))
        children = {name: ProcessId(**child) for name, child in raw.pop("children").items()}
        return Running(owner=ProcessId(**raw.pop("owner")), children=children, **raw)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def read_running(directory: Path) -> Running | None:
    """What the file says, only while the `up` that wrote it is alive."""
    running = read(directory)
    return running if running is not None and running.owner.is_alive() else None


def clear(directory: Path) -> None:
    """Nothing runs any more."""
    (directory / FILE_NAME).unlink(missing_ok=True)


def read_secret_key(directory: Path) -> str:
    """The key that `up` made once, or nothing."""
    try:
        return (directory / KEY_FILE).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _began(pid: int) -> str:
    """When a process began: clock ticks since boot on Linux; empty where the system does not tell, or for a zombie."""
    try:
        # The name in parentheses may hold blanks, so count from its end.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return "" if Path("/proc/self").exists() else "unknown"
    return "" if fields[0] in "ZX" else fields[19]
