"""Fingerprints: what failures of one cause have in common once their changing parts are masked.

Used by `ingest.store`, shown on the run page; pure. Promise: deterministic over processes and releases of Python
(`tests/health/test_rules.py`).
"""

import re
from functools import lru_cache
from hashlib import blake2b
from typing import Final

# Each mask runs only where its sign stands in the text: an upload can bring thousands of messages.
# Longest first: a UUID contains numbers, an address contains digits.
_MASKS: Final[tuple[tuple[str, re.Pattern[str], str], ...]] = (
    ("-", re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"), "<uuid>"),
    ("0x", re.compile(r"\b0x[0-9a-fA-F]+\b"), "<address>"),
    (
        ":",
        re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?"),
        "<time>",
    ),
    ("/", re.compile(r"(?:/[\w.+-]+){2,}/?"), "<path>"),
    ("", re.compile(r"\d+(?:\.\d+)?"), "<n>"),
)
_LONGEST: Final = 500


def mask_message(message: str) -> str:
    """The message with UUIDs, addresses, times, paths, numbers and runs of blanks masked."""
    masked = message[:_LONGEST]
    for sign, pattern, word in _MASKS:
        if sign in masked:
            masked = pattern.sub(word, masked)
    return " ".join(masked.split())


@lru_cache(maxsize=20_000)
def take_fingerprint(kind: str, message: str) -> int:
    """A signed 64-bit number: equal for failures of the same kind with the same masked message."""
    digest = blake2b(f"{kind}\x00{mask_message(message)}".encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)
