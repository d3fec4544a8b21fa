"""The register says of cases what their spans say: who is put off has an open entry, and nobody else."""

# ruff: noqa: S608 - nothing but constants is put into the statements

from typing import Final

from health.invariants.law import Invariant
from health.rules.lanes import CHANGES
from health.standing import N_RUNS

# Stretches that have not ended, in the series that stand for a project of which every job is judged.
_OPEN_SPANS: Final = f"""
    SELECT p.id AS project_id, s.ord FROM health_project p
    CROSS JOIN LATERAL (
        SELECT coalesce(nullif(p.default_branch, ''), (
            SELECT n.lane FROM health_run n WHERE n.project_id = p.id AND n.lane <> '{CHANGES}'
            ORDER BY n.ordered_at DESC, n.number DESC LIMIT 1)) AS name) lane
    JOIN health_deferredspan s ON s.project_id = p.id AND s.ended_run IS NULL AND s.series IN (
        SELECT j.series FROM health_job j WHERE j.project_id = p.id AND j.run IN (
            SELECT r.number FROM health_run r WHERE r.project_id = p.id AND r.lane = lane.name
              AND EXISTS (SELECT FROM health_job o WHERE o.project_id = p.id AND o.run = r.number)
            ORDER BY r.ordered_at DESC, r.ran_at DESC, r.number DESC LIMIT {N_RUNS}))
    WHERE p.id = ANY(%(projects)s)
      AND NOT EXISTS (SELECT FROM health_job j WHERE j.project_id = p.id AND NOT j.is_judged)
      AND NOT EXISTS (SELECT FROM health_vanishedcase v
                      WHERE v.project_id = p.id AND v.series = s.series AND v.ord = s.ord)
"""

REGISTER: Final = (
    Invariant(
        "put_off_without_entry",
        "case {} is put off, and no open entry of the register says so",
        f"""
        SELECT DISTINCT s.project_id, s.ord FROM ({_OPEN_SPANS}) s WHERE NOT EXISTS (
            SELECT FROM health_deferral d
            WHERE d.project_id = s.project_id AND d.ord = s.ord AND d.closed_at IS NULL AND d.is_put_off)
        """,
    ),
    Invariant(
        "entry_without_span",
        "entry {} says that case {} is put off, and no job does",
        f"""
        SELECT d.project_id, d.id, d.ord FROM health_deferral d
        WHERE d.project_id = ANY(%(projects)s) AND d.is_put_off AND d.ord IS NOT NULL
          AND NOT EXISTS (SELECT FROM health_job j WHERE j.project_id = d.project_id AND NOT j.is_judged)
          AND (d.closed_at IS NOT NULL OR (d.project_id, d.ord) NOT IN ({_OPEN_SPANS}))
        """,
    ),
)
