"""Say that a run is over: by CI, which has sent all there is (`finish`), or by the clock, since the rest is missing.

`finish_run` is called by the door, `close_overdue_runs` by the sweeper; the rule is in
docs/decisions/0011-when-a-run-is-over.md. All times are the database's.
Promise: closing twice is closing once, and a delivery that comes later still counts
(`tests/ingest/test_finish.py`, `tests/health/test_completeness.py`).
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Final

from django.db import transaction

from health import audit
from health.completeness import UNREAD, fetch_missing
from health.models import RunClosing
from health.rebuild import lock_project
from health.revisions import bump_revision
from health.rollups import settle_run
from health.sql import Cursor, fetch_together, open_cursor

_MOST_A_SWEEP: Final = 100


@dataclass(frozen=True, slots=True)
class Finished:
    """The run that was finished, None while nothing of it is read; `n_unread` uploads of it are still to be read."""

    run: int | None
    n_unread: int


def finish_run(project_id: int, *, provider: str, run_id: str, actor: str) -> Finished | None:
    """What CI has sent of this run is all. None when nothing of the run ever came."""
    with transaction.atomic():
        cursor = open_cursor()
        is_said, found = _look(cursor, project_id, provider, run_id)
        if found is None or is_said:
            return found
        lock_project(cursor, project_id)
        is_new = _insert_finish(cursor, project_id, provider, run_id)
        _, found = _look(cursor, project_id, provider, run_id)  # what was being stored before we had the lock
        if found and found.run:
            settle_run(cursor, project_id, run=found.run)
        if is_new:
            subject = f"run {found.run}" if found and found.run else f"run {run_id} of {provider or 'CI'}"
            audit.record(project_id, actor=actor, action="run.finished", subject=subject, detail={"run_id": run_id})
        bump_revision(cursor, project_id)
    return found


def _look(cursor: Cursor, project_id: int, provider: str, run_id: str) -> tuple[bool, Finished | None]:
    """Whether all is said and done, and what there is of the run."""
    values = {"project": project_id, "provider": provider, "run_id": run_id}
    runs, waiting = fetch_together(
        cursor,
        (
            """
            SELECT number, closed FROM health_run
            WHERE project_id = %(project)s AND provider = %(provider)s AND external_id = %(run_id)s
            """,
            values,
        ),
        (
            f"""
            SELECT count(*) FROM (VALUES (%(project)s, %(provider)s, %(run_id)s)) r(project_id, provider, external_id)
            CROSS JOIN LATERAL ({UNREAD}) unread
            """,  # noqa: S608 - a constant
            values,
        ),
    )
    n_unread = waiting[0][0]
    if not runs:
        return False, Finished(None, n_unread) if n_unread else None
    return runs[0][1] == RunClosing.Reason.FINISH, Finished(runs[0][0], n_unread)


def _insert_finish(cursor: Cursor, project_id: int, provider: str, run_id: str) -> bool:
    """True when it was not said before; CI knows better than the clock."""
    cursor.execute(
        """
        INSERT INTO health_runclosing (project_id, provider, external_id, reason, closed_at)
        VALUES (%s, %s, %s, 'finish', clock_timestamp())
        ON CONFLICT (project_id, provider, external_id) DO UPDATE SET reason = 'finish', closed_at = clock_timestamp()
        WHERE health_runclosing.reason <> 'finish'
        """,
        (project_id, provider, run_id),
    )
    return cursor.rowcount == 1


def close_overdue_runs() -> int:
    """Stop waiting for what does not come; returns how many runs were closed.

    Also finishes those whose last unread upload came to nothing. A project that is being written to waits for the
    next sweep.
    """
    projects: dict[int, list[int]] = defaultdict(list)
    for project_id, number in _find_overdue(open_cursor(), None):
        projects[project_id].append(number)
    return sum(_close(project_id) for project_id in projects)


def _close(project_id: int) -> int:
    with transaction.atomic():
        cursor = open_cursor()
        locked = cursor.execute(
            "SELECT 1 FROM health_project WHERE id = %s FOR NO KEY UPDATE SKIP LOCKED", (project_id,)
        ).fetchone()
        overdue = [number for _, number in _find_overdue(cursor, project_id)] if locked else []
        if not overdue:
            return 0
        timed_out = _insert_timer(cursor, project_id, overdue)
        for number in overdue:
            settle_run(cursor, project_id, run=number)
        missing = fetch_missing(cursor, project_id, runs=timed_out)
        for number in timed_out:
            told = {"missing": missing[number].tell()} if number in missing else {}
            audit.record(project_id, actor="sweeper", action="run.timed_out", subject=f"run {number}", detail=told)
        bump_revision(cursor, project_id)
    return len(overdue)


def _insert_timer(cursor: Cursor, project_id: int, runs: list[int]) -> list[int]:
    """Those of the runs of which nobody had said anything."""
    rows = cursor.execute(
        """
        WITH said AS (
            INSERT INTO health_runclosing (project_id, provider, external_id, reason, closed_at)
            SELECT project_id, provider, external_id, 'timer', clock_timestamp() FROM health_run
            WHERE project_id = %s AND number = ANY(%s)
            ON CONFLICT DO NOTHING RETURNING project_id, provider, external_id)
        SELECT r.number FROM said JOIN health_run r USING (project_id, provider, external_id) ORDER BY r.number
        """,
        (project_id, runs),
    ).fetchall()
    return [row[0] for row in rows]


def _find_overdue(cursor: Cursor, project_id: int | None) -> list[tuple[int, int]]:
    rows = cursor.execute(_OVERDUE, {"project": project_id, "most": _MOST_A_SWEEP}).fetchall()
    return [(row[0], row[1]) for row in rows]


_OVERDUE: Final = f"""
SELECT r.project_id, r.number FROM health_run r
JOIN health_project p ON p.id = r.project_id
WHERE NOT r.is_complete AND r.closed = '' AND (%(project)s::bigint IS NULL OR r.project_id = %(project)s)
  AND NOT EXISTS ({UNREAD})
  AND (EXISTS (SELECT 1 FROM health_runclosing c
               WHERE c.project_id = r.project_id AND c.provider = r.provider AND c.external_id = r.external_id)
       OR coalesce((SELECT max(u.received_at) FROM health_upload u
                    WHERE u.project_id = r.project_id AND u.run = r.number), r.ran_at)
          < clock_timestamp() - make_interval(mins => p.run_timeout_minutes))
ORDER BY r.project_id, r.number LIMIT %(most)s
"""  # noqa: S608 - a constant
