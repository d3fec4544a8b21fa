"""The one place where a case's identity is decided: which two reports speak of the same case.

Identity = (namespace given with the upload, enclosing suite names, class name, name, occurrence), byte for byte:
no trimming, no Unicode normalisation. Only what changes from run to run by itself is masked: a memory address, a UUID,
a moment. Used by `ingest.cases`; pure.
"""

import re
from collections.abc import Collection, Iterable
from hashlib import blake2b
from typing import Final, NamedTuple
from uuid import UUID

PART: Final = "\x1f"  # between suite path, class name, name and occurrence in a report's key
STEP: Final = "\x1e"  # between the names of enclosing suites; XML can hold neither character

# Constants stand in names for good (`[0xff]`, `[2024-01-31]`); these do not.
_VOLATILE: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (re.compile(r"\bat 0x[0-9a-fA-F]{6,16}\b"), "at <address>"),
    (re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"), "<uuid>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?"), "<time>"),
    (re.compile(r"(?<=-)20\d{12}(?!\d)"), "<time>"),  # unittest-xml-reporting: TestCase-20260301120000
)


class Identity(NamedTuple):
    """A case's name in its parts; `suite_path` is the enclosing suite names joined by STEP."""

    namespace: str
    suite_path: str
    class_name: str
    name: str
    occurrence: int


def split_key(key: str, *, namespace: str) -> Identity:
    """Take a report's key apart: suite path, class name, name, and the occurrence when it is not the first."""
    suite_path, class_name, name, *occurrence = key.split(PART)
    return Identity(namespace, suite_path, class_name, name, int(occurrence[0]) if occurrence else 1)


def digest_key(key: str, *, namespace: str) -> UUID:
    """The 128-bit digest that stands for an identity in the case table's unique index."""
    packed = key.encode("utf-8", "surrogatepass")
    return UUID(bytes=blake2b(namespace.encode() + b"\x00" + packed, digest_size=16).digest())


def mask_volatile(key: str) -> str:
    """The key without what changes from run to run by itself; most keys come back as they are."""
    for pattern, word in _VOLATILE:
        key = pattern.sub(word, key)
    return key


def steady_keys(keys: Iterable[str], *, report: Collection[str] = ()) -> dict[str, str]:
    """For each key with a volatile part the steady one that stands for it, numbered in the order of the report.

    `repr <object at 0x7f…>` twice in a report are the first and the second of one family, in every run. A number whose
    key stands in the `report` to the letter is passed over: it is another case's.
    """
    seen: dict[str, int] = {}
    literal: set[str] | None = None
    steady: dict[str, str] = {}
    for key in keys:
        masked = mask_volatile(key)
        if masked == key or key in steady:
            continue
        literal = set(report) if literal is None else literal
        base = PART.join(masked.split(PART)[:3])
        number = seen.get(base, 0) + 1
        while (name := base if number == 1 else f"{base}{PART}{number}") in literal:
            number += 1
        seen[base] = number
        steady[key] = name
    return steady
