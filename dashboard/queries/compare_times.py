"""How much longer suites and cases took on one side than on the other, those that moved most first.

Used by `dashboard.queries.compare`. A case counts where it ran on both sides. One run each is compared, so a difference
may be chance; the page says so. Promise: one statement (`tests/dashboard/test_compare_queries.py`).
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from dashboard.queries.changes import JobChange
from dashboard.queries.facts import JobFact, JobKey
from dashboard.queries.sql import fetch_rows
from health.models import Project
from health.rules import outcomes as codes
from health.rules.durations import UNITS_PER_SECOND

N_CASES: Final = 20
_LEAST_UNITS: Final = UNITS_PER_SECOND // 100  # a difference of less is no news


@dataclass(frozen=True, slots=True)
class SuiteTime:
    """A suite's time in tests on both sides, with how many tests it executed; None where a side lacks the suite."""

    name: str
    level: str
    before: float | None
    now: float | None
    n_before: int
    n_now: int

    @property
    def change(self) -> float:
        """How much longer it takes, in seconds."""
        return (self.now or 0) - (self.before or 0)


@dataclass(frozen=True, slots=True)
class CaseTime:
    """A case that ran on both sides, with both times in seconds."""

    ord: int
    job: JobFact
    before: float
    now: float

    @property
    def change(self) -> float:
        """How much longer it takes."""
        return self.now - self.before


def read_suite_times(
    project: Project, pairs: Sequence[tuple[JobFact, JobFact]], *, suites: Collection[int] | None
) -> tuple[SuiteTime, ...]:
    """The suites of these jobs (before, now), those whose time changed most first."""
    if not pairs:
        return ()
    sides = [[job.key for job in side] for side in zip(*pairs, strict=True)]
    keys = sorted({key for side in sides for key in side})
    values = {"project": project.pk, "runs": [key.run for key in keys], "series": [key.series for key in keys]}
    by_job: dict[JobKey, list[tuple[str, str, int, int]]] = defaultdict(list)
    for run, series, suite, *facts in fetch_rows(_SUITES_SQL, values):
        if suites is None or suite in suites:
            by_job[JobKey(run, series)].append(tuple(facts))
    before, now = (_add_up(line for key in side for line in by_job[key]) for side in sides)
    found = [_join(place, before.get(place), now.get(place)) for place in {*before, *now}]
    return tuple(sorted(found, key=lambda suite: (-abs(suite.change), suite.name, suite.level)))


def _add_up(lines: Iterable[tuple[str, str, int, int]]) -> dict[tuple[str, str], tuple[int, int]]:
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for name, level, units, n in lines:
        known = sums.get((name, level), (0, 0))
        sums[name, level] = (known[0] + units, known[1] + n)
    return sums


def _join(place: tuple[str, str], before: tuple[int, int] | None, now: tuple[int, int] | None) -> SuiteTime:
    return SuiteTime(
        *place,
        before=before[0] / UNITS_PER_SECOND if before else None,
        now=now[0] / UNITS_PER_SECOND if now else None,
        n_before=before[1] if before else 0,
        n_now=now[1] if now else 0,
    )


def pick_case_times(changes: Sequence[JobChange]) -> tuple[CaseTime, ...]:
    """The cases whose time changed most, of all that ran on both sides."""
    found: list[tuple[int, int, int]] = []
    executed = sorted(codes.EXECUTED)
    for place, change in enumerate(changes):
        ran = np.isin(change.before.outcomes, executed) & np.isin(change.now.outcomes, executed)
        moved = np.where(ran, np.abs(change.now.units - change.before.units), 0)
        n = min(N_CASES, len(moved))
        largest = np.argpartition(moved, len(moved) - n)[len(moved) - n :] if n else np.zeros(0, np.int64)
        found += [(int(moved[ord_]), place, ord_) for ord_ in largest.tolist() if moved[ord_] >= _LEAST_UNITS]
    found.sort(key=lambda entry: (-entry[0], entry[2], entry[1]))
    return tuple(_describe(changes[place], ord_) for _, place, ord_ in found[:N_CASES])


def _describe(change: JobChange, ord_: int) -> CaseTime:
    before, now = (int(side.units[ord_]) / UNITS_PER_SECOND for side in (change.before, change.now))
    return CaseTime(ord_, change.job, before, now)


_SUITES_SQL: Final = """
SELECT c.run, c.series, c.suite, s.name, s.level, c.duration, c.n_declared - c.n_skipped
FROM health_runsuite c
JOIN unnest(%(runs)s::int[], %(series)s::int[]) AS wanted(run, series)
    ON c.run = wanted.run AND c.series = wanted.series
JOIN health_suite s ON s.project_id = c.project_id AND s.number = c.suite
WHERE c.project_id = %(project)s
"""
