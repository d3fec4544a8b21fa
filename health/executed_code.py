"""Coverage contexts of the newest run that brought any: do the cases of a backing still execute the code it names?

Used by `health.backings`, where a backing names code. Contexts are large: they are read when a delivery newer than the
last one looked at brought them, or when a backing's cases changed.
Promise: a run that is incomplete, or a report that broke off, says nothing (`tests/health/test_backings.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from health.coverage import fetch_contexts, fetch_paths, fetch_run_files
from health.rules.backings import Executed, Finding
from health.rules.executed_code import Measured, find_uncovered, measure, name_case
from health.sql import Cursor, format_array
from health.standing import Standing
from health.tiles import Ords

_MOST_RUNS: Final = 200  # back from the newest
_MOST_BYTES: Final = 4_000_000  # packed, as on the page of a file


@dataclass(slots=True)
class Contexts:
    """The run, and the newest delivery of it that had contexts; they are read when they are asked for."""

    run: int
    upload: int
    _measured: Measured | None = None

    def look(
        self, cursor: Cursor, project_id: int, code: Sequence[str], ords: Ords, *, before: Finding, is_new: bool
    ) -> Executed:
        """What these cases execute of the code; as before where nothing is new."""
        if (before.contexts_run, before.contexts_upload) == (self.run, self.upload) and not is_new:
            return Executed(self.run, self.upload, before.uncovered, before.is_unseen)
        if self._measured is None:
            self._measured = _fetch_measured(cursor, project_id, self.run)
        rows = cursor.execute(
            "SELECT class_name, name FROM health_case WHERE project_id = %s AND ord = ANY(%s)",
            (project_id, format_array(ords.tolist())),
        ).fetchall()
        names = {said for class_name, name in rows for said in name_case(class_name, name)}
        found = find_uncovered(code, cases=names, measured=self._measured)
        return Executed(self.run, self.upload, found.uncovered, not found.is_seen)


def fetch_contexts_of(cursor: Cursor, project_id: int, *, standing: Standing) -> Contexts | None:
    """The newest complete run of the branch whose reports have contexts, of a size that can be looked through."""
    row = cursor.execute(
        """
        SELECT r.number, k.upload FROM (
            SELECT number, ordered_at, ran_at FROM health_run
            WHERE project_id = %(project)s AND lane = %(lane)s AND is_complete
            ORDER BY ordered_at DESC, number DESC LIMIT %(runs)s) r
        CROSS JOIN LATERAL (
            SELECT max(upload) AS upload FROM health_coveragereport c
            WHERE c.project_id = %(project)s AND c.run = r.number AND c.contexts IS NOT NULL
            HAVING NOT bool_or(c.is_partial) AND sum(octet_length(c.contexts)) <= %(bytes)s) k
        ORDER BY r.ordered_at DESC, r.ran_at DESC, r.number DESC LIMIT 1
        """,
        {"project": project_id, "lane": standing.lane, "runs": _MOST_RUNS, "bytes": _MOST_BYTES},
    ).fetchone()
    return Contexts(*row) if row else None


def _fetch_measured(cursor: Cursor, project_id: int, run: int) -> Measured:
    contexts = fetch_contexts(cursor, project_id, run=run)
    files = fetch_run_files(cursor, project_id, run=run)
    if contexts is None:
        raise LookupError(f"run {run} has lost its contexts")
    return measure(contexts, files=files, paths=fetch_paths(cursor, project_id, (file.file for file in files)))
