"""What a project's settings page lists: tokens and members.

Called by `dashboard.views.settings`. Promise: two queries (`tests/dashboard/test_settings_views.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.utils import timezone
from django.utils.text import capfirst

from dashboard.templatetags.display import count_in_words, in_words
from health.models import Membership, Project

# What a token may be for, in the order it is offered.
SCOPES: Final = {"upload": "send reports", "read": "read the figures"}


# The same as a verb, for several and for one.
_VERBS: Final = {"upload": ("send", "sends"), "read": ("read", "reads")}


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
    def asked(self) -> str:
        """What is asked before it is revoked."""
        who = "CI that still sends with it is" if self.may_send else "Programs that still read with it are"
        return f"Revoke this token? {who} refused from then on."

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


def write_settings(tokens: Sequence[TokenLine], *, n_members: int) -> str:
    """What follows the project's name: what may be done with its tokens, and by how many people it is seen."""
    seen = f"is seen by {in_words(n_members)} {'person' if n_members == 1 else 'people'}"
    active = [token for token in tokens if token.is_active]
    n_send = sum(token.may_send for token in active)
    n_read = len(active) - n_send
    if n_read:
        if not n_send:
            return f"{seen}. {capfirst(count_in_words(n_read, 'token'))} {_inflect('read', n_read)}, none sends."
        send = f"{capfirst(count_in_words(n_send, 'token'))} {_inflect('upload', n_send)}"
        return f"{seen}. {send}, {in_words(n_read)} {_inflect('read', n_read)}."
    if n_send:
        return f"receives reports by {count_in_words(n_send, 'token')} and {seen}."
    return f"has no token, so nothing can be sent, and {seen}."


def _inflect(scope: str, n: int) -> str:
    return _VERBS[scope][n == 1]


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
