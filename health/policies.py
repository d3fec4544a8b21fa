"""What the configuration in force asks of deferrals.

Used by `health.register`, `health.gate` and the pages. Promise: one statement (`tests/health/test_policies.py`).
"""

import json

from health.rules.deferral_policy import PASSES_TO_RELEASE, DeferralPolicy
from health.sql import Cursor


def fetch_policy(cursor: Cursor, project_id: int) -> DeferralPolicy:
    """The policy of the `.suitewatch.yml` in force, else the usual one."""
    row = cursor.execute(
        """
        SELECT (c.content -> 'deferral_policy')::text FROM health_project p
        JOIN health_configuration c ON c.project_id = p.id AND c.number = p.configuration WHERE p.id = %s
        """,
        (project_id,),
    ).fetchone()
    said = json.loads(row[0]) if row and row[0] else {}
    return DeferralPolicy(
        required=tuple(said.get("require", ())),
        review_after_days=said.get("review_after_days"),
        passes_to_release=said.get("passes_to_release", PASSES_TO_RELEASE),
    )
