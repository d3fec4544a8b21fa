"""What changed in coverage between two sides: level by level, then the directories and files that moved most.

Used by `dashboard.queries.compare`. Promise: three statements, no more bytes of reports than are read quickly, and a
file that an incomplete run lacks is not called gone (`tests/dashboard/test_compare_queries.py`).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from dashboard.queries.compare_sides import Side
from dashboard.queries.covered import Covered, LevelFact, read_of_runs
from dashboard.queries.sql import fetch_rows
from health.coverage import fetch_paths
from health.models import Project
from health.rules.bitmaps import join_files, unpack_files
from health.sql import open_cursor

N_FILES: Final = 20
N_DIRECTORIES: Final = 10
_MOST_BYTES: Final = 2_000_000  # packed, of all reports that are read


class LevelChange(NamedTuple):
    """A level on both sides; None where one of them did not measure it."""

    name: str
    before: LevelFact | None
    now: LevelFact | None

    @property
    def tenths(self) -> int | None:
        """The difference of the shares, in tenths of a point."""
        if self.before is None or self.now is None:
            return None
        return _subtract(self.now.covered, self.before.covered)

    @property
    def is_partial(self) -> bool:
        """Whether either side says less than there is."""
        return any(fact is not None and fact.is_partial for fact in (self.before, self.now))


class PathChange(NamedTuple):
    """A file or a directory on both sides; None where one of them did not measure it."""

    path: str
    before: Covered | None
    now: Covered | None
    number: int | None = None  # of a file

    @property
    def tenths(self) -> int | None:
        """The difference of the shares, in tenths of a point."""
        return _subtract(self.now, self.before) if self.now and self.before else None

    @property
    def n_uncovered(self) -> int:
        """By how many lines more do not run now."""
        return (self.now.uncovered if self.now else 0) - (self.before.uncovered if self.before else 0)


@dataclass(frozen=True, slots=True)
class CoverageChange:
    """`files` and `directories` are those that changed most, of `n_files` that changed at all."""

    levels: tuple[LevelChange, ...]
    compared: tuple[str, ...]  # the levels the files are of
    directories: tuple[PathChange, ...]
    files: tuple[PathChange, ...]
    n_files: int
    is_too_large: bool
    is_kept: bool  # whether the reports are still there

    @property
    def is_partial(self) -> bool:
        """Whether any level of either side is incomplete."""
        return any(level.is_partial for level in self.levels)


def read_coverage_change(project: Project, before: Side, now: Side, *, level: str = "") -> CoverageChange | None:
    """None where neither side brought coverage. `level` by its name: that one only."""
    numbers = sorted({run.number for side in (before, now) for run in side.runs})
    facts = read_of_runs(project, numbers=numbers)
    first, second = _choose(before, facts), _choose(now, facts)
    names = sorted({*first, *second})
    levels = tuple(LevelChange(name, first.get(name), second.get(name)) for name in names if level in ("", name))
    if not levels:
        return None
    common = [found for found in levels if found.before and found.now]
    sizes = _read_sizes(project, common)
    is_too_large = sum(sizes.values()) > _MOST_BYTES
    files = [] if is_too_large or not common else _compare_files(project, common)
    changed = _keep_changed(files)
    return CoverageChange(
        levels=levels,
        compared=tuple(found.name for found in common),
        directories=tuple(_keep_changed(_group(files))[:N_DIRECTORIES]),
        files=tuple(changed[:N_FILES]),
        n_files=len(changed),
        is_too_large=is_too_large,
        is_kept=all(_key(fact) in sizes for found in common for fact in (found.before, found.now) if fact),
    )


def _choose(side: Side, facts: Mapping[int, Sequence[LevelFact]]) -> dict[str, LevelFact]:
    """Of each level the newest run of the side that measured it, a whole one where there is one."""
    found: dict[str, LevelFact] = {}
    for run in side.runs:
        for fact in facts.get(run.number, ()):
            known = found.get(fact.name)
            if known is None or (known.is_partial and not fact.is_partial):
                found[fact.name] = fact
    return found


def _key(fact: LevelFact) -> tuple[int, str]:
    return fact.run, fact.level


def _list_keys(levels: Sequence[LevelChange]) -> dict[str, list[int] | list[str]]:
    keys = sorted({_key(fact) for found in levels for fact in (found.before, found.now) if fact})
    return {"runs": [run for run, _ in keys], "levels": [level for _, level in keys]}


def _read_sizes(project: Project, levels: Sequence[LevelChange]) -> dict[tuple[int, str], int]:
    rows = fetch_rows(_SIZES_SQL, {"project": project.pk, **_list_keys(levels)}) if levels else []
    return {(run, level): n_bytes for run, level, n_bytes in rows}


def _compare_files(project: Project, levels: Sequence[LevelChange]) -> list[PathChange]:
    """Every file of both sides; a line that any level ran did run."""
    blobs: dict[tuple[int, str], list[bytes]] = defaultdict(list)
    for run, name, blob in fetch_rows(_BLOBS_SQL, {"project": project.pk, **_list_keys(levels)}):
        blobs[run, name].append(blob)
    sides = []
    for at in ("before", "now"):
        reports = [blob for found in levels for blob in blobs[_key(getattr(found, at))]]
        sides.append({file.file: Covered(*file.totals) for file in join_files(map(unpack_files, reports))})
    before, now = sides
    numbers = sorted({*before, *now}) if before and now else []
    paths = fetch_paths(open_cursor(), project.pk, numbers)
    return [PathChange(paths.get(n, ""), before.get(n), now.get(n), n) for n in numbers]


def _keep_changed(every: Iterable[PathChange]) -> list[PathChange]:
    """Those that differ, by how many lines more or fewer are left out."""
    return sorted((change for change in every if change.before != change.now), key=_rank)


def _group(files: Sequence[PathChange]) -> list[PathChange]:
    """The directories these files lie in directly, each the sum of them; none where it is only one."""
    groups: dict[str, list[PathChange]] = defaultdict(list)
    for file in files:
        groups[file.path.rpartition("/")[0]].append(file)
    if len(groups) < 2:
        return []
    return [
        PathChange(path, _add_up(file.before for file in group), _add_up(file.now for file in group))
        for path, group in groups.items()
    ]


def _add_up(many: Iterable[Covered | None]) -> Covered | None:
    found = [covered for covered in many if covered is not None]
    return Covered(*map(sum, zip(*found, strict=True))) if found else None


def _rank(change: PathChange) -> tuple[int, int, str]:
    ran = (change.now.lines_covered if change.now else 0) - (change.before.lines_covered if change.before else 0)
    return -abs(change.n_uncovered), -abs(ran), change.path


def _subtract(now: Covered, before: Covered) -> int | None:
    return None if now.tenths is None or before.tenths is None else now.tenths - before.tenths


_WANTED: Final = """
health_coveragereport c JOIN unnest(%(runs)s::int[], %(levels)s::text[]) AS wanted(run, level)
    ON c.run = wanted.run AND c.level = wanted.level
WHERE c.project_id = %(project)s
"""
_SIZES_SQL: Final = f"SELECT c.run, c.level, sum(octet_length(c.blob))::bigint FROM {_WANTED} GROUP BY 1, 2"  # noqa: S608
_BLOBS_SQL: Final = f"SELECT c.run, c.level, c.blob FROM {_WANTED} ORDER BY c.run, c.level, c.upload"  # noqa: S608
