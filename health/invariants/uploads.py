"""Uploads: where they stand, and the payload that came with them."""

# ruff: noqa: S608 - nothing but constants is put into the statements

from typing import Final

from health.invariants.law import FINAL, KEPT, Invariant

UPLOADS: Final = (
    Invariant(
        "lease_missing",
        "upload {} is being processed under no lease: nothing would ever take it over",
        """
        SELECT project_id, public_id FROM health_upload
        WHERE project_id = ANY(%(projects)s) AND state = 'processing' AND lease_until IS NULL
        """,
    ),
    Invariant(
        "lease_forgotten",
        "the lease of upload {} ended {} s ago and nobody has taken it over: do worker and beat run?",
        """
        SELECT project_id, public_id, extract(epoch FROM clock_timestamp() - lease_until)::int FROM health_upload
        WHERE project_id = ANY(%(projects)s) AND state = 'processing'
          AND lease_until < clock_timestamp() - make_interval(secs => %(patience)s)
        """,
    ),
    Invariant(
        "try_forgotten",
        "upload {} is {} after {} tries, more than it may have: nothing would ever read it or give it up",
        """
        SELECT project_id, public_id, state, attempts FROM health_upload
        WHERE project_id = ANY(%(projects)s) AND state IN ('received', 'retry') AND attempts >= %(most_attempts)s
          AND next_attempt_at < clock_timestamp() - make_interval(secs => %(patience)s)
        """,
    ),
    Invariant(
        "lease_left_over",
        "upload {} is {} and still has a lease",
        """
        SELECT project_id, public_id, state FROM health_upload
        WHERE project_id = ANY(%(projects)s) AND state <> 'processing' AND lease_until IS NOT NULL
        """,
    ),
    Invariant(
        "end_without_time",
        "upload {} is {} and does not say since when",
        f"""
        SELECT project_id, public_id, state FROM health_upload
        WHERE project_id = ANY(%(projects)s) AND state IN {FINAL} AND finished_at IS NULL
        """,
    ),
    Invariant(
        "end_too_early",
        "upload {} is {}, and yet it is said to have ended",
        f"""
        SELECT project_id, public_id, state FROM health_upload
        WHERE project_id = ANY(%(projects)s) AND state NOT IN {FINAL} AND finished_at IS NOT NULL
        """,
    ),
    Invariant(
        "end_without_reason",
        "upload {} is {} and does not say why",
        """
        SELECT project_id, public_id, state FROM health_upload
        WHERE project_id = ANY(%(projects)s) AND (
            (state IN ('failed', 'dead') AND coalesce(error ->> 'code', '') = '')
            OR (state = 'partial' AND NOT jsonb_path_exists(coalesce(receipt, '{}'), '$.files[*].error.code')))
        """,
    ),
    Invariant(
        "receipt_missing",
        "upload {} is {} and has no receipt",
        f"""
        SELECT project_id, public_id, state FROM health_upload
        WHERE project_id = ANY(%(projects)s) AND state IN {KEPT}
          AND jsonb_typeof(receipt -> 'files') IS DISTINCT FROM 'array'
        """,
    ),
    Invariant(
        "payload_missing",
        "upload {} is {} and its files are not kept: it can never be read",
        """
        SELECT project_id, public_id, state FROM health_upload u
        WHERE project_id = ANY(%(projects)s) AND state IN ('received', 'processing', 'retry', 'dead')
          AND (NOT EXISTS (SELECT 1 FROM health_uploadfile f WHERE f.upload_id = u.id)
               OR EXISTS (SELECT 1 FROM health_uploadfile f WHERE f.upload_id = u.id AND NOT EXISTS (
                   SELECT 1 FROM health_payloadchunk c WHERE c.file_id = f.id)))
        """,
    ),
    Invariant(
        "payload_hole",
        "file {} of upload {} has {} pieces, and the last one is number {}",
        """
        SELECT u.project_id, f.name, u.public_id, pieces.n, pieces.last FROM health_upload u
        JOIN health_uploadfile f ON f.upload_id = u.id
        CROSS JOIN LATERAL (
            SELECT count(*) AS n, max(sequence) AS last, min(sequence) AS first FROM health_payloadchunk
            WHERE file_id = f.id) pieces
        WHERE u.project_id = ANY(%(projects)s) AND pieces.n > 0
          AND (pieces.first <> 0 OR pieces.last <> pieces.n - 1)
        """,
    ),
    # Of no project, so every project's check finds them.
    Invariant(
        "file_without_upload",
        "the file {} (number {}) belongs to no upload",
        """
        SELECT NULL, f.name, f.id FROM health_uploadfile f
        WHERE NOT EXISTS (SELECT 1 FROM health_upload u WHERE u.id = f.upload_id)
        """,
    ),
    Invariant(
        "piece_without_file",
        "{} pieces of payload belong to no file (number {})",
        """
        SELECT NULL, count(*), c.file_id FROM health_payloadchunk c
        WHERE NOT EXISTS (SELECT 1 FROM health_uploadfile f WHERE f.id = c.file_id) GROUP BY c.file_id
        """,
    ),
)
