"""The files of a branch and how much of each ran, at one level or at all of them together; and their directories.

Used by `dashboard.queries.coverage`. Promise: one statement however many files there are, a directory's figures are
the sums of the files below it, and no level ran more of a file than all of them together
(`tests/dashboard/test_coverage_queries.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from dashboard.queries.covered import Change, Covered, name_level, sum_covered
from dashboard.queries.sql import Row, fetch_rows
from health.models import Project


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


@dataclass(frozen=True, slots=True)
class DirectoryLine:
    """A directory with all below it; `path` is empty for the files that lie directly in the directory shown."""

    path: str
    n_files: int
    covered: Covered
    levels: tuple[AtLevel, ...] = ()
    change: Change | None = None


def read_files(project: Project, *, lane: str, levels: Sequence[str], directory: str) -> list[FileLine]:
    """The files below a directory (all of them below ""), as they stand at these levels.

    With several levels a line counts as covered when any level ran it.
    """
    values = {
        "project": project.pk,
        "lane": lane,
        "levels": list(levels),
        "directory": directory,
        "below": f"{directory}/",
    }
    if len(levels) == 1:
        rows = fetch_rows(_ONE_SQL, values)
        return [FileLine(row[0], row[1], row[3], Covered(*row[4:8])) for row in rows]
    found: dict[int, list[Row]] = {}
    for row in fetch_rows(_EVERY_SQL, values):
        found.setdefault(row[0], []).append(row)
    return [_join_levels(rows, levels) for rows in found.values()]


def sum_listed(files: Sequence[FileLine], *, level: str, run: int, is_only: bool) -> Covered | None:
    """What the files of one level list; None where a later run, whose coverage is incomplete, left some of them.

    `is_only`: the files were read at this level alone.
    """
    if is_only:
        return sum_covered(file.covered for file in files) if all(file.run == run for file in files) else None
    name = name_level(level)
    at = [at for file in files for at in file.levels if at.level == name and at.covered]
    return sum_covered(one.covered for one in at if one.covered) if all(one.run == run for one in at) else None


def group_directories(files: Sequence[FileLine]) -> tuple[DirectoryLine, ...]:
    """The directories these files lie in, one step below what all of them share; none where there is only one.

    Steps in which nothing divides are taken at once: `src/click`, not `src`.
    """
    shared = find_shared([file.path for file in files])
    groups: dict[str, list[FileLine]] = {}
    for file in files:
        groups.setdefault(_find_child(file.path, shared), []).append(file)
    if len(groups) < 2:
        return ()
    return tuple(_sum_directory(child, below) for child, below in sorted(groups.items()))


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


def _sum_directory(path: str, files: Sequence[FileLine]) -> DirectoryLine:
    shared = find_shared([file.path for file in files]) if path else ""
    levels = tuple(map(_sum_level, zip(*(file.levels for file in files), strict=True)))
    return DirectoryLine(shared, len(files), sum_covered(file.covered for file in files), levels)


def _sum_level(files: Sequence[AtLevel]) -> AtLevel:
    known = [file.covered for file in files if file.covered is not None]
    return AtLevel(files[0].level, sum_covered(known) if known else None)


def _join_levels(rows: Sequence[Row], levels: Sequence[str]) -> FileLine:
    by_level = {row[2]: (Covered(*row[4:8]), row[3]) for row in rows}
    return FileLine(
        number=rows[0][0],
        path=rows[0][1],
        run=max(row[3] for row in rows),
        covered=Covered(*rows[0][4:8]) if len(rows) == 1 else unite_levels(rows),
        levels=tuple(AtLevel(name_level(level), *by_level.get(level, (None, 0))) for level in levels),
    )


def unite_levels(rows: Sequence[Row]) -> Covered:
    """Lines that any level ran, of the lines any level knows; where figures have no line numbers the larger counts.

    Without `health.rules.bitmaps.LineSet`: a page joins thousands of files.
    """
    valid = ran = 0
    for row in rows:
        valid |= int.from_bytes(row[8], "little")
        ran |= int.from_bytes(row[9], "little")
    largest = [max(figures) for figures in zip(*(row[4:8] for row in rows), strict=True)]
    return Covered(max(valid.bit_count(), largest[0]), max(ran.bit_count(), largest[1]), *largest[2:])


_FILES_SQL: Final = """
SELECT f.file, s.path, f.level, f.run, f.lines_valid, f.lines_covered, f.branches_valid, f.branches_covered{}
FROM health_filecoverage f JOIN health_sourcefile s ON s.project_id = f.project_id AND s.number = f.file
WHERE f.project_id = %(project)s AND f.lane = %(lane)s AND f.level = ANY(%(levels)s)
  AND (%(directory)s = '' OR starts_with(s.path, %(below)s))
"""
_ONE_SQL: Final = _FILES_SQL.format("")
_EVERY_SQL: Final = _FILES_SQL.format(", f.valid, f.covered")
