"""Starts children in order, waits until each is ready, shows their lines, restarts them, stops them in reverse.

Called by `config.launch` and, for the servers alone, by the test session.
Promise: whatever was started is gone after `stop`, and no child is left behind by a second Ctrl-C
(`tests/config/test_supervisor.py`).
"""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TextIO

from config.embedded.service import EmbeddedError, Service
from config.embedded.state import ProcessId

PATIENCE = 0.05
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
# A child that ran this long was healthy: its next failure is a new story.
HEALTHY_SECONDS = 60.0
KEPT_LINES = 20
OnChange = Callable[[dict[str, ProcessId]], None]
COLOURS = ("36", "33", "32", "35", "34", "31")
NAME_WIDTH = 10


class StopAskedError(Exception):
    """Somebody pressed Ctrl-C, or sent SIGTERM."""


def _now() -> float:
    return time.monotonic()


@dataclass
class _Child:
    service: Service
    process: subprocess.Popen[str]
    reader: threading.Thread = field(init=False)
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))
    said_ready: threading.Event = field(default_factory=threading.Event)
    began: float = field(default_factory=_now)
    pause: float = FIRST_PAUSE
    again_at: float | None = None


class Supervisor:
    """The parent of all our processes; used from the main thread only."""

    def __init__(self, *, out: TextIO, on_change: OnChange | None = None, in_colour: bool = False) -> None:
        self._out = out
        self._in_colour = in_colour
        self._on_change = on_change
        self._children: dict[str, _Child] = {}
        self._names: list[str] = []
        self._hushed: tuple[str, ...] = ()
        self._signals = 0
        self._lock = threading.Lock()

    # --- Signals ---------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def signals(self) -> Iterator[None]:
        """Take SIGINT, SIGTERM and SIGHUP as a wish to stop; a second one hurries."""
        wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.signal(number, self._note_signal) for number in wanted}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note_signal(self, *_: object) -> None:
        self._signals += 1

    def check_stop(self) -> None:
        """Leave the work at hand when somebody wants to stop."""
        if self._signals:
            raise StopAskedError

    # --- Starting --------------------------------------------------------------------------------------------------

    def start(self, service: Service) -> None:
        """Start a child and wait until it is ready; raises EmbeddedError when it ends or takes too long."""
        for left in reversed(range(service.tries)):
            child = self._launch(service)
            try:
                self._wait_until_ready(child)
            except EmbeddedError:
                self.stop_one(service.name)
                if not left:
                    raise
                time.sleep(1)
            else:
                return

    def _wait_until_ready(self, child: _Child) -> None:
        service = child.service
        deadline = time.monotonic() + service.ready_seconds
        while not (child.said_ready.is_set() and service.is_ready()):
            self.check_stop()
            if child.process.poll() is not None:
                child.reader.join(1)
                words = "".join(child.last_lines)
                raise EmbeddedError(f"{service.name} ended at once ({_describe(child.process)}):\n{words}".rstrip())
            if time.monotonic() > deadline:
                raise EmbeddedError(f"{service.name} was not ready after {service.ready_seconds:.0f} s.")
            time.sleep(PATIENCE)

    def run(self, service: Service) -> tuple[int, str]:
        """Run a child to its end; its exit status and its last lines. Ctrl-C ends it."""
        child = self._launch(service)
        try:
            while child.process.poll() is None:
                self.check_stop()
                time.sleep(PATIENCE)
        finally:
            self._stop_child(self._children.pop(service.name))
            self._tell()
        return child.process.returncode, "".join(child.last_lines)

    def _launch(self, service: Service) -> _Child:
        process = subprocess.Popen(
            service.argv,
            env=dict(service.environment),
            cwd=service.directory,
            user=None if service.account is None else service.account.pw_uid,
            group=None if service.account is None else service.account.pw_gid,
            extra_groups=None if service.account is None else [],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # Its own group, so that Ctrl-C reaches us alone and we stop it in our order.
            start_new_session=True,
        )
        child = _Child(service, process)
        child.reader = threading.Thread(target=self._read, args=(child,), daemon=True)
        child.reader.start()
        self._children[service.name] = child
        self._tell()
        return child

    def _tell(self) -> None:
        if self._on_change:
            alive = {name: child for name, child in self._children.items() if child.process.poll() is None}
            self._on_change({name: ProcessId.of(child.process.pid) for name, child in alive.items()})

    # --- Watching --------------------------------------------------------------------------------------------------

    def watch(self) -> None:
        """Keep every child running until somebody wants to stop (raises StopAskedError)."""
        while True:
            self.check_stop()
            for child in list(self._children.values()):
                self._look_after(child)
            time.sleep(PATIENCE * 4)

    def _look_after(self, child: _Child) -> None:
        now = time.monotonic()
        if child.process.poll() is None:
            return
        if child.again_at is None:
            child.pause = FIRST_PAUSE if now - child.began > HEALTHY_SECONDS else child.pause
            child.again_at = now + child.pause
            how, pause = _describe(child.process), f"{child.pause:.0f} s"
            self.say(f"{child.service.name} ended ({how}); starting it again in {pause}.")
            # What it left running in its group would be in the way of its successor.
            _signal_group(child.process.pid, signal.SIGKILL)
            _close(child)
        elif now >= child.again_at:
            again = self._launch(child.service)
            again.pause = min(child.pause * 2, LONGEST_PAUSE)

    # --- Stopping --------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Stop all children, the last one first; a further signal kills what is left."""
        while self._children:
            _, child = self._children.popitem()
            self._stop_child(child)
            self._tell()

    def stop_one(self, name: str, *, number: signal.Signals | None = None) -> None:
        """Stop one child, in its own way or by the signal given."""
        child = self._children.pop(name)
        self._stop_child(child, number)
        self._tell()

    def kill_one(self, name: str) -> None:
        """SIGKILL one child with its whole group."""
        child = self._children.pop(name)
        _signal_group(child.process.pid, signal.SIGKILL)
        self._stop_child(child)
        self._tell()

    def is_running(self, name: str) -> bool:
        """Whether a child was started and has not ended."""
        return name in self._children and self._children[name].process.poll() is None

    def pid(self, name: str) -> int:
        """The process number of a child."""
        return self._children[name].process.pid

    def _stop_child(self, child: _Child, number: signal.Signals | None = None) -> None:
        process = child.process
        deadline = time.monotonic() + child.service.stop_seconds
        asked = self._signals
        if process.poll() is None:
            # The parent of a group passes the wish on to its own children.
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number or child.service.stop_signal)
        while process.poll() is None and time.monotonic() < deadline and self._signals <= max(asked, 1):
            time.sleep(PATIENCE)
        _signal_group(process.pid, signal.SIGKILL)
        process.wait()
        _close(child)

    # --- Lines -----------------------------------------------------------------------------------------------------

    def say(self, text: str, *, name: str = "suitewatch") -> None:
        """Show lines under a name."""
        for line in text.splitlines():
            self._show(name, line)

    @contextlib.contextmanager
    def hush(self, *words: str) -> Iterator[None]:
        """Show no child's lines with these words meanwhile; they are kept for a failure's report."""
        self._hushed = words
        try:
            yield
        finally:
            self._hushed = ()

    def _read(self, child: _Child) -> None:
        """Runs in the child's own thread until its output ends."""
        service = child.service
        if not service.ready_line:
            child.said_ready.set()
        # With stdout=PIPE there is one; the type does not know.
        for line in child.process.stdout or ():
            child.last_lines.append(line)
            if not any(words in line for words in (*service.quiet_about, *self._hushed)):
                self._show(service.name, line.rstrip("\n"))
            if service.ready_line in line:
                child.said_ready.set()

    def _show(self, name: str, line: str) -> None:
        with self._lock:
            if name not in self._names:
                self._names.append(name)
            label = f"{name:<{NAME_WIDTH}} │"
            if self._in_colour:
                label = f"\033[{COLOURS[self._names.index(name) % len(COLOURS)]}m{label}\033[0m"
            # A terminal that is gone must not stop us from stopping the others.
            with contextlib.suppress(OSError, ValueError):
                print(f"{label} {line}", file=self._out, flush=True)


def end_leftovers(children: Mapping[str, ProcessId], *, seconds: float = 10) -> list[str]:
    """End what a dirty stop left running, by its recorded identity; the names of those that still ran."""
    left = {name: child for name, child in children.items() if child.is_alive()}
    # The last one started depends on those before it.
    for name in reversed(left):
        child = left[name]
        _signal_group(child.pid, signal.SIGINT if name == "postgres" else signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while child.is_alive() and time.monotonic() < deadline:
            time.sleep(PATIENCE)
        _signal_group(child.pid, signal.SIGKILL)
    return list(left)


def _close(child: _Child) -> None:
    """Show its last lines; somebody it started may still hold the pipe, which is no reason to wait."""
    child.reader.join(2)
    if child.process.stdout is not None and not child.reader.is_alive():
        child.process.stdout.close()


def _signal_group(leader: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


def _describe(process: subprocess.Popen[str]) -> str:
    code = process.returncode
    return f"signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit status {code}"
