"""The one place where a case's identity is decided: which two reports speak of the same case.

Identity = (namespace given with the upload, enclosing suite names, class name, name, occurrence), byte for byte:
no trimming, no Unicode normalisation. Used by `ingest.store`; pure.
"""

from hashlib import blake2b
from typing import Final, NamedTuple
from uuid import UUID

PART: Final = "\x1f"  # between suite path, class name, name and occurrence in a report's key
STEP: Final = "\x1e"  # between the names of enclosing suites; XML can hold neither character


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
