"""What a supervised child is, and the folder its socket may live in.

Used by `postgres`, `valkey`, `supervisor` and `config.processes`.
"""

import contextlib
import hashlib
import os
import pwd
import signal
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

# The kernel's limit for a socket's path is 108 bytes with its closing zero; macOS allows 104.
MAX_SOCKET_PATH = 103
# Not `tempfile.gettempdir()`, which may itself be long.
SHORT_ROOT = Path("/tmp")  # noqa: S108 - the folder in it is made private, and checked


class EmbeddedError(Exception):
    """A service cannot run here; the text is one sentence for the person at the terminal."""


@dataclass(frozen=True, slots=True)
class Service:
    """One child process: how it starts, when it is ready, how it stops."""

    name: str
    argv: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    directory: Path | None = None
    account: pwd.struct_passwd | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 35
    ready_seconds: float = 60
    is_ready: Callable[[], bool] = lambda: True
    # Words in one of its lines that say it is ready, for a child that cannot be asked.
    ready_line: str = ""
    # A server whose last life ended badly may need a moment, and so another try.
    tries: int = 1
    # Lines with these words are kept for a failure's report, but not shown.
    quiet_about: tuple[str, ...] = ()


def short_socket_directory(wanted: Path, *, name: str, account: pwd.struct_passwd | None = None) -> Path:
    """`wanted`, or a private folder with a short path of its own when the socket's path would be too long."""
    if len(os.fsencode(wanted / name)) <= MAX_SOCKET_PATH:
        return wanted
    owner = os.geteuid() if account is None else account.pw_uid
    folder = SHORT_ROOT / f"suitewatch-{hashlib.sha256(os.fsencode(wanted)).hexdigest()[:16]}"
    # The name can be guessed, so somebody else may have made it first.
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        os.chown(folder, owner, -1)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or stat.S_IMODE(found.st_mode) != 0o700:
        raise EmbeddedError(f"{folder} is not ours alone: remove it, or set SUITEWATCH_STATE_DIR to a shorter path.")
    return folder
