"""One case's history: each lane's runs in order, and what each of its series says of the case.

Used by the case page. Promise: three statements, at most MOST_SERIES series of N_MOMENTS jobs
(`tests/dashboard/test_case_queries.py`).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from django.utils import timezone

from dashboard.queries.cases import read_aliases
from dashboard.queries.facts import name_job, name_lane
from dashboard.queries.history import Moment, read_moments
from dashboard.queries.sql import fetch_rows
from dashboard.templatetags.display import find_crowded_days
from health.history import CaseResult, fetch_case_results
from health.models import Project
from health.rules import outcomes as codes
from health.sql import open_cursor
from health.tiles import BLOCK_SIZE

N_RUNS: Final = 40  # columns of a lane
N_MOMENTS: Final = 60
MOST_SERIES: Final = 40

# By outcome code: the class of the matrix cell.
_STYLES: Final = ("o-none", "", "o-F", "o-E", "o-s", "o-x", "o-X", "o-R")


@dataclass(frozen=True, slots=True)
class Cell:
    """One job's word on the case; `outcome` is None where the job did not run in that run.

    `is_double`: it ran under two of its names there.
    """

    run: int
    ran_at: datetime
    outcome: int | None
    is_double: bool = False

    @property
    def letter(self) -> str:
        """As test runners print it."""
        return codes.LETTERS[self.outcome] if self.outcome else ""

    @property
    def style(self) -> str:
        """The class of the matrix cell."""
        return "" if self.outcome is None else _STYLES[self.outcome]

    @property
    def word(self) -> str:
        """The outcome in words."""
        return "did not run" if self.outcome is None else codes.WORDS[self.outcome]


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One series of a lane."""

    title: str
    cells: tuple[Cell, ...]

    @property
    def n_seen(self) -> int:
        """In how many of the runs shown the case was there."""
        return sum(bool(cell.outcome) for cell in self.cells)

    @property
    def n_broken(self) -> int:
        """In how many it was broken."""
        return sum(cell.outcome in codes.BROKEN for cell in self.cells)


@dataclass(frozen=True, slots=True)
class LaneHistory:
    """A lane's runs, oldest first, and what each of its series says of the case."""

    lane: str
    is_main: bool
    runs: tuple[Moment, ...]
    years: tuple[tuple[int, int], ...]  # year, and how many runs stand under it
    rows: tuple[HistoryRow, ...]

    @property
    def crowded(self) -> frozenset[date]:
        """The days on which several of the runs were."""
        return find_crowded_days(moment.ran_at for moment in self.runs)

    @property
    def title(self) -> str:
        """The lane in words."""
        return name_lane(self.lane)


@dataclass(frozen=True, slots=True)
class SeriesHistory:
    """A series with its newest jobs, newest first, and the case's result in each run that has one."""

    number: int
    title: str
    lane: str
    moments: tuple[Moment, ...]
    results: Mapping[int, CaseResult]
    variant: str = ""


def read_series(project: Project, *, number: int) -> tuple[list[SeriesHistory], int]:
    """The series in which the case was seen lately, those that ran last first, and how many more have its block."""
    aliases = read_aliases(project)
    blocks = sorted({name // BLOCK_SIZE for name in aliases.list_members(number)})
    rows = fetch_rows(_SERIES_SQL, {"project": project.pk, "blocks": blocks})
    moments = read_moments(project, series=[row[0] for row in rows], limit=N_MOMENTS)
    heard = [row for row in rows if row[0] in moments]
    kept = sorted(heard, key=lambda row: moments[row[0]][0].ordered_at, reverse=True)[:MOST_SERIES]
    pairs = [(moment.run, row[0]) for row in kept for moment in moments[row[0]]]
    by_series: dict[int, dict[int, CaseResult]] = defaultdict(dict)
    for result in fetch_case_results(open_cursor(), project.pk, ords=[number], jobs=pairs, aliases=aliases):
        by_series[result.series][result.run] = result
    found = [
        SeriesHistory(row[0], name_job(row[1], row[2]), row[3], tuple(moments[row[0]]), by_series[row[0]], row[2])
        for row in kept
        if by_series[row[0]]
    ]
    return found, len(heard) - len(kept)


def lay_out(every: Sequence[SeriesHistory], *, main_lane: str) -> tuple[LaneHistory, ...]:
    """Each lane as a grid of runs and series, the main one first."""
    lanes: dict[str, list[SeriesHistory]] = defaultdict(list)
    for series in every:
        lanes[series.lane].append(series)
    histories = [_lay_out_lane(lane, group, is_main=lane == main_lane) for lane, group in lanes.items()]
    return tuple(sorted(histories, key=lambda history: not history.is_main))


def _lay_out_lane(lane: str, group: Sequence[SeriesHistory], *, is_main: bool) -> LaneHistory:
    every = {moment.run: moment for series in group for moment in series.moments}
    ordered = sorted(every.values(), key=lambda moment: (moment.ordered_at, moment.ran_at, moment.run))
    runs = tuple(ordered[-N_RUNS:])
    rows = []
    for series in sorted(group, key=lambda series: series.title):
        here = {moment.run for moment in series.moments}
        cells = tuple(_make_cell(series, moment, here) for moment in runs)
        rows.append(HistoryRow(series.title, cells))
    years: list[tuple[int, int]] = []
    for moment in runs:
        year = timezone.localtime(moment.ran_at).year
        years = [*years[:-1], (year, years[-1][1] + 1)] if years and years[-1][0] == year else [*years, (year, 1)]
    return LaneHistory(lane, is_main, runs, tuple(years), tuple(rows))


def _make_cell(series: SeriesHistory, moment: Moment, here: set[int]) -> Cell:
    if moment.run not in here:
        return Cell(moment.run, moment.ran_at, None)
    result = series.results.get(moment.run)
    if result is None:
        return Cell(moment.run, moment.ran_at, codes.ABSENT)
    return Cell(moment.run, moment.ran_at, result.outcome, is_double=result.n_names > 1)


_SERIES_SQL: Final = """
SELECT s.number, s.job, s.variant, s.lane
FROM health_series s
WHERE s.project_id = %(project)s AND EXISTS (
    SELECT 1 FROM health_tile t WHERE t.project_id = s.project_id AND t.series = s.number AND t.block = ANY(%(blocks)s))
"""
