"""Outcome × outcome: how many cases went from one outcome to another, as a table whose sums add up.

Used by the pages of runs and of comparisons. Pure. Promise: the rows' sums are the outcomes before, the columns' the
outcomes now, and a case that neither side has is in no cell (`tests/dashboard/test_compare_queries.py`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from dashboard.queries.changes import JobChange
from health.rules import outcomes as codes

# Outcomes as an address spells them, by code.
SPELLED: Final = ("absent", "passed", "failed", "error", "skipped", "xfail", "xpass", "retried")
_ORDER: Final = (*range(codes.PASS, codes.N_OUTCOMES), codes.ABSENT)


class PairCell(NamedTuple):
    """How many cases went this way; `key` is what the address calls it."""

    n: int
    is_change: bool
    key: str


@dataclass(frozen=True, slots=True)
class PairRow:
    """All cases that ended one way before."""

    word: str
    cells: tuple[PairCell, ...]

    @property
    def n(self) -> int:
        """How many they are."""
        return sum(cell.n for cell in self.cells)


@dataclass(frozen=True, slots=True)
class PairTable:
    """How many cases went from one outcome (row) to another (column); only outcomes that occur."""

    columns: tuple[str, ...]
    rows: tuple[PairRow, ...]

    @property
    def totals(self) -> tuple[int, ...]:
        """How many cases ended in each of the columns' ways."""
        return tuple(sum(row.cells[at].n for row in self.rows) for at in range(len(self.columns)))

    @property
    def n_cases(self) -> int:
        """How many results are in the table, absent ones of one side among them."""
        return sum(row.n for row in self.rows)

    @property
    def n_changed(self) -> int:
        """How many ended differently."""
        return sum(cell.n for row in self.rows for cell in row.cells if cell.is_change)


def tabulate_pairs(changes: Iterable[JobChange]) -> PairTable | None:
    """Outcome by outcome, over all these jobs; None where there is none."""
    counted = [change.count_pairs() for change in changes]
    if not counted:
        return None
    table = np.sum(np.array(counted), axis=0)
    table[codes.ABSENT, codes.ABSENT] = 0
    rows = [code for code in _ORDER if table[code].any()]
    columns = [code for code in _ORDER if table[:, code].any()]
    return PairTable(
        columns=tuple(codes.WORDS[code] for code in columns),
        rows=tuple(
            PairRow(
                codes.WORDS[row],
                tuple(
                    PairCell(int(table[row, column]), row != column, f"{SPELLED[row]}-{SPELLED[column]}")
                    for column in columns
                ),
            )
            for row in rows
        ),
    )
