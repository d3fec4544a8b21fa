"""Conclusions: what is said of a series stands on jobs that are there. Whether it is right, a rebuild tells."""

# ruff: noqa: S608 - nothing but constants is put into the statements

from typing import Final

from health.invariants.law import Invariant

_TABLES: Final = ("serieswindow", "caseverdict", "vanishedcase", "casespeed", "deferredspan")

CONCLUSIONS: Final = (
    Invariant(
        "conclusion_without_job",
        "{} rows of {} are of series {}, which has no job",
        " UNION ALL ".join(
            f"""
            SELECT x.project_id, count(*), '{table}', x.series FROM health_{table} x
            WHERE x.project_id = ANY(%(projects)s) AND NOT EXISTS (
                SELECT 1 FROM health_job j WHERE j.project_id = x.project_id AND j.series = x.series)
            GROUP BY x.project_id, x.series
            """
            for table in _TABLES
        ),
    ),
    Invariant(
        "cause_without_job",
        "causes are counted of run {} in series {}, and there is no such job",
        """
        SELECT DISTINCT c.project_id, c.run, c.series FROM health_causecount c
        WHERE c.project_id = ANY(%(projects)s) AND NOT EXISTS (
            SELECT 1 FROM health_job j WHERE j.project_id = c.project_id AND j.run = c.run AND j.series = c.series)
        """,
    ),
    Invariant(
        "spans_overlap",
        "case {} in series {} is put off from run {} on, which had not ended before it was again, in run {}",
        """
        SELECT project_id, ord, series, first_run, next_run FROM (
            SELECT s.project_id, s.ord, s.series, s.first_run, s.ended_run,
                (e.ordered_at, e.ran_at, e.run) AS ended, lead(s.first_run) OVER by_case AS next_run,
                lead((b.ordered_at, b.ran_at, b.run)) OVER by_case AS next_began
            FROM health_deferredspan s
            JOIN health_job b ON b.project_id = s.project_id AND b.series = s.series AND b.run = s.first_run
            LEFT JOIN health_job e ON e.project_id = s.project_id AND e.series = s.series AND e.run = s.ended_run
            WHERE s.project_id = ANY(%(projects)s)
            WINDOW by_case AS (PARTITION BY s.project_id, s.series, s.ord ORDER BY b.ordered_at, b.ran_at, b.run)
        ) spans
        WHERE next_run IS NOT NULL AND (ended_run IS NULL OR ended > next_began)
        """,
    ),
    Invariant(
        "window_outdated",
        "every job of series {} is judged, and its window ends with run {} where the newest is {}",
        """
        SELECT s.project_id, s.number, coalesce(w.last_run::text, 'none'), newest.run FROM health_series s
        CROSS JOIN LATERAL (
            SELECT run FROM health_job j WHERE j.project_id = s.project_id AND j.series = s.number
            ORDER BY ordered_at DESC, ran_at DESC, run DESC LIMIT 1) newest
        LEFT JOIN health_serieswindow w ON w.project_id = s.project_id AND w.series = s.number
        WHERE s.project_id = ANY(%(projects)s) AND w.last_run IS DISTINCT FROM newest.run AND NOT EXISTS (
            SELECT 1 FROM health_job j
            WHERE j.project_id = s.project_id AND j.series = s.number AND NOT j.is_judged)
        """,
    ),
)
