"""How a project moved: passed, executed, declared, failed and test time by day, whole or in groups.

Called by `dashboard.views.trends`; reads suite × day, and of runs only those that were cut short.
Rates and failures are sums over what ran on a day. Declared tests and test time are of one run: the mean of a day's
runs of each job, without those that were cut short; and a job that did not run that day counts as it last did, so that
a second workflow's rest day is no dip. Promise: five statements at most (`tests/dashboard/test_trends_queries.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, NamedTuple

from dashboard.filters import Filters
from dashboard.queries.covered import NO_LEVEL
from dashboard.queries.scope import Offer, SeriesFact, SuiteFact, read_scope
from dashboard.queries.sql import fetch_rows
from health.models import Project, RunCoverage
from health.rules.durations import UNITS_PER_SECOND

MOST_GROUPS: Final = 12
_SPANS: Final = {"year": timedelta(days=365), "quarter": timedelta(days=91)}
# Beyond so many days a point is a week.
_MOST_DAYS: Final = 750
# A job that has not run for so many of the points in which others did no longer counts.
_PATIENCE: Final = 8
_LATELY: Final = timedelta(days=8)
_BY_SERIES: Final = {"job": "job", "variant": "variant", "branch": "lane"}


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
    declared_once: float | None  # None as long as no whole run is known
    units_once: float | None

    @property
    def executed(self) -> int:
        """Declared less skipped."""
        return self.declared - self.skipped

    @property
    def as_expected(self) -> int:
        """Passed, or failed as it should."""
        return self.passed + self.xfailed

    @property
    def deferred(self) -> int:
        """Skipped, or failed as it should."""
        return self.skipped + self.xfailed

    @property
    def broken(self) -> int:
        """Failed or errored."""
        return self.failed + self.errored

    @property
    def seconds(self) -> float:
        """The sum of the times."""
        return self.units / UNITS_PER_SECOND

    @property
    def seconds_once(self) -> float | None:
        """The time of one run."""
        return None if self.units_once is None else self.units_once / UNITS_PER_SECOND


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
class Trends:
    """The lines, the largest first, and what they are about."""

    groups: tuple[Group, ...]
    n_more_groups: int
    branch: str
    is_weekly: bool
    first: date | None
    last: date | None
    offer: Offer
    has_only_coverage: bool = False


class _Cell(NamedTuple):
    """One series' share of a group on a day, as the statement gives it; the last two are of one whole run."""

    day: date
    series: int
    group: int
    n_jobs: float
    declared: float
    passed: float
    xfailed: float
    failed: float
    errored: float
    skipped: float
    flaky: float
    units: float
    declared_once: float | None
    units_once: float | None


def read_trends(project: Project, filters: Filters) -> Trends:
    """The project's days, narrowed and grouped as the filters say."""
    scope = read_scope(project, filters, is_any_branch=filters.by == "branch")
    offer, branch = scope.offer, scope.lane
    chosen, fitting = scope.series, list(scope.suites.values())
    bounds = _read_bounds(project, scope.numbers)
    days = _Days.choose(*bounds, span=filters.span) if bounds else None
    n_left_out = 0
    if days and filters.by == "suite":
        fitting, n_left_out = _keep_largest(project, chosen, fitting, days)
    groups = _read_groups(project, filters, chosen, fitting, days) if days else []
    return Trends(
        groups=tuple(groups[:MOST_GROUPS]),
        n_more_groups=n_left_out + max(len(groups) - MOST_GROUPS, 0),
        branch="" if filters.by == "branch" and not filters.branch else branch,
        is_weekly=bool(days and days.is_weekly),
        first=min((group.points[0].day for group in groups), default=None),
        last=max((group.last.day for group in groups), default=None),
        offer=offer,
        has_only_coverage=not offer.branches and RunCoverage.objects.filter(project=project).exists(),
    )


class _Days(NamedTuple):
    """Which days are read, and whether a point is a week of them."""

    since: date
    last: date
    is_weekly: bool

    @classmethod
    def choose(cls, first: date, last: date, *, span: str) -> "_Days":
        since = max(first, last - _SPANS[span]) if span in _SPANS else first
        return cls(since, last, (last - since).days > _MOST_DAYS)


def _keep_largest(
    project: Project, series: Sequence[SeriesFact], suites: Sequence[SuiteFact], days: _Days
) -> tuple[list[SuiteFact], int]:
    """The suites of the largest names as of late, and how many names are left out. A suite is a name at a level."""
    values = {
        "project": project.pk,
        "series": [found.number for found in series],
        "since": days.last - _LATELY,
        "suites": [suite.number for suite in suites],
    }
    names = {suite.number: suite.name for suite in suites}
    sizes: dict[str, float] = {}
    for suite, declared in fetch_rows(_SIZES_SQL, values):
        sizes[names[suite]] = sizes.get(names[suite], 0) + declared
    largest = set(sorted(sizes, key=lambda name: (-sizes[name], name))[:MOST_GROUPS])
    return [suite for suite in suites if suite.name in largest], len(sizes) - len(largest)


def _read_groups(
    project: Project, filters: Filters, series: Sequence[SeriesFact], suites: Sequence[SuiteFact], days: _Days
) -> list[Group]:
    """One line a group, the one with most declared tests first."""
    by_suite = filters.by in ("suite", "level")
    names = _name_suites(suites, filters.by) if by_suite else _name_series(series, filters.by)
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names.values()))}
    is_narrowed = by_suite or bool(filters.suite or filters.level)
    values: dict[str, Any] = {
        "project": project.pk,
        "series": [found.number for found in series],
        "since": days.since,
        "suites": [suite.number for suite in suites] if is_narrowed else None,
        "groups": [numbers[names[suite.number]] if by_suite else 0 for suite in suites] if is_narrowed else None,
    }
    titles = list(numbers)
    cells: dict[str, list[_Cell]] = {}
    for row in fetch_rows(_write_statement(is_narrowed=is_narrowed, is_weekly=days.is_weekly), values):
        cell = _Cell(*row[: len(_Cell._fields)])
        cells.setdefault(titles[cell.group] if by_suite else names[cell.series], []).append(cell)
    groups = [Group(name, fold_days(found)) for name, found in cells.items()]
    return sorted(groups, key=lambda group: (-(group.last.declared_once or 0), group.name))


def fold_days(cells: Iterable[_Cell]) -> tuple[DayPoint, ...]:
    """The points of one group: sums of each day, and for one run what each series last said."""
    days: dict[date, list[_Cell]] = {}
    for cell in cells:
        days.setdefault(cell.day, []).append(cell)
    once: dict[int, tuple[int, _Cell]] = {}
    points = []
    for at, day in enumerate(sorted(days)):
        here = days[day]
        for cell in here:
            if cell.declared_once is not None:
                once[cell.series] = (at, cell)
        for series in [series for series, (heard, _) in once.items() if at - heard >= _PATIENCE]:
            del once[series]
        n_jobs, declared, passed, xfailed, failed, errored, skipped, flaky, units = (
            map(sum, zip(*(cell[3:12] for cell in here), strict=True)) if len(here) > 1 else here[0][3:12]
        )
        points.append(
            DayPoint(
                day,
                int(n_jobs),
                int(declared),
                int(passed),
                int(xfailed),
                int(failed),
                int(errored),
                int(skipped),
                int(flaky),
                int(units),
                sum(cell.declared_once or 0 for _, cell in once.values()) if once else None,
                sum(cell.units_once or 0 for _, cell in once.values()) if once else None,
            )
        )
    return tuple(points)


def _name_series(series: Sequence[SeriesFact], by: str) -> Mapping[int, str]:
    if by not in _BY_SERIES:
        return {found.number: "all" for found in series}
    return {found.number: getattr(found, _BY_SERIES[by]) or f"no {by}" for found in series}


def _name_suites(suites: Sequence[SuiteFact], by: str) -> Mapping[int, str]:
    return {suite.number: (suite.name if by == "suite" else suite.level or NO_LEVEL) for suite in suites}


def _read_bounds(project: Project, series: Sequence[int]) -> tuple[date, date] | None:
    """The first and the last day of these series, by two probes each."""
    rows = fetch_rows(_BOUNDS_SQL, {"project": project.pk, "series": list(series)})
    first, last = rows[0]
    return (first, last) if first else None


_BOUNDS_SQL: Final = """
SELECT min(ends.first), max(ends.last)
FROM unnest(%(series)s::int[]) AS wanted(series)
CROSS JOIN LATERAL (
    SELECT (SELECT day FROM health_suiteday d WHERE d.project_id = %(project)s AND d.series = wanted.series
            ORDER BY day LIMIT 1) AS first,
           (SELECT day FROM health_suiteday d WHERE d.project_id = %(project)s AND d.series = wanted.series
            ORDER BY day DESC LIMIT 1) AS last) ends
"""

_SIZES_SQL: Final = """
SELECT suite, sum(n_declared::float8 / n_runs) FROM health_suiteday
WHERE project_id = %(project)s AND series = ANY(%(series)s) AND day >= %(since)s AND suite = ANY(%(suites)s)
GROUP BY suite
"""

# Of one run: the mean of the day's whole runs, suite by suite, because a suite may have been in only some of them.
# Runs that were cut short are few: they are taken off the day's sums again. OFFSET 0: one probe for each of them.
# Sums in float8, exact to 2^53: PostgreSQL adds bigints as numeric, at three times the price.
_DAYS_SQL: Final = """
    WITH cut AS MATERIALIZED (
        SELECT j.series, j.day, s.suite, count(*) AS n_runs, sum(s.n_declared::float8) AS n_declared,
            sum(s.duration::float8) AS duration
        FROM health_job j
        CROSS JOIN LATERAL (
            SELECT c.suite, c.n_declared, c.duration FROM health_runsuite c
            WHERE c.project_id = j.project_id AND c.run = j.run AND c.series = j.series
            OFFSET 0) s
        WHERE j.project_id = %(project)s AND j.series = ANY(%(series)s) AND j.day >= %(since)s AND NOT j.is_complete
        GROUP BY j.series, j.day, s.suite)
    SELECT d.day, d.series, {group} AS grp, max(d.n_runs)::float8 AS n_runs, sum(d.n_declared::float8) AS n_declared,
        sum(d.n_passed::float8) AS n_passed, sum(d.n_xfailed::float8) AS n_xfailed,
        sum(d.n_failed::float8) AS n_failed, sum(d.n_errored::float8) AS n_errored,
        sum(d.n_skipped::float8) AS n_skipped, sum(d.n_flaky::float8) AS n_flaky,
        sum(d.duration::float8) AS duration,
        sum((d.n_declared - coalesce(cut.n_declared, 0)) / nullif(d.n_runs - coalesce(cut.n_runs, 0), 0))
            AS declared_once,
        sum((d.duration - coalesce(cut.duration, 0)) / nullif(d.n_runs - coalesce(cut.n_runs, 0), 0)) AS units_once,
        max(d.n_runs - coalesce(cut.n_runs, 0))::float8 AS n_whole
    FROM health_suiteday d {join}
    LEFT JOIN cut ON cut.series = d.series AND cut.day = d.day AND cut.suite = d.suite
    WHERE d.project_id = %(project)s AND d.series = ANY(%(series)s) AND d.day >= %(since)s
    GROUP BY d.day, d.series, grp
"""
_WEEKS_SQL: Final = """
WITH days AS ({days})
SELECT date_trunc('week', day::timestamp)::date, series, grp, sum(n_runs), sum(n_declared), sum(n_passed),
    sum(n_xfailed), sum(n_failed), sum(n_errored), sum(n_skipped), sum(n_flaky), sum(duration),
    sum(declared_once * n_whole) / nullif(sum(n_whole), 0), sum(units_once * n_whole) / nullif(sum(n_whole), 0)
FROM days GROUP BY 1, 2, 3
"""


def _write_statement(*, is_narrowed: bool, is_weekly: bool) -> str:
    place = "JOIN unnest(%(suites)s::int[], %(groups)s::int[]) AS place(suite, grp) ON place.suite = d.suite"
    days = _DAYS_SQL.format(group="place.grp" if is_narrowed else "0", join=place if is_narrowed else "")
    return _WEEKS_SQL.format(days=days) if is_weekly else days
