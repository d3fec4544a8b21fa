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

from health.aliases import NO_ALIASES, Aliases, fetch_aliases
from health.attempts import rank_attempts
from health.baselines import JobKey, Place, fetch_place, find_baseline, find_dependents
from health.completeness import DELIVERIES, HAS_ALL, JOB_IS_WHOLE, N_JOBS_EXPECTED, settle_closing
from health.rules import outcomes as codes
from health.rules.transitions import compare_outcomes
from health.sql import Cursor, format_array
from health.tiles import NO_SUITE, Results, fetch_results
from health.unjudged import forget_job, forget_order, forget_series

_COUNTS: Final = "n_declared, n_passed, n_failed, n_errored, n_skipped, n_xfailed, n_flaky"
_TRANSITIONS: Final = "n_new, n_still, n_fixed, n_gone"

_SUMS: Final = ", ".join(f"coalesce(sum(j.{name}), 0)" for name in f"{_COUNTS}, {_TRANSITIONS}".split(", "))
_FIRST_DELIVERY: Final = (
    "(SELECT min(u.ran_at) FROM health_upload u WHERE u.project_id = r.project_id AND u.run = r.number)"
)
# A run of coverage alone has deliveries and no jobs; one whose payloads were pruned has jobs.
_HAS_DELIVERY: Final = """(
    EXISTS (SELECT 1 FROM health_job j WHERE j.project_id = r.project_id AND j.run = r.number)
    OR EXISTS (SELECT 1 FROM health_upload u WHERE u.project_id = r.project_id AND u.run = r.number))"""

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
    """What a rollup needs to know of a project's cases: the suite of each, by number, and which are one by a rename."""

    suites: SuiteOf
    aliases: Aliases = NO_ALIASES

    @property
    def n(self) -> int:
        """How many cases the project has."""
        return len(self.suites)


def fetch_cases(
    cursor: Cursor, project_id: int, *, known: Cases | None = None, aliases: Aliases | None = None
) -> Cases:
    """Read the suite of every case; with what is `known` of the same identity epoch, only of those numbered since."""
    first = known.n if known else 0
    if aliases is None:
        aliases = known.aliases if known else fetch_aliases(cursor, project_id)
    rows = cursor.execute(
        "SELECT ord, suite FROM health_case WHERE project_id = %s AND ord >= %s",
        (project_id, first),
        binary=True,
    ).fetchall()
    if not rows:
        return known or Cases(np.zeros(0, np.int32), aliases)
    pairs = np.array(rows, np.int32)
    suites = np.full(pairs[:, 0].max() + 1, NO_SUITE, np.int32)
    if known:
        suites[:first] = known.suites
    suites[pairs[:, 0]] = pairs[:, 1]
    return Cases(suites, aliases)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A job in which cases of its baseline are gone while others appeared: what `health.renames` looks into."""

    place: Place
    now: Results
    before: Results


def refresh_job(
    cursor: Cursor, project_id: int, *, key: JobKey, cases: Cases, results: Results | None = None
) -> list[Exchange]:
    """Recompute one job from its uploads and tiles, then whatever stands on it: neighbours, run, days.

    `results` saves reading the tiles back when the caller knows the job has no others. Returns where cases seem to
    have been exchanged: in this job, or in one that is now compared with it.
    """
    if results is None:
        rank_attempts(cursor, project_id, key)
    sisters = _list_jobs(cursor, project_id, key.run) if settle_closing(cursor, project_id, key.run) else ()
    exchanges = _refresh(cursor, project_id, key=key, cases=cases, results=results)
    for other in sisters:
        if other != key:
            exchanges += _refresh(cursor, project_id, key=other, cases=cases, results=None)
    return exchanges


def settle_run(cursor: Cursor, project_id: int, *, run: int) -> None:
    """Apply what was said of a run's end to it and its jobs, and the commit's time if that is new; sum it up anyhow."""
    is_closed = settle_closing(cursor, project_id, run)
    if is_closed or _has_new_order(cursor, project_id, run):
        cases = fetch_cases(cursor, project_id)
        for key in _list_jobs(cursor, project_id, run):
            _refresh(cursor, project_id, key=key, cases=cases, results=None)
    sum_run(cursor, project_id, run)


def _has_new_order(cursor: Cursor, project_id: int, run: int) -> bool:
    """Whether a job stands elsewhere than its commit's time says, which a delivery without results may have brought."""
    row = cursor.execute(
        """
        SELECT 1 FROM health_job j JOIN health_run r ON r.project_id = j.project_id AND r.number = j.run
        WHERE j.project_id = %s AND j.run = %s AND j.ordered_at <> coalesce(r.committed_at, j.ran_at) LIMIT 1
        """,
        (project_id, run),
    ).fetchone()
    return row is not None


def _list_jobs(cursor: Cursor, project_id: int, run: int) -> list[JobKey]:
    """The jobs of a run that can be counted anew: their tiles are kept, or they never had any."""
    rows = cursor.execute(
        """
        SELECT j.run, j.series FROM health_job j
        WHERE j.project_id = %s AND j.run = %s AND (j.n_declared = 0 OR EXISTS (
            SELECT 1 FROM health_tile t
            WHERE t.project_id = j.project_id AND t.series = j.series AND t.run = j.run))
        ORDER BY j.series
        """,
        (project_id, run),
    ).fetchall()
    return [JobKey(*row) for row in rows]


def _refresh(cursor: Cursor, project_id: int, *, key: JobKey, cases: Cases, results: Results | None) -> list[Exchange]:
    before = fetch_place(cursor, project_id, key) if results is None else None
    touched = set(find_dependents(cursor, project_id, before)) if before else set()
    if results is None:
        results = _fetch_results(cursor, project_id, key, cases)
    exchanges: list[Exchange | None] = []
    place = _write_job(cursor, project_id, key, cases, results)
    if place is None:  # its last upload is gone
        _delete_job(cursor, project_id, key)
    else:
        exchanges.append(_write_transitions(cursor, project_id, place, cases, results))
        touched |= set(find_dependents(cursor, project_id, place))
        if before:
            forget_order(cursor, project_id, before=before, now=place)
    touched |= _reorder_sisters(cursor, project_id, key)
    runs = {key.run}
    for other in sorted(touched - {key}, key=lambda k: (k.run, k.series)):
        neighbour = fetch_place(cursor, project_id, other)
        if neighbour is None:
            continue
        runs.add(other.run)
        results = _fetch_results(cursor, project_id, other, cases)
        exchanges.append(_write_transitions(cursor, project_id, neighbour, cases, results))
    with cursor.connection.pipeline():
        for run in sorted(runs):
            sum_run(cursor, project_id, run)
        for day in {stood.day for stood in (before, place) if stood}:
            _replace_day(cursor, project_id, key.series, day)
    return [exchange for exchange in exchanges if exchange]


def _fetch_results(cursor: Cursor, project_id: int, key: JobKey, cases: Cases) -> Results:
    return fetch_results(cursor, project_id, run=key.run, series=key.series, n_cases=cases.n, aliases=cases.aliases)


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
        forget_series(cursor, project_id, series=sister.series)
    return concerned


# --- one job ---------------------------------------------------------------------------------------------------


def _write_job(cursor: Cursor, project_id: int, key: JobKey, cases: Cases, results: Results) -> Place | None:
    """Write the job's row and its suites' counts; None when no upload is left in it."""
    head = cursor.execute(
        f"""
        WITH delivery AS ({DELIVERIES} WHERE u.project_id = %s AND u.run = %s AND u.series = %s)
        SELECT r.branch, r.pull_request, coalesce(r.committed_at, min(d.ran_at)), min(d.ran_at),
            (min(d.ran_at) AT TIME ZONE p.time_zone)::date,
            {JOB_IS_WHOLE},
            max(d.attempt), coalesce(sum(d.n_suite_errors) FILTER (WHERE d.is_newest), 0)::int
        FROM delivery d
        JOIN health_run r ON r.project_id = d.project_id AND r.number = d.run
        JOIN health_project p ON p.id = d.project_id
        GROUP BY r.branch, r.pull_request, r.committed_at, r.closed, p.time_zone
        """,  # noqa: S608 - constants
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
                is_complete, n_attempts, n_suite_errors, {_COUNTS}, duration, is_judged) = (excluded.branch,
                excluded.pull_request, excluded.ordered_at, excluded.ran_at, excluded.day, excluded.is_complete,
                excluded.n_attempts, excluded.n_suite_errors, excluded.n_declared, excluded.n_passed,
                excluded.n_failed, excluded.n_errored, excluded.n_skipped, excluded.n_xfailed, excluded.n_flaky,
                excluded.duration, false)
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
    forget_job(cursor, project_id, key=key)


# --- baselines and transitions ---------------------------------------------------------------------------------


def _write_transitions(
    cursor: Cursor, project_id: int, place: Place, cases: Cases, results: Results
) -> Exchange | None:
    baseline = find_baseline(cursor, project_id, place)
    counts = (0, 0, 0, 0)
    exchange = None
    if baseline is not None:
        before = _fetch_results(cursor, project_id, baseline, cases)
        if not before.outcomes.any() and _had_cases(cursor, project_id, baseline):
            return None  # its tiles are no longer kept: what was counted when they were is all we know
        suites = effective_suites(cases, results)
        counts = compare_outcomes(
            results.outcomes, before.outcomes, suites=suites, is_complete=place.is_complete
        ).count()
        if place.is_complete and baseline.series == place.key.series and _has_exchange(results, before):
            exchange = Exchange(place, results, before)
    cursor.execute(
        f"""
        UPDATE health_job SET (baseline_run, baseline_series, {_TRANSITIONS}) = (%s, %s, %s, %s, %s, %s)
        WHERE project_id = %s AND run = %s AND series = %s
        """,  # noqa: S608 - the columns are constants
        (baseline and baseline.run, baseline and baseline.series, *counts)
        + (project_id, place.key.run, place.key.series),
    )
    return exchange


def _has_exchange(now: Results, before: Results) -> bool:
    here, there = now.outcomes != codes.ABSENT, before.outcomes != codes.ABSENT
    return bool((here & ~there).any() and (there & ~here).any())


def _had_cases(cursor: Cursor, project_id: int, key: JobKey) -> bool:
    row = cursor.execute(
        "SELECT n_declared > 0 FROM health_job WHERE project_id = %s AND run = %s AND series = %s",
        (project_id, key.run, key.series),
    ).fetchone()
    return bool(row and row[0])


# --- runs and days ---------------------------------------------------------------------------------------------


def sum_run(cursor: Cursor, project_id: int, run: int) -> None:
    """Set a run's counts to the sums over its jobs; a run that no delivery belongs to is removed."""
    cursor.execute(
        f"""
        UPDATE health_run r
        SET (ran_at, ordered_at, is_complete, n_jobs_expected, n_attempts, n_suite_errors, {_COUNTS}, {_TRANSITIONS},
             duration) = (
            SELECT coalesce(min(j.ran_at), {_FIRST_DELIVERY}),
                coalesce(r.committed_at, min(j.ran_at), {_FIRST_DELIVERY}),
                coalesce(bool_and(j.is_complete), true) AND {HAS_ALL}, {N_JOBS_EXPECTED},
                coalesce(max(j.n_attempts), 1),
                coalesce(sum(j.n_suite_errors), 0), {_SUMS}, coalesce(sum(j.duration), 0)
            FROM health_job j WHERE j.project_id = r.project_id AND j.run = r.number)
        WHERE r.project_id = %s AND r.number = %s AND {_HAS_DELIVERY}
        """,  # noqa: S608 - the columns are constants
        (project_id, run),
    )
    # With what was said of its end: sent again, it would else be over from the start.
    cursor.execute(
        f"""
        WITH gone AS (
            DELETE FROM health_run r WHERE project_id = %s AND number = %s AND NOT {_HAS_DELIVERY}
            RETURNING project_id, provider, external_id)
        DELETE FROM health_runclosing c USING gone
        WHERE (c.project_id, c.provider, c.external_id) = (gone.project_id, gone.provider, gone.external_id)
        """,  # noqa: S608 - a constant
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
