"""Where a job stands among the others: what it is compared with, and who is compared with it.

Called by `health.rollups`. A baseline is the previous complete job of the same branch and pull request in its series,
else the newest complete one of the default branch that is not younger. Jobs are in order by the commit's time, the
run's, its number.
"""

from dataclasses import dataclass
from datetime import date, datetime

from health.sql import Cursor


@dataclass(frozen=True, slots=True)
class JobKey:
    """One job: a series' share of a run."""

    run: int
    series: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a job stands in its series: what its baseline is looked up by."""

    key: JobKey
    branch: str
    pull_request: str
    ordered_at: datetime
    ran_at: datetime
    is_complete: bool
    day: date


def fetch_place(cursor: Cursor, project_id: int, key: JobKey) -> Place | None:
    """A job's place, or None when there is no such job."""
    row = cursor.execute(
        """
        SELECT branch, pull_request, ordered_at, ran_at, is_complete, day FROM health_job
        WHERE project_id = %s AND run = %s AND series = %s
        """,
        (project_id, key.run, key.series),
    ).fetchone()
    return Place(key, *row) if row else None


def find_baseline(cursor: Cursor, project_id: int, place: Place) -> JobKey | None:
    """The previous complete job of the same branch and pull request, else the newest one of the default branch."""
    row = cursor.execute(
        """
        SELECT run, series FROM health_job
        WHERE project_id = %(project)s AND series = %(series)s AND branch = %(branch)s
          AND pull_request = %(pull_request)s AND is_complete
          AND (ordered_at, ran_at, run) < (%(ordered_at)s, %(ran_at)s, %(run)s)
        ORDER BY ordered_at DESC, ran_at DESC, run DESC LIMIT 1
        """,
        _place_values(project_id, place),
    ).fetchone()
    row = (
        row
        or cursor.execute(
            """
        SELECT j.run, j.series FROM health_series mine
        JOIN health_project p ON p.id = mine.project_id
        JOIN health_series base ON base.project_id = mine.project_id AND base.job = mine.job
          AND base.variant = mine.variant AND base.lane = p.default_branch AND base.number <> mine.number
        JOIN LATERAL (
            SELECT run, series FROM health_job
            WHERE project_id = mine.project_id AND series = base.number AND branch = base.lane AND is_complete
              AND ordered_at <= %(ordered_at)s AND run <> %(run)s
            ORDER BY ordered_at DESC, ran_at DESC, run DESC LIMIT 1) j ON true
        WHERE mine.project_id = %(project)s AND mine.number = %(series)s
        """,
            _place_values(project_id, place),
        ).fetchone()
    )
    return JobKey(*row) if row else None


def find_dependents(cursor: Cursor, project_id: int, place: Place) -> list[JobKey]:
    """The jobs whose baseline is, or could become, the one at this place.

    Those behind it on its branch up to the next complete one, and, when it is on the default branch, those of its
    sister series that look to the default branch and found nothing newer there.
    """
    rows = cursor.execute(
        """
        (SELECT run, series FROM health_job
         WHERE project_id = %(project)s AND series = %(series)s AND branch = %(branch)s
           AND pull_request = %(pull_request)s
           AND (ordered_at, ran_at, run) > (%(ordered_at)s, %(ran_at)s, %(run)s)
           AND (ordered_at, ran_at, run) <= (
               SELECT coalesce(max(ordered_at), 'infinity'), coalesce(max(ran_at), 'infinity'), coalesce(max(run), 0)
               FROM (SELECT ordered_at, ran_at, run FROM health_job
                     WHERE project_id = %(project)s AND series = %(series)s AND branch = %(branch)s
                       AND pull_request = %(pull_request)s AND is_complete
                       AND (ordered_at, ran_at, run) > (%(ordered_at)s, %(ran_at)s, %(run)s)
                     ORDER BY ordered_at, ran_at, run LIMIT 1) next_complete))
        UNION
        SELECT j.run, j.series FROM health_series mine
        JOIN health_project p ON p.id = mine.project_id AND p.default_branch = mine.lane
        JOIN health_series sister ON sister.project_id = mine.project_id AND sister.job = mine.job
          AND sister.variant = mine.variant AND sister.number <> mine.number
        JOIN health_job j ON j.project_id = mine.project_id AND j.series = sister.number
          AND j.ordered_at >= %(ordered_at)s
        LEFT JOIN health_job b ON b.project_id = j.project_id AND b.run = j.baseline_run
          AND b.series = j.baseline_series
        WHERE mine.project_id = %(project)s AND mine.number = %(series)s
          AND (b.run IS NULL OR (b.series = mine.number
               AND (b.ordered_at, b.ran_at, b.run) <= (%(ordered_at)s, %(ran_at)s, %(run)s)))
        """,
        _place_values(project_id, place),
    ).fetchall()
    return [JobKey(*row) for row in rows]


def _place_values(project_id: int, place: Place) -> dict[str, object]:
    return {
        "project": project_id,
        "run": place.key.run,
        "series": place.key.series,
        "branch": place.branch,
        "pull_request": place.pull_request,
        "ordered_at": place.ordered_at,
        "ran_at": place.ran_at,
    }
