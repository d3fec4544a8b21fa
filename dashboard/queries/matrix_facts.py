"""What the matrix comes to in figures, and the sentence on top of it.

Used by `dashboard.queries.matrix`; pure. Promise: each figure has its denominator, and "newest" is the newest column
(`tests/dashboard/test_matrix_rows.py`).
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from dashboard.queries.matrix_rows import STATES, Mask
from dashboard.queries.matrix_window import IS_BROKEN, Window
from dashboard.templatetags.display import in_words, plain, shorten


@dataclass(frozen=True, slots=True)
class Facts:
    """Counts over the cases that fit, in the runs shown."""

    n_runs: int
    n_cases: int
    n_broken: int  # cases that broke in any of the runs
    n_troubled: int  # with those that passed on a retry
    n_broken_now: int  # in the newest run
    n_red_runs: int  # runs in which any of them broke
    n_since: int  # runs since the newest of those
    n_repeats: int  # runs of the commit that was repeated most; 0 for none
    n_red_repeats: int
    repeated: str  # that commit
    states: dict[str, int]  # by word: cases that ended so in any of the runs


def count_facts(window: Window, fits: Mask) -> Facts:
    """Count once over the cases that fit."""
    troubled = window.outcomes[fits & (window.n_troubled > 0)]
    is_broken = IS_BROKEN[troubled]
    is_red = is_broken.any(axis=0) if len(troubled) else np.zeros(len(window.columns), bool)
    red = np.flatnonzero(is_red).tolist()
    repeats = _find_repeats(window)
    counted = np.bincount(window.states[fits], minlength=256)
    return Facts(
        n_runs=len(window.columns),
        n_cases=int(fits.sum()),
        n_broken=int(is_broken.any(axis=1).sum()) if len(troubled) else 0,
        n_troubled=len(troubled),
        n_broken_now=int(is_broken[:, -1].sum()) if len(troubled) else 0,
        n_red_runs=len(red),
        n_since=len(window.columns) - 1 - red[-1] if red else 0,
        n_repeats=len(repeats),
        n_red_repeats=len(set(red) & set(repeats)),
        repeated=window.columns[repeats[0]].commit if repeats else "",
        states={
            word: int(sum(counted[bits] for bits in range(256) if bits >> code & 1)) for word, code in STATES.items()
        },
    )


def write_matrix(facts: Facts, *, lane: str, families: Collection[str]) -> str:
    """How many broke, whether they are of one family, and whether any is broken now. `families` of the troubled."""
    if not facts.n_runs:
        return "There is no run to lay out yet."
    runs = f"the {in_words(facts.n_runs)} newest runs" if facts.n_runs > 1 else "the one run"
    where = f"in {runs} of {plain(lane)}"
    if not facts.n_cases:
        return f"No test fits these choices {where}."
    if not facts.n_troubled:
        return f"None of {facts.n_cases:,} tests broke {where}."
    which = ""
    if len(families) == 1 and facts.n_troubled > 1:
        every = "both" if facts.n_troubled == 2 else "all"
        which = f", {every} of the family {plain(shorten(next(iter(families)), 60))}"
    if not facts.n_broken:
        told = f"{facts.n_troubled:,} of {facts.n_cases:,} tests passed only on a retry {where}{which}"
        return f"{told}; none stayed broken."
    told = f"{facts.n_broken:,} of {facts.n_cases:,} tests broke at least once {where}{which}"
    n_now = f"{in_words(facts.n_broken_now) if facts.n_broken_now else 'none'}"
    return f"{told}; {n_now} {'are' if facts.n_broken_now > 1 else 'is'} broken in the newest."


def _find_repeats(window: Window) -> list[int]:
    """The columns of the commit that was repeated most often; the newer of two."""
    best: list[int] = []
    group: list[int] = []
    for at, column in enumerate(window.columns):
        if not column.repeat:
            continue
        group = [at] if column.repeat == 1 else [*group, at]
        best = group if len(group) >= len(best) else best
    return best
