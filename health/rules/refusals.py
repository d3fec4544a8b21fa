"""Why a request with a token is turned away, in the words that both sides of the API use: sending and reading.

Raised by `health.tokens`; pure. `ingest.errors` takes the hints over into the closed list of codes, so that a code
says the same wherever it is met (`tests/health/test_tokens.py`).
"""

from typing import Final

HINTS: Final[dict[str, str]] = {
    "token_missing": "Set SUITEWATCH_TOKEN or pass --token; it travels as `Authorization: Bearer sw_up_…`.",
    "token_malformed": "Tokens start with sw_up_ and end with a checksum: copy the whole of it, without quotes.",
    "token_invalid": "Make a new token on the project's settings page and replace the CI secret.",
    "scope_missing": "Make a token with this scope on the project's settings page.",
    "token_in_url": "Send it in the Authorization header. This one stands in access logs now: revoke it.",
    "https_required": "Use the https:// address of this server.",
    "rate_limited": "Wait as long as Retry-After says. The uploader does so by itself.",
}


class RefusedError(Exception):
    """A request is turned away; `retry_after` is in seconds, the rest as in the one shape of errors."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        field: str | None = None,
        limit: int | None = None,
        actual: int | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.limit = limit
        self.actual = actual
        self.retry_after = retry_after

    @property
    def hint(self) -> str:
        """What to do."""
        return HINTS[self.code]
