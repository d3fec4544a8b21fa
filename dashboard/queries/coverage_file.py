"""One file: which of its lines ran, level by level, as the newest run that measured it left it. Never its text.

Called by `dashboard.views.coverage`. Promise: a bounded number of statements, and no line is both covered and not
(`tests/dashboard/test_coverage_file.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from dashboard.filters import Filters
from dashboard.queries.coverage_files import list_parents, unite_levels
from dashboard.queries.coverage_reports import Measured, Reports, find_measured, read_reports
from dashboard.queries.covered import Covered, LevelFact, choose_lane, name_level, read_newest
from dashboard.queries.sql import Row, fetch_rows
from health.models import Project, SourceFile
from health.rules.bitmaps import LineSet, mark_flags
from health.rules.contexts import join_contexts, unpack_contexts
from health.rules.directories import find_directory

_MOST_RANGES: Final = 400  # written out; the rest is in the page's table as a file
_MOST_BARS: Final = 480
_MOST_CONTEXTS: Final = 100
_MOST_BYTES: Final = 4_000_000  # packed, of all contexts of a run

Range = tuple[int, int]
Flags = npt.NDArray[np.bool_]


class FilePoint(NamedTuple):
    """What one run measured of a file."""

    run: int
    ran_at: datetime
    covered: Covered


@dataclass(frozen=True, slots=True)
class Strip:
    """The file drawn from its first line to its last: SVG paths in a box of `width` × 12."""

    width: int
    covered: str
    uncovered: str
    last_line: int
    lines_a_bar: int


@dataclass(frozen=True, slots=True)
class FileLevel:
    """A file at one level. `uncovered` and `ran` are runs of lines that could run; lines between them are no code."""

    level: str
    run: int
    ran_at: datetime
    newest_run: int
    covered: Covered
    uncovered: tuple[Range, ...]
    ran: tuple[Range, ...]
    strip: Strip | None  # None where the report only counts lines

    @property
    def name(self) -> str:
        """The level's name, or that it has none."""
        return name_level(self.level)

    @property
    def said_uncovered(self) -> str:
        """The lines that did not run."""
        return write_ranges(self.uncovered)

    @property
    def said_ran(self) -> str:
        """The lines that did."""
        return write_ranges(self.ran)

    @property
    def is_current(self) -> bool:
        """Whether the newest run of its level measured it."""
        return self.run == self.newest_run


class Context(NamedTuple):
    """A test, by the name the tool gives it, and how many lines of the file it ran."""

    name: str
    n_lines: int
    ranges: str


@dataclass(frozen=True, slots=True)
class Contexts:
    """The tests that ran the file in one run, those that ran most of it first; `n` counts them all."""

    run: int
    n: int
    listed: tuple[Context, ...]


@dataclass(frozen=True, slots=True)
class FilePage:
    """All the page shows."""

    number: int
    path: str
    directories: tuple[str, ...]
    lane: str
    lanes: tuple[str, ...]
    levels: tuple[FileLevel, ...]
    together: Covered | None  # of several levels that the newest runs measured
    history: tuple[FilePoint, ...]  # of the first level
    looked_back: Reports  # where history and files that are gone come from
    contexts: Contexts | None

    @property
    def first(self) -> FileLevel | None:
        """The level the history is of: the one that was measured last."""
        return self.levels[0] if self.levels else None


def read_file_page(project: Project, *, number: int, filters: Filters) -> FilePage | None:
    """The file of that number; None when no report ever named it."""
    source = SourceFile.objects.filter(project=project, number=number).only("path").first()
    if source is None:
        return None
    rows = fetch_rows(_LEVELS_SQL, {"project": project.pk, "file": number})
    facts = read_newest(project)
    lanes = {row[0] for row in rows} or {fact.lane for fact in facts}
    lane = choose_lane(project, [fact for fact in facts if fact.lane in lanes], asked=filters.branch)
    here = [fact for fact in facts if fact.lane == lane]
    lanes |= {fact.lane for fact in here}  # the branch asked for may have left the file out
    reports = read_reports(project, lane=lane, levels=[fact.level for fact in here])
    measured = find_measured(reports.read, file=number)
    here_rows = [row for row in rows if row[0] == lane]
    levels = [_read_level(row) for row in here_rows] or _find_last(measured, here)
    levels.sort(key=lambda level: (level.ran_at, level.run), reverse=True)
    return FilePage(
        number=number,
        path=source.path,
        directories=list_parents(find_directory(source.path)),
        lane=lane,
        lanes=tuple(sorted(lanes, key=lambda name: (name != project.default_branch, name))),
        levels=tuple(levels),
        together=_unite(here_rows) if len(here_rows) > 1 else None,
        history=tuple(
            FilePoint(one.run, one.ran_at, Covered(*one.lines.totals))
            for one in reversed(measured)
            if levels and one.level == levels[0].level
        ),
        looked_back=reports,
        contexts=_read_contexts(project, levels, number),
    )


def write_ranges(ranges: Sequence[Range]) -> str:
    """Runs of lines as people write them: "12–18, 40"; of very many the first."""
    shown = ", ".join(f"{first}" if first == last else f"{first}–{last}" for first, last in ranges[:_MOST_RANGES])
    n_more = len(ranges) - _MOST_RANGES
    return f"{shown} and {n_more:,} more" if n_more > 0 else shown


def draw_strip(ran: LineSet, uncovered: LineSet) -> Strip | None:
    """The file as bars: tall where a line did not run, short where all did, nothing where there is no code.

    In a long file a bar stands for several lines.
    """
    n = (ran | uncovered).bits.bit_length() - 1  # the last line; there is no line 0
    if n < 1:
        return None
    a_bar = -(-n // _MOST_BARS)
    width = -(-n // a_bar)
    tall = _fill_bars(uncovered, width, a_bar)
    return Strip(width, _draw(_fill_bars(ran, width, a_bar) & ~tall, 5), _draw(tall, 12), n, a_bar)


def _fill_bars(lines: LineSet, width: int, a_bar: int) -> Flags:
    bars = np.zeros(width, np.bool_)
    bars[[(line - 1) // a_bar for line in lines if line]] = True
    return bars


def _draw(bars: Flags, height: int) -> str:
    ranges = mark_flags(bars).list_ranges()
    return "".join(f"M{first} 12h{last - first + 1}v-{height}h-{last - first + 1}z" for first, last in ranges)


def _read_level(row: Row) -> FileLevel:
    _, level, run, ran_at = row[:4]
    valid, covered = LineSet.from_bytes(row[8]), LineSet.from_bytes(row[9])
    return _make_level(level, run, ran_at, Covered(*row[4:8]), valid, covered)


def _unite(rows: Sequence[Row]) -> Covered:
    bitmaps = [(LineSet.from_bytes(row[8]), LineSet.from_bytes(row[9])) for row in rows]
    return unite_levels([Covered(*row[4:8]) for row in rows], bitmaps)


def _make_level(
    level: str, run: int, ran_at: datetime, figures: Covered, valid: LineSet, covered: LineSet, *, newest: int = 0
) -> FileLevel:
    uncovered, ran = valid - covered, valid & covered
    return FileLevel(
        level=level,
        run=run,
        ran_at=ran_at,
        newest_run=newest or run,
        covered=figures,
        uncovered=tuple(uncovered.list_ranges()),
        ran=tuple(ran.list_ranges()),
        strip=draw_strip(ran, uncovered),
    )


def _find_last(measured: Sequence[Measured], facts: Sequence[LevelFact]) -> list[FileLevel]:
    """A file that is measured no longer, as the runs that last did left it."""
    newest = {fact.level: fact.run for fact in facts}
    last: dict[str, Measured] = {}
    for one in measured:
        last.setdefault(one.level, one)
    return [
        _make_level(
            level,
            one.run,
            one.ran_at,
            Covered(*one.lines.totals),
            one.lines.valid,
            one.lines.covered,
            newest=newest[level],
        )
        for level, one in last.items()
    ]


def _read_contexts(project: Project, levels: Sequence[FileLevel], number: int) -> Contexts | None:
    """Which tests ran the file, in the runs that the levels come from; None where no report says."""
    if not levels:
        return None
    runs = sorted({level.run for level in levels}, reverse=True)
    found = fetch_rows(_CONTEXTS_SQL, {"project": project.pk, "runs": runs, "bytes": _MOST_BYTES})
    if not found:
        return None
    run = found[0][0]
    entries = join_contexts([unpack_contexts(blob) for at, blob in found if at == run])
    ran: dict[str, list[int]] = {}
    for line, names in entries.find_names(file=number).items():
        for name in names:
            if name:  # what ran outside any test has no name
                ran.setdefault(name, []).append(line)
    ranked = sorted(ran.items(), key=lambda item: (-len(item[1]), item[0]))
    return Contexts(
        run,
        len(ranked),
        tuple(
            Context(name, len(lines), write_ranges(LineSet.of(lines).list_ranges()))
            for name, lines in ranked[:_MOST_CONTEXTS]
        ),
    )


_LEVELS_SQL: Final = """
SELECT f.lane, f.level, f.run, r.ran_at, f.lines_valid, f.lines_covered, f.branches_valid, f.branches_covered,
    f.valid, f.covered
FROM health_filecoverage f JOIN health_run r ON r.project_id = f.project_id AND r.number = f.run
WHERE f.project_id = %(project)s AND f.file = %(file)s
ORDER BY f.lane, f.level
"""

_CONTEXTS_SQL: Final = """
SELECT run, contexts FROM (
    SELECT run, upload, level, contexts, sum(octet_length(contexts)) OVER (PARTITION BY run) AS n_bytes
    FROM health_coveragereport
    WHERE project_id = %(project)s AND run = ANY(%(runs)s) AND contexts IS NOT NULL) c
WHERE n_bytes <= %(bytes)s
ORDER BY run DESC, upload, level
"""
