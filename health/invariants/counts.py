"""Runs, jobs and days: each count is the sum of what stands beneath it."""

# ruff: noqa: S608 - nothing but constants is put into the statements

from typing import Final

from health.invariants.law import KEPT, Invariant

_COUNTS: Final = (
    "n_declared",
    "n_passed",
    "n_failed",
    "n_errored",
    "n_skipped",
    "n_xfailed",
    "n_flaky",
    "duration",
)
_TRANSITIONS: Final = ("n_suite_errors", "n_new", "n_still", "n_fixed", "n_gone")


def _compare(name: str, words: str, sums: str, *, columns: tuple[str, ...]) -> Invariant:
    """A table's counts (`kept`) against what stands beneath it (`sums`): `sums` says where both come from."""
    pairs = ", ".join(
        f"('{column}', coalesce(kept.{column}, 0)::bigint, coalesce(beneath.{column}, 0)::bigint)" for column in columns
    )
    statement = f"""
        {sums}
        CROSS JOIN LATERAL (VALUES {pairs}) AS difference(what, kept, beneath)
        WHERE difference.kept <> difference.beneath
    """
    return Invariant(name, words, statement)


def _sum(columns: tuple[str, ...]) -> str:
    return ", ".join(f"sum({column}) AS {column}" for column in columns)


COUNTS: Final = (
    Invariant(
        "run_without_delivery",
        "run {} has no upload that brought it anything",
        f"""
        SELECT r.project_id, r.number FROM health_run r
        WHERE r.project_id = ANY(%(projects)s) AND NOT EXISTS (
            SELECT 1 FROM health_upload u
            WHERE u.project_id = r.project_id AND u.run = r.number AND u.state IN {KEPT})
        """,
    ),
    Invariant(
        "job_without_delivery",
        "the job of run {} in series {} has no upload, or no run",
        f"""
        SELECT j.project_id, j.run, j.series FROM health_job j
        WHERE j.project_id = ANY(%(projects)s) AND NOT EXISTS (
            SELECT 1 FROM health_upload u
            JOIN health_run r ON r.project_id = u.project_id AND r.number = u.run
            JOIN health_series s ON s.project_id = u.project_id AND s.number = u.series AND s.lane = r.lane
            WHERE u.project_id = j.project_id AND u.run = j.run AND u.series = j.series AND u.state IN {KEPT})
        """,
    ),
    Invariant(
        "baseline_missing",
        "run {} is compared with the job of run {} in series {}, which is not there",
        """
        SELECT j.project_id, j.run, j.baseline_run, j.baseline_series FROM health_job j
        WHERE j.project_id = ANY(%(projects)s) AND j.baseline_run IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM health_job b
            WHERE b.project_id = j.project_id AND b.run = j.baseline_run AND b.series = j.baseline_series)
        """,
    ),
    _compare(
        "run_miscounted",
        "run {}: {} is {}, over its jobs {}",
        f"""
        SELECT kept.project_id, kept.number, difference.*
        FROM (SELECT * FROM health_run WHERE project_id = ANY(%(projects)s)) kept
        LEFT JOIN (
            SELECT project_id, run, {_sum(_COUNTS + _TRANSITIONS)} FROM health_job
            WHERE project_id = ANY(%(projects)s) GROUP BY 1, 2) beneath
            ON beneath.project_id = kept.project_id AND beneath.run = kept.number
        """,
        columns=_COUNTS + _TRANSITIONS,
    ),
    _compare(
        "job_miscounted",
        "the job of run {} in series {}: {} is {}, over its suites {}",
        f"""
        SELECT coalesce(kept.project_id, beneath.project_id), coalesce(kept.run, beneath.run),
            coalesce(kept.series, beneath.series), difference.*
        FROM (SELECT * FROM health_job WHERE project_id = ANY(%(projects)s)) kept
        FULL JOIN (
            SELECT project_id, run, series, {_sum(_COUNTS)} FROM health_runsuite
            WHERE project_id = ANY(%(projects)s) GROUP BY 1, 2, 3) beneath
            ON beneath.project_id = kept.project_id AND beneath.run = kept.run AND beneath.series = kept.series
        """,
        columns=_COUNTS,
    ),
    _compare(
        "day_miscounted",
        "{} of series {}, suite {}: {} is {}, over its runs {}",
        f"""
        SELECT coalesce(kept.project_id, beneath.project_id), coalesce(kept.day, beneath.day),
            coalesce(kept.series, beneath.series), coalesce(kept.suite, beneath.suite), difference.*
        FROM (SELECT * FROM health_suiteday WHERE project_id = ANY(%(projects)s)) kept
        FULL JOIN (
            SELECT s.project_id, j.day, s.series, s.suite, count(*) AS n_runs,
                {", ".join(f"sum(s.{column}) AS {column}" for column in _COUNTS)}
            FROM health_runsuite s
            JOIN health_job j ON j.project_id = s.project_id AND j.run = s.run AND j.series = s.series
            WHERE s.project_id = ANY(%(projects)s) GROUP BY 1, 2, 3, 4) beneath
            ON beneath.project_id = kept.project_id AND beneath.day = kept.day AND beneath.series = kept.series
            AND beneath.suite = kept.suite
        """,
        columns=("n_runs", *_COUNTS),
    ),
)
