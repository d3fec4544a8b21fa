"""Which tests and suites take longest, and which tests became slower: medians, with how many results they are of.

Called by `dashboard.views.slow`, and by what needs attention. Only passing results count: a test that breaks early is
not fast. Promise: a bounded number of statements (`tests/dashboard/test_slow_queries.py`).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from django.utils.text import capfirst

from dashboard.filters import Filters
from dashboard.queries.cases import CaseName, make_name, read_aliases
from dashboard.queries.owners import read_owners
from dashboard.queries.run_times import N_USUAL, SLOWER_RATIO, SLOWER_SECONDS, RunTime, time_branch
from dashboard.queries.scope import Scope, read_scope
from dashboard.queries.shown_suites import write_shown_suite
from dashboard.queries.slow_suites import OVER, SuiteTime, list_suite_times, read_targets
from dashboard.queries.sql import Row, fetch_rows
from dashboard.queries.standing import read_standing
from dashboard.queries.suite_windows import SuiteWindow, read_suite_windows
from dashboard.queries.windows import JobMoment, Windows, read_jobs_of_windows, read_windows
from dashboard.templatetags.display import count_in_words, duration, in_words, plain
from health.history import fetch_exact_results
from health.models import Project
from health.rules import outcomes as codes
from health.rules.durations import UNITS_PER_SECOND
from health.rules.speeds import MIN_MORE_UNITS, MIN_RATIO, MIN_RESULTS, N_BEFORE, N_NOW
from health.sql import open_cursor

N_LISTED: Final = 30  # of the slowest, and of those that became slower
MOST_IN_FILE: Final = 20_000
_N_LINE: Final = N_NOW + N_BEFORE  # the runs looked at for the line and for since when
_N_COLUMNS: Final = 6  # before the case's own in the statement

Timed = tuple[JobMoment, float]  # a run in which the case passed, and its seconds there


@dataclass(frozen=True, slots=True)
class Speed:
    """How long a case takes in one series: medians in seconds. `line`: its newest times, oldest first."""

    case: CaseName
    series: int
    job: str
    n: int
    seconds: float
    n_before: int
    seconds_before: float
    is_slower: bool
    suite: str = ""
    suite_seconds: float = 0.0  # of all its suite's cases, in the newest complete run of the series
    line: tuple[Timed, ...] = ()
    owners: tuple[str, ...] = ()

    @property
    def share(self) -> str:
        """Its part of the suite's time, in words; nothing where that is not known."""
        if not self.suite_seconds or self.seconds > self.suite_seconds:
            return ""
        percent = self.seconds * 100 / self.suite_seconds
        return f"{'under 1' if percent < 1 else f'{percent:.0f}'} % of {duration(self.suite_seconds)}"

    @property
    def since(self) -> JobMoment | None:
        """The first of the runs up to now in which it took longer than half way between before and now."""
        if not self.is_slower:
            return None
        middle, first = (self.seconds + self.seconds_before) / 2, None
        for job, seconds in reversed(self.line):
            if seconds < middle:
                break
            first = job
        return first

    @property
    def path(self) -> str:
        """Its newest times as an SVG path in a box of 100 × 30; nothing for a single one."""
        if len(self.line) < 2:
            return ""
        top = max(seconds for _, seconds in self.line) or 1.0
        step = 100 / (len(self.line) - 1)
        return " ".join(f"{at * step:.1f},{28 - 26 * seconds / top:.1f}" for at, (_, seconds) in enumerate(self.line))

    @property
    def path_label(self) -> str:
        """What the line says."""
        times = [seconds for _, seconds in self.line]
        return f"{len(times)} runs, between {duration(min(times))} and {duration(max(times))}" if times else ""


@dataclass(frozen=True, slots=True)
class SlowPage:
    """All the page shows."""

    scope: Scope
    windows: Windows
    slowest: tuple[Speed, ...]
    slower: tuple[Speed, ...]
    n_slower: int  # different tests; one may be slower in several jobs
    n_rows_slower: int
    suites: tuple[SuiteTime, ...]
    unmeasured: tuple[tuple[str, int], ...]  # targets for suites that no run holds
    owners: tuple[str, ...]
    branch_time: RunTime | None = None  # of the whole branch; nothing where only a part of it is chosen

    @property
    def has_states(self) -> bool:
        """Whether anything is to be said of a suite's time."""
        return self.has_targets or any(suite.is_slower for suite in self.suites)

    @property
    def has_targets(self) -> bool:
        """Whether any suite has to be done in some time."""
        return bool(self.unmeasured) or any(suite.target is not None for suite in self.suites)


def read_slow(project: Project, filters: Filters) -> SlowPage:
    """The slowest cases and suites, and the cases that became slower."""
    scope = read_scope(project, filters)
    speeds = read_speeds(project, scope, limit=MOST_IN_FILE)
    owners = read_owners(project, cases={speed.case.ord: speed.case for speed in speeds}.values())
    speeds = [replace(speed, owners=owners.get(speed.case.ord, ())) for speed in speeds]
    if filters.owner:
        speeds = [speed for speed in speeds if filters.owner in speed.owners]
    slower = sorted((speed for speed in speeds if speed.is_slower), key=_rank_loss)
    suites = read_suite_windows(project, scope)
    targets = read_targets(project)
    shown = add_lines(project, [*speeds[:N_LISTED], *slower[:N_LISTED]], suites)
    n_slowest = len(speeds[:N_LISTED])
    names = {suite.name for suite in scope.suites.values()}
    return SlowPage(
        scope=scope,
        windows=read_windows(project, scope),
        slowest=shown[:n_slowest],
        slower=shown[n_slowest:],
        n_slower=len({speed.case.ord for speed in slower}),
        n_rows_slower=len(slower),
        suites=list_suite_times(suites, scope, targets),
        unmeasured=() if scope.is_narrowed else tuple((name, n) for name, n in targets.items() if name not in names),
        owners=tuple(sorted({name for found in owners.values() for name in found})),
        branch_time=_read_branch_time(project, scope, filters),
    )


def _read_branch_time(project: Project, scope: Scope, filters: Filters) -> RunTime | None:
    """What the overview says of the branch's time."""
    is_part = scope.is_narrowed or filters.job or filters.variant or filters.owner
    return None if is_part or not scope.series else time_branch(read_standing(project, lane=scope.lane))


def read_speeds(project: Project, scope: Scope, *, limit: int, is_slower: bool = False) -> list[Speed]:
    """What is kept of the cases' speeds in a scope, the slowest first; only those that became slower, where asked.

    What stopped running takes no time any more.
    """
    values = {"project": project.pk, "series": scope.numbers, "suites": scope.suite_numbers}
    rows = fetch_rows(_SPEEDS_SQL, values | {"limit": limit, "is_slower": is_slower})
    titles = scope.titles
    return [_read_row(row, titles, project.slug, scope) for row in rows]


def write_slow(page: SlowPage) -> str:
    """What became slower, and what takes longest."""
    if not page.slowest and not page.suites:
        return "No run has been timed yet." if page.windows.run is None else "Nothing that was timed fits."
    lane, n, n_over = plain(page.scope.title), page.n_slower, sum(suite.state == OVER for suite in page.suites)
    whole = _tell_whole(page)
    said = f"{count_in_words(n, 'test')} became slower on {lane}" if n else f"no test became slower on {lane}"
    said = f"no single test became slower for good on {lane}" if whole and not n else said
    over = f"{in_words(n_over)} suite{' is over its' if n_over == 1 else 's are over their'} target" if n_over else ""
    if whole:
        said += f"; {whole}{f'. {capfirst(over)}' if over else ''}"
    elif over:
        said += f"; {over}"
    elif page.slowest:
        said += f"; the slowest takes {duration(page.slowest[0].seconds)}"
    return f"{capfirst(said)}."


def _tell_whole(page: SlowPage) -> str:
    """What took much longer than usual: the branch as a whole, else suites of it."""
    time, n = page.branch_time, sum(suite.is_slower for suite in page.suites)
    if time and time.is_slower:
        run = f"run {time.run.number}"
        who = f"{run} took" if time.is_one_run else f"as of {run} all jobs together take"
        return f"{who} {duration(time.seconds)} of test time against {duration(time.usual.seconds)} usual"
    return f"{count_in_words(n, 'suite')} took much longer than usual" if n else ""


def write_rule() -> str:
    """When a test is said to be slower, with its numbers."""
    return (
        f"A time is the median of the newest {N_NOW} passing results of a job, at most. A test is slower when that is "
        f"{MIN_RATIO:g} times the median of the up to {N_BEFORE} results before them and at least "
        f"{MIN_MORE_UNITS * 1000 // UNITS_PER_SECOND} ms more, with {MIN_RESULTS} results on both sides at least. "
        "A suite's time is that of its tests, added up; not the time on the clock. A suite, or the branch as a whole, "
        f"is slower than usual at {SLOWER_RATIO:g} times the median of the up to {N_USUAL} complete runs before and at "
        f"least {SLOWER_SECONDS:g} s more."
    )


def _rank_loss(speed: Speed) -> tuple[float, int]:
    return (speed.seconds_before - speed.seconds, speed.case.ord)


def _read_row(row: Row, titles: Mapping[int, str], slug: str, scope: Scope) -> Speed:
    series, n, median, n_before, median_before, is_slower = row[:_N_COLUMNS]
    case = make_name(row[_N_COLUMNS:], slug)
    seconds, before = median / UNITS_PER_SECOND, median_before / UNITS_PER_SECOND
    suite = scope.suites.get(case.suite)
    return Speed(case, series, titles[series], n, seconds, n_before, before, is_slower, suite.name if suite else "")


def add_lines(project: Project, speeds: Sequence[Speed], suites: Iterable[SuiteWindow] = ()) -> tuple[Speed, ...]:
    """The newest times of each, and what the suite took as a whole."""
    if not speeds:
        return ()
    jobs = read_jobs_of_windows(project, series={speed.series for speed in speeds}, limit=_N_LINE)
    wanted = {(speed.case.ord, job.run, speed.series) for speed in speeds for job in jobs.get(speed.series, ())}
    lines: dict[tuple[int, int], dict[int, float]] = defaultdict(dict)
    aliases = read_aliases(project)
    for found in fetch_exact_results(open_cursor(), project.pk, wanted=sorted(wanted), aliases=aliases):
        if found.outcome in codes.PASSED:
            lines[found.ord, found.series][found.run] = found.units / UNITS_PER_SECOND
    newest = {(suite.series, suite.suite): suite.newest.seconds for suite in suites if suite.newest}
    return tuple(
        replace(
            speed,
            suite_seconds=newest.get((speed.series, speed.case.suite), 0.0),
            line=tuple(_take_line(lines[speed.case.ord, speed.series], jobs.get(speed.series, ()))),
        )
        for speed in speeds
    )


def _take_line(times: Mapping[int, float], jobs: Sequence[JobMoment]) -> list[Timed]:
    return [(job, times[job.run]) for job in reversed(jobs) if job.run in times]


_SUITE: Final = write_shown_suite(run="w.last_run")
_SPEEDS_SQL: Final = f"""
SELECT v.series, v.n, v.median, v.n_before, v.median_before, v.is_slower,
    c.ord, c.name, c.class_name, c.suite_path, c.namespace, c.occurrence, {_SUITE}
FROM health_casespeed v JOIN health_case c ON c.project_id = v.project_id AND c.ord = v.ord
JOIN health_serieswindow w ON w.project_id = v.project_id AND w.series = v.series
WHERE v.project_id = %(project)s AND v.series = ANY(%(series)s) AND v.n > 0
  AND (%(suites)s::int[] IS NULL OR {_SUITE} = ANY(%(suites)s)) AND (v.is_slower OR NOT %(is_slower)s)
  AND NOT EXISTS (SELECT 1 FROM health_vanishedcase x
                  WHERE x.project_id = v.project_id AND x.series = v.series AND x.ord = v.ord)
ORDER BY v.median DESC, v.ord, v.series LIMIT %(limit)s
"""  # noqa: S608 - constants
