"""What a project's settings page lists: tokens and members.

Called by `dashboard.views.settings`. Promise: two queries (`tests/dashboard/test_settings_views.py`).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.utils import timezone

from health.models import Membership, Project

# What a token may be for, in the order it is offered.
SCOPES: Final = {"upload": "send reports", "read": "read the figures"}


@dataclass(frozen=True, slots=True)
class TokenLine:
    """A token as it may be shown: its last four characters and what became of it."""

    pk: int
    name: str
    last_four: str
    scopes: tuple[str, ...]
    created_at: datetime
    created_by: str
    last_used_at: datetime | None
    state: str
    word: str

    @property
    def is_active(self) -> bool:
        """Whether it is still taken."""
        return self.state == "holds"

    @property
    def may_send(self) -> bool:
        """Whether CI can send with it."""
        return "upload" in self.scopes

    @property
    def may(self) -> str:
        """What it may do, in words."""
        return ", ".join(word for scope, word in SCOPES.items() if scope in self.scopes) or "nothing"


@dataclass(frozen=True, slots=True)
class MemberLine:
    """One member; the last owner can neither leave nor become less."""

    pk: int
    user_id: int
    name: str
    role: str
    since: datetime
    is_last_owner: bool


def read_tokens(project: Project) -> tuple[TokenLine, ...]:
    """All tokens ever issued, the newest first."""
    now = timezone.now()
    lines = []
    for token in project.upload_tokens.select_related("created_by").order_by("-pk"):
        if token.revoked_at:
            state, word = "absent", "revoked"
        elif token.expires_at and token.expires_at <= now:
            state, word = "absent", "expired"
        else:
            state, word = "holds", "active"
        lines.append(
            TokenLine(
                pk=token.pk,
                name=token.name,
                last_four=token.last_four,
                scopes=tuple(token.scopes),
                created_at=token.created_at,
                created_by=token.created_by.get_username() if token.created_by else "",
                last_used_at=token.last_used_at,
                state=state,
                word=word,
            )
        )
    return tuple(lines)


def read_members(project: Project) -> tuple[MemberLine, ...]:
    """All members by name."""
    members = list(Membership.objects.filter(project=project).select_related("user").order_by("user__username"))
    n_owners = sum(member.role == Membership.Role.OWNER for member in members)
    return tuple(
        MemberLine(
            pk=member.pk,
            user_id=member.user_id,
            name=member.user.get_username(),
            role=member.role,
            since=member.created_at,
            is_last_owner=member.role == Membership.Role.OWNER and n_owners == 1,
        )
        for member in members
    )
