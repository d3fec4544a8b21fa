"""The bearer token of a request becomes the token's row with its project.

Called by `ingest.auth` before a body is read, and by `dashboard.api.door` before a figure is. Promise: unknown,
revoked and expired are told alike, a token in an address is refused (B1–B6; `tests/ingest/test_door.py`), one that
may not do this does nothing (`tests/dashboard/test_api_access.py`), and who guesses is slowed without harm to a right
token from the same address (S15; `tests/ingest/test_quotas.py`).
"""

import math
from datetime import timedelta
from typing import Final
from urllib.parse import unquote_plus

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from health import allowances
from health.models import UploadToken
from health.models.projects import TOKEN_PREFIX, is_well_formed_token, list_digests
from health.rules.refusals import RefusedError

_USE_NOTED_EVERY: Final = timedelta(minutes=1)


def refuse_in_address(query: str) -> None:
    """Raise RefusedError when a token stands in the query string: addresses are written into logs."""
    if TOKEN_PREFIX in unquote_plus(query):
        raise RefusedError("token_in_url", "The token stands in the address.")


def find_token(authorization: str, *, scope: str, sender: str) -> UploadToken:
    """The valid token of the header `Authorization`, with its project loaded; `sender` is the client's address.

    Raises RefusedError.
    """
    scheme, _, text = authorization.partition(" ")
    if not scheme:
        raise RefusedError("token_missing", "No token was sent.")
    if scheme.lower() != "bearer" or not is_well_formed_token(text.strip()):
        raise RefusedError("token_malformed", "This is not a Suitewatch token.")
    token = _find(text.strip())
    if token is None:
        _slow_guessing(sender)
        raise RefusedError("token_invalid", "The token is unknown, revoked or expired.")
    if scope not in token.scopes:
        raise RefusedError("scope_missing", f"This token may not {scope}.", field=scope)
    _note_use(token)
    return token


def _find(text: str) -> UploadToken | None:
    now = timezone.now()
    return (
        UploadToken.objects.select_related("project")
        .filter(digest__in=list_digests(text), revoked_at=None)
        .filter(Q(expires_at=None) | Q(expires_at__gt=now))
        .first()
    )


def _slow_guessing(sender: str) -> None:
    """Count an answer to an unknown token against the sender's address; only such answers are ever held back."""
    most = settings.WRONG_TOKENS_PER_MINUTE
    if seconds := allowances.take(f"token:{allowances.name_address(sender)}", rate=most / 60, burst=most):
        text = f"More than {most} requests with unknown tokens came from this address within a minute."
        raise RefusedError("rate_limited", text, limit=most, actual=most + 1, retry_after=math.ceil(seconds))


def _note_use(token: UploadToken) -> None:
    """Remember when the token was last used, at most once a minute: a busy pipeline is no write load."""
    now = timezone.now()
    if token.last_used_at is None or token.last_used_at < now - _USE_NOTED_EVERY:
        UploadToken.objects.filter(pk=token.pk).update(last_used_at=now)
