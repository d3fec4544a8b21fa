"""The register of what was put off, brought up to date behind each upload: cases, files, people, and their backing.

`settle_register` is called by `health.judging` in the transaction that judges, by `health.rebuild` where nothing was
left to judge, and by `health.deferral_acts` after a pattern was named; `apply_layers` after an edit of single entries.
Promise: a case has one entry, whoever speaks of it; what a person wrote is changed by nobody else; and a project that
puts nothing off pays two statements (`tests/health/test_register.py`).
"""

from collections.abc import Collection

from health.aliases import fetch_aliases
from health.backings import check_backings
from health.baselines import JobKey
from health.in_force import fetch_deferral_items
from health.register.columns import apply_layers
from health.register.entries import settle_entries
from health.register.items import settle_items
from health.register.named import name_cases
from health.sql import Cursor
from health.standing import fetch_standing

__all__ = ["apply_layers", "settle_register"]


def settle_register(
    cursor: Cursor,
    project_id: int,
    *,
    jobs: Collection[JobKey] | None = None,
    lanes: Collection[str] | None = None,
) -> None:
    """End in what spans, files and people say now; the caller holds the project's lock.

    `jobs`: those that may say something else than the last time, all without it. `lanes`: only these changed; where
    the register is of another branch, there is nothing to do. Nor while nothing is known of one of its series: an
    entry would be closed because its span is not concluded yet.
    """
    has_any, has_patterns, newest_known = _look(cursor, project_id)
    items = fetch_deferral_items(cursor, project_id)
    if not has_any and not items:
        return
    standing = fetch_standing(cursor, project_id)
    if lanes is not None and (standing.lane not in lanes or _is_waiting(cursor, project_id, standing.lane)):
        return
    aliases = fetch_aliases(cursor, project_id)
    changed = settle_entries(cursor, project_id, standing=standing, aliases=aliases, jobs=jobs)
    if items or has_patterns:
        changed += settle_items(cursor, project_id, items=items, standing=standing)
        changed += name_cases(
            cursor,
            project_id,
            items=list(dict.fromkeys(str(item["cases"]) for item in items)),
            newest_known=newest_known,
            standing=standing,
            aliases=aliases,
        )
    apply_layers(cursor, project_id, sorted(set(changed)))
    check_backings(cursor, project_id, standing=standing)


def _look(cursor: Cursor, project_id: int) -> tuple[bool, bool, int]:
    """Whether anything is, or was, put off; whether by a pattern; and the newest entry's number."""
    row = cursor.execute(
        """
        SELECT EXISTS (SELECT FROM health_deferredspan WHERE project_id = %(project)s),
            EXISTS (SELECT FROM health_deferral WHERE project_id = %(project)s AND ord IS NULL), max(id)
        FROM health_deferral WHERE project_id = %(project)s
        """,
        {"project": project_id},
    ).fetchone()
    has_spans, has_patterns, newest = row or (False, False, None)
    return bool(has_spans or newest), has_patterns, newest or 0


def _is_waiting(cursor: Cursor, project_id: int, lane: str) -> bool:
    """Whether a series of the branch has jobs, and nothing was concluded of it."""
    row = cursor.execute(
        """
        SELECT 1 FROM health_series s WHERE s.project_id = %(project)s AND s.lane = %(lane)s
          AND EXISTS (SELECT FROM health_job j WHERE j.project_id = s.project_id AND j.series = s.number)
          AND NOT EXISTS (
              SELECT FROM health_serieswindow w WHERE w.project_id = s.project_id AND w.series = s.number)
        LIMIT 1
        """,
        {"project": project_id, "lane": lane},
    ).fetchone()
    return row is not None
