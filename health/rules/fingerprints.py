"""Fingerprints: what failures of one cause have in common once their changing parts are masked.

Used by `ingest.store` and `health.causes`; the pages of run and causes show which words were masked; pure.
Promise: deterministic over processes and releases of Python, and the words named by `list_masks` are those that
`mask_message` masks (`tests/health/test_fingerprints.py`).
"""

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Final, NamedTuple

# Each mask runs only where its sign stands in the text: an upload can bring thousands of messages.
# Longest first: a UUID contains numbers, an address contains digits.
_MASKS: Final[tuple[tuple[str, re.Pattern[str], str], ...]] = (
    ("-", re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"), "<uuid>"),
    ("0x", re.compile(r"\b0x[0-9a-fA-F]+\b"), "<address>"),
    # Java writes objects as `TngTest@36d4b5c`: another number in every run.
    ("@", re.compile(r"(?<=\w@)(?=[a-f]{0,7}[0-9])[0-9a-f]{5,8}\b"), "<address>"),
    (
        ":",
        re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?"),
        "<time>",
    ),
    ("/", re.compile(r"(?:/[\w.+-]+){2,}/?"), "<path>"),
    ("", re.compile(r"\d+(?:\.\d+)?"), "<n>"),
)
_LONGEST: Final = 500
_HEX: Final = re.compile(r"[0-9a-f]{16}")
# Splits can be split again, each time by one more word; nobody does that so often.
_MOST_KEPT: Final = 20

# Which place of a fingerprint's messages is kept, because a person told its failures apart by the word there.
Splits = Mapping[int, int]


class Mask(NamedTuple):
    """One masked word of a message: from where to where, and what stands in its place."""

    start: int
    end: int
    stand_in: str


def mask_message(message: str, *, kept: Collection[int] = ()) -> str:
    """The message with UUIDs, addresses, times, paths, numbers and runs of blanks masked.

    The masked words at the places `kept` stay as they are.
    """
    masked = message[:_LONGEST]
    if kept:
        masked = _mask_all_but(masked, kept)
    else:
        for sign, pattern, stand_in in _MASKS:
            if sign in masked:
                masked = pattern.sub(stand_in, masked)
    return " ".join(masked.split())


def list_masks(message: str) -> list[Mask]:
    """The words of a message that are masked, in their order; the first one is place 0."""
    pieces: list[tuple[int, int, str]] = [(0, min(len(message), _LONGEST), "")]
    for _, pattern, stand_in in _MASKS:
        pieces = [found for piece in pieces for found in _cut(message, piece, pattern, stand_in)]
    return [Mask(*piece) for piece in pieces if piece[2]]


def _cut(
    message: str, piece: tuple[int, int, str], pattern: re.Pattern[str], stand_in: str
) -> list[tuple[int, int, str]]:
    """A piece of a message cut where the pattern fits; one that is masked already stays whole.

    What stands in is no part of a word, so that both ends of a piece are ends of words, as they are for the pattern.
    """
    start, end, taken = piece
    if taken:
        return [piece]
    found, at = [], start
    for match in pattern.finditer(message[start:end]):
        found += [(at, start + match.start(), ""), (start + match.start(), start + match.end(), stand_in)]
        at = start + match.end()
    return [*found, (at, end, "")]


def _mask_all_but(message: str, kept: Collection[int]) -> str:
    parts, at = [], 0
    for place, mask in enumerate(list_masks(message)):
        parts += [message[at : mask.start], message[mask.start : mask.end] if place in kept else mask.stand_in]
        at = mask.end
    return "".join([*parts, message[at:]])


@lru_cache(maxsize=20_000)
def take_fingerprint(kind: str, message: str, kept: tuple[int, ...] = ()) -> int:
    """A signed 64-bit number: equal for failures of the same kind with the same masked message."""
    masked = mask_message(message, kept=kept)
    digest = blake2b(f"{kind}\x00{masked}".encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def follow_splits(kind: str, message: str, *, splits: Splits) -> list[tuple[int, tuple[int, ...]]]:
    """The fingerprints of a failure before and after each split that speaks of it, with the places kept in each.

    The last one is the failure's own. What was told apart may be told apart again by another place.
    """
    kept: tuple[int, ...] = ()
    path = [(take_fingerprint(kind, message), kept)]
    while (place := splits.get(path[-1][0])) is not None and place not in kept and len(kept) < _MOST_KEPT:
        kept = (*kept, place)
        fingerprint = take_fingerprint(kind, message, kept)
        if fingerprint == path[-1][0]:  # it has no word at that place
            break
        path.append((fingerprint, kept))
    return path


def choose_fingerprint(kind: str, message: str, *, splits: Splits) -> int:
    """The fingerprint of a failure in a project where people told some apart."""
    return follow_splits(kind, message, splits=splits)[-1][0] if splits else take_fingerprint(kind, message)


def write_fingerprint(fingerprint: int) -> str:
    """A fingerprint as it stands in addresses: sixteen hexadecimal digits."""
    return f"{fingerprint & 0xFFFF_FFFF_FFFF_FFFF:016x}"


def read_fingerprint(text: str) -> int | None:
    """The fingerprint that `write_fingerprint` wrote; None for anything else."""
    if not _HEX.fullmatch(text):
        return None
    number = int(text, 16)
    return number - 2**64 if number >= 2**63 else number
