"""Every case that is put off, by its report's names: what the lists for pytest are written from.

Called by `dashboard.views.deferred` and `dashboard.api.deferred`. A case that a pattern names and that has no entry of
its own (it runs, or is quarantined) is in it with what the pattern says.
Promise: four statements at most (`tests/dashboard/test_deferred_named.py`).
"""

from collections.abc import Mapping
from typing import Final

from dashboard.queries.deferred_export import OtherName, PutOffName, write_export
from dashboard.queries.sql import Row, fetch_rows
from health.models import Project
from health.rules.identity import STEP
from health.rules.secrets import mask_reason, mask_secrets
from health.sql import open_cursor
from health.standing import fetch_standing


def export_deferred(project: Project, form: str) -> str:
    """The register as a list of that form."""
    rows = fetch_rows(_CASES_SQL, {"project": project.pk})
    # Thousands say the same few.
    reasons = {reason: mask_reason(reason) for reason in {row[5] for row in rows}}
    issues = {issue: mask_secrets(issue) for issue in {row[8] for row in rows}}
    cases = [_read_name(row, reasons, issues) for row in rows]
    others: list[OtherName] = []
    if form == "deselect" and cases:
        classes = sorted({case.class_name for case in cases})
        others = [OtherName(*row) for row in fetch_rows(_OTHERS_SQL, {"project": project.pk, "classes": classes})]
    run = fetch_standing(open_cursor(), project.pk).run
    return write_export(form, cases, others=others, project=project.slug, run=run)


def _read_name(row: Row, reasons: Mapping[str, str], issues: Mapping[str, str]) -> PutOffName:
    namespace, suite_path, class_name, name, kind, reason, owner, review, issue = row
    suites = tuple(part for part in suite_path.split(STEP) if part)
    return PutOffName(namespace, suites, class_name, name, kind, reasons[reason], owner, review, issues[issue])


_CASES_SQL: Final = """
SELECT c.namespace, c.suite_path, c.class_name, c.name, e.kind, e.reason, e.owner, coalesce(e.review_on::text, ''),
    e.issue
FROM (
    SELECT DISTINCT ON (ord) * FROM (
        SELECT d.ord, d.kind, d.reason, d.owner, d.review_on, d.issue, 0 AS layer, d.id FROM health_deferral d
        WHERE d.project_id = %(project)s AND d.closed_at IS NULL AND d.ord IS NOT NULL
        UNION ALL
        SELECT n.ord, d.kind, d.reason, d.owner, d.review_on, d.issue, 1, d.id FROM health_deferral d
        JOIN health_deferredcase n ON n.project_id = d.project_id AND n.deferral_id = d.id
        WHERE d.project_id = %(project)s AND d.closed_at IS NULL AND d.kind <> 'planned') named
    ORDER BY ord, layer, id) e
JOIN health_case c ON c.project_id = %(project)s AND c.ord = e.ord
"""

# Those that still run beside them; pytest goes by how a name begins.
_OTHERS_SQL: Final = """
SELECT c.namespace, c.class_name, c.name FROM health_case c
WHERE c.project_id = %(project)s AND c.class_name = ANY(%(classes)s) AND c.merged_into IS NULL
  AND NOT EXISTS (SELECT FROM health_vanishedcase v WHERE v.project_id = c.project_id AND v.ord = c.ord)
"""
