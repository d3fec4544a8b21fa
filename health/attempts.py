"""Which attempt of its job a delivery is, where CI numbers the executions of a job and not its attempts.

Called by `health.rollups` whenever a job is written. GitLab gives a retried job a new id in the same pipeline: the n-th
id of a job (and shard) is its n-th attempt, and several deliveries under one id are one attempt. Ids grow, so the
order of arrival does not matter; a late older one moves those behind it. What CI said itself is never changed.
Promise: any order of arrival or deletion gives the same numbers (`tests/health/test_attempts.py`).
"""

from health.baselines import JobKey
from health.sql import Cursor

_RANK = """
    WITH ranked AS (
        SELECT id, least(dense_rank() OVER (
            PARTITION BY coalesce(metadata ->> 'shard', '')
            ORDER BY CASE WHEN metadata ->> 'job_id' ~ '^[0-9]+$' THEN (metadata ->> 'job_id')::numeric END NULLS LAST,
                (metadata ->> 'job_id') COLLATE "C"), 1000) AS attempt
        FROM health_upload
        WHERE project_id = %(project)s AND run = %(run)s AND series = %(series)s
          AND metadata ? 'job_id' AND NOT metadata ? 'attempt')
    UPDATE health_upload u SET attempt = ranked.attempt FROM ranked
    WHERE u.id = ranked.id AND u.attempt <> ranked.attempt
    RETURNING u.id, u.attempt
"""


def rank_attempts(cursor: Cursor, project_id: int, key: JobKey) -> None:
    """Number the attempts of a job by its job ids; tiles follow their upload."""
    values = {"project": project_id, "run": key.run, "series": key.series}
    moved = cursor.execute(_RANK, values).fetchall()
    if moved:
        cursor.execute(
            """
            UPDATE health_tile t SET attempt = moved.attempt
            FROM unnest(%(uploads)s::bigint[], %(attempts)s::smallint[]) AS moved(upload, attempt)
            WHERE t.project_id = %(project)s AND t.run = %(run)s AND t.series = %(series)s AND t.upload = moved.upload
            """,
            {**values, "uploads": [row[0] for row in moved], "attempts": [row[1] for row in moved]},
        )
