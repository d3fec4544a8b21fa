"""Conclusions from results, drawn behind each upload: verdicts, vanished cases, speeds and counts of causes.

Called by `ingest.pipeline` after an upload is stored, by the sweeper for what was left behind, and by `rebuild`.
A job row that changed says `is_judged = false` (`health.rollups`); judging it covers its whole series.
Promise: whatever the order of arrivals and deletions, `judge_project` ends in what judging everything anew gives
(`tests/health/test_judging.py`), and storing an upload never waits for it.
"""

from health.sql import Cursor


def judge_project(project_id: int) -> bool:
    """Draw the conclusions of every job that is not judged yet; False when there was none, or somebody is at it."""
    raise NotImplementedError


def find_unjudged_projects(cursor: Cursor) -> list[int]:
    """The projects with jobs that nobody has drawn conclusions from."""
    raise NotImplementedError
