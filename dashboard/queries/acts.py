"""Who changed what in a project, newest first, in words.

Called by `dashboard.views.settings`. Promise: one statement for any page of it, and an act nobody foresaw is shown by
its own name (`tests/dashboard/test_acts.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from dashboard.queries.reasons import name_reason
from dashboard.templatetags.display import in_words, write_day
from health.models import AuditEntry, Project

N_ROWS: Final = 20

# What was done, as the middle of "who … to what".
_WORDS: Final[dict[str, str]] = {
    "cause.category": "said which category a cause is of",
    "cause.joined": "joined a cause that was told apart",
    "cause.merged": "merged causes",
    "cause.split": "told a cause apart by a word",
    "cause.unmerged": "split a cause off",
    "deferral.accepted": "accepted that a test is put off again",
    "deferral.added": "put a test off",
    "deferral.backing_accepted": "accepted that backing tests are gone",
    "deferral.changed": "corrected a deferred entry",
    "deferral.released": "released a test",
    "configuration.in_force": "put a configuration in force",
    "owners.in_force": "put a CODEOWNERS in force",
    "deferrals.in_force": "put a deferrals file in force",
    "member.added": "added a member",
    "member.changed": "changed a member's role",
    "member.removed": "removed a member",
    "project.changed": "changed the project",
    "project.created": "made the project",
    "rename.dismissed": "kept two tests apart",
    "rename.merged": "merged two names of a test",
    "rename.undone": "took a merge back",
    "run.finished": "said that a run is finished",
    "run.timed_out": "stopped waiting for a run",
    "token.created": "made a token",
    "token.revoked": "revoked a token",
    "upload.retried": "had a delivery read again",
    "uploads.retried": "had deliveries read again",
}


@dataclass(frozen=True, slots=True)
class Act:
    """One act: when, who, what, to what, and what changed by it."""

    at: datetime
    actor: str
    what: str
    subject: str
    change: str
    upload: UUID | None  # where the subject is one
    run: int | None  # the page the subject leads to


@dataclass(frozen=True, slots=True)
class History:
    """One page of acts. `next_before` is where the next page starts, empty on the last one."""

    acts: tuple[Act, ...]
    next_before: str
    is_first: bool


def read_acts(project: Project, *, before: str) -> History:
    """The acts behind the one with the number `before`."""
    entries = AuditEntry.objects.filter(project=project)
    is_place = before.isascii() and before.isdigit() and len(before) < 19
    if is_place:
        entries = entries.filter(id__lt=int(before))
    found = list(entries.order_by("-id")[: N_ROWS + 1])
    shown = found[:N_ROWS]
    return History(
        acts=tuple(_describe(entry) for entry in shown),
        next_before=str(shown[-1].pk) if len(found) > N_ROWS else "",
        is_first=not is_place,
    )


def _describe(entry: AuditEntry) -> Act:
    upload = _find_upload(entry)
    subject = name_reason(entry.subject) if entry.action == "uploads.retried" else entry.subject
    return Act(
        at=entry.at,
        actor=entry.actor,
        what=_WORDS.get(entry.action, entry.action.replace("_", " ").replace(".", ", ")),
        subject=_name_delivery(entry.detail) if upload else _tidy(entry.action, subject),
        change=_tell_change(entry.action, entry.detail),
        upload=upload,
        run=_find_run(entry),
    )


def _find_upload(entry: AuditEntry) -> UUID | None:
    if entry.action != "upload.retried":
        return None
    try:
        return UUID(entry.subject)
    except ValueError:
        return None


def _tidy(action: str, subject: str) -> str:
    return subject.replace("_", " ") if action == "project.changed" else subject


def _name_delivery(detail: Mapping[str, Any]) -> str:
    at = parse_datetime(str(detail.get("received_at") or ""))
    return f"the delivery of {write_day(at)}, {timezone.localtime(at):%H:%M}" if at else "a delivery"


def _find_run(entry: AuditEntry) -> int | None:
    """The number of the run an act is about: of its subject, or the one that brought a configuration."""
    told = entry.subject.removeprefix("run ") if entry.action.startswith("run.") else str(entry.detail.get("run", ""))
    return int(told) if told.isascii() and told.isdigit() and len(told) < 10 else None


def _tell_change(action: str, detail: Mapping[str, Any]) -> str:
    """What is worth a line: how many, from what to what, or which token."""
    if action.endswith(".in_force"):
        return _tell_configuration(detail)
    if n := detail.get("n"):
        return f"{in_words(int(n))} {'delivery' if int(n) == 1 else 'deliveries'}"
    if fields := detail.get("fields"):
        return _tell_fields(fields, n=int(detail.get("entries") or 1))
    if missing := detail.get("missing"):
        return str(missing)
    if code := detail.get("code"):
        return f"after: {name_reason(str(code))}"
    if last_four := detail.get("last_four"):
        return f"{'may read, ' if detail.get('may') == 'read' else ''}ending in {last_four}"
    before, after = str(detail.get("before") or ""), str(detail.get("after") or "")
    if before and after:
        return f"{before} → {after}"
    return f"was {before}" if before else after


def _tell_fields(fields: Sequence[str], *, n: int) -> str:
    """Which fields of an entry, and of how many."""
    told = ", ".join("review date" if field == "review" else str(field) for field in fields)
    return told if n == 1 else f"{told}, of {in_words(n)} entries"


def _tell_configuration(detail: Mapping[str, Any]) -> str:
    """Where it came from, and what was in force until then."""
    told = []
    if run := detail.get("run"):
        told.append(f"came with run {run}")
    if commit := detail.get("commit"):
        told.append(f"of commit {str(commit)[:8]}" if told else f"came with commit {str(commit)[:8]}")
    before = detail.get("before")
    return f"{' '.join(told)}{'; ' if told else ''}{f'number {before} until then' if before else 'the first one'}"
