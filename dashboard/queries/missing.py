"""What incomplete runs lack, for the pages that name them.

Used by `standing`, `run` and `runs`. Promise: one statement, and none where all runs are whole
(`tests/dashboard/test_incomplete.py`).
"""

from collections.abc import Iterable

from dashboard.queries.facts import RunFact
from health.completeness import Missing, fetch_missing
from health.models import Project
from health.sql import open_cursor


def read_missing(project: Project, runs: Iterable[RunFact]) -> dict[int, Missing]:
    """What each of these runs lacks, by its number; whole ones are left out."""
    numbers = [run.number for run in runs if not run.is_complete]
    return fetch_missing(open_cursor(), project.pk, runs=numbers) if numbers else {}
