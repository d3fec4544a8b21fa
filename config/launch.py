"""What `manage.py up` does: services, migrations, web, worker, beat, the first user, the demo; then it watches.

Called by `config.management.commands.up`; everything it starts is a child of `config.embedded.supervisor`.
Promise: after Ctrl-C nothing is left running, and each thing that can be wrong at the start is one sentence
(`tests/journeys/test_up.py`).
"""

import errno
import fcntl
import os
import secrets
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import psycopg
import redis

from config import processes
from config.embedded import state
from config.embedded.postgres import prepare_postgres
from config.embedded.service import EmbeddedError, Service
from config.embedded.state import ProcessId, Running
from config.embedded.supervisor import StopAskedError, Supervisor, end_leftovers
from config.embedded.valkey import prepare_valkey
from config.env import environment as env

FIRST_USER = "owner"
DEMO_MARK = "demo-loaded"
LEAST_POSTGRES = 140_000
# What the log calls its least important lines, as text and as JSON (`config.logs`).
NEWS = (" INFO ", '"level": "INFO"')


class LaunchError(Exception):
    """Something is wrong at the start; the text is one sentence for the person at the terminal."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run, read once from flags and environment."""

    state_directory: Path
    host: str
    port: int
    url: str
    static_root: Path
    # Empty: start our own.
    database_url: str
    redis_url: str
    load_demo: bool
    in_colour: bool


def launch(plan: Plan, *, out: TextIO, commands: set[str]) -> None:
    """Run everything until Ctrl-C; raises LaunchError when it cannot start. `commands` are those of manage.py."""
    _make_state_directory(plan.state_directory)
    with _only_one(plan):
        _Launch(plan, out=out, commands=commands).run()


class _Launch:
    """One run of `up`."""

    def __init__(self, plan: Plan, *, out: TextIO, commands: set[str]) -> None:
        self.plan = plan
        self.commands = commands
        self.database_url = plan.database_url
        self.redis_url = plan.redis_url
        self.data: Path | None = None
        self.supervisor = Supervisor(out=out, on_change=self.note, in_colour=plan.in_colour)
        self.children: dict[str, ProcessId] = {}

    def run(self) -> None:
        """Start, watch, stop."""
        with self.supervisor.signals():
            try:
                self.end_leftovers()
                check_port(self.plan.host, self.plan.port)
                self.start_services()
                self.prepare()
                self.start_processes()
                self.load_demo()
                self.greet(self.make_link())
                self.supervisor.watch()
            except StopAskedError:
                self.supervisor.say("Stopping.")
            except EmbeddedError as error:
                raise LaunchError(str(error)) from error
            finally:
                self.supervisor.stop()
                state.clear(self.plan.state_directory)
        self.supervisor.say(f"Stopped. The data stays in {self.name_data()}.")

    def name_data(self) -> str:
        """Where what was sent lies: root's database may lie elsewhere than our state, and a given one is not ours."""
        if self.plan.database_url:
            return "your database"
        here = self.plan.state_directory
        is_inside = self.data is None or self.data.resolve().is_relative_to(here.resolve())
        return str(here) if is_inside else f"{self.data}, and the keys in {here}"

    def note(self, children: dict[str, ProcessId]) -> None:
        """Keep the state file true; called by the supervisor at each change."""
        running = Running(ProcessId.of(os.getpid()), self.plan.url, self.database_url, self.redis_url, children)
        state.write(running, directory=self.plan.state_directory)

    def end_leftovers(self) -> None:
        """What a killed `up` could not stop would be in our way."""
        before = state.read(self.plan.state_directory)
        if before is None:
            return
        left = end_leftovers(before.children)
        ended = f" Ended what was left of it: {', '.join(left)}." if left else ""
        self.supervisor.say(f"The last run did not stop cleanly; its data is recovered.{ended}")
        state.clear(self.plan.state_directory)

    def start_services(self) -> None:
        """Our own servers, unless real ones are given; those must answer."""
        if self.plan.database_url:
            check_database(self.plan.database_url)
        else:
            self.supervisor.say("Starting PostgreSQL")
            postgres = prepare_postgres(self.plan.state_directory)
            self.data = postgres.data
            self.supervisor.start(postgres.service())
            postgres.create_database()
            self.database_url = postgres.url()
        if self.plan.redis_url:
            check_redis(self.plan.redis_url)
        else:
            self.supervisor.say("Starting Valkey")
            valkey = prepare_valkey(self.plan.state_directory)
            self.supervisor.start(valkey.service())
            self.redis_url = valkey.url

    def prepare(self) -> None:
        """Tables and static files."""
        self.supervisor.say("Preparing tables and static files")
        self.manage("migrate", "--no-input", "--verbosity", "0")
        if is_older(self.plan.static_root / "staticfiles.json", folder=processes.ROOT / "static"):
            self.manage("collectstatic", "--no-input", "--verbosity", "0")

    def start_processes(self) -> None:
        """Web, worker, beat."""
        self.supervisor.say("Starting web, worker and beat")
        children = self.environment()
        self.supervisor.start(processes.web_service(children, host=self.plan.host, port=self.plan.port))
        self.supervisor.start(processes.worker_service(children))
        self.supervisor.start(processes.beat_service(children))

    def load_demo(self) -> None:
        """Once, through the public upload endpoint; a failure is told, but stops nothing."""
        mark = self.plan.state_directory / DEMO_MARK
        if not self.plan.load_demo or mark.exists() or "load_demo" not in self.commands:
            return
        self.supervisor.say(f"Loading the demo; you can watch it arrive at {self.plan.url}")
        # Not the public address, which may lead through a proxy that is not there yet.
        host = processes.EVERYWHERE.get(self.plan.host, self.plan.host)
        here = f"http://{f'[{host}]' if ':' in host else host}:{self.plan.port}"
        with self.supervisor.hush(*NEWS):  # a line for each upload would hide the link that follows
            status, _ = self.supervisor.run(self.manage_service("load_demo", "--url", here))
        if status == 0:
            mark.touch()
        else:
            self.supervisor.say("The demo could not be loaded; the next start tries again.")

    def make_link(self) -> str:
        """A one-time login link: for the first user, made here when there is none, else for the only or first one."""
        if "login_link" not in self.commands:
            return ""
        if not self.has_users():
            return self.read_link("create_user", FIRST_USER, "--owner", "--exist-ok")
        return self.read_link("login_link", FIRST_USER) or self.read_link("login_link")

    def has_users(self) -> bool:
        """Whether anybody can sign in."""
        with psycopg.connect(self.database_url, connect_timeout=5) as connection:
            return connection.execute("SELECT 1 FROM auth_user LIMIT 1").fetchone() is not None

    def read_link(self, *words: str) -> str:
        """The link that a command prints as its last line."""
        status, lines = self.supervisor.run(self.manage_service(*words, is_shown=False))
        return lines.strip().splitlines()[-1] if status == 0 and lines.strip() else ""

    def greet(self, link: str) -> None:
        """Where it is and how to get in."""
        rule = "─" * 66
        lines = ["", rule, f"  Suitewatch runs at   {self.plan.url}"]
        lines += [f"  Sign in once with    {link}"] if link else ["  For a login link     manage.py login_link NAME"]
        lines += ["  Stop everything with Ctrl-C", rule, ""]
        self.supervisor.say("\n".join(lines))

    def manage(self, *words: str) -> None:
        """Run a management command that must succeed."""
        status, lines = self.supervisor.run(self.manage_service(*words))
        if status:
            raise LaunchError(f"`manage.py {words[0]}` failed:\n{lines}".rstrip())

    def manage_service(self, *words: str, is_shown: bool = True) -> Service:
        """A management command with the children's environment."""
        return processes.manage_service(*words, environment=self.environment(), is_shown=is_shown)

    def environment(self) -> dict[str, str]:
        """Ours, with plain addresses: below the settings nobody can tell our servers from real ones."""
        mine = env.copy()
        for name in ("DATABASE_URL", "REDIS_URL"):
            mine.pop(f"{name}_FILE", None)
        if not (mine.get("SUITEWATCH_SECRET_KEY") or mine.get("SUITEWATCH_SECRET_KEY_FILE")):
            mine["SUITEWATCH_SECRET_KEY_FILE"] = str(make_secret_key(self.plan.state_directory))
        return mine | {
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "SUITEWATCH_URL": self.plan.url,
            "SUITEWATCH_STATE_DIR": str(self.plan.state_directory),
            "SUITEWATCH_STATIC_ROOT": str(self.plan.static_root),
            "PYTHONUNBUFFERED": "1",
        }


def read_plan(*, host: str | None, port: int | None, demo: bool | None) -> Plan:
    """What to run, from the environment; flags win."""
    database_url = env.secret("DATABASE_URL", schemes=("postgresql", "postgres"))
    directory = env.path("SUITEWATCH_STATE_DIR", default=processes.ROOT / ".state")
    number = port or env.number("SUITEWATCH_PORT", default=8000, least=1, most=65_535)
    wish = env.text("SUITEWATCH_DEMO", default="auto", allowed=("auto", "yes", "no"))
    return Plan(
        state_directory=directory,
        host=host or env.text("SUITEWATCH_HOST", default="127.0.0.1"),
        port=number,
        url=env.url("SUITEWATCH_URL", schemes=("http", "https"), default=f"http://127.0.0.1:{number}"),
        static_root=env.path("SUITEWATCH_STATIC_ROOT", default=directory / "static"),
        database_url=database_url,
        redis_url=env.secret("REDIS_URL", schemes=("redis", "rediss", "unix")),
        in_colour=not env.text("NO_COLOR") and sys.stdout.isatty(),
        # A real database is no place for examples, unless somebody asks.
        load_demo=demo if demo is not None else wish == "yes" or (wish == "auto" and not database_url),
    )


def check_port(host: str, port: int) -> None:
    """Raise LaunchError when nobody can listen there."""
    try:
        family, kind, number, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, number) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except OSError as error:
        why = "is taken by another program" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
        raise LaunchError(
            f"Port {port} on {host} {why}: choose another with `make up PORT={port + 1}` (or set SUITEWATCH_PORT)."
        ) from error


def check_database(url: str) -> None:
    """Raise LaunchError when the given server does not answer or is too old."""
    try:
        with psycopg.connect(url, connect_timeout=5) as connection:
            version = connection.info.server_version
    except psycopg.Error as error:
        reason = str(error).strip().splitlines()[0]
        raise LaunchError(f"DATABASE_URL is set, but its database does not answer: {reason}") from error
    if version < LEAST_POSTGRES:
        raise LaunchError(f"DATABASE_URL names PostgreSQL {version // 10_000}, but 14 or newer is needed.")


def check_redis(url: str) -> None:
    """Raise LaunchError when the given server does not answer."""
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=5, socket_timeout=5, retry=None) as client:
            client.ping()
    except (redis.RedisError, OSError, ValueError) as error:
        raise LaunchError(f"REDIS_URL is set, but its server does not answer: {error}") from error


def make_secret_key(directory: Path) -> Path:
    """The file with the key that signs tokens and links, made once."""
    file = directory / state.KEY_FILE
    if not state.read_secret_key(directory):
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as opened:
            opened.write(secrets.token_urlsafe(60) + "\n")
    return file


def is_older(file: Path, *, folder: Path) -> bool:
    """Whether `file` is missing, or anything in `folder` changed after it."""
    if not file.exists():
        return True
    made = file.stat().st_mtime
    return any(path.stat().st_mtime > made for path in [folder, *folder.rglob("*")] if path.exists())


def _make_state_directory(directory: Path) -> None:
    try:
        # A folder that is there keeps its mode: a running server of root's has to pass through it.
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = directory.stat().st_uid
    except OSError as error:
        raise LaunchError(f"{directory} cannot be made ({error.strerror}): set SUITEWATCH_STATE_DIR.") from error
    if owner != os.geteuid():
        raise LaunchError(f"{directory} belongs to another user: run as that user, or set SUITEWATCH_STATE_DIR.")


@contextmanager
def _only_one(plan: Plan) -> Iterator[None]:
    """Hold the state folder's lock, which ends with this process however it ends."""
    handle = os.open(plan.state_directory / "up.lock", os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            running = state.read_running(plan.state_directory)
            where = f"runs at {running.url}" if running else "is starting"
            raise LaunchError(
                f"Suitewatch already {where} with this state folder: use that, or stop it first."
            ) from error
        yield
    finally:
        os.close(handle)
