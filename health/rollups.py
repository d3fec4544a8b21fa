"""Everything derived from tiles: counts per suite, job, run and day, and each job's transitions.

`refresh_job` is called by `ingest.store` inside the storing transaction, `rebuild_project` by the command of that
name; both go through the same functions. Callers hold the project's row lock.
Promise: any order of arrival or deletion ends in what `rebuild_project` computes (`tests/health/test_rebuild.py`).
"""

from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt

from health.baselines import JobKey, Place, fetch_place, find_baseline, find_dependents
from health.rules import outcomes as codes
from health.rules.transitions import compare_outcomes
from health.sql import Cursor, format_array
from health.tiles import NO_SUITE, Results, fetch_results

_COUNTS: Final = "n_declared, n_passed, n_failed, n_errored, n_skipped, n_xfailed, n_flaky"
_TRANSITIONS: Final = "n_new, n_still, n_fixed, n_gone"

# Which outcomes each count adds up; in the order of _COUNTS, which every table shares.
_COUNTED: Final[tuple[frozenset[int], ...]] = (
    frozenset(range(1, codes.N_OUTCOMES)),
    codes.PASSED,
    frozenset({codes.FAIL}),
    frozenset({codes.ERROR}),
    frozenset({codes.SKIP}),
    frozenset({codes.XFAIL}),
    frozenset({codes.PASS_ON_RETRY}),
)

SuiteOf = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Cases:
    """The suite of every case of a project, by case number: what a rollup needs to know of cases."""

    suites: SuiteOf

    @property
    def n(self) -> int:
        """How many cases the project has."""
        return len(self.suites)


def fetch_cases(cursor: Cursor, project_id: int, *, known: Cases | None = None) -> Cases:
    """Read the suite of every case of a project; with `known`, only of the cases numbered since."""
    first = known.n if known else 0
    rows = cursor.execute(
        "SELECT ord, suite FROM health_case WHERE project_id = %s AND ord >= %s",
        (project_id, first),
        binary=True,
    ).fetchall()
    if not rows:
        return known or Cases(np.zeros(0, np.int32))
    pairs = np.array(rows, np.int32)
    suites = np.full(pairs[:, 0].max() + 1, NO_SUITE, np.int32)
    if known:
        suites[:first] = known.suites
    suites[pairs[:, 0]] = pairs[:, 1]
    return Cases(suites)


def refresh_job(cursor: Cursor, project_id: int, *, key: JobKey, cases: Cases, results: Results | None = None) -> None:
    """Recompute one job from its uploads and tiles, then whatever stands on it: neighbours, run, days.

    `results` saves reading the tiles back when the caller knows the job has no others.
    """
    before = fetch_place(cursor, project_id, key) if results is None else None
    touched = set(find_dependents(cursor, project_id, before)) if before else set()
    if results is None:
        results = fetch_results(cursor, project_id, run=key.run, series=key.series, n_cases=cases.n)
    place = _write_job(cursor, project_id, key, cases, results)
    if place is None:  # its last upload is gone
        _delete_job(cursor, project_id, key)
    else:
        _write_transitions(cursor, project_id, place, cases, results)
        touched |= set(find_dependents(cursor, project_id, place))
    touched |= _reorder_sisters(cursor, project_id, key)
    runs = {key.run}
    for other in sorted(touched - {key}, key=lambda k: (k.run, k.series)):
        if _refresh_transitions(cursor, project_id, other, cases):
            runs.add(other.run)
    with cursor.connection.pipeline():
        for run in sorted(runs):
            sum_run(cursor, project_id, run)
        for day in {stood.day for stood in (before, place) if stood}:
            _replace_day(cursor, project_id, key.series, day)


def _reorder_sisters(cursor: Cursor, project_id: int, key: JobKey) -> set[JobKey]:
    """Move the run's other jobs when this delivery brought the commit's time; returns whom that concerns."""
    rows = cursor.execute(
        """
        SELECT j.run, j.series FROM health_job j
        JOIN health_run r ON r.project_id = j.project_id AND r.number = j.run
        WHERE j.project_id = %s AND j.run = %s AND j.series <> %s AND j.ordered_at <> coalesce(r.committed_at, j.ran_at)
        """,
        (project_id, key.run, key.series),
    ).fetchall()
    concerned: set[JobKey] = set()
    for sister in (JobKey(*row) for row in rows):
        for _ in ("where it stood", "where it stands now"):
            place = fetch_place(cursor, project_id, sister)
            concerned |= {sister, *(find_dependents(cursor, project_id, place) if place else ())}
            cursor.execute(
                """
                UPDATE health_job j SET ordered_at = coalesce(r.committed_at, j.ran_at) FROM health_run r
                WHERE r.project_id = j.project_id AND r.number = j.run AND j.project_id = %s AND j.run = %s
                  AND j.series = %s
                """,
                (project_id, sister.run, sister.series),
            )
    return concerned


# --- one job ---------------------------------------------------------------------------------------------------


def _write_job(cursor: Cursor, project_id: int, key: JobKey, cases: Cases, results: Results) -> Place | None:
    """Write the job's row and its suites' counts; None when no upload is left in it."""
    head = cursor.execute(
        """
        WITH delivery AS (
            SELECT u.project_id, u.run, u.state, u.attempt, u.ran_at, u.n_suite_errors,
                split_part(u.metadata ->> 'shard', '/', 1) AS shard,
                split_part(u.metadata ->> 'shard', '/', 2)::int AS n_shards,
                u.attempt = max(u.attempt) OVER (PARTITION BY u.metadata ->> 'shard') AS is_newest
            FROM health_upload u WHERE u.project_id = %s AND u.run = %s AND u.series = %s)
        SELECT r.branch, r.pull_request, coalesce(r.committed_at, min(d.ran_at)), min(d.ran_at),
            (min(d.ran_at) AT TIME ZONE p.time_zone)::date,
            bool_and(d.state <> 'partial' OR NOT d.is_newest)
                AND count(DISTINCT d.shard) >= coalesce(max(d.n_shards), 0),
            max(d.attempt), coalesce(sum(d.n_suite_errors) FILTER (WHERE d.is_newest), 0)::int
        FROM delivery d
        JOIN health_run r ON r.project_id = d.project_id AND r.number = d.run
        JOIN health_project p ON p.id = d.project_id
        GROUP BY r.branch, r.pull_request, r.committed_at, p.time_zone
        """,
        (project_id, key.run, key.series),
    ).fetchone()
    if head is None:
        return None
    place = Place(key, head[0], head[1], head[2], head[3], is_complete=head[5], day=head[4])
    rows = _count_suites(cases, results)
    totals = rows[:, 1:].sum(axis=0).tolist() if len(rows) else [0] * (len(_COUNTED) + 1)
    with cursor.connection.pipeline():
        cursor.execute(
            f"""
            INSERT INTO health_job (project_id, run, series, branch, pull_request, ordered_at, ran_at, day, is_complete,
                n_attempts, n_suite_errors, {_COUNTS}, duration, {_TRANSITIONS})
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 0, 0, 0, 0)
            ON CONFLICT (project_id, run, series) DO UPDATE SET (branch, pull_request, ordered_at, ran_at, day,
                is_complete, n_attempts, n_suite_errors, {_COUNTS}, duration) = (excluded.branch,
                excluded.pull_request, excluded.ordered_at, excluded.ran_at, excluded.day, excluded.is_complete,
                excluded.n_attempts, excluded.n_suite_errors, excluded.n_declared, excluded.n_passed,
                excluded.n_failed, excluded.n_errored, excluded.n_skipped, excluded.n_xfailed, excluded.n_flaky,
                excluded.duration)
            """,  # noqa: S608 - the columns are constants
            (project_id, key.run, key.series, *head, *totals),
        )
        cursor.execute(
            "DELETE FROM health_runsuite WHERE project_id = %s AND run = %s AND series = %s",
            (project_id, key.run, key.series),
        )
        columns = rows.T.tolist() if len(rows) else [[]] * (len(_COUNTED) + 2)
        cursor.execute(
            f"""
            INSERT INTO health_runsuite (project_id, run, series, suite, {_COUNTS}, duration)
            SELECT %s, %s, %s, * FROM unnest(%s::int[], %s::int[], %s::int[], %s::int[], %s::int[], %s::int[],
                                             %s::int[], %s::int[], %s::bigint[])
            """,  # noqa: S608 - the columns are constants
            (project_id, key.run, key.series, *map(format_array, columns)),
        )
    return place


def _count_suites(cases: Cases, results: Results) -> npt.NDArray[np.int64]:
    """One row per suite that reported: suite, the counts in the order of _COUNTS, duration."""
    ords = np.flatnonzero(results.outcomes)
    suites = effective_suites(cases, results)[ords]
    found, index = np.unique(suites, return_inverse=True)
    table = np.zeros((len(found), codes.N_OUTCOMES), np.int64)
    np.add.at(table, (index, results.outcomes[ords]), 1)
    durations = np.bincount(index, results.units[ords], len(found)).astype(np.int64)
    counts = [table[:, sorted(which)].sum(axis=1) for which in _COUNTED]
    return np.column_stack([found.astype(np.int64), *counts, durations])


def effective_suites(cases: Cases, results: Results) -> SuiteOf:
    """The suite each result counts for: the one its delivery named, else the case's own."""
    return np.where(results.suites == NO_SUITE, cases.suites[: len(results.suites)], results.suites)


def _delete_job(cursor: Cursor, project_id: int, key: JobKey) -> None:
    for table in ("health_job", "health_runsuite"):
        cursor.execute(
            f"DELETE FROM {table} WHERE project_id = %s AND run = %s AND series = %s",  # noqa: S608 - a constant
            (project_id, key.run, key.series),
        )


# --- baselines and transitions ---------------------------------------------------------------------------------


def _refresh_transitions(cursor: Cursor, project_id: int, key: JobKey, cases: Cases) -> bool:
    """Recompute a neighbour's baseline and transitions; False when the job does not exist."""
    place = fetch_place(cursor, project_id, key)
    if place is None:
        return False
    results = fetch_results(cursor, project_id, run=key.run, series=key.series, n_cases=cases.n)
    _write_transitions(cursor, project_id, place, cases, results)
    return True


def _write_transitions(cursor: Cursor, project_id: int, place: Place, cases: Cases, results: Results) -> None:
    baseline = find_baseline(cursor, project_id, place)
    counts = (0, 0, 0, 0)
    if baseline is not None:
        before = fetch_results(cursor, project_id, run=baseline.run, series=baseline.series, n_cases=cases.n)
        if not before.outcomes.any() and _had_cases(cursor, project_id, baseline):
            return  # its tiles are no longer kept: what was counted when they were is all we know
        suites = effective_suites(cases, results)
        counts = compare_outcomes(
            results.outcomes, before.outcomes, suites=suites, is_complete=place.is_complete
        ).count()
    cursor.execute(
        f"""
        UPDATE health_job SET (baseline_run, baseline_series, {_TRANSITIONS}) = (%s, %s, %s, %s, %s, %s)
        WHERE project_id = %s AND run = %s AND series = %s
        """,  # noqa: S608 - the columns are constants
        (baseline and baseline.run, baseline and baseline.series, *counts)
        + (project_id, place.key.run, place.key.series),
    )


def _had_cases(cursor: Cursor, project_id: int, key: JobKey) -> bool:
    row = cursor.execute(
        "SELECT n_declared > 0 FROM health_job WHERE project_id = %s AND run = %s AND series = %s",
        (project_id, key.run, key.series),
    ).fetchone()
    return bool(row and row[0])


# --- runs and days ---------------------------------------------------------------------------------------------


def sum_run(cursor: Cursor, project_id: int, run: int) -> None:
    """Set a run's counts to the sums over its jobs; a run without jobs is removed."""
    cursor.execute(
        f"""
        UPDATE health_run r
        SET (ran_at, ordered_at, is_complete, n_attempts, n_suite_errors, {_COUNTS}, {_TRANSITIONS}, duration) = (
            SELECT min(j.ran_at), coalesce(r.committed_at, min(j.ran_at)), bool_and(j.is_complete),
                max(j.n_attempts), sum(j.n_suite_errors),
                sum(j.n_declared), sum(j.n_passed), sum(j.n_failed), sum(j.n_errored), sum(j.n_skipped),
                sum(j.n_xfailed), sum(j.n_flaky), sum(j.n_new), sum(j.n_still), sum(j.n_fixed), sum(j.n_gone),
                sum(j.duration)
            FROM health_job j WHERE j.project_id = r.project_id AND j.run = r.number)
        WHERE r.project_id = %s AND r.number = %s
          AND EXISTS (SELECT 1 FROM health_job j WHERE j.project_id = r.project_id AND j.run = r.number)
        """,  # noqa: S608 - the columns are constants
        (project_id, run),
    )
    cursor.execute(
        """
        DELETE FROM health_run r WHERE project_id = %s AND number = %s
          AND NOT EXISTS (SELECT 1 FROM health_job j WHERE j.project_id = r.project_id AND j.run = r.number)
        """,
        (project_id, run),
    )


def _replace_day(cursor: Cursor, project_id: int, series: int, day: date) -> None:
    """Replace a series' day from the truth, `run_suite`; never increment."""
    with cursor.connection.pipeline():
        cursor.execute(
            "DELETE FROM health_suiteday WHERE project_id = %s AND series = %s AND day = %s",
            (project_id, series, day),
        )
        cursor.execute(
            f"""
            INSERT INTO health_suiteday (project_id, series, day, suite, n_runs, {_COUNTS}, duration)
            SELECT project_id, series, %s, suite, count(*), sum(n_declared), sum(n_passed),
                sum(n_failed), sum(n_errored), sum(n_skipped), sum(n_xfailed), sum(n_flaky), sum(duration)
            FROM health_runsuite
            WHERE project_id = %s AND series = %s AND run = ANY(ARRAY(
                SELECT run FROM health_job WHERE project_id = %s AND series = %s AND day = %s))
            GROUP BY project_id, series, suite
            """,  # noqa: S608 - the columns are constants
            (day, project_id, series, project_id, series, day),
        )
