"""How long a run takes against what is usual: one rule for the row of the overview and for the slow page.

Used by `attention`, `slow` and `slow_suites`; pure. Promise: both pages give the same two times and say the same of
them (`tests/dashboard/test_run_times.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from dashboard.queries.facts import RunFact
from dashboard.queries.standing import Standing

N_USUAL: Final = 10  # of the newest complete runs before, at most
MIN_USUAL: Final = 2  # one run before says nothing of what is usual
SLOWER_RATIO: Final = 1.5
SLOWER_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Usual:
    """The median of the newest complete runs before, in seconds, and of how many that is."""

    seconds: float
    n: int

    def is_exceeded_by(self, seconds: float) -> bool:
        """Whether that is so much longer that somebody should know."""
        is_far = seconds >= self.seconds * SLOWER_RATIO and seconds - self.seconds >= SLOWER_SECONDS
        return self.n >= MIN_USUAL and self.seconds > 0 and is_far


@dataclass(frozen=True, slots=True)
class RunTime:
    """The time in the tests of a branch as it stands, against the usual one. `since`: the run that rose to it."""

    run: RunFact
    seconds: float
    usual: Usual
    since: RunFact
    is_one_run: bool  # whether all of it was reported by that run

    @property
    def is_slower(self) -> bool:
        """Whether it is so much longer than usual that somebody should know."""
        return self.usual.is_exceeded_by(self.seconds)


def find_usual(before: Sequence[float]) -> Usual | None:
    """What is usual after these times of complete runs, oldest first; None after none."""
    newest = before[-N_USUAL:]
    return Usual(median(newest), len(newest)) if newest else None


def time_branch(standing: Standing) -> RunTime | None:
    """The time of a branch's newest results; None where no run before it had as many jobs."""
    head = standing.head
    alike = [p for p in standing.points if head and p.n_jobs == head.n_jobs and p.counts.units]
    if not head or not alike or alike[-1] is not head:
        return None
    usual = find_usual([point.counts.seconds for point in alike[:-1] if point.is_complete])
    if usual is None:
        return None
    since, middle = head, (head.counts.seconds + usual.seconds) / 2
    for point in reversed(alike):
        if point.counts.seconds < middle:
            break
        since = point
    runs = {job.key.run for job in standing.jobs}
    return RunTime(head.run, head.counts.seconds, usual, since.run, runs == {head.run.number})
