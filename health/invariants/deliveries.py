"""What was delivered, and what is kept of it: runs, tiles, failures, texts, coverage reports."""

# ruff: noqa: S608 - nothing but constants is put into the statements

from typing import Final

from health.invariants.law import KEPT, Invariant

DELIVERIES: Final = (
    Invariant(
        "upload_without_run",
        "upload {} is {} and belongs to no run",
        f"""
        SELECT u.project_id, u.public_id, u.state FROM health_upload u
        WHERE u.project_id = ANY(%(projects)s) AND u.state IN {KEPT} AND NOT EXISTS (
            SELECT 1 FROM health_run r WHERE r.project_id = u.project_id AND r.number = u.run)
        """,
    ),
    Invariant(
        "upload_without_job",
        "upload {} brought results to run {} and there is no such job",
        f"""
        SELECT u.project_id, u.public_id, u.run FROM health_upload u
        WHERE u.project_id = ANY(%(projects)s) AND u.state IN {KEPT} AND u.series IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM health_job j WHERE j.project_id = u.project_id AND j.run = u.run AND j.series = u.series)
        """,
    ),
    Invariant(
        "results_lost",
        "the receipt of upload {} says {} results, its tiles hold {}",
        f"""
        SELECT u.project_id, u.public_id, told.n, held.n FROM health_upload u
        CROSS JOIN LATERAL (
            SELECT coalesce(sum((file ->> 'accepted')::bigint), 0) AS n
            FROM jsonb_array_elements(CASE jsonb_typeof(u.receipt -> 'files') WHEN 'array'
                                      THEN u.receipt -> 'files' ELSE '[]' END) file
            WHERE file ? 'tests') told
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(t.n), 0) AS n FROM health_tile t
            WHERE t.project_id = u.project_id AND t.series = u.series AND t.run = u.run AND t.upload = u.id) held
        WHERE u.project_id = ANY(%(projects)s) AND u.state IN {KEPT} AND told.n <> held.n
        """,
    ),
    *(
        Invariant(
            f"{fact}_without_upload",
            f"{what} {{}} belong to upload number {{}}, which did not bring them",
            f"""
            SELECT x.project_id, count(*), x.upload FROM {table} x
            WHERE x.project_id = ANY(%(projects)s) AND NOT EXISTS (
                SELECT 1 FROM health_upload u WHERE u.id = x.upload AND u.project_id = x.project_id
                  AND u.state IN {KEPT} {places})
            GROUP BY x.project_id, x.upload
            """,
        )
        for fact, what, table, places in (
            (
                "tile",
                "tiles:",
                "health_tile",
                "AND u.run = x.run AND u.series = x.series AND u.attempt = x.attempt",
            ),
            ("failure", "failures:", "health_failure", "AND u.run = x.run AND u.series = x.series"),
            ("text", "blobs of texts:", "health_failuretext", ""),
            ("coverage", "coverage reports:", "health_coveragereport", "AND u.run = x.run"),
        )
    ),
    Invariant(
        "failure_without_text",
        "the failures of upload number {} and its texts are not there together",
        """
        SELECT coalesce(f.project_id, t.project_id), coalesce(f.upload, t.upload)
        FROM (SELECT DISTINCT project_id, upload FROM health_failure WHERE project_id = ANY(%(projects)s)) f
        FULL JOIN (SELECT project_id, upload FROM health_failuretext WHERE project_id = ANY(%(projects)s)) t
            ON t.project_id = f.project_id AND t.upload = f.upload
        WHERE f.upload IS NULL OR t.upload IS NULL
        """,
    ),
    Invariant(
        "failure_without_cause",
        "{} failures have a fingerprint that nothing is known of ({})",
        """
        SELECT f.project_id, count(*), f.fingerprint FROM health_failure f
        WHERE f.project_id = ANY(%(projects)s) AND NOT EXISTS (
            SELECT 1 FROM health_fingerprint p WHERE p.project_id = f.project_id AND p.fingerprint = f.fingerprint)
        GROUP BY f.project_id, f.fingerprint
        """,
    ),
    Invariant(
        "tile_damaged",
        "a tile of run {} (series {}, block {}, upload number {}) cannot be unpacked",
        """
        SELECT project_id, run, series, block, upload FROM health_tile
        WHERE project_id = ANY(%(projects)s) AND (
            length(durations) <> 2 * length(outcomes) OR length(outcomes) > 512 OR n < 1
            OR CASE encoding WHEN 0 THEN offsets IS NOT NULL OR n > length(outcomes)
               ELSE coalesce(length(offsets), 0) <> 2 * n OR length(outcomes) <> n END)
        """,
    ),
)

# Costs a look at every result, so only a thorough check asks.
THOROUGH: Final = (
    Invariant(
        "tile_miscounted",
        "a tile of run {} (series {}, block {}, upload number {}) says it holds {} results, and holds {}",
        """
        SELECT t.project_id, t.run, t.series, t.block, t.upload, t.n, held.n FROM health_tile t
        CROSS JOIN LATERAL (
            SELECT count(*) FILTER (WHERE get_byte(t.outcomes, i) BETWEEN 1 AND 7) AS n
            FROM generate_series(0, length(t.outcomes) - 1) i) held
        WHERE t.project_id = ANY(%(projects)s) AND held.n <> t.n
        """,
    ),
)
