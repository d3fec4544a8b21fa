"""The bearer token of a request becomes the token's row with its project, or an error in the door's shape.

Called by `ingest.views` before a body is read. What makes a token good is said in `health.tokens`
(`tests/ingest/test_door.py`).
"""

from django.http import HttpRequest

from health.models import UploadToken
from health.rules.refusals import RefusedError
from health.tokens import find_token, refuse_in_address
from ingest.errors import IngestError


def authenticate(request: HttpRequest, *, scope: str) -> UploadToken:
    """The valid token of the request, with its project loaded. Raises IngestError."""
    sender = str(request.META.get("REMOTE_ADDR", ""))
    try:
        refuse_in_address(request.META.get("QUERY_STRING", ""))
        return find_token(request.headers.get("Authorization", ""), scope=scope, sender=sender)
    except RefusedError as refused:
        raise IngestError(
            refused.code,
            refused.message,
            field=refused.field,
            limit=refused.limit,
            actual=refused.actual,
            retry_after=refused.retry_after,
        ) from None
