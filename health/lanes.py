"""Move runs to the lane their branch belongs to now.

Called by `health.rebuild` after the default branch became known or was changed; the caller holds the project's lock.
Promise: lanes end as if the branch had been known from the start (`tests/health/test_lanes.py`).
"""

from health.rules.lanes import CHANGES, choose_lane
from health.sql import Cursor

# What belongs to a job and names its series.
_OF_A_JOB = ("health_tile", "health_failure", "health_runsuite", "health_upload", "health_job")


def settle_lanes(cursor: Cursor, project_id: int) -> None:
    """Give each run the lane its branch has today. Counts, baselines and days are the rebuild's business."""
    row = cursor.execute(
        "SELECT default_branch, long_lived_branches FROM health_project WHERE id = %s", (project_id,)
    ).fetchone()
    if row is None:
        return
    default_branch, long_lived = row
    places = cursor.execute(
        "SELECT DISTINCT branch, pull_request, lane FROM health_run WHERE project_id = %s", (project_id,)
    ).fetchall()
    for branch, pull_request, lane in places:
        right = choose_lane(branch, pull_request=pull_request, default_branch=default_branch, long_lived=long_lived)
        if right != lane:
            _move_runs(cursor, project_id, branch=branch, pull_request=pull_request, lane=lane, to=right)


def name_branch(branch: str, *, lane: str, pull_request: str) -> str:
    """The branch of a run that names none: the one whose lane it is on, unless it is on nobody's."""
    return branch or ("" if pull_request or lane == CHANGES else lane)


def _move_runs(cursor: Cursor, project_id: int, *, branch: str, pull_request: str, lane: str, to: str) -> None:
    values = {"project": project_id, "branch": branch, "pull_request": pull_request, "lane": lane, "to": to}
    # The series the jobs leave, and for each of them the one of the same job and variant on the right lane.
    moved = cursor.execute(
        """
        SELECT DISTINCT j.series, s.job, s.variant FROM health_run r
        JOIN health_job j ON j.project_id = r.project_id AND j.run = r.number
        JOIN health_series s ON s.project_id = j.project_id AND s.number = j.series
        WHERE r.project_id = %(project)s AND r.branch = %(branch)s AND r.pull_request = %(pull_request)s
          AND r.lane = %(lane)s
        """,
        values,
    ).fetchall()
    for series, job, variant in moved:
        new = find_series(cursor, project_id, job=job, variant=variant, lane=to)
        cursor.execute(
            """
            DELETE FROM health_suiteday d USING health_job j, health_run r
            WHERE d.project_id = %(project)s AND d.series = %(series)s AND j.project_id = d.project_id
              AND j.series = d.series AND j.day = d.day AND r.project_id = j.project_id AND r.number = j.run
              AND r.branch = %(branch)s AND r.pull_request = %(pull_request)s AND r.lane = %(lane)s
            """,
            {**values, "series": series},
        )
        for table in _OF_A_JOB:
            cursor.execute(
                f"""
                UPDATE {table} t SET series = %(new)s FROM health_run r
                WHERE t.project_id = %(project)s AND t.series = %(series)s AND r.project_id = t.project_id
                  AND r.number = t.run AND r.branch = %(branch)s AND r.pull_request = %(pull_request)s
                  AND r.lane = %(lane)s
                """,  # noqa: S608 - the tables are constants
                {**values, "series": series, "new": new},
            )
    cursor.execute(
        """
        UPDATE health_runcoverage c SET lane = %(to)s, branch = %(name)s FROM health_run r
        WHERE c.project_id = %(project)s AND r.project_id = c.project_id AND r.number = c.run AND r.branch = %(branch)s
          AND r.pull_request = %(pull_request)s AND r.lane = %(lane)s
        """,
        {**values, "name": name_branch(branch, lane=to, pull_request=pull_request)},
    )
    cursor.execute(
        """
        UPDATE health_run SET lane = %(to)s, branch = %(name)s
        WHERE project_id = %(project)s AND branch = %(branch)s AND pull_request = %(pull_request)s AND lane = %(lane)s
        """,
        {**values, "name": name_branch(branch, lane=to, pull_request=pull_request)},
    )


def find_series(cursor: Cursor, project_id: int, *, job: str, variant: str, lane: str) -> int:
    """The number of a series, made if new. The caller holds the project's lock."""
    row = cursor.execute(
        """
        INSERT INTO health_series (project_id, number, job, variant, lane)
        SELECT %(project)s, (SELECT coalesce(max(number) + 1, 1) FROM health_series WHERE project_id = %(project)s),
               %(job)s, %(variant)s, %(lane)s
        ON CONFLICT (project_id, job, variant, lane) DO UPDATE SET job = excluded.job RETURNING number
        """,
        {"project": project_id, "job": job, "variant": variant, "lane": lane},
    ).fetchone()
    if row is None:
        raise LookupError(f"series {job!r} was neither found nor made")
    return int(row[0])
