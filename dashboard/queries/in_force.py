"""The configuration in force, as the settings page shows it: since when, from where, what was understood of it.

Its files are in force each by itself. Called by `dashboard.views.settings`. Promise: one statement
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
from health.in_force import FILES_OF_LANE
from health.models import Configuration, Project


@dataclass(frozen=True, slots=True)
class KeptFile:
    """One of the files as it came; `run` is the newest one of the default branch that brought it."""

    name: str
    number: int
    text: str
    since: datetime
    run: int | None
    commit: str
    remarks: tuple[Remark, ...]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file whose newest content could not be read, and the one before it that stays in force."""

    file: KeptFile
    staying: KeptFile | None


@dataclass(frozen=True, slots=True)
class InForce:
    """What is in force of each file."""

    configuration: KeptFile | None
    code_owners: KeptFile | None
    deferrals_file: KeptFile | None
    unreadable: tuple[Unreadable, ...]
    says: tuple[tuple[str, str], ...]
    is_followed: bool  # the figures already go by its rules

    @property
    def files(self) -> tuple[KeptFile, ...]:
        """Those in force."""
        return tuple(file for file in (self.configuration, self.code_owners, self.deferrals_file) if file)

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """What could not be used of them."""
        return tuple(remark for file in self.files for remark in file.remarks)


def read_in_force(project: Project) -> InForce | None:
    """The configuration in force; None when none came with the default branch."""
    numbers = {
        "configuration": project.configuration,
        "code_owners": project.code_owners,
        "deferrals_file": project.deferrals_file,
    }
    rows = fetch_rows(_SQL, {"project": project.pk, "lane": project.default_branch, **numbers})
    kept: dict[int, KeptFile] = {}
    content: dict[str, Any] = {"deferrals": []}
    for number, role, text, said, warnings, since, run, commit in rows:
        remarks = tuple(note(warning) for warning in json.loads(warnings))
        name = Configuration.Role(role).label
        kept[number] = KeptFile(name, number, text, since, run, commit or "", remarks)
        if number in numbers.values():
            content |= {**json.loads(said), "deferrals": content["deferrals"] + json.loads(said).get("deferrals", [])}
    if not kept:
        return None
    in_force = {name: kept.pop(number, None) if number else None for name, number in numbers.items()}
    staying = {file.name: file for file in in_force.values() if file}
    return InForce(
        **in_force,
        unreadable=tuple(Unreadable(file, staying.get(file.name)) for file in kept.values()),
        says=tuple(_list_what_it_says(content)),
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
        ("Causes", _count(content.get("causes", ()), "rule")),
        ("Suite times", _count(content.get("suite_times", ()), "target")),
        ("Deferrals", _count({item["cases"] for item in content["deferrals"]}, "pattern")),
        ("Deferral policy", _tell_policy(content.get("deferral_policy", {}))),
        ("The gate fails on", _tell_gate(content.get("gate", {}))),
    ]
    return [(name, words) for name, words in said if words]


def _tell_policy(policy: Mapping[str, Any]) -> str:
    """What entries have to say, when they are looked at again, and when they are released."""
    days, passes = policy.get("review_after_days"), policy.get("passes_to_release")
    told = [
        f"each needs {', '.join(policy['require'])}" if policy.get("require") else "",
        f"review after {days:,} day{'s' if days > 1 else ''}" if days else "",
        f"release after passing on {in_words(passes)} commit{'s' if passes > 1 else ''}" if passes else "",
    ]
    return "; ".join(filter(None, told))


def _tell_gate(gate: Mapping[str, Any]) -> str:
    if "fail_on" not in gate:
        return ""
    return ", ".join(name.replace("-", " ") for name in gate["fail_on"]) or "nothing, it only tells"


def _count(listed: Any, word: str) -> str:
    return f"{in_words(len(listed))} {word}{'s' if len(listed) > 1 else ''}" if listed else ""


# Of those in force, and of the newest of a kind where another one is in force: that one could not be read.
_UNREADABLE: Final = """
(SELECT CASE WHEN c.is_readable THEN NULL ELSE c.number END {files})
"""
_SQL: Final = f"""
SELECT c.number, c.role, c.text, c.content::text, c.warnings::text, coalesce(a.at, c.first_seen_at), r.number, r.commit
FROM health_configuration c
LEFT JOIN LATERAL (
    SELECT max(at) AS at FROM health_auditentry
    WHERE project_id = c.project_id AND action = c.role || '.in_force') a ON true
LEFT JOIN LATERAL (
    SELECT r.number, r.commit FROM health_run r
    JOIN health_upload u ON u.project_id = r.project_id AND u.run = r.number
        AND c.number = CASE c.role WHEN 'owners' THEN u.code_owners WHEN 'deferrals' THEN u.deferrals_file
            ELSE u.configuration END
    WHERE r.project_id = c.project_id AND r.lane = %(lane)s
    ORDER BY r.ordered_at DESC, r.ran_at DESC, r.number DESC LIMIT 1) r ON true
WHERE c.project_id = %(project)s AND c.number IN (%(configuration)s, %(code_owners)s, %(deferrals_file)s,
    {_UNREADABLE.format(files=FILES_OF_LANE.format(column="configuration", only=""))},
    {_UNREADABLE.format(files=FILES_OF_LANE.format(column="deferrals_file", only=""))})
"""  # noqa: S608 - a constant
