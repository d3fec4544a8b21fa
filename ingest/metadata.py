"""What CI says about an upload: field by field checked, cleaned, and read back for the store.

Called by `ingest.envelope` (check) and `ingest.pipeline` (read back from the row); pure but for Django's date parser.
Promise: all wrong fields are named at once; a strange date costs a warning, never the upload (B32, B33).
"""

import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.utils.dateparse import parse_datetime

from ingest.errors import IngestError
from ingest.remarks import HINTS, Remark

_LONGEST_TEXT: Final = 255
# Job, variant and lane stand in one index row together, which holds 2,704 bytes.
_MOST_BYTES: Final = 600
_LONGEST_URL: Final = 2000
_MOST: Final = {"attempt": 1000, "expected_jobs": 1000}
_COMMIT = re.compile(r"[0-9a-fA-F]{7,64}")
_PULL_REQUEST = re.compile(r"[0-9]{1,12}")
_SHARD = re.compile(r"([1-9][0-9]{0,3})/([1-9][0-9]{0,3})")
_DATE_LIKE = re.compile(r"[+-]?\d{4,6}-\d\d?-\d\d?([T ].*)?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

TEXT_FIELDS: Final = (
    "branch",
    "provider",
    "run_id",
    "job",
    "job_id",
    "variant",
    "suite",
    "level",
    "namespace",
    "default_branch",
)
FIELDS: Final = frozenset(
    {*TEXT_FIELDS, "commit", "pull_request", "attempt", "build_url", "committed_at", "ran_at", "shard", "expected_jobs"}
)


@dataclass(frozen=True, slots=True)
class Metadata:
    """The cleaned fields of the upload API; a text that was not sent is empty."""

    commit: str = ""
    branch: str = ""
    pull_request: str = ""
    committed_at: datetime | None = None
    ran_at: datetime | None = None
    provider: str = ""
    run_id: str = ""
    attempt: int | None = None  # as it was said; where nobody says, `health.attempts` counts job ids
    expected_jobs: int | None = None
    job: str = ""
    job_id: str = ""
    variant: str = ""
    shard: str = ""
    build_url: str = ""
    suite: str = ""
    level: str = ""
    namespace: str = ""
    default_branch: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values for the upload's row; what was not sent is left out."""
        values = {name: value for name, value in asdict(self).items() if value not in ("", None)}
        return {name: v.isoformat() if isinstance(v, datetime) else v for name, v in values.items()}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Metadata":
        """Read back what `to_json` wrote; names this version does not know are left alone."""
        values = {name: value for name, value in stored.items() if name in FIELDS}
        for name in ("committed_at", "ran_at"):
            if name in values:
                values[name] = datetime.fromisoformat(values[name])
        return cls(**values)


def check_metadata(raw: dict[str, str], *, now: datetime) -> tuple[Metadata, list[Remark]]:
    """Clean the fields of a delivery. Returns them with warnings; raises IngestError naming every wrong field."""
    wrong: dict[str, str] = {}
    warnings: list[Remark] = []
    values: dict[str, Any] = {}
    for name, text in raw.items():
        if name not in FIELDS:
            text = f"The field {name[:80]!r} is not known and was not read."
            warnings.append(Remark("unknown_field", text, hint=HINTS["unknown_field"]))
        elif text.strip():
            try:
                value = _check(name, text.strip(), now, warnings)
            except ValueError as problem:
                wrong[name] = str(problem)
            else:
                if value is not None:
                    values[name] = value
    if wrong:
        listed = "; ".join(f"{name}: {problem}" for name, problem in sorted(wrong.items()))
        raise IngestError("invalid_field", f"These fields cannot be used: {listed}.", field=", ".join(sorted(wrong)))
    return Metadata(**values), warnings


def _check(name: str, text: str, now: datetime, warnings: list[Remark]) -> Any:
    if _CONTROL.search(text):
        raise ValueError("must not contain control characters")
    if name in ("committed_at", "ran_at"):
        return _check_time(name, text, now, warnings)
    if most := _MOST.get(name):
        if not re.fullmatch(r"[0-9]{1,6}", text) or not 1 <= int(text) <= most:
            raise ValueError(f"must be a whole number from 1 to {most}")
        return int(text)
    if name == "build_url":
        if not re.match(r"https?://[^\s/]", text) or len(text) > _LONGEST_URL:
            raise ValueError(f"must be an http or https address of at most {_LONGEST_URL} characters")
        return text
    shapes = {"commit": _COMMIT, "pull_request": _PULL_REQUEST, "shard": _SHARD}
    forms = {
        "commit": "must be 7 to 64 hexadecimal digits",
        "pull_request": "must be the number of a pull request",
        "shard": "must look like 2/5, the first number not above the second",
    }
    if name in shapes and not shapes[name].fullmatch(text):
        raise ValueError(forms[name])
    if name == "shard" and int(text.partition("/")[0]) > int(text.partition("/")[2]):
        raise ValueError(forms[name])
    if len(text) > _LONGEST_TEXT:
        raise ValueError(f"must be at most {_LONGEST_TEXT} characters, and has {len(text)}")
    if (n_bytes := len(text.encode())) > _MOST_BYTES:
        raise ValueError(f"must be at most {_MOST_BYTES} bytes of UTF-8, and has {n_bytes}")
    return text.lower() if name == "commit" else text


def _check_time(name: str, text: str, now: datetime, warnings: list[Remark]) -> datetime | None:
    """A moment with its zone. An impossible or zoneless one counts as not sent, with a warning.

    Not as the time of arrival: the field is part of what makes two deliveries the same.
    """
    if not _DATE_LIKE.fullmatch(text):
        raise ValueError("must be an ISO 8601 time with its zone, such as 2026-08-19T19:50:00-07:00")
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment and moment.tzinfo and datetime(1990, 1, 1, tzinfo=UTC) <= moment <= now + timedelta(days=1):
        return moment.astimezone(UTC)
    reason = "has no time zone" if moment and not moment.tzinfo else "is out of range"
    message = f"{name} {text[:40]!r} {reason}; it counts as not sent."
    warnings.append(Remark("timestamp_out_of_range", message, hint=HINTS["timestamp_out_of_range"]))
    return None
