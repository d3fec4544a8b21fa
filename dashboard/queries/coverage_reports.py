"""What the newest runs of a branch said of single files, from their packed reports: a file's history, its last word.

Used by `dashboard.queries.coverage` and `coverage_file`. The state of files only holds those of the newest run; what
was measured before stands in the reports.
Promise: one statement, and not more bytes than are read quickly (`tests/dashboard/test_coverage_file.py`).
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from dashboard.queries.sql import fetch_rows
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


class Measured(NamedTuple):
    """A file as one run measured it."""

    level: str
    run: int
    ran_at: datetime
    lines: FileLines


def read_reports(project: Project, *, lane: str, levels: Sequence[str]) -> list[Report]:
    """The reports of the newest runs at each level, newest first; of large ones fewer."""
    values = {"project": project.pk, "lane": lane, "levels": list(levels), "limit": N_RUNS, "bytes": _MOST_BYTES}
    return [Report(*row) for row in fetch_rows(_REPORTS_SQL, values)]


def find_measured(reports: Sequence[Report], *, file: int) -> list[Measured]:
    """What the runs say of one file, newest first; deliveries of one run joined."""
    found: dict[tuple[str, int, datetime], list[FileLines]] = {}
    for level, run, ran_at, blob in reports:
        for here in pick_files(blob, files=(file,)):
            found.setdefault((level, run, ran_at), []).append(here)
    return [Measured(*place, join_files([parts])[0]) for place, parts in found.items()]


def list_measured(reports: Sequence[Report], *, files: frozenset[int]) -> Iterator[tuple[Report, FileLines]]:
    """Each of these files with the newest report that has it."""
    missing = set(files)
    for report in reports:
        if not missing:
            return
        for lines in pick_files(report.blob, files=missing):
            missing.discard(lines.file)
            yield report, lines


_REPORTS_SQL: Final = """
WITH newest AS (
    SELECT r.level, r.run, r.ran_at, r.ordered_at
    FROM unnest(%(levels)s::text[]) AS wanted(level)
    CROSS JOIN LATERAL (
        SELECT level, run, ran_at, ordered_at FROM health_runcoverage
        WHERE project_id = %(project)s AND lane = %(lane)s AND level = wanted.level
        ORDER BY ordered_at DESC, ran_at DESC, run DESC LIMIT %(limit)s) r
), sized AS (
    SELECT n.*, k.upload, sum(octet_length(k.blob)) OVER (
        ORDER BY n.ordered_at DESC, n.ran_at DESC, n.run DESC, n.level, k.upload) AS n_bytes
    FROM newest n
    JOIN health_coveragereport k ON k.project_id = %(project)s AND k.run = n.run AND k.level = n.level
)
SELECT s.level, s.run, s.ran_at, c.blob
FROM sized s
JOIN health_coveragereport c ON c.project_id = %(project)s AND c.upload = s.upload AND c.level = s.level
WHERE s.n_bytes <= %(bytes)s
ORDER BY s.ordered_at DESC, s.ran_at DESC, s.run DESC, s.level, s.upload
"""
