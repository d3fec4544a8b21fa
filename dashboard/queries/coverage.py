"""Coverage of a branch: how much of it ran, level by level, over time, by directory and by file.

Called by `dashboard.views.coverage`. What is shown is what the newest run of each level measured; files it left out
are named with the run that last did. A level has its report's own totals; directories, files and levels together are
counted from the lines that reports list. Promise: six statements at most, and a whole is never smaller than its part
(`tests/dashboard/test_coverage_queries.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final, NamedTuple

import numpy as np

from dashboard.filters import Filters
from dashboard.queries.coverage_files import (
    DirectoryLine,
    FileLine,
    Files,
    group_directories,
    list_parents,
    read_files,
    sort_files,
    sum_files,
    sum_listed,
)
from dashboard.queries.coverage_reports import Reports, list_measured, read_reports
from dashboard.queries.covered import (
    Change,
    Covered,
    LevelFact,
    choose_lane,
    compare,
    name_level,
    rank_levels,
    read_newest,
)
from dashboard.queries.sql import Row, fetch_rows
from health.models import Project

N_FILES: Final = 25
N_MORE_FILES: Final = 10  # so few are no page of their own
_MOST_LEFT_OUT: Final = 5_000
_SPANS: Final = {"year": timedelta(days=365), "quarter": timedelta(days=91)}
_MONTH: Final = timedelta(days=30)


class TrendPoint(NamedTuple):
    """What the last run of a day measured."""

    day: date
    run: int
    covered: Covered


@dataclass(frozen=True, slots=True)
class LevelTrend:
    """A level over its days, oldest first."""

    level: str
    points: tuple[TrendPoint, ...]

    @property
    def name(self) -> str:
        """The level's name, or that it has none."""
        return name_level(self.level)

    @property
    def last(self) -> TrendPoint:
        """The newest point."""
        return self.points[-1]


@dataclass(frozen=True, slots=True)
class Coverage:
    """All the page shows. `main` is the level the headline is about; in a directory of several levels, and where
    nothing fits, there is none.
    """

    lane: str
    lanes: tuple[str, ...]
    levels: tuple[LevelFact, ...]  # of the lane, each its newest run
    shown: tuple[LevelFact, ...]  # the chosen one, or all
    directory: str
    parents: tuple[str, ...]
    main: LevelFact | None
    covered: Covered  # of `main`; of a directory what its files list, at all levels shown
    together: Covered | None  # of several levels; None where a report does not list all lines that it counts
    n_files: int
    change: Change | None
    directories: tuple[DirectoryLine, ...]
    since: date | None  # what the directories are compared with
    files: Files  # sorted, all of them
    page: tuple[FileLine, ...]  # those listed
    next_before: str
    left_out: tuple[FileLine, ...]
    looked_back: Reports  # where files that were left out were looked for
    trends: tuple[LevelTrend, ...]

    @property
    def chosen(self) -> LevelFact | None:
        """The one level the figures are of."""
        return self.shown[0] if len(self.shown) == 1 else None

    @property
    def unlisted(self) -> tuple[LevelFact, ...]:
        """The levels whose files list other lines than their reports count."""
        return tuple(fact for fact in self.shown if fact.lists_less)

    @property
    def newest(self) -> LevelFact | None:
        """The run that says most lately how it is."""
        return max(self.shown, key=lambda fact: (fact.ran_at, fact.run), default=None)

    @property
    def n_later(self) -> int:
        """How many files come from a later run whose coverage is incomplete."""
        return int(np.isin(self.files.runs, [fact.run for fact in self.shown], invert=True).sum())

    @property
    def has_branches(self) -> bool:
        """Whether any report counts branches."""
        return any(fact.covered.branches_valid for fact in self.shown)


def read_coverage(project: Project, filters: Filters) -> Coverage:
    """The branch, narrowed to a level and a directory as the filters say."""
    facts = read_newest(project)
    lane = choose_lane(project, facts, asked=filters.branch)
    levels = tuple(fact for fact in facts if fact.lane == lane)
    shown = tuple(fact for fact in levels if filters.level in ("", fact.name))
    directory = filters.directory.rstrip("/")
    files = read_files(project, lane=lane, levels=[fact.level for fact in shown], directory=directory)
    directories = group_directories(files)
    listed = sum_files(files.figures)
    trends = _read_trends(project, lane, shown, directory, span=filters.span)
    if not directory:
        shown = tuple(_describe(fact, files, trends) for fact in shown)
    main = next(iter(rank_levels(shown)), None) if len(shown) == 1 or not directory else None
    since, before = _read_before(project, lane, shown, [line.path for line in directories])
    ranked = sort_files(files, by=filters.sort)
    page, next_before = _cut(ranked, filters.before)
    left_out, looked_back = _read_left_out(project, lane, shown, directory)
    return Coverage(
        lane=lane,
        lanes=_rank_lanes(project, facts),
        levels=levels,
        shown=shown,
        directory=directory,
        parents=list_parents(directory),
        main=main,
        covered=main.covered if main and not directory else listed,
        together=listed if len(shown) > 1 and not any(fact.lists_less for fact in shown) else None,
        n_files=len(files),
        change=_choose_change(main, shown, files, trends, directory),
        directories=tuple(_tell_before(line, before, since) for line in directories),
        since=since,
        files=ranked,
        page=page,
        next_before=next_before,
        left_out=left_out,
        looked_back=looked_back,
        trends=trends,
    )


def read_lane_trends(project: Project, *, lane: str, level: str, since: date) -> tuple[LevelTrend, ...]:
    """A branch's coverage by day, a line a level, or the one named; for pages that show it beside other things."""
    values = {"project": project.pk, "lane": lane, "since": since, "levels": [level] if level else None}
    return _group_points(fetch_rows(_DAYS_SQL, values))


def _read_left_out(
    project: Project, lane: str, shown: Sequence[LevelFact], directory: str
) -> tuple[tuple[FileLine, ...], Reports]:
    """Files that the newest runs did not measure, though one of the runs before them did; and how far was looked."""
    if not shown:
        return (), Reports()
    levels = [fact.level for fact in shown]
    values = {"project": project.pk, "lane": lane, "levels": levels, "directory": directory, "below": f"{directory}/"}
    paths: dict[int, str] = dict(fetch_rows(_STRANGERS_SQL, values | {"limit": _MOST_LEFT_OUT}))
    if not paths:
        return (), Reports()
    reports = read_reports(project, lane=lane, levels=levels)
    found = [
        FileLine(last.file, paths[last.file], last.run, last.covered)
        for last in list_measured(reports.read, files=frozenset(paths))
    ]
    return tuple(sorted(found, key=lambda file: file.path)), reports


def _cut(files: Files, before: str) -> tuple[tuple[FileLine, ...], str]:
    """A page of files, and the file the next one starts behind."""
    found = np.flatnonzero(files.numbers == int(before)) if before.isdecimal() else np.zeros(0, np.int64)
    start = int(found[0]) + 1 if found.size else 0
    is_last = len(files) - start <= N_FILES + N_MORE_FILES
    page = tuple(files.take(range(start, len(files) if is_last else start + N_FILES)))
    return page, "" if is_last else str(page[-1].number)


def _rank_lanes(project: Project, facts: Sequence[LevelFact]) -> tuple[str, ...]:
    return tuple(sorted({fact.lane for fact in facts}, key=lambda lane: (lane != project.default_branch, lane)))


def _read_trends(
    project: Project, lane: str, shown: Sequence[LevelFact], directory: str, *, span: str
) -> tuple[LevelTrend, ...]:
    """A line a level: of whole runs by what their reports count, of a directory by what was kept of it each day."""
    if not shown:
        return ()
    values = {
        "project": project.pk,
        "lane": lane,
        "levels": [fact.level for fact in shown],
        "directory": directory,
        "since": max(fact.day for fact in shown) - _SPANS[span] if span in _SPANS else date.min,
    }
    return _group_points(fetch_rows(_DIRECTORY_DAYS_SQL if directory else _DAYS_SQL, values))


def _group_points(rows: Sequence[Row]) -> tuple[LevelTrend, ...]:
    found: dict[str, list[TrendPoint]] = {}
    for level, day, run, *figures in rows:
        found.setdefault(level, []).append(TrendPoint(day, run, Covered(*figures)))
    return tuple(LevelTrend(level, tuple(points)) for level, points in found.items())


def _describe(fact: LevelFact, files: Files, trends: Sequence[LevelTrend]) -> LevelFact:
    """The level with what it is compared with, and what its files list."""
    listed = sum_listed(files, level=fact.level, run=fact.run)
    return replace(fact, change=_find_change(fact, fact.covered, trends), listed=listed)


def _choose_change(
    main: LevelFact | None, shown: Sequence[LevelFact], files: Files, trends: Sequence[LevelTrend], directory: str
) -> Change | None:
    """That of the level the headline is about; of a directory, where only one level ever measured it."""
    if not files:
        return None
    if not directory:
        return main.change if main else None
    if len(trends) != 1 or files.n_levels > 1:
        return None
    fact = next(fact for fact in shown if fact.level == trends[0].level)
    return _find_change(fact, sum_files(files.figures), trends)


def _find_change(fact: LevelFact, now: Covered, trends: Sequence[LevelTrend]) -> Change | None:
    """Against a month before the run that is shown; against the oldest day where there is nothing that old."""
    points = next((trend.points for trend in trends if trend.level == fact.level), ())
    # A day after that of the run shown has only late runs of older commits.
    earlier = [point for point in points if point.day < fact.day]
    if not earlier:
        return None
    before = next((point for point in reversed(earlier) if point.day <= fact.day - _MONTH), earlier[0])
    return compare(now, before.covered, run=before.run, day=before.day)


def _read_before(
    project: Project, lane: str, shown: Sequence[LevelFact], directories: Sequence[str]
) -> tuple[date | None, dict[str, tuple[int, Covered]]]:
    """How these directories were a month before, at the one level shown: the day, and each one's run and figures."""
    if len(shown) != 1 or not directories:
        return None, {}
    values = {
        "project": project.pk,
        "lane": lane,
        "level": shown[0].level,
        "newest": shown[0].day,
        "wanted": shown[0].day - _MONTH,
        "directories": [path for path in directories if path],
    }
    rows = fetch_rows(_BEFORE_SQL, values)
    day = rows[0][0] if rows else None
    return day, {path: (run, Covered(*figures)) for _, path, run, *figures in rows if path is not None}


def _tell_before(line: DirectoryLine, before: dict[str, tuple[int, Covered]], day: date | None) -> DirectoryLine:
    if day is None or line.path not in before:
        return line
    run, covered = before[line.path]
    return replace(line, change=compare(line.covered, covered, run=run, day=day))


# Files that have no state here: no longer measured, or only ever on other branches or at other levels. All are found
# before the limit cuts them: hoping to be done early, PostgreSQL would enter an index once for every file.
_STRANGERS_SQL: Final = """
WITH strangers AS MATERIALIZED (
    SELECT s.number, s.path FROM health_sourcefile s
    WHERE s.project_id = %(project)s AND (%(directory)s = '' OR starts_with(s.path, %(below)s)) AND NOT EXISTS (
        SELECT 1 FROM health_filecoverage f
        WHERE f.project_id = s.project_id AND f.lane = %(lane)s AND f.level = ANY(%(levels)s) AND f.file = s.number))
SELECT number, path FROM strangers ORDER BY number DESC LIMIT %(limit)s
"""

# The last run of each day. An incomplete one says less than there is.
_DAYS_SQL: Final = """
SELECT DISTINCT ON (c.level, c.day) c.level, c.day, c.run, c.lines_valid, c.lines_covered, c.branches_valid,
    c.branches_covered
FROM health_runcoverage c
WHERE c.project_id = %(project)s AND c.lane = %(lane)s AND c.day >= %(since)s AND NOT c.is_partial
  AND (%(levels)s::text[] IS NULL OR c.level = ANY(%(levels)s))
ORDER BY c.level, c.day, c.ordered_at DESC, c.ran_at DESC, c.run DESC
"""

_DIRECTORY_DAYS_SQL: Final = """
SELECT d.level, d.day, d.run, d.lines_valid, d.lines_covered, d.branches_valid, d.branches_covered
FROM health_directoryday d
WHERE d.project_id = %(project)s AND d.lane = %(lane)s AND d.level = ANY(%(levels)s) AND d.day >= %(since)s
  AND d.directory = %(directory)s
ORDER BY d.level, d.day
"""

_BEFORE_SQL: Final = """
WITH before AS (
    SELECT coalesce(
        (SELECT max(day) FROM health_directoryday
         WHERE project_id = %(project)s AND lane = %(lane)s AND level = %(level)s AND day <= %(wanted)s),
        (SELECT min(day) FROM health_directoryday
         WHERE project_id = %(project)s AND lane = %(lane)s AND level = %(level)s AND day < %(newest)s)) AS day)
SELECT before.day, d.directory, d.run, d.lines_valid, d.lines_covered, d.branches_valid, d.branches_covered
FROM before LEFT JOIN health_directoryday d ON d.project_id = %(project)s AND d.lane = %(lane)s
    AND d.level = %(level)s AND d.day = before.day AND d.directory = ANY(%(directories)s)
WHERE before.day IS NOT NULL
"""
