"""What has to be concluded anew: says so of the jobs, series and projects whose conclusions may not hold any more.

Called where results are changed, by `health.rollups` and whatever else takes some away or puts them in another order.
A job that is new or grew says `is_judged = false` itself, and what was concluded before still counts. A series that
lost something also loses its `SeriesWindow`: then it is judged as if for the first time.
Promise: `health.judging` finds all that changed (`tests/health/test_judging.py`).
"""

from collections.abc import Collection
from typing import Final

from health.baselines import JobKey, Place
from health.sql import Cursor

# What is concluded of a series.
CONCLUSIONS: Final = (
    "health_serieswindow",
    "health_caseverdict",
    "health_vanishedcase",
    "health_casespeed",
    "health_deferredspan",
)


def doubt_series(cursor: Cursor, project_id: int, *, series: Collection[int]) -> None:
    """Something else than its results changed: the newest job of each of these series stands for it."""
    if not series:
        return
    cursor.execute(
        """
        UPDATE health_job j SET is_judged = false
        FROM unnest(%(series)s::int[]) AS doubted(number)
        CROSS JOIN LATERAL (
            SELECT run FROM health_job WHERE project_id = %(project)s AND series = doubted.number
            ORDER BY ordered_at DESC, ran_at DESC, run DESC LIMIT 1) newest
        WHERE j.project_id = %(project)s AND j.series = doubted.number AND j.run = newest.run AND j.is_judged
        """,
        {"project": project_id, "series": sorted(series)},
    )


def doubt_vanished(cursor: Cursor, project_id: int, *, ords: Collection[int]) -> None:
    """Somebody decided whether these cases were renamed, which is why they may have vanished."""
    rows = cursor.execute(
        "SELECT DISTINCT series FROM health_vanishedcase WHERE project_id = %s AND ord = ANY(%s)",
        (project_id, list(ords)),
    ).fetchall()
    doubt_series(cursor, project_id, series=[series for (series,) in rows])


def doubt_run(cursor: Cursor, project_id: int, *, run: int) -> None:
    """Something became known of a whole run that its jobs do not hold: its commit."""
    cursor.execute("UPDATE health_job SET is_judged = false WHERE project_id = %s AND run = %s", (project_id, run))


def forget_series(cursor: Cursor, project_id: int, *, series: int) -> None:
    """Results of it were taken away, or its jobs put in another order."""
    cursor.execute("DELETE FROM health_serieswindow WHERE project_id = %s AND series = %s", (project_id, series))
    doubt_series(cursor, project_id, series=[series])


def forget_job(cursor: Cursor, project_id: int, *, key: JobKey) -> None:
    """A job was taken away; with the last one of its series goes all that was concluded of that."""
    cursor.execute(
        "DELETE FROM health_causecount WHERE project_id = %s AND run = %s AND series = %s",
        (project_id, key.run, key.series),
    )
    forget_series(cursor, project_id, series=key.series)
    for table in CONCLUSIONS:
        cursor.execute(
            f"""
            DELETE FROM {table} WHERE project_id = %(project)s AND series = %(series)s AND NOT EXISTS (
                SELECT 1 FROM health_job WHERE project_id = %(project)s AND series = %(series)s)
            """,  # noqa: S608 - the tables are constants
            {"project": project_id, "series": key.series},
        )


def forget_order(cursor: Cursor, project_id: int, *, before: Place, now: Place) -> None:
    """A job stands elsewhere than before: forget its series if that is behind or in front of another one."""
    places = sorted((place.ordered_at, place.ran_at) for place in (before, now))
    if places[0] == places[1]:
        return
    row = cursor.execute(
        """
        SELECT 1 FROM health_job WHERE project_id = %s AND series = %s AND run <> %s
          AND ordered_at BETWEEN %s AND %s AND (ordered_at, ran_at) BETWEEN (%s, %s) AND (%s, %s) LIMIT 1
        """,
        (project_id, now.key.series, now.key.run, places[0][0], places[1][0], *places[0], *places[1]),
    ).fetchone()
    if row:
        forget_series(cursor, project_id, series=now.key.series)


def forget_project(cursor: Cursor, project_id: int) -> None:
    """Everything is to be concluded anew; series that have no job any more have no conclusions."""
    cursor.execute("UPDATE health_job SET is_judged = false WHERE project_id = %s AND is_judged", (project_id,))
    cursor.execute("DELETE FROM health_serieswindow WHERE project_id = %s", (project_id,))
    for table in CONCLUSIONS[1:]:
        cursor.execute(
            f"""
            DELETE FROM {table} x WHERE project_id = %s AND NOT EXISTS (
                SELECT 1 FROM health_job j WHERE j.project_id = x.project_id AND j.series = x.series)
            """,  # noqa: S608 - the tables are constants
            (project_id,),
        )
    cursor.execute(
        """
        DELETE FROM health_causecount c WHERE project_id = %s AND NOT EXISTS (
            SELECT 1 FROM health_job j WHERE j.project_id = c.project_id AND j.run = c.run AND j.series = c.series)
        """,
        (project_id,),
    )
