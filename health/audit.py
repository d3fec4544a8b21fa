"""Write down who changed what: one row for each act of a person, of CI or of the sweeper.

Called where the act is done, inside its transaction; read by the history on the settings page.
Promise: a row is only ever added, and one act is one row, however much it touched (`tests/health/test_audit.py`).
"""

from typing import Any

from django.contrib.auth.models import User

from health.models import AuditEntry


def record(
    project_id: int,
    *,
    user: User | None = None,
    actor: str = "",
    action: str,
    subject: str,
    detail: dict[str, Any] | None = None,
) -> None:
    """Note that `user`, or else `actor`, did `action` to `subject`; `detail` holds before, after and how many.

    The name is kept beside the person: an act stays somebody's when the account is gone.
    """
    name = user.get_username() if user else actor
    AuditEntry.objects.create(
        project_id=project_id, user=user, actor=name, action=action, subject=subject, detail=detail or {}
    )
