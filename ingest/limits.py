"""Every limit a sender can meet, with its value here: what `GET /api/v1/limits` shows.

Called by `ingest.views`. Promise: each is a setting, and each setting that limits uploads is listed
(`tests/ingest/test_limits.py`); `docs/limits.md` says more.
"""

from dataclasses import asdict, dataclass
from typing import Any, Final

from django.conf import settings


@dataclass(frozen=True, slots=True)
class Limit:
    """A setting by its name, its unit, what it bounds, and the code of an upload that goes over."""

    name: str
    unit: str
    meaning: str
    code: str


LIMITS: Final = (
    Limit("UPLOAD_MAX_WIRE_BYTES", "bytes", "One request, as it is sent.", "too_large"),
    Limit("UPLOAD_MAX_PLAIN_BYTES", "bytes", "All files of one upload, unpacked.", "too_large_uncompressed"),
    Limit("UPLOAD_MAX_CASES", "cases", "Cases in one file.", "too_many_cases"),
    Limit("UPLOAD_MAX_SOURCE_FILES", "files", "Source files in all coverage of one upload.", "coverage_too_large"),
    Limit("UPLOAD_MAX_SOURCE_LINES", "lines", "Their highest line numbers, added up.", "coverage_too_large"),
    Limit("UPLOAD_MAX_JSON_BYTES", "bytes", "One coverage report in JSON.", "too_large_uncompressed"),
    Limit("UPLOAD_MAX_FILES", "files", "Files in one upload; an archive counts as one.", "too_many_parts"),
    Limit("UPLOAD_MAX_ARCHIVE_FILES", "files", "Files in all zip archives of one upload.", "too_many_parts"),
    Limit(
        "UPLOAD_MAX_CONFIGURATION_BYTES",
        "bytes",
        "A file of the configuration; a larger one is left out.",
        "configuration_too_large",
    ),
    Limit("UPLOAD_TIMEOUT_SECONDS", "seconds", "A request, from its first byte to its last.", "upload_timeout"),
    Limit("UPLOAD_READ_TIMEOUT_SECONDS", "seconds", "A pause while a request arrives.", "upload_timeout"),
    Limit("UPLOAD_BURST", "uploads", "Uploads of one project at once.", "rate_limited"),
    Limit("UPLOAD_RATE_PER_MINUTE", "uploads per minute", "Uploads of one project, after a burst.", "rate_limited"),
    Limit("UPLOAD_MAX_WAITING", "uploads", "Uploads of one project that wait to be read.", "queue_full"),
    Limit("UPLOAD_MAX_BYTES_PER_DAY", "bytes per day", "What one project sends; 0: any amount.", "quota_exceeded"),
    Limit("CHECKS_PER_MINUTE", "requests per minute", "Checks of .suitewatch.yml of one address.", "rate_limited"),
    Limit(
        "WRONG_TOKENS_PER_MINUTE", "requests per minute", "Requests of one address with unknown tokens.", "rate_limited"
    ),
)


def list_limits() -> list[dict[str, Any]]:
    """Name, value, unit, meaning and code of each; names as in the environment."""
    return [
        asdict(limit) | {"name": f"SUITEWATCH_{limit.name}", "value": getattr(settings, limit.name)} for limit in LIMITS
    ]
