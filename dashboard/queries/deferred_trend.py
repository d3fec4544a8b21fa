"""How many tests were put off, day by day, and how many test-days that came to.

Called by `dashboard.queries.deferred`. Read from the stretches in which the standing jobs put a case off; those of
several jobs are one while they overlap, and end when the case stops reporting. A revision of the project is counted
once in each process. Promise: two statements, and a case counts once a day (`tests/dashboard/test_deferred_trend.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from dashboard.queries.sql import fetch_rows
from health.models import Project
from health.sql import copy_numbers, open_cursor

Numbers = npt.NDArray[Any]

_MOST_DAYS: Final = 180  # beyond, a point stands for a week


@dataclass(frozen=True, slots=True)
class DebtDay:
    """How many tests were put off at the end of a day, and the days they had been so by then, added up."""

    day: date
    n: int
    debt: int


@dataclass(frozen=True, slots=True)
class DebtTrend:
    """The points, oldest first; `step` is how many days one stands for."""

    points: tuple[DebtDay, ...]
    step: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """So many cases were put off from a day on, until the one on which they ran again."""

    first: date
    ended: date | None
    n: int


def read_trend(project: Project, *, series: Sequence[int], today: date) -> DebtTrend:
    """The trend of these series up to today."""
    return _read(_State(project.pk, project.revision, project.time_zone), tuple(series), today)


class _State(NamedTuple):
    """What a newer answer differs by."""

    project: int
    revision: int
    zone: str


@lru_cache(maxsize=16)
def _read(state: _State, series: tuple[int, ...], today: date) -> DebtTrend:
    values = {"project": state.project, "series": list(series), "zone": state.zone}
    days = {number: day.toordinal() for number, day in fetch_rows(_DAYS_SQL, values)}
    spans = copy_numbers(open_cursor(), _SPANS_SQL, values, ord="i4", first="i4", ended="i4")
    return follow_debt(_merge(spans, days), today=today)


def _merge(spans: Numbers, days: Mapping[int, int]) -> list[Stretch]:
    """The stretches of each case in which one job or another put it off: those that touch are one."""
    first, ended = _find_days(spans["first"], days), _find_days(spans["ended"], {**days, _STANDS: _EVER})
    is_counted = (first > 0) & (ended > first)  # what ran again the same day was put off at the end of none
    cases = spans["ord"][is_counted].astype(np.int64) * _N_DAYS
    begins, ends = cases + first[is_counted], cases + ended[is_counted]
    order = np.argsort(begins)
    begins, ends = begins[order], np.maximum.accumulate(ends[order])  # a case's days are below the next one's
    if not len(begins):
        return []
    starts = np.flatnonzero(np.concatenate([[True], begins[1:] > ends[:-1]]))
    lasts = np.concatenate([starts[1:], [len(begins)]]) - 1
    pairs, counts = np.unique(begins[starts] % _N_DAYS * _N_DAYS + ends[lasts] % _N_DAYS, return_counts=True)
    found = zip((pairs // _N_DAYS).tolist(), (pairs % _N_DAYS).tolist(), counts.tolist(), strict=True)
    return [
        Stretch(date.fromordinal(first), None if ended == _EVER else date.fromordinal(ended), n)
        for first, ended, n in found
    ]


def _find_days(runs: Numbers, days: Mapping[int, int]) -> Numbers:
    """The day of each run."""
    found, places = np.unique(runs, return_inverse=True)
    return np.array([days.get(run, 0) for run in found.tolist()], np.int64)[places]


def follow_debt(stretches: Sequence[Stretch], *, today: date) -> DebtTrend:
    """One point a day, of a long time one a week; the last one is today."""
    if not stretches:
        return DebtTrend((), 1)
    first = min(stretch.first for stretch in stretches)
    n_days = max((today - first).days, 0) + 1
    step = 1 if n_days <= _MOST_DAYS else 7
    changes: dict[date, list[int]] = {}
    for stretch in stretches:
        _add(changes, stretch.first, stretch.n, stretch.n * stretch.first.toordinal())
        if stretch.ended is not None:
            _add(changes, max(stretch.ended, stretch.first), -stretch.n, -stretch.n * stretch.first.toordinal())
    return DebtTrend(_walk(changes, first=first, today=today, step=step), step)


def _add(changes: dict[date, list[int]], day: date, n: int, starts: int) -> None:
    change = changes.setdefault(day, [0, 0])
    change[0] += n
    change[1] += starts


def _walk(changes: dict[date, list[int]], *, first: date, today: date, step: int) -> tuple[DebtDay, ...]:
    """At each point what stood then: its age is the day less the sum of the days it began on."""
    points, n, starts = [], 0, 0
    days = sorted(changes)
    at = 0
    skipped = (today - first).days % step  # so that the last point is today
    day = first + timedelta(days=skipped)
    while day <= today:
        while at < len(days) and days[at] <= day:
            n, starts = n + changes[days[at]][0], starts + changes[days[at]][1]
            at += 1
        points.append(DebtDay(day, n, n * day.toordinal() - starts))
        day += timedelta(days=step)
    return tuple(points)


_STANDS: Final = -1
_N_DAYS: Final = 2**22  # more than a date can be
_EVER: Final = _N_DAYS - 1

_DAYS_SQL: Final = """
SELECT number, (ran_at AT TIME ZONE %(zone)s)::date FROM health_run WHERE project_id = %(project)s
"""
# A stretch ended where the case ran again, else where it vanished.
_SPANS_SQL: Final = f"""
SELECT v.ord, v.first_run, coalesce(v.ended_run, gone.gone_run, {_STANDS}) FROM health_deferredspan v
LEFT JOIN health_vanishedcase gone
  ON gone.project_id = v.project_id AND gone.series = v.series AND gone.ord = v.ord
WHERE v.project_id = %(project)s AND v.series = ANY(%(series)s::int[])
"""  # noqa: S608 - a constant
