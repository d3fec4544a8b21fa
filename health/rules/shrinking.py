"""When a suite is said to shrink: it declares fewer tests than it did, although nothing has to fail.

Used by the page of vanished tests for the newest runs and by `health.gate` for the jobs of one run; pure.
Promise: one rule for both (`tests/health/test_gate.py`, `tests/dashboard/test_vanished_queries.py`).
"""

from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import Final

MIN_RUNS: Final = 4  # with fewer, nothing slides
MIN_STEPS: Final = 2  # down since the most: one loss is no slide
MIN_SHARE: Final = 0.05  # of the most it ever declared: so much fewer is a loss, whatever is usual
MIN_FEWER: Final = 2  # tests at least, for that: one that is gone has vanished


def find_loss(declared: Sequence[tuple[int, int]], *, n_jobs: int) -> int | None:
    """How many tests a suite declares now, when it shrinks; None when it does not.

    `declared` are the complete runs that hold it, oldest first: where each stands among all `n_jobs` of them (0 is the
    oldest), and how many tests it declared there. It shrinks when the newest complete run declares fewer than the
    median of the runs before and it fell more than once since the most, or when it declares noticeably fewer than the
    most. One test less is a vanished test, no slide. A suite that is in fewer than half of the runs is not missed when
    it is absent.
    """
    before = [n for at, n in declared if at < n_jobs - 1]
    most = max(before, default=0)
    if n_jobs < MIN_RUNS or not before:
        return None
    is_absent = declared[-1][0] != n_jobs - 1
    now = 0 if is_absent else declared[-1][1]
    if is_absent and 2 * len(before) < n_jobs:
        return None
    newest_most = max(place for place, n in enumerate(before) if n == most)
    slides = now < median(before) and count_steps([*before[newest_most:], now]) >= MIN_STEPS
    has_dropped = now <= most - MIN_FEWER and now <= (1 - MIN_SHARE) * most
    return now if now < most and (slides or has_dropped) else None


def count_steps(line: Sequence[int]) -> int:
    """How many times it fell."""
    return sum(after < before for before, after in pairwise(line))
