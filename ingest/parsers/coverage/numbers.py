"""Line numbers and hit counts as reports write them, sane or not.

Used by `ingest.parsers.coverage.draft` and the format readers; pure.
Promise: any text and any JSON value gives a line or none, run or not run, and what is odd is noted
(`tests/ingest/parsers/coverage/test_numbers.py`).
"""

import math
from collections.abc import Callable
from typing import Final

from health.rules.bitmaps import MAX_FIGURE
from ingest.parsers.coverage.branches import MAX_BRANCHES
from ingest.parsers.coverage.lines import MAX_LINE

_MAX_HITS: Final = 2**63 - 1
# A declared figure beyond it is a mistake, and sums of such figures still fit a column.
_MAX_COUNT: Final = MAX_FIGURE
_MAX_DIGITS: Final = 40
_MAX_BITS_SHOWN: Final = 128
# So many texts are remembered; a report of sane files has no more different ones.
_MAX_KNOWN: Final = 2**17

Note = Callable[[str, str], None]


class KnownTexts(dict[str | bytes, int]):
    """Looks a text up, and reads it where it is new: a report repeats few numbers very often.

    Only what is in order is remembered, so that everything odd is noted each time.
    """

    def __init__(self, read: Callable[[str | bytes], tuple[int, bool]]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, text: str | bytes) -> int:
        value, is_sane = self._read(text)
        if is_sane and len(self) < _MAX_KNOWN:
            self[text] = value
        return value


class NumberReader:
    """Reads numbers and notes the odd ones.

    `line_codes` gives a line times two for its text, 0 for none; `hit_flags` gives 1 for a count above 0.
    """

    def __init__(self, note: Note) -> None:
        self._note = note
        self.line_codes = KnownTexts(self._read_line_text)
        self.hit_flags = KnownTexts(self._read_hits_text)

    def read_line(self, value: object) -> int:
        """A line number, or 0 where the value is none."""
        number = to_number(value)
        if number is not None and 1 <= number <= MAX_LINE and number == int(number):
            return int(number)
        self._note("line_out_of_range", f"{_show(value)} is no line of a file.")
        return 0

    def is_hit(self, value: object) -> bool:
        """Whether a hit count is above 0."""
        number = to_number(value)
        if number is None or not 0 <= number <= _MAX_HITS:
            self._note("hits_clamped", f"{_show(value)} is no number of hits.")
        return number is not None and number > 0

    def read_branches(self, *, n_taken: object, n_all: object) -> tuple[int, int]:
        """Taken and all branches of a line, at most MAX_BRANCHES."""
        taken, whole = to_number(n_taken), to_number(n_all)
        if taken is not None and whole is not None and 0 <= taken <= whole <= MAX_BRANCHES:
            return int(taken), int(whole)
        self._note("branches_clamped", f"{_show(n_taken)} of {_show(n_all)} branches cannot be.")
        most = _clamp(whole, MAX_BRANCHES)
        return _clamp(taken, most), most

    def _read_line_text(self, text: str | bytes) -> tuple[int, bool]:
        line = self.read_line(text)
        return line << 1, line > 0

    def _read_hits_text(self, text: str | bytes) -> tuple[int, bool]:
        number = to_number(text)
        return int(self.is_hit(text)), number is not None and 0 <= number <= _MAX_HITS


def read_count(value: object) -> int | None:
    """A declared figure (`7`, `"7"`, `"7.0"`), None where it is none."""
    number = to_number(value)
    return int(number) if number is not None and 0 <= number <= _MAX_COUNT else None


def to_number(value: object) -> int | float | None:
    """The number a JSON value or a text is, infinities among them; None if it is none."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    if isinstance(value, str):
        value = _read_text(value)
    if not isinstance(value, int | float) or math.isnan(value):
        return None
    return value


def _read_text(text: str) -> int | float | None:
    if not text.isascii() or "_" in text or len(text) > _MAX_DIGITS:
        return None
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return None


def _clamp(number: float | None, most: int) -> int:
    return 0 if number is None else int(min(max(number, 0), most))


def _show(value: object) -> str:
    """A value as a message shows it: short, whatever it is."""
    if isinstance(value, bytes):
        value = value[:_MAX_DIGITS].decode("ascii", "replace")
    if isinstance(value, int) and value.bit_length() > _MAX_BITS_SHOWN:
        return "A number of many digits"
    if value is None or isinstance(value, str | int | float):
        return repr(str(value)[:_MAX_DIGITS])
    return "A list or object"
