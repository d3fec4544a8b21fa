"""Files whose reading ends a worker in its own way; each names its poison in a comment, so that every try meets it.

`tests/faults/traps.py` swallows it where the first piece of a file is read, in the real worker.
"""

import ctypes
import os
import re
from collections.abc import Callable
from itertools import repeat

from tests.faults.reports import Report

_MARK = re.compile(rb"<!-- poison: ([\w ]+) -->")


def poison(report: Report, name: str) -> Report:
    """The same report, with a poison in it."""
    return Report(report.n, report.failed, f"<!-- poison: {name} -->".encode() + report.body)


def swallow(piece: bytes) -> None:
    """Called by the process under test with a file's first bytes."""
    found = _MARK.match(piece)
    if found:
        _POISONS[found[1].decode()]()


def _segfault() -> None:
    ctypes.string_at(0)


def _exit() -> None:
    os._exit(3)


def _loop() -> None:
    while True:
        pass


def _loop_in_c() -> None:
    """Python code never runs again in this process: no signal handler, no other thread."""
    sum(repeat(1))


def _run_out_of_memory() -> None:
    """Take more than a child may have; nothing is written there, so that a machine without the limit lives on."""
    bytearray(2**31)
    os._exit(4)


_POISONS: dict[str, Callable[[], None]] = {
    "segfault": _segfault,
    "exit": _exit,
    "loop": _loop,
    "loop in C": _loop_in_c,
    "memory": _run_out_of_memory,
}
