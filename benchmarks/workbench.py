"""What every piece needs: how much to measure, generated files, the stack once somebody asks for it.

Made by `benchmarks.__main__`, handed to each piece's `measure`.
"""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.client import Door
from benchmarks.fresh import ROOT, call_fresh
from benchmarks.generator import Shelf
from benchmarks.stack import Stack

CACHE = ROOT / ".state" / "bench"


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured: sizes in cases, rounds, seconds of load, runs of history; whether servers are started."""

    sizes: Sequence[int]
    database_sizes: Sequence[int]
    rounds: int
    load_seconds: float
    memory_sizes: Sequence[int]
    n_web_uploads: int
    history_runs: int
    history_cases: int
    has_peers: bool
    coverage_lines: int = 1_000_000
    has_servers: bool = True
    scale_results: int = 100_000_000


FULL = Effort(
    sizes=(1_000, 10_000, 100_000),
    database_sizes=(1_000, 10_000, 100_000),
    rounds=5,
    load_seconds=4,
    memory_sizes=(100_000, 200_000),
    n_web_uploads=8,
    history_runs=300,
    history_cases=10_000,
    has_peers=True,
)
QUICK = Effort(
    sizes=(1_000, 10_000, 100_000),
    database_sizes=(1_000, 10_000),
    rounds=2,
    load_seconds=1.5,
    memory_sizes=(100_000,),
    n_web_uploads=8,
    history_runs=40,
    history_cases=2_000,
    has_peers=False,
)


class Workbench:
    """One run of the bench: closed at its end, however it ends."""

    def __init__(self, effort: Effort) -> None:
        self.effort = effort
        self.folder = Path(tempfile.mkdtemp(prefix="sw-bench-files-"))
        self.shelf = Shelf(self.folder)
        self._stack: Stack | None = None

    @property
    def stack(self) -> Stack:
        """The servers, started by the first piece that needs them."""
        if self._stack is None:
            self._stack = Stack()
        return self._stack

    def call_inside(self, function: str, *, seconds: float = 120, **arguments: Any) -> Any:
        """Call `module:function` of `benchmarks.inside` in a fresh Django process on the stack's database."""
        environment: Mapping[str, str] = self.stack.environment
        return call_fresh(
            f"benchmarks.inside.{function}", seconds=seconds, environment=environment, arguments=arguments
        )

    def open_door(self, slug: str) -> Door:
        """A client with the token of a new project."""
        token = self.call_inside("seeding:issue_token", slug=slug)
        return Door(port=self.stack.port, token=token)

    def close(self) -> None:
        """Stop the servers, remove the files."""
        if self._stack is not None:
            self._stack.close()
        shutil.rmtree(self.folder, ignore_errors=True)
