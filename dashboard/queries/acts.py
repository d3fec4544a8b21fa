"""Who changed what in a project, newest first, in words.

Called by `dashboard.views.settings`. Promise: one statement for any page of it, and an act nobody foresaw is shown by
its own name (`tests/dashboard/test_acts.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from dashboard.queries.reasons import name_reason
from dashboard.templatetags.display import in_words
from health.models import AuditEntry, Project

N_ROWS: Final = 20

# What was done, as the middle of "who … to what".
_WORDS: Final[dict[str, str]] = {
    "configuration.in_force": "put a configuration in force",
    "member.added": "added a member",
    "member.changed": "changed a member's role",
    "member.removed": "removed a member",
    "project.changed": "changed the project",
    "project.created": "made the project",
    "rename.dismissed": "kept two tests apart",
    "rename.merged": "merged two names of a test",
    "rename.undone": "took a merge back",
    "run.finished": "closed a run",
    "run.timed_out": "closed a run that waited too long",
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
        subject="" if upload else subject.replace("_", " ") if entry.action == "project.changed" else subject,
        change=_tell_change(entry.detail),
        upload=upload,
    )


def _find_upload(entry: AuditEntry) -> UUID | None:
    if entry.action != "upload.retried":
        return None
    try:
        return UUID(entry.subject)
    except ValueError:
        return None


def _tell_change(detail: Mapping[str, Any]) -> str:
    """What is worth a line: how many, from what to what, or which token."""
    if n := detail.get("n"):
        return f"{in_words(int(n))} of them"
    if code := detail.get("code"):
        return f"after: {name_reason(str(code))}"
    if last_four := detail.get("last_four"):
        return f"ending in {last_four}"
    before, after = str(detail.get("before") or ""), str(detail.get("after") or "")
    if before and after:
        return f"{before} → {after}"
    return f"was {before}" if before else after
