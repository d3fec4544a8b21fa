"""Since when a case is broken: the first failing run of the failure streak that lasts until now.

Used by what needs attention and by the case page.
Promise: two statements, however many cases and runs; at most N_JOBS jobs of a series are looked at
(`tests/dashboard/test_streaks.py`).
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dashboard.queries.cases import read_aliases
from dashboard.queries.history import Moment, read_moments
from health.history import CaseResult, fetch_case_results
from health.models import Project
from health.rules import outcomes as codes
from health.sql import open_cursor

N_JOBS: Final = 100


@dataclass(frozen=True, slots=True)
class Streak:
    """The failures in a row up to now. `is_whole` is false when it may have begun before what was looked at."""

    first: Moment
    n_broken: int
    is_whole: bool


def read_streaks(project: Project, *, cases: Sequence[tuple[int, int]]) -> dict[tuple[int, int], Streak]:
    """The streak of each (ord, series) that is broken in the newest job in which it ran."""
    if not cases:
        return {}
    moments = read_moments(project, series=[series for _, series in cases], limit=N_JOBS)
    jobs = [(moment.run, series) for series, line in moments.items() for moment in line]
    ords = sorted({ord_ for ord_, _ in cases})
    found = fetch_case_results(open_cursor(), project.pk, ords=ords, jobs=jobs, aliases=read_aliases(project))
    by_case: dict[tuple[int, int], dict[int, CaseResult]] = defaultdict(dict)
    for result in found:
        by_case[result.ord, result.series][result.run] = result
    streaks = {
        case: find_streak(moments[case[1]], {run: r.outcome for run, r in by_case[case].items()}, limit=N_JOBS)
        for case in cases
        if case[1] in moments
    }
    return {case: streak for case, streak in streaks.items() if streak is not None}


def find_streak(moments: Sequence[Moment], outcomes: dict[int, int], *, limit: int) -> Streak | None:
    """The streak that lasts until now, None when the case last held. `moments`: newest first, `limit` at most.

    Only a result that holds ends it: a run without the case, or one that skipped it, is no evidence.
    """
    first, n_broken = None, 0
    for moment in moments:
        outcome = outcomes.get(moment.run, codes.ABSENT)
        if outcome in codes.BROKEN:
            first, n_broken = moment, n_broken + 1
        elif outcome in codes.AS_EXPECTED:
            return Streak(first, n_broken, is_whole=True) if first else None
    return Streak(first, n_broken, is_whole=len(moments) < limit) if first else None
