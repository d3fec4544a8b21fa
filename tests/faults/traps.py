"""Points at which a process of the tests dies or stands still: exactly there, and only once.

A trap is a file named after its point and a signal. A test arms it; the first process that passes the point takes
the file away, leaves its process number, and sends itself the signal. `tests/faults/worker.py` and
`tests/faults/web.py` lay the points into the real code.
"""

import os
import signal
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Self

from tests.faults.poison import swallow

FOLDER = "SUITEWATCH_TESTS_TRAPS"
SIGNALS = (signal.SIGKILL, signal.SIGSTOP)


class Traps:
    """The test's side: arm a point, and learn which process it caught."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def arm(self, point: str, number: signal.Signals) -> None:
        """The next process that passes `point` gets the signal."""
        (self._folder / f"{point}.{number.name}").touch()

    def caught(self, point: str) -> int:
        """The process that last sprang the trap at `point`, or 0."""
        try:
            return int((self._folder / f"{point}.caught").read_text())
        except FileNotFoundError:
            return 0

    def all_caught(self) -> list[int]:
        """Every process that sprang a trap since they were cleared."""
        return [int(file.read_text()) for file in self._folder.glob("*.caught")]

    def clear(self) -> None:
        """Forget what was armed and caught."""
        for file in self._folder.iterdir():
            file.unlink()


def spring(point: str) -> None:
    """Called by the process under test whenever it passes `point`."""
    folder = Path(os.environ[FOLDER])
    for number in SIGNALS:
        mine = folder / f"{point}.{os.getpid()}"
        try:
            (folder / f"{point}.{number.name}").rename(mine)
        except FileNotFoundError:
            continue
        mine.write_text(str(os.getpid()))
        mine.rename(folder / f"{point}.caught")
        os.kill(os.getpid(), number)


def spring_around(module: Any, name: str, *, before: str = "", after: str = "") -> None:
    """Make the function `name` of a module pass the points `before` and `after` it does its work."""
    original: Callable[..., Any] = getattr(module, name)

    @wraps(original)
    def trapped(*args: Any, **kwargs: Any) -> Any:
        if before:
            spring(before)
        result = original(*args, **kwargs)
        if after:
            spring(after)
        return result

    setattr(module, name, trapped)


class TrappedStream:
    """A file that is poisoned if it says so, and passes the point "parsing" when its second megabyte is read."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._reads = 0

    def read(self, size: int = -1) -> bytes:
        """As the file's own."""
        self._reads += 1
        if self._reads == 2:
            spring("parsing")
        piece: bytes = self._stream.read(size)
        if self._reads == 1:
            swallow(piece)
        return piece

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
