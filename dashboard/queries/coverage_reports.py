"""What the newest runs of a branch said of single files, from their packed reports: a file's history, its last word.

Used by `dashboard.queries.coverage` and `coverage_file`. The state of files only holds those of the newest run; what
was measured before stands in the reports.
Promise: one statement, not more bytes than are read quickly, a run is read with all its deliveries or not at all, and
how many were read is told (`tests/dashboard/test_coverage_file.py`).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Final, NamedTuple

from dashboard.queries.coverage_files import unite_levels
from dashboard.queries.covered import Covered
from dashboard.queries.sql import fetch_rows
from dashboard.templatetags.display import in_words
from health.models import Project
from health.rules.bitmaps import FileLines, join_files, pick_files

N_RUNS: Final = 20
_MOST_BYTES: Final = 2_000_000  # packed, of all reports that are read


class Report(NamedTuple):
    """One delivery's share of a run at a level."""

    level: str
    run: int
    ran_at: datetime
    blob: bytes


@dataclass(frozen=True, slots=True)
class Reports:
    """The deliveries of the newest runs, newest first. `n_read` runs were read of the `n_runs` there are, of each
    level `N_RUNS` at most.
    """

    read: tuple[Report, ...] = ()
    n_read: int = 0
    n_runs: int = 0

    @property
    def is_cut(self) -> bool:
        """Whether what older runs say is not known, because reading them takes too long."""
        return self.n_read < self.n_runs

    @property
    def told(self) -> str:
        """How far back was looked: "Of the last 20 runs only the newest three were read, …"."""
        why = "reports this large take too long"
        if self.n_runs == 1:
            return f"The only run was not read: {why}."
        runs = f"the last {in_words(self.n_runs)} runs"
        if not self.n_read:
            return f"None of {runs} was read: {why}."
        newest = "one was" if self.n_read == 1 else f"{in_words(self.n_read)} were"
        return f"Of {runs} only the newest {newest} read: {why}."


class Measured(NamedTuple):
    """A file as one run measured it."""

    level: str
    run: int
    ran_at: datetime
    lines: FileLines


class LastMeasured(NamedTuple):
    """The newest run that has a file, and what it measured of it at all levels asked for."""

    file: int
    run: int
    covered: Covered


def read_reports(project: Project, *, lane: str, levels: Sequence[str]) -> Reports:
    """The reports of the newest runs at each level; of large ones fewer."""
    values = {"project": project.pk, "lane": lane, "levels": list(levels), "limit": N_RUNS, "bytes": _MOST_BYTES}
    rows = fetch_rows(_REPORTS_SQL, values)
    read = tuple(Report(*row) for row in rows if row[3] is not None)
    return Reports(read, len({report.run for report in read}), len({run for _, run, *_ in rows}))


def find_measured(reports: Iterable[Report], *, file: int) -> list[Measured]:
    """What the runs say of one file, newest first; deliveries of one run joined."""
    found: dict[tuple[str, int, datetime], list[FileLines]] = {}
    for level, run, ran_at, blob in reports:
        for here in pick_files(blob, files=(file,)):
            found.setdefault((level, run, ran_at), []).append(here)
    return [Measured(*place, join_files([parts])[0]) for place, parts in found.items()]


def list_measured(reports: Iterable[Report], *, files: frozenset[int]) -> Iterator[LastMeasured]:
    """Each of these files as the newest run that has it left it."""
    missing = set(files)
    for run, of_run in groupby(reports, key=lambda report: report.run):
        if not missing:
            return
        found: dict[int, list[FileLines]] = {}
        for _, of_level in groupby(of_run, key=lambda report: report.level):
            for lines in join_files([pick_files(report.blob, files=missing) for report in of_level]):
                found.setdefault(lines.file, []).append(lines)
        for file, levels in found.items():
            figures = [Covered(*lines.totals) for lines in levels]
            yield LastMeasured(file, run, unite_levels(figures, [(lines.valid, lines.covered) for lines in levels]))
        missing -= found.keys()


# The bytes are added up run by run: whatever is of the same run comes to the same sum.
_REPORTS_SQL: Final = """
SELECT n.level, n.run, n.ran_at, CASE WHEN sum(octet_length(k.blob)) OVER (
    ORDER BY n.ordered_at DESC, n.ran_at DESC, n.run DESC) <= %(bytes)s THEN k.blob END
FROM unnest(%(levels)s::text[]) AS wanted(level)
CROSS JOIN LATERAL (
    SELECT level, run, ran_at, ordered_at FROM health_runcoverage
    WHERE project_id = %(project)s AND lane = %(lane)s AND level = wanted.level
    ORDER BY ordered_at DESC, ran_at DESC, run DESC LIMIT %(limit)s) n
JOIN health_coveragereport k ON k.project_id = %(project)s AND k.run = n.run AND k.level = n.level
ORDER BY n.ordered_at DESC, n.ran_at DESC, n.run DESC, n.level, k.upload
"""
