"""The lines of one file as a report names them, until they become bitmaps (`health.rules.bitmaps`).

Used by `ingest.parsers.coverage`; pure.
Promise: each line is marked once and its best hit wins (`tests/ingest/parsers/coverage/test_lines.py`).
"""

from array import array
from typing import Final

import numpy as np

from health.rules.bitmaps import EMPTY, LineSet, Numbers, mark_flags, mark_lines

# Beyond it a number is a mistake: the longest source files that people keep have some hundred thousand lines.
MAX_LINE: Final = 10_000_000

# So many entries are marked at once, to keep memory flat where a file has millions.
_CHUNK: Final = 2**20
_RANGE_SHIFT: Final = 33
_LAST_MASK: Final = 2**32 - 1
# Shared, and never appended to: few formats name ranges.
_NO_RANGES: Final = array("Q")


class LineColumn:
    """The lines of one file as they are read, in any order and as often as the report names them.

    In `codes` a line takes four bytes: its number times two, plus one where it ran. Hot loops append there themselves.
    """

    __slots__ = ("_covered", "_valid", "codes", "ranges")

    def __init__(self) -> None:
        self.codes = array("I")
        self.ranges = _NO_RANGES
        self._valid = self._covered = EMPTY

    def add(self, line: int, *, is_covered: bool) -> None:
        """A line, 1 to MAX_LINE."""
        self.codes.append(line << 1 | is_covered)

    def add_range(self, first: int, last: int, *, is_covered: bool) -> None:
        """All lines from `first` to `last`, 1 to MAX_LINE."""
        if self.ranges is _NO_RANGES:
            self.ranges = array("Q")
        self.ranges.append(first << _RANGE_SHIFT | last << 1 | is_covered)

    def find_highest(self) -> int:
        """The highest line there is, 0 if none."""
        highest = max(self._valid.bits.bit_length() - 1, 0)
        if self.codes:
            highest = max(highest, int(np.frombuffer(self.codes, np.uint32).max()) >> 1)
        if self.ranges:
            highest = max(highest, int((np.frombuffer(self.ranges, np.uint64) >> 1 & _LAST_MASK).max()))
        return highest

    def mark(self) -> tuple[LineSet, LineSet]:
        """All lines, and those that ran: where a line was named twice, the better of the two. Empties the columns."""
        for start in range(0, len(self.codes), _CHUNK):
            codes = np.frombuffer(self.codes[start : start + _CHUNK], np.uint32)
            self._valid |= mark_lines(codes >> 1)
            self._covered |= mark_lines(codes[codes & 1 == 1] >> 1)
        for start in range(0, len(self.ranges), _CHUNK):
            ranges = np.frombuffer(self.ranges[start : start + _CHUNK], np.uint64)
            self._valid |= _mark_ranges(ranges)
            self._covered |= _mark_ranges(ranges[ranges & 1 == 1])
        self.codes, self.ranges = array("I"), _NO_RANGES
        return self._valid, self._covered


def _mark_ranges(ranges: Numbers) -> LineSet:
    """Ranges may overlap a million times over: they are joined before any line is marked, in a byte per line."""
    if not ranges.size:
        return EMPTY
    firsts = (ranges >> _RANGE_SHIFT).astype(np.int64)
    ends = (ranges >> 1 & _LAST_MASK).astype(np.int64) + 1
    order = np.argsort(firsts)
    firsts, ends = firsts[order], np.maximum.accumulate(ends[order])
    is_new = np.append(True, firsts[1:] > ends[:-1])
    steps = np.zeros(int(ends[-1]) + 1, np.int8)
    steps[firsts[is_new]] = 1
    steps[ends[np.append(is_new[1:], True)]] = -1
    return mark_flags(np.cumsum(steps, dtype=np.int8) > 0)
