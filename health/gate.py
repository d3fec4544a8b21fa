"""May this run pass? What broke since its baselines, what it puts off, which suites shrink in it, and what is missing.

Called by `ingest.views_runs`. A run is judged as of the day and the place of its commit: what expires or breaks later
changes nothing of it. What was put off is weighed in `health.gate_register`, the verdict in `health.rules.gate`.
Promise: the same answer however often and late one asks, what is not known is never called passed, and a bounded
number of statements (`tests/health/test_gate.py`).
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from health.aliases import fetch_aliases
from health.baselines import JobKey
from health.completeness import UNREAD, fetch_missing
from health.gate_register import Observed, weigh_register
from health.in_force import fetch_gate_rules
from health.rules import outcomes as codes
from health.rules.gate import (
    MOST_NAMED,
    NEW_FAILURES,
    SHRINKING,
    GateVerdict,
    Named,
    Reason,
    count_tests,
    decide,
)
from health.rules.identity import STEP
from health.rules.lanes import CHANGES
from health.rules.shrinking import find_loss
from health.sql import Cursor, open_cursor
from health.tiles import Outcomes
from health.windows import N_JOBS, fetch_outcomes

_IS_BROKEN: Final = np.isin(np.arange(codes.N_OUTCOMES), list(codes.BROKEN))
_MOST_JOBS_TOLD: Final = 3


@dataclass(frozen=True, slots=True)
class _Run:
    """The run in question; `day` is that of its commit, in the project's time zone."""

    number: int
    ordered_at: datetime
    ran_at: datetime
    day: date
    is_complete: bool
    n_declared: int
    n_executed: int
    is_counted: bool
    n_unread: int


@dataclass(frozen=True, slots=True)
class _Job:
    key: JobKey
    title: str
    baseline: JobKey | None
    is_judged: bool
    n_new_suite_errors: int


def judge_run(project_id: int, number: int, *, fail_on: Sequence[str] | None = None) -> GateVerdict | None:
    """The verdict on a run; None when there is no such run. `fail_on` stands for what the configuration says."""
    cursor = open_cursor()
    run = _fetch_run(cursor, project_id, number)
    if run is None:
        return None
    rules = fetch_gate_rules(cursor, project_id) if fail_on is None else fail_on
    jobs = _fetch_jobs(cursor, project_id, number)
    n_unjudged = sum(not job.is_judged for job in jobs) + (not run.is_counted)
    if run.n_unread or n_unjudged:
        said = _write_waiting(run.n_unread)
        return decide(number, found=(), tolerated=(), fail_on=rules, unknown=said, waiting=run.n_unread + n_unjudged)
    now, before = _fetch_grids(cursor, project_id, jobs)
    observed = Observed(number, run.ordered_at, run.ran_at, run.day, now, before)
    register = weigh_register(cursor, project_id, observed)
    failures = _find_new_failures(jobs, now, before, quarantined=register.quarantined)
    shrinking = _find_shrinking(cursor, project_id, number)
    found = [reason for reason in (failures, *register.reasons, shrinking) if reason]
    names = _fetch_names(cursor, project_id, [*found, *register.tolerated])
    return decide(
        number,
        found=[_name(reason, names) for reason in found],
        tolerated=[_name(reason, names) for reason in register.tolerated],
        fail_on=rules,
        unknown=_find_unknown(cursor, project_id, run, has_results=bool(now.any())),
    )


def _write_waiting(n_unread: int) -> str:
    if n_unread:
        return f"{n_unread:,} upload{' of it is' if n_unread == 1 else 's of it are'} still to be read"
    return "its results are still being compared with those before"


def _find_unknown(cursor: Cursor, project_id: int, run: _Run, *, has_results: bool) -> str:
    """Why nobody can call it passed, whatever was found; empty when all is there."""
    if not run.is_complete:
        missing = fetch_missing(cursor, project_id, runs=[run.number]).get(run.number)
        return missing.tell() if missing else "what is missing is unknown"
    if not run.n_declared:
        return "it brought no test results"
    if not run.n_executed:
        return f"none of its {count_tests(run.n_declared)} ran"
    return "" if has_results else "its results are no longer kept"


# --- what broke ------------------------------------------------------------------------------------------------


def _fetch_grids(cursor: Cursor, project_id: int, jobs: Sequence[_Job]) -> tuple[Outcomes, Outcomes]:
    """What the jobs and their baselines say of every case, row by row; a job without a baseline has an empty row."""
    row = cursor.execute("SELECT coalesce(max(ord) + 1, 0) FROM health_case WHERE project_id = %s", (project_id,))
    n_cases = (row.fetchone() or (0,))[0]
    keys = sorted({job.key for job in jobs} | {job.baseline for job in jobs if job.baseline}, key=_as_pair)
    pairs, aliases = [_as_pair(key) for key in keys], fetch_aliases(cursor, project_id)
    said = fetch_outcomes(cursor, project_id, jobs=pairs, n_cases=n_cases, aliases=aliases).outcomes
    place = {key: at for at, key in enumerate(keys)}
    now = said[[place[job.key] for job in jobs]]
    before = np.zeros_like(now)
    for at, job in enumerate(jobs):
        if job.baseline:
            before[at] = said[place[job.baseline]]
    return now, before


def _as_pair(key: JobKey) -> tuple[int, int]:
    return key.run, key.series


def _find_new_failures(
    jobs: Sequence[_Job], now: Outcomes, before: Outcomes, *, quarantined: npt.NDArray[np.int32]
) -> Reason | None:
    """As the run page counts them, less what is quarantined; without a baseline all that is broken is new."""
    is_new = _IS_BROKEN[now] & ~_IS_BROKEN[before]
    is_new[:, quarantined] = False
    ords = np.flatnonzero(is_new.any(axis=0))
    n_suites = sum(job.n_new_suite_errors for job in jobs)
    if not len(ords) and not n_suites:
        return None
    order = sorted(ords.tolist(), key=lambda ord_: (-int(is_new[:, ord_].sum()), ord_))
    named = [Named("", ord_, _write_jobs(jobs, is_new[:, ord_])) for ord_ in order[:MOST_NAMED]]
    has_before = any(job.baseline for at, job in enumerate(jobs) if is_new[at].any())
    told = _write_failures(len(ords), int(is_new.sum()), int(is_new.any(axis=1).sum()), has_before=has_before)
    if n_suites:
        told = [*told, f"{n_suites:,} suite{'' if n_suites == 1 else 's'} could not be run, and could before."]
    return Reason(NEW_FAILURES, len(ords) + n_suites, " ".join(told), tuple(named))


def _write_failures(n: int, n_results: int, n_jobs: int, *, has_before: bool) -> list[str]:
    if not n:
        return []
    where = f" ({n_results:,} results in {n_jobs:,} jobs)" if n_results > n and n_jobs > 1 else ""
    fails = f"{count_tests(n)} fail{'s' if n == 1 else ''}"
    if not has_before:
        return [f"{fails}{where}, and there is no earlier run to compare with."]
    return [f"{fails}{where} that did not before."]


def _write_jobs(jobs: Sequence[_Job], is_there: npt.NDArray[np.bool_]) -> str:
    """In which jobs, where the run has several."""
    titles = [job.title or "the unnamed job" for at, job in enumerate(jobs) if is_there[at]]
    if len(jobs) == 1:
        return ""
    rest = len(titles) - _MOST_JOBS_TOLD
    return "in " + "; ".join([*titles[:_MOST_JOBS_TOLD], *([f"{rest:,} more"] if rest > 0 else [])])


# --- suites that shrink ----------------------------------------------------------------------------------------


def _find_shrinking(cursor: Cursor, project_id: int, number: int) -> Reason | None:
    """The suites that declare fewer tests in this run's complete jobs than in those before it."""
    values = {"project": project_id, "run": number, "changes": CHANGES, "limit": N_JOBS - 1}
    lines = []
    for suite, level, job, variant, n_jobs, n_renamed, places, counts in cursor.execute(_SUITES_SQL, values):
        now = find_loss(list(zip(places, counts, strict=True)), n_jobs=n_jobs)
        most = max((n for at, n in zip(places, counts, strict=True) if at < n_jobs - 1), default=0)
        if now is not None and most - now > n_renamed:
            title = ", ".join(part for part in (job, variant) if part)
            note = f"{count_tests(now)}, {most:,} before" + (f", in {title}" if title else "")
            name = suite or "the suite without a name"
            lines.append((now - most, Named(f"{name} ({level})" if level else name, note=note)))
    if not lines:
        return None
    lines.sort(key=lambda line: (line[0], line[1].name, line[1].note))
    n = len({named.name for _, named in lines})
    told = f"{n:,} suite{' declares' if n == 1 else 's declare'} fewer tests than in the runs before."
    return Reason(SHRINKING, n, told, tuple(named for _, named in lines[:MOST_NAMED]))


# A change is held against the default branch: other changes say nothing of what it takes away.
_SUITES_SQL: Final = """
WITH mine AS (
    SELECT j.run, j.series, j.ordered_at, j.ran_at, s.job, s.variant,
        CASE WHEN s.lane = %(changes)s THEN base.number ELSE j.series END AS history
    FROM health_job j
    JOIN health_project p ON p.id = j.project_id
    JOIN health_series s ON s.project_id = j.project_id AND s.number = j.series
    LEFT JOIN health_series base ON base.project_id = s.project_id AND base.job = s.job AND base.variant = s.variant
        AND base.lane = p.default_branch
    WHERE j.project_id = %(project)s AND j.run = %(run)s AND j.is_complete),
windows AS (
    SELECT mine.series, seen.of, seen.run,
        count(*) OVER (PARTITION BY mine.series) AS n_jobs,
        row_number() OVER (PARTITION BY mine.series
                           ORDER BY seen.is_mine, seen.ordered_at, seen.ran_at, seen.run) - 1 AS at
    FROM mine CROSS JOIN LATERAL (
        SELECT mine.history AS of, run, ordered_at, ran_at, false AS is_mine FROM (
            SELECT run, ordered_at, ran_at, is_complete FROM health_job
            WHERE project_id = %(project)s AND series = mine.history
              AND (ordered_at, ran_at, run) < (mine.ordered_at, mine.ran_at, mine.run)
            ORDER BY ordered_at DESC, ran_at DESC, run DESC LIMIT %(limit)s) before
        WHERE before.is_complete
        UNION ALL SELECT mine.series, mine.run, mine.ordered_at, mine.ran_at, true) seen),
lines AS (
    SELECT w.series, s.suite, max(w.n_jobs) AS n_jobs,
        array_agg(w.at ORDER BY w.at) AS places, array_agg(s.n_declared ORDER BY w.at) AS counts
    FROM windows w JOIN health_runsuite s ON s.project_id = %(project)s AND s.run = w.run AND s.series = w.of
    GROUP BY w.series, s.suite)
SELECT suite.name, suite.level, mine.job, mine.variant, lines.n_jobs,
    (SELECT count(*) FROM health_vanishedcase v
     JOIN health_case c ON c.project_id = v.project_id AND c.ord = v.ord AND c.suite = lines.suite
     WHERE v.project_id = %(project)s AND v.series = mine.history AND v.suspicion = 'renamed'),
    lines.places, lines.counts
FROM lines JOIN mine ON mine.series = lines.series
JOIN health_suite suite ON suite.project_id = %(project)s AND suite.number = lines.suite
"""


# --- the run, its jobs, names ----------------------------------------------------------------------------------


def _fetch_run(cursor: Cursor, project_id: int, number: int) -> _Run | None:
    row = cursor.execute(_RUN_SQL, {"project": project_id, "run": number}).fetchone()
    return _Run(*row) if row else None


_RUN_SQL: Final = f"""
SELECT r.number, r.ordered_at, r.ran_at, (r.ordered_at AT TIME ZONE p.time_zone)::date, r.is_complete,
    r.n_declared, r.n_declared - r.n_skipped, p.identity_epoch = p.counted_epoch,
    (SELECT count(*) FROM ({UNREAD}) unread)
FROM health_run r JOIN health_project p ON p.id = r.project_id
WHERE r.project_id = %(project)s AND r.number = %(run)s
"""  # noqa: S608 - a constant


def _fetch_jobs(cursor: Cursor, project_id: int, number: int) -> list[_Job]:
    rows = cursor.execute(_JOBS_SQL, {"project": project_id, "run": number}).fetchall()
    return [
        _Job(
            JobKey(number, series),
            ", ".join(part for part in (job, variant) if part),
            JobKey(baseline_run, baseline_series) if baseline_run is not None else None,
            is_judged,
            n_errors,
        )
        for series, job, variant, baseline_run, baseline_series, is_judged, n_errors in rows
    ]


_JOBS_SQL: Final = """
SELECT j.series, s.job, s.variant, b.run, b.series, j.is_judged,
    greatest(j.n_suite_errors - coalesce(b.n_suite_errors, 0), 0)
FROM health_job j
JOIN health_series s ON s.project_id = j.project_id AND s.number = j.series
LEFT JOIN health_job b ON b.project_id = j.project_id AND b.run = j.baseline_run AND b.series = j.baseline_series
WHERE j.project_id = %(project)s AND j.run = %(run)s ORDER BY j.series
"""


def _fetch_names(cursor: Cursor, project_id: int, reasons: Sequence[Reason]) -> dict[int, str]:
    """`place::name` of each test that a reason names."""
    ords = sorted({named.ord for reason in reasons for named in reason.named if named.ord is not None})
    rows = cursor.execute(
        "SELECT ord, class_name, suite_path, name, occurrence FROM health_case WHERE project_id = %s AND ord = ANY(%s)",
        (project_id, ords),
    ).fetchall()
    names: dict[int, str] = defaultdict(str)
    for ord_, class_name, suite_path, name, occurrence in rows:
        place = class_name or suite_path.rpartition(STEP)[2]
        number = f" #{occurrence}" if occurrence > 1 else ""
        names[ord_] = (f"{place}::{name}" if place else name) + number
    return names


def _name(reason: Reason, names: dict[int, str]) -> Reason:
    named = tuple(
        entry if entry.ord is None else Named(names[entry.ord], entry.ord, entry.note) for entry in reason.named
    )
    return Reason(reason.code, reason.n, reason.told, named)
