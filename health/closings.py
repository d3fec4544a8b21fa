"""Say that a run is over: by CI, which has sent all there is (`finish`), or by the clock, since the rest is missing.

`finish_run` and `look_up_run` are called by the door, the other two by the sweeper; the rule is in
docs/decisions/0011-when-a-run-is-over.md. All times are the database's.
Promise: closing twice is closing once, and a delivery that comes later still counts
(`tests/ingest/test_finish.py`, `tests/health/test_completeness.py`).
"""

from dataclasses import dataclass
from typing import Final

from django.db import transaction

from health import audit
from health.completeness import NAMES_RUN, UNREAD, fetch_missing
from health.locks import lock_project, try_lock_project
from health.models import RunClosing, Upload
from health.rebuild import settle_run_and_coverage
from health.revisions import bump_revision
from health.sql import Cursor, fetch_together, open_cursor

_MOST_A_SWEEP: Final = 100
_IN_VAIN: Final = frozenset({Upload.State.FAILED, Upload.State.DEAD})


@dataclass(frozen=True, slots=True)
class Finished:
    """A run by the name CI has for it, None where nothing of it is read.

    `uploads` counts by state those that name it and are still to be read, or could not be. `is_said`: it was finished
    before, so there is nothing to do.
    """

    run: int | None
    uploads: dict[str, int]
    is_said: bool

    @property
    def n_unread(self) -> int:
        """How many uploads of it are still to be read."""
        return sum(n for state, n in self.uploads.items() if state not in _IN_VAIN)


def finish_run(project_id: int, *, provider: str, run_id: str, actor: str) -> Finished | None:
    """What CI has sent of this run is all. None when nothing of the run ever came."""
    with transaction.atomic():
        cursor = open_cursor()
        found = look_up_run(cursor, project_id, provider, run_id)
        if found is None or found.is_said:
            return found
        lock_project(cursor, project_id)
        is_new = _insert_finish(cursor, project_id, provider, run_id)
        found = look_up_run(cursor, project_id, provider, run_id)  # what was being stored before we had the lock
        if found and found.run:
            settle_run_and_coverage(cursor, project_id, run=found.run)
        if is_new:
            subject = f"run {found.run}" if found and found.run else f"run {run_id} of {provider or 'CI'}"
            audit.record(project_id, actor=actor, action="run.finished", subject=subject, detail={"run_id": run_id})
        bump_revision(cursor, project_id)
    return found


def look_up_run(cursor: Cursor, project_id: int, provider: str, run_id: str) -> Finished | None:
    """What there is of the run that CI calls so; None when nothing of it ever came."""
    values = {"project": project_id, "provider": provider, "run_id": run_id}
    runs, uploads = fetch_together(
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
            SELECT u.state, count(*)
            FROM (VALUES (%(project)s, %(provider)s, %(run_id)s)) r(project_id, provider, external_id)
            JOIN health_upload u ON {NAMES_RUN} AND u.state IN ('received', 'retry', 'processing', 'failed', 'dead')
            GROUP BY 1
            """,  # noqa: S608 - a constant
            values,
        ),
    )
    if not runs:
        return Finished(None, dict(uploads), is_said=False) if uploads else None
    return Finished(runs[0][0], dict(uploads), is_said=runs[0][1] == RunClosing.Reason.FINISH)


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


def find_overdue_projects(cursor: Cursor) -> list[int]:
    """The projects in which runs wait for what does not come."""
    return [row[0] for row in cursor.execute(_OVERDUE_PROJECTS).fetchall()]


def close_overdue_runs(project_id: int) -> int:
    """Stop waiting for what does not come; returns how many runs were closed.

    Also finishes those whose last unread upload came to nothing. A project that is being written to waits for the
    next sweep.
    """
    with transaction.atomic():
        cursor = open_cursor()
        overdue = _find_overdue(cursor, project_id) if try_lock_project(cursor, project_id) else []
        if not overdue:
            return 0
        timed_out = _insert_timer(cursor, project_id, overdue)
        for number in overdue:
            settle_run_and_coverage(cursor, project_id, run=number)
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


def _find_overdue(cursor: Cursor, project_id: int) -> list[int]:
    return [row[0] for row in cursor.execute(_OVERDUE_RUNS, (project_id, _MOST_A_SWEEP)).fetchall()]


_OVERDUE: Final = f"""
FROM health_run r
JOIN health_project p ON p.id = r.project_id
WHERE NOT r.is_complete AND r.closed = ''
  AND NOT EXISTS ({UNREAD})
  AND (EXISTS (SELECT 1 FROM health_runclosing c
               WHERE c.project_id = r.project_id AND c.provider = r.provider AND c.external_id = r.external_id)
       OR coalesce((SELECT max(u.received_at) FROM health_upload u
                    WHERE u.project_id = r.project_id AND u.run = r.number), r.ran_at)
          < clock_timestamp() - make_interval(mins => p.run_timeout_minutes))
"""  # noqa: S608 - a constant
_OVERDUE_PROJECTS: Final = f"SELECT DISTINCT r.project_id {_OVERDUE} ORDER BY r.project_id"
_OVERDUE_RUNS: Final = f"SELECT r.number {_OVERDUE} AND r.project_id = %s ORDER BY r.number LIMIT %s"
