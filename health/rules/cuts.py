"""How far what a failure says is shortened, and how a text shows that it was.

Used by `ingest.parsers` and `ingest.store`, which shorten, and by `health.rules.secrets`, which must know where
something may have been cut in two; pure. Promise: whoever reads what was shortened can tell
(`tests/health/test_cut_secrets.py`).
"""

import re
from typing import Final

LONGEST_KIND: Final = 255  # characters
LONGEST_SAMPLE: Final = 500  # characters, of the message of a cause
LONGEST_REASON: Final = 1_000  # characters, of why a case is put off
LONGEST_MESSAGE: Final = 1_024  # bytes of UTF-8, less a character that would be cut in two
_LONGEST_CHARACTER: Final = 4
_SIGN: Final = "[… about "
_LEFT_OUT: Final = re.compile(r"\n\[… about \d{1,20} bytes left out …\]\n")


def write_left_out(n_bytes: int) -> str:
    """What stands in a text where so many bytes of its middle are missing."""
    return f"\n[… about {n_bytes} bytes left out …]\n"


def split_at_cuts(text: str) -> list[str]:
    """The pieces of a text and what stands between them, in turn: one piece where nothing is missing."""
    if _SIGN not in text:
        return [text]
    parts, at = [], 0
    for match in _LEFT_OUT.finditer(text):
        parts += [text[at : match.start()], match[0]]
        at = match.end()
    return [*parts, text[at:]]


def is_kind_cut(kind: str) -> bool:
    """Whether the end of a failure's kind may be missing."""
    return len(kind) >= LONGEST_KIND


def is_message_cut(message: str) -> bool:
    """Whether the end of a message, or of a cause's sample of one, may be missing."""
    n_bytes = len(message.encode("utf-8", "replace"))
    return len(message) == LONGEST_SAMPLE or n_bytes > LONGEST_MESSAGE - _LONGEST_CHARACTER


def is_reason_cut(reason: str) -> bool:
    """Whether the end of a reason may be missing."""
    return (
        len(reason) >= LONGEST_REASON or len(reason.encode("utf-8", "replace")) > LONGEST_MESSAGE - _LONGEST_CHARACTER
    )
