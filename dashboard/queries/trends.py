"""How a project moved: passed, executed, declared, failed and test time by day, whole or in groups.

Called by `dashboard.views.trends`; reads suite × day, never runs or results.
Rates and failures are sums over what ran on a day. Declared tests and test time are of one run: the mean of a day's
runs of each job, and a job that did not run that day counts as it last did, so that a second workflow's rest day is
no dip. Promise: four statements (`tests/dashboard/test_trends_queries.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from dashboard.filters import Filters
from dashboard.queries.sql import Row, fetch_rows
from health.models import Project, Series, Suite
from health.rules.durations import UNITS_PER_SECOND
from health.rules.lanes import CHANGES

MOST_GROUPS: Final = 12
_SPANS: Final = {"year": timedelta(days=365), "quarter": timedelta(days=91)}
# Beyond so many days a point is a week.
_MOST_DAYS: Final = 750
# A job that has not run for so many of the points in which others did no longer counts.
_PATIENCE: Final = 8


@dataclass(frozen=True, slots=True)
class DayPoint:
    """A day, or a week named by its Monday. The first counts are sums over `n_jobs`, the last two of one run each."""

    day: date
    n_jobs: int
    declared: int
    passed: int
    xfailed: int
    failed: int
    errored: int
    skipped: int
    flaky: int
    units: int
    declared_once: float
    units_once: float

    @property
    def executed(self) -> int:
        """Declared less skipped."""
        return self.declared - self.skipped

    @property
    def as_expected(self) -> int:
        """Passed, or failed as it should."""
        return self.passed + self.xfailed

    @property
    def broken(self) -> int:
        """Failed or errored."""
        return self.failed + self.errored

    @property
    def seconds(self) -> float:
        """The sum of the times."""
        return self.units / UNITS_PER_SECOND

    @property
    def seconds_once(self) -> float:
        """The time of one run."""
        return self.units_once / UNITS_PER_SECOND


@dataclass(frozen=True, slots=True)
class Group:
    """One line: everything, or one suite, level, variant, job or branch."""

    name: str
    points: tuple[DayPoint, ...]

    @property
    def last(self) -> DayPoint:
        """The newest point."""
        return self.points[-1]


@dataclass(frozen=True, slots=True)
class Offer:
    """What can be chosen: the names that occur in the project."""

    branches: tuple[str, ...]
    jobs: tuple[str, ...]
    variants: tuple[str, ...]
    suites: tuple[str, ...]
    levels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trends:
    """The lines, the largest first, and what they are about."""

    groups: tuple[Group, ...]
    n_more_groups: int
    branch: str
    is_weekly: bool
    first: date | None
    last: date | None
    offer: Offer


@dataclass(frozen=True, slots=True)
class _Cell:
    """One series' share of a group on a day."""

    day: date
    series: int
    group: str
    n_jobs: int
    sums: tuple[int, ...]  # declared, passed, xfailed, failed, errored, skipped, flaky, units
    declared_once: float
    units_once: float


def read_trends(project: Project, filters: Filters) -> Trends:
    """The project's days, narrowed and grouped as the filters say."""
    series = list(Series.objects.filter(project=project).values_list("number", "job", "variant", "lane"))
    suites = list(Suite.objects.filter(project=project).values_list("number", "name", "level"))
    offer = _list_offer(project, series, suites)
    branch = filters.branch or (offer.branches[0] if offer.branches else "")
    chosen = [row for row in series if _fits_series(row, filters, branch)]
    cells, is_weekly = _read_cells(project, filters, chosen, [row for row in suites if _fits_suite(row, filters)])
    groups = group_cells(cells)
    days = sorted({cell.day for cell in cells})
    return Trends(
        groups=groups[:MOST_GROUPS],
        n_more_groups=max(len(groups) - MOST_GROUPS, 0),
        branch="" if filters.by == "branch" else branch,
        is_weekly=is_weekly,
        first=days[0] if days else None,
        last=days[-1] if days else None,
        offer=offer,
    )


def group_cells(cells: Iterable[_Cell]) -> tuple[Group, ...]:
    """Fold cells into one line a group, the one with most declared tests first."""
    by_group: dict[str, list[_Cell]] = {}
    for cell in cells:
        by_group.setdefault(cell.group, []).append(cell)
    groups = [Group(name, fold_days(found)) for name, found in by_group.items()]
    return tuple(sorted(groups, key=lambda group: (-group.last.declared_once, group.name)))


def fold_days(cells: Iterable[_Cell]) -> tuple[DayPoint, ...]:
    """The points of one group: sums of each day, and for one run what each series last said."""
    days: dict[date, list[_Cell]] = {}
    for cell in cells:
        days.setdefault(cell.day, []).append(cell)
    once: dict[int, tuple[int, _Cell]] = {}
    points = []
    for at, day in enumerate(sorted(days)):
        here = days[day]
        once |= {cell.series: (at, cell) for cell in here}
        once = {series: (heard, cell) for series, (heard, cell) in once.items() if at - heard < _PATIENCE}
        declared, passed, xfailed, failed, errored, skipped, flaky, units = (
            sum(column) for column in zip(*(cell.sums for cell in here), strict=True)
        )
        points.append(
            DayPoint(
                day=day,
                n_jobs=sum(cell.n_jobs for cell in here),
                declared=declared,
                passed=passed,
                xfailed=xfailed,
                failed=failed,
                errored=errored,
                skipped=skipped,
                flaky=flaky,
                units=units,
                declared_once=sum(cell.declared_once for _, cell in once.values()),
                units_once=sum(cell.units_once for _, cell in once.values()),
            )
        )
    return tuple(points)


def _list_offer(project: Project, series: Sequence[Row], suites: Sequence[Row]) -> Offer:
    lanes = {row[3] for row in series}
    ranked = sorted(lanes, key=lambda lane: (lane != project.default_branch, lane == CHANGES, lane))
    return Offer(
        branches=tuple(ranked),
        jobs=tuple(sorted({row[1] for row in series} - {""})),
        variants=tuple(sorted({row[2] for row in series} - {""})),
        suites=tuple(sorted({row[1] for row in suites})),
        levels=tuple(sorted({row[2] for row in suites} - {""})),
    )


def _fits_series(row: Row, filters: Filters, branch: str) -> bool:
    _, job, variant, lane = row
    is_here = lane == branch or (filters.by == "branch" and not filters.branch)
    return is_here and filters.job in ("", job) and filters.variant in ("", variant)


def _fits_suite(row: Row, filters: Filters) -> bool:
    return filters.suite in ("", row[1]) and filters.level in ("", row[2])


def _read_cells(
    project: Project, filters: Filters, series: Sequence[Row], suites: Sequence[Row]
) -> tuple[list[_Cell], bool]:
    numbers = [row[0] for row in series]
    first, last = _read_bounds(project, numbers)
    if first is None or last is None:
        return [], False
    span = _SPANS.get(filters.span)
    since = max(first, last - span) if span else first
    is_weekly = (last - since).days > _MOST_DAYS
    is_narrowed = bool(filters.suite or filters.level)
    values: dict[str, Any] = {
        "project": project.pk,
        "series": numbers,
        "since": since,
        "suites": [row[0] for row in suites] if is_narrowed else None,
        "unit": "week" if is_weekly else "day",
    }
    by_suite = filters.by in ("suite", "level")
    names = _name_suites(suites, filters.by) if by_suite else _name_series(series, filters.by)
    cells = []
    for day, number, suite, n_jobs, *counts in fetch_rows(_CELLS_BY_SUITE_SQL if by_suite else _CELLS_SQL, values):
        group = names.get(suite if by_suite else number)
        if group is not None:
            *sums, declared_once, units_once = counts
            cells.append(_Cell(day, number, group, n_jobs, tuple(map(int, sums)), declared_once, units_once))
    return (_join_groups(cells) if by_suite else cells), is_weekly


def _join_groups(cells: Iterable[_Cell]) -> list[_Cell]:
    """Several suites of one name or level are one group: add them up per day and series."""
    joined: dict[tuple[date, int, str], _Cell] = {}
    for cell in cells:
        key = (cell.day, cell.series, cell.group)
        other = joined.get(key)
        if other is None:
            joined[key] = cell
            continue
        sums = tuple(a + b for a, b in zip(cell.sums, other.sums, strict=True))
        declared, units = cell.declared_once + other.declared_once, cell.units_once + other.units_once
        joined[key] = _Cell(cell.day, cell.series, cell.group, max(cell.n_jobs, other.n_jobs), sums, declared, units)
    return list(joined.values())


def _name_series(series: Sequence[Row], by: str) -> Mapping[int, str]:
    place = {"job": 1, "variant": 2, "branch": 3}.get(by)
    return {row[0]: ("all" if place is None else row[place] or f"(no {by})") for row in series}


def _name_suites(suites: Sequence[Row], by: str) -> Mapping[int, str]:
    return {row[0]: (row[1] if by == "suite" else row[2] or "(no level)") for row in suites}


def _read_bounds(project: Project, series: Sequence[int]) -> tuple[date | None, date | None]:
    """The first and the last day of these series, by two probes each."""
    rows = fetch_rows(_BOUNDS_SQL, {"project": project.pk, "series": list(series)})
    return rows[0][0], rows[0][1]


_BOUNDS_SQL: Final = """
SELECT min(ends.first), max(ends.last)
FROM unnest(%(series)s::int[]) AS wanted(series)
CROSS JOIN LATERAL (
    SELECT (SELECT day FROM health_suiteday d WHERE d.project_id = %(project)s AND d.series = wanted.series
            ORDER BY day LIMIT 1) AS first,
           (SELECT day FROM health_suiteday d WHERE d.project_id = %(project)s AND d.series = wanted.series
            ORDER BY day DESC LIMIT 1) AS last) ends
"""

# A suite that was in only some of a day's runs counts for one run as in those it was in.
_SUMS: Final = """
       sum(n_declared), sum(n_passed), sum(n_xfailed), sum(n_failed), sum(n_errored), sum(n_skipped), sum(n_flaky),
       sum(duration)
"""

_CELLS_BY_SUITE_SQL: Final = f"""
SELECT date_trunc(%(unit)s, day::timestamp)::date, series, suite, sum(n_runs)::int, {_SUMS},
       (sum(n_declared) / sum(n_runs))::float8, (sum(duration) / sum(n_runs))::float8
FROM health_suiteday
WHERE project_id = %(project)s AND series = ANY(%(series)s) AND day >= %(since)s
  AND (%(suites)s::int[] IS NULL OR suite = ANY(%(suites)s::int[]))
GROUP BY 1, 2, 3
"""  # noqa: S608 - the columns are a constant

_CELLS_SQL: Final = f"""
WITH days AS (
    SELECT day, series, max(n_runs) AS n_runs, sum(n_declared) AS n_declared, sum(n_passed) AS n_passed,
        sum(n_xfailed) AS n_xfailed, sum(n_failed) AS n_failed, sum(n_errored) AS n_errored,
        sum(n_skipped) AS n_skipped, sum(n_flaky) AS n_flaky, sum(duration) AS duration,
        sum(n_declared::float8 / n_runs) AS declared_once, sum(duration::float8 / n_runs) AS units_once
    FROM health_suiteday
    WHERE project_id = %(project)s AND series = ANY(%(series)s) AND day >= %(since)s
      AND (%(suites)s::int[] IS NULL OR suite = ANY(%(suites)s::int[]))
    GROUP BY day, series
)
SELECT date_trunc(%(unit)s, day::timestamp)::date, series, NULL, sum(n_runs)::int, {_SUMS},
       sum(declared_once * n_runs) / sum(n_runs), sum(units_once * n_runs) / sum(n_runs)
FROM days GROUP BY 1, 2
"""  # noqa: S608 - the columns are a constant
