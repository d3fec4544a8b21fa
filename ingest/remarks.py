"""A remark: what a person should know about something that was read all the same.

Made by the door, the parsers, the store and the reader of `.suitewatch.yml`; answers and receipts hold its JSON.
Promise: the JSON can be stored, whatever stood in the file it is about (`tests/ingest/test_remarks.py`).
"""

from dataclasses import dataclass
from typing import Any, Final

from ingest.errors import make_storable

# What helps with remarks about an upload as a whole; those about files have lists of their own beside their readers.
HINTS: Final[dict[str, str]] = {
    "sibling_deliveries": "Give each leg of a matrix its own --variant, each part of a divided job its --shard, and a "
    "re-run its --attempt.",
    "timestamp_out_of_range": "Send an ISO 8601 time with its zone, such as 2026-08-19T19:50:00-07:00.",
    "unknown_field": "Check its spelling; docs/uploading.md lists the fields.",
    "volatile_name": "Give the parameters ids that stay the same from run to run.",
}


@dataclass(frozen=True, slots=True)
class Remark:
    """One of `count` places, and what helps; lines and columns count from 1.

    `field` is a path within `file`, such as `suites[2].level`; `upload` is the delivery it points at.
    """

    code: str
    message: str
    line: int | None = None
    column: int | None = None
    hint: str = ""
    count: int = 1
    file: str = ""
    field: str = ""
    upload: str = ""

    def to_json(self) -> dict[str, Any]:
        """The public form."""
        told: dict[str, Any] = {
            "line": self.line,
            "column": self.column,
            "code": self.code,
            "message": make_storable(self.message),
            "hint": make_storable(self.hint),
            "count": self.count,
        }
        if self.file:
            told |= {"file": self.file, "field": make_storable(self.field)}
        return told | ({"upload": self.upload} if self.upload else {})
