"""The files of a branch and how much of each ran, at one level or at all of them together; and their directories.

Used by `dashboard.queries.coverage`. Promise: one statement however many files there are, a directory's figures are
the sums of the files below it, and no level ran more of a file than all of them together
(`tests/dashboard/test_coverage_queries.py`).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, repeat
from operator import itemgetter
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from dashboard.queries.covered import Change, Covered, name_level
from dashboard.queries.sql import Row, fetch_rows
from health.models import Project
from health.rules.bitmaps import EMPTY, LineSet

Numbers = npt.NDArray[np.int64]

_NUMBERS: Final = itemgetter(*range(1, 8))


class AtLevel(NamedTuple):
    """What a level, by its name, says of a file or directory: nothing where its newest run did not measure it."""

    level: str
    covered: Covered | None
    run: int = 0


@dataclass(frozen=True, slots=True)
class FileLine:
    """A file as it stands now; `levels` is empty where only one level is looked at."""

    number: int
    path: str
    run: int  # the one that measured it last; of several levels the newest
    covered: Covered
    levels: tuple[AtLevel, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Files:
    """Files as columns, because a page adds up a hundred thousand of them and shows 25; a row of `figures` is a
    `Covered`.

    `levels` is empty where only one is looked at; `level_runs` and `level_figures` have a column for each. Run 0 is
    none: the newest run of that level did not measure the file.
    """

    numbers: Numbers
    paths: Sequence[str]
    runs: Numbers
    figures: Numbers
    levels: tuple[str, ...]
    level_runs: Numbers
    level_figures: Numbers

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[FileLine]:
        levels = zip(*map(self._list_level, range(len(self.levels))), strict=True) if self.levels else repeat(())
        return map(FileLine, self.numbers.tolist(), self.paths, self.runs.tolist(), _spread(self.figures), levels)

    @property
    def n_levels(self) -> int:
        """How many levels measured any of them; of one that is looked at alone nothing is known."""
        return int(np.count_nonzero(self.level_runs.any(axis=0)))

    def take(self, places: Sequence[int] | Numbers) -> "Files":
        """The files at these places, in their order."""
        at = np.asarray(places, np.int64)
        return Files(
            self.numbers[at],
            [self.paths[place] for place in at.tolist()],
            self.runs[at],
            self.figures[at],
            self.levels,
            self.level_runs[at],
            self.level_figures[at],
        )

    def _list_level(self, at: int) -> list[AtLevel]:
        name, runs = name_level(self.levels[at]), self.level_runs[:, at].tolist()
        figures = _spread(self.level_figures[:, at])
        return [AtLevel(name, covered if run else None, run) for run, covered in zip(runs, figures, strict=True)]


@dataclass(frozen=True, slots=True)
class DirectoryLine:
    """A directory with all below it; `path` is empty for the files that lie directly in the directory shown."""

    path: str
    n_files: int
    covered: Covered
    levels: tuple[AtLevel, ...] = ()
    change: Change | None = None


def read_files(project: Project, *, lane: str, levels: Sequence[str], directory: str) -> Files:
    """The files below a directory (all of them below ""), as they stand at these levels; in the order of their paths.

    With several levels a line counts as covered when any level ran it.
    """
    values = {
        "project": project.pk,
        "lane": lane,
        "levels": list(levels),
        "directory": directory,
        "below": f"{directory}/",
    }
    rows = fetch_rows(_EVERY_SQL if len(levels) > 1 else _ONE_SQL, values) if levels else []
    return list_files(rows, levels=levels)


def list_files(rows: Sequence[Row], *, levels: Sequence[str]) -> Files:
    """Files from rows of path, number, the level's place in `levels`, run and four figures; of several levels, two
    bitmaps of lines follow.
    """
    rows = sorted(rows, key=itemgetter(0))
    columns = np.fromiter(chain.from_iterable(map(_NUMBERS, rows)), np.int64, len(rows) * 7).reshape(-1, 7)
    numbers, places, runs, figures = columns[:, 0], columns[:, 1], columns[:, 2], columns[:, 3:]
    if len(levels) < 2:
        nowhere = np.zeros((len(rows), 0), np.int64), np.zeros((len(rows), 0, 4), np.int64)
        return Files(numbers, [row[0] for row in rows], runs, figures, (), *nowhere)
    firsts = np.flatnonzero(np.diff(numbers, prepend=-1))
    n_rows = np.diff(firsts, append=len(rows))
    at = np.repeat(np.arange(len(firsts)), n_rows), places
    level_runs = np.zeros((len(firsts), len(levels)), np.int64)
    level_figures = np.zeros((len(firsts), len(levels), 4), np.int64)
    level_runs[at], level_figures[at] = runs, figures
    together = level_figures.max(axis=1)
    together[:, :2] = np.maximum(together[:, :2], _count_joined(rows, n_rows))
    paths = [rows[first][0] for first in firsts.tolist()]
    return Files(numbers[firsts], paths, level_runs.max(axis=1), together, tuple(levels), level_runs, level_figures)


def sort_files(files: Files, *, by: str) -> Files:
    """Files in the order of their paths, worst first: by the lines that did not run, or by the share that did; or by
    path.
    """
    if by == "path":
        return files
    valid, covered = files.figures[:, 0], files.figures[:, 1]
    # A file without a line that could run is neither good nor bad.
    share = np.divide(covered, valid, out=np.full(len(files), 2.0), where=valid > 0)
    # What comes last counts first; equal ones stay in the order of their paths.
    return files.take(np.lexsort((-valid, share) if by == "share" else (share, covered - valid)))


def sum_files(figures: Numbers) -> Covered:
    """The sum of a row a file."""
    return Covered(*figures.sum(axis=0).tolist())


def sum_listed(files: Files, *, level: str, run: int) -> Covered | None:
    """What the files of one level list; None where a later run, whose coverage is incomplete, left some of them."""
    if not files.levels:
        return sum_files(files.figures) if (files.runs == run).all() else None
    at = files.levels.index(level)
    runs = files.level_runs[:, at]
    return sum_files(files.level_figures[:, at]) if (runs[runs > 0] == run).all() else None


def group_directories(files: Files) -> tuple[DirectoryLine, ...]:
    """The directories these files lie in, one step below what all of them share; none where there is only one.

    Steps in which nothing divides are taken at once: `src/click`, not `src`.
    """
    shared = find_shared(files.paths)
    groups: dict[str, list[int]] = {}
    for place, path in enumerate(files.paths):
        groups.setdefault(_find_child(path, shared), []).append(place)
    if len(groups) < 2:
        return ()
    return tuple(_sum_directory(child, files.take(places)) for child, places in sorted(groups.items()))


def find_shared(paths: Sequence[str]) -> str:
    """The deepest directory that all of these paths lie in; "" is the root of the project."""
    if not paths:
        return ""
    first, last = min(paths), max(paths)
    n = next((k for k, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[: first.rfind("/", 0, n)] if "/" in first[:n] else ""


def list_parents(directory: str) -> tuple[str, ...]:
    """The directories above this one and itself, the highest first."""
    ends = [at for at, letter in enumerate(directory) if letter == "/" and at]
    return (*(directory[:end] for end in ends), directory) if directory else ()


def _find_child(path: str, directory: str) -> str:
    """The directory of `path` one step below `directory`; "" when it lies directly in it."""
    start = len(directory) + 1 if directory else 0
    end = path.find("/", max(start, 1))  # an absolute path begins with a slash
    return path[:end] if end >= 0 else ""


def _sum_directory(path: str, files: Files) -> DirectoryLine:
    shared = find_shared(files.paths) if path else ""
    levels = tuple(
        AtLevel(name_level(level), sum_files(files.level_figures[:, at]) if files.level_runs[:, at].any() else None)
        for at, level in enumerate(files.levels)
    )
    return DirectoryLine(shared, len(files), sum_files(files.figures), levels)


def unite_levels(figures: Iterable[Covered], bitmaps: Iterable[tuple[LineSet, LineSet]]) -> Covered:
    """One file at several levels: lines that any level ran, of the lines any level knows (`bitmaps` are those known and
    those run); where figures have no line numbers the larger counts.
    """
    valid = ran = EMPTY
    for known, covered in bitmaps:
        valid, ran = valid | known, ran | covered
    largest = [max(column) for column in zip(*figures, strict=True)]
    return Covered(max(len(valid), largest[0]), max(len(ran), largest[1]), *largest[2:])


def _count_joined(rows: Sequence[Row], n_rows: Numbers) -> Numbers:
    """How many lines there are in any bitmap of a file, and how many ran; `n_rows` has how many rows a file has."""
    counts, left = [], iter(rows)
    for n in n_rows.tolist():
        valid = ran = 0
        # Without `health.rules.bitmaps.LineSet`: they are a hundred thousand.
        for row in islice(left, n):
            valid |= int.from_bytes(row[8], "little")
            ran |= int.from_bytes(row[9], "little")
        counts.append((valid.bit_count(), ran.bit_count()))
    return np.array(counts, np.int64).reshape(-1, 2)


def _spread(figures: Numbers) -> Iterator[Covered]:
    return map(Covered, *figures.T.tolist())


_FILES_SQL: Final = """
SELECT s.path, f.file, array_position(%(levels)s::text[], f.level) - 1, f.run,
    f.lines_valid, f.lines_covered, f.branches_valid, f.branches_covered{}
FROM health_filecoverage f JOIN health_sourcefile s ON s.project_id = f.project_id AND s.number = f.file
WHERE f.project_id = %(project)s AND f.lane = %(lane)s AND f.level = ANY(%(levels)s)
  AND (%(directory)s = '' OR starts_with(s.path, %(below)s))
"""
_ONE_SQL: Final = _FILES_SQL.format("")
_EVERY_SQL: Final = _FILES_SQL.format(", f.valid, f.covered")
