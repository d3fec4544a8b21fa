"""What a piece hands over: figures by name, each judged by its floor where one was agreed, and a table to read.

The floors are those of `docs/performance.md`; the aim is twice as good.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

RATIO: Final = "×"


@dataclass(frozen=True, slots=True)
class Floor:
    """A limit a figure has to hold: from below, or from above where less is better."""

    limit: float
    is_ceiling: bool = False

    def holds(self, value: float) -> bool:
        """Whether a value is on the right side."""
        return value <= self.limit if self.is_ceiling else value >= self.limit


def _at_least(limit: float) -> Floor:
    return Floor(limit)


def _at_most(limit: float) -> Floor:
    return Floor(limit, is_ceiling=True)


FLOORS: Final[dict[str, Floor]] = {
    "parse.of_expat.100k": _at_least(0.30),
    "parse.over_junitparser.100k": _at_least(2.0),
    "coverage.lines_per_second.1000k": _at_least(500_000),
    "memory.worker_coverage.1000k": _at_most(250.0),
    "store.of_copy.10k": _at_least(0.30),
    "worker.cases_per_cpu_second.10k": _at_least(200_000),
    "visible.over_squad.10k": _at_least(10.0),
    "accept.p95.valkey_up": _at_most(120.0),
    "accept.p95.valkey_stopped": _at_most(120.0),
    "accept.p95.valkey_hung": _at_most(120.0),
    "accept.per_second": _at_least(100.0),
    "memory.worker.100k": _at_most(250.0),
    "memory.worker.200k": _at_most(250.0),
    "memory.worker_texts": _at_most(250.0),
    "memory.web": _at_most(130.0),
    **{
        f"scale.{name}.{key}": _at_most(limit)
        for name, limit in (
            ("store_over_empty", 1.2),
            ("bytes_per_result", 12.0),
            ("sql_p95", 15.0),
            ("sql_p95_of_four", 50.0),
        )
        for key in ("10k", "100k")
    },
    **{
        f"pages.p95.{page}": _at_most(50.0)
        for page in ("projects", "overview", "trends", "runs", "run", "case", "uploads", "upload")
    },
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with its name and unit; ratios are what one machine can tell another."""

    name: str
    value: float
    unit: str = RATIO

    @property
    def floor(self) -> Floor | None:
        """The limit agreed for it, if there is one."""
        return FLOORS.get(self.name)

    @property
    def holds(self) -> bool:
        """Whether it keeps its floor; without one it does."""
        return self.floor is None or self.floor.holds(self.value)


@dataclass(slots=True)
class Section:
    """One piece's outcome: a table for people, figures for judgement, notes for whatever is missing."""

    title: str
    columns: Sequence[str] = ()
    rows: list[Sequence[str]] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    readings: dict[str, Any] = field(default_factory=dict)

    def add(self, name: str, value: float, unit: str = RATIO) -> None:
        """Add a figure."""
        self.figures.append(Figure(name, value, unit))


def short(n: int) -> str:
    """A size as it stands in a figure's name: 1000 is 1k."""
    return f"{n // 1000}k" if n % 1000 == 0 else str(n)
