"""Who owns cases, by the files in force.

Used by the queries of run and case. Promise: one statement, and none where no file is in force
(`tests/dashboard/test_owners_queries.py`).
"""

import json
from collections.abc import Collection
from typing import Any, Final, NamedTuple

from dashboard.queries.cases import CaseName
from dashboard.queries.sql import fetch_rows
from health.models import Project
from health.rules.identity import STEP
from health.rules.owners import compile_owners
from health.rules.selectors import take_parts


class Owned(NamedTuple):
    """Who owns which cases, and whether any file says who owns anything."""

    owners: dict[int, tuple[str, ...]]
    is_set: bool


def read_owners(project: Project, *, cases: Collection[CaseName]) -> dict[int, tuple[str, ...]]:
    """Teams and people by case number; a case that nobody owns is left out."""
    return find_owners(project, cases=cases).owners


def find_owners(project: Project, *, cases: Collection[CaseName]) -> Owned:
    """The same, and whether owners are set at all."""
    numbers = {"configuration": project.configuration, "code_owners": project.code_owners}
    if not cases or not any(numbers.values()):
        return Owned({}, is_set=any(numbers.values()))
    values = {"project": project.pk, "suites": sorted({case.suite for case in cases}), **numbers}
    rows = fetch_rows(_OWNERS_SQL, values)
    content: dict[str, Any] = json.loads(rows[0][0]) if rows else {}
    owners = compile_owners({name: value for name, value in content.items() if value})
    if owners.is_empty:
        return Owned({}, is_set=False)
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
    return Owned(found, is_set=True)


_OWNERS_SQL: Final = """
SELECT jsonb_build_object(
    'owners', c.content -> 'owners',
    'code_owners', o.content -> 'code_owners',
    'suites', (SELECT coalesce(jsonb_object_agg(s.number, s.name), '{}') FROM health_suite s
               WHERE s.project_id = p.id AND s.number = ANY(%(suites)s))
)::text FROM health_project p
LEFT JOIN health_configuration c ON c.project_id = p.id AND c.number = %(configuration)s
LEFT JOIN health_configuration o ON o.project_id = p.id AND o.number = %(code_owners)s
WHERE p.id = %(project)s
"""
