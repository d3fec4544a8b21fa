"""The `time` attribute: seconds, in all the spellings runners use.

Used by `ingest.parsers.junit`; pure. Promise: every duration is finite, 0 ≤ t ≤ 10⁷ s, and nothing is lost without
a note (`tests/ingest/parsers/test_times.py`).
"""

import re
from math import isfinite
from typing import Final

from ingest.parsers.notes import Notes

LONGEST_SECONDS: Final = 1e7

# Surefire groups thousands ("1,234.5"), .NET may write a decimal comma ("0,288"); "1,234" alone can be either.
_THOUSANDS: Final = re.compile(r"[1-9]\d{0,2}(?:,\d{3})+\.\d+|[1-9]\d{0,2}(?:,\d{3}){2,}")
_AMBIGUOUS: Final = re.compile(r"[1-9]\d{0,2},\d{3}")
_DECIMAL_COMMA: Final = re.compile(r"\d+,\d+|\d{1,3}(?:\.\d{3})+,\d+")


class TimeColumn:
    """The durations of a file's cases, read in blocks as the cases come."""

    def __init__(self, notes: Notes) -> None:
        self.seconds: list[float] = []
        self._notes = notes
        self._ambiguous: list[int] = []
        self._has_decimal_comma = False

    def take(self, texts: list[str]) -> None:
        """Read the next cases' times."""
        try:
            block = list(map(float, texts))
        except ValueError:
            block = []
        # One NaN makes the sum NaN, which is less than nothing; and no part is larger than the sum.
        if texts and not (block and min(block) >= 0 and sum(block) <= LONGEST_SECONDS):
            first = len(self.seconds)
            block = [self._read_odd(text, first + index) for index, text in enumerate(texts)]
        self.seconds.extend(block)

    def settle(self) -> list[float]:
        """All durations, once every case was taken.

        "1,234" means thousands, except in a file that elsewhere writes a decimal comma.
        """
        if self._has_decimal_comma:
            for index in self._ambiguous:
                if index < len(self.seconds):
                    self.seconds[index] /= 1000
        return self.seconds

    def _read_odd(self, text: str, case: int) -> float:
        value = self._read(text, case)
        if value is None or not isfinite(value) or not 0 <= value <= LONGEST_SECONDS:
            self._notes.add("time_unreadable", f"The time {text[:40]!r} cannot be a duration.", case=case)
            return 0.0
        return value

    def _read(self, text: str, case: int) -> float | None:
        try:
            return float(text)
        except ValueError:
            text = text.strip()
        rewritten = self._rewrite(text, case)
        if rewritten is None:
            return None
        self._notes.add("time_rewritten", f"The time {text[:40]!r} was read as {rewritten[:40]} seconds.", case=case)
        return float(rewritten)

    def _rewrite(self, text: str, case: int) -> str | None:
        if _AMBIGUOUS.fullmatch(text):
            self._ambiguous.append(case)
            return text.replace(",", "")
        if _THOUSANDS.fullmatch(text):
            return text.replace(",", "")
        if _DECIMAL_COMMA.fullmatch(text):
            self._has_decimal_comma = True
            return text.replace(".", "").replace(",", ".")
        return None


def read_seconds(text: str | None) -> float | None:
    """A suite's time, where nobody is told when it cannot be read."""
    if text is None:
        return None
    column = TimeColumn(notes := Notes())
    column.take([text])
    return None if notes.has("time_unreadable") else column.settle()[0]
