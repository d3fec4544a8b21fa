"""Who owns cases, by the configuration in force.

Used by the queries of run and case. Promise: one statement, and none where no configuration is in force
(`tests/dashboard/test_owners_queries.py`).
"""

import json
from collections.abc import Collection
from typing import Any, Final

from dashboard.queries.cases import CaseName
from dashboard.queries.sql import fetch_rows
from health.models import Project
from health.rules.identity import STEP
from health.rules.owners import compile_owners
from health.rules.selectors import take_parts


def read_owners(project: Project, *, cases: Collection[CaseName]) -> dict[int, tuple[str, ...]]:
    """Teams and people by case number; a case that nobody owns is left out."""
    if project.configuration is None or not cases:
        return {}
    values = {
        "project": project.pk,
        "number": project.configuration,
        "suites": sorted({case.suite for case in cases}),
    }
    rows = fetch_rows(_OWNERS_SQL, values)
    content: dict[str, Any] = json.loads(rows[0][0]) if rows else {}
    owners = compile_owners({name: value for name, value in content.items() if value})
    if owners.is_empty:
        return {}
    found = {}
    for case in cases:
        parts = take_parts(
            case.namespace,
            suite_path=STEP.join(case.suite_path),
            class_name=case.class_name,
            name=case.name,
            suite=content["suites"].get(str(case.suite), ""),
        )
        if names := owners.find(parts):
            found[case.ord] = names
    return found


_OWNERS_SQL: Final = """
SELECT jsonb_build_object(
    'owners', c.content -> 'owners',
    'code_owners', c.content -> 'code_owners',
    'suites', (SELECT coalesce(jsonb_object_agg(s.number, s.name), '{}') FROM health_suite s
               WHERE s.project_id = c.project_id AND s.number = ANY(%(suites)s))
)::text FROM health_configuration c WHERE c.project_id = %(project)s AND c.number = %(number)s
"""
