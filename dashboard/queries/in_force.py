"""The configuration in force, as the settings page shows it: since when, from where, what was understood of it.

Called by `dashboard.views.settings`. Promise: one statement, and none where no configuration is in force
(`tests/dashboard/test_in_force_queries.py`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from dashboard.queries.receipt import Remark, note
from dashboard.queries.sql import fetch_rows
from dashboard.templatetags.display import in_words
from health.models import Project


@dataclass(frozen=True, slots=True)
class InForce:
    """One configuration; `run` is the newest one of the default branch that brought it."""

    number: int
    text: str
    owners_text: str
    since: datetime
    run: int | None
    commit: str
    says: tuple[tuple[str, str], ...]
    remarks: tuple[Remark, ...]
    is_followed: bool  # the figures already go by its rules


def read_in_force(project: Project) -> InForce | None:
    """The configuration in force; None when none came with the default branch."""
    values = {"project": project.pk, "number": project.configuration, "lane": project.default_branch}
    rows = fetch_rows(_SQL, values) if project.configuration is not None else []
    if not rows:
        return None
    text, owners_text, content, warnings, since, run, commit = rows[0]
    return InForce(
        number=project.configuration or 0,
        text=text,
        owners_text=owners_text,
        since=since,
        run=run,
        commit=commit or "",
        says=tuple(_list_what_it_says(json.loads(content))),
        remarks=tuple(note(warning) for warning in json.loads(warnings)),
        is_followed=project.rules_of == project.configuration,
    )


def _list_what_it_says(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What it is about, and what it says there; in the order of the documentation."""
    coverage = content.get("coverage", {})
    n_lines = sum(len(section["rules"]) for section in content.get("code_owners", ()))
    lines = f"{_count(range(n_lines), 'line')} of CODEOWNERS" if n_lines else ""
    owners = [_count(content.get("owners", ()), "rule"), lines]
    said = [
        ("Suites and levels", _count(content.get("suites", ()), "rule")),
        ("Prefixes of paths", ", ".join(coverage.get("prefixes", ()))),
        ("Levels of coverage", _count(coverage.get("levels", ()), "rule")),
        ("Jobs of a run", ", ".join(content.get("expected_jobs", ()))),
        ("A run waits", f"{content['run']['timeout_minutes']} minutes" if content.get("run") else ""),
        ("Owners", ", and ".join(filter(None, owners))),
    ]
    return [(name, words) for name, words in said if words]


def _count(listed: Any, word: str) -> str:
    return f"{in_words(len(listed))} {word}{'s' if len(listed) > 1 else ''}" if listed else ""


_SQL: Final = """
SELECT c.text, c.owners_text, c.content::text, c.warnings::text, coalesce(a.at, c.first_seen_at), r.number, r.commit
FROM health_configuration c
LEFT JOIN LATERAL (
    SELECT max(at) AS at FROM health_auditentry
    WHERE project_id = c.project_id AND action = 'configuration.in_force') a ON true
LEFT JOIN LATERAL (
    SELECT r.number, r.commit FROM health_run r
    JOIN health_upload u ON u.project_id = r.project_id AND u.run = r.number AND u.configuration = c.number
    WHERE r.project_id = c.project_id AND r.lane = %(lane)s
    ORDER BY r.ordered_at DESC, r.ran_at DESC, r.number DESC LIMIT 1) r ON true
WHERE c.project_id = %(project)s AND c.number = %(number)s
"""
