"""Sets of line numbers as bitmaps, and how readers fill them.

Used by `ingest.parsers.coverage`; whoever stores or shows coverage works with the sets. Pure.
Promise: a set survives its bytes, and joins like a set of numbers (`tests/ingest/parsers/coverage/test_lines.py`).
"""

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

# Beyond it a number is a mistake: the longest source files that people keep have some hundred thousand lines.
MAX_LINE: Final = 10_000_000

# So many entries are marked at once, to keep memory flat where a file has millions.
_CHUNK: Final = 2**20
_RANGE_SHIFT: Final = 33
_LAST_MASK: Final = 2**32 - 1

Numbers = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class LineSet:
    """Line numbers as a bitmap: bit n of `bits` is line n. Ten thousand lines take 1.25 kB."""

    bits: int = 0

    @classmethod
    def of(cls, lines: Iterable[int]) -> "LineSet":
        """The set of these lines."""
        return _mark(np.fromiter(lines, dtype=np.int64))

    @classmethod
    def from_bytes(cls, data: bytes) -> "LineSet":
        """What `to_bytes` wrote."""
        return cls(int.from_bytes(data, "little"))

    def to_bytes(self) -> bytes:
        """The bitmap, lowest line first, without empty bytes at its end."""
        return self.bits.to_bytes((self.bits.bit_length() + 7) // 8, "little")

    def __len__(self) -> int:
        return self.bits.bit_count()

    def __contains__(self, line: int) -> bool:
        return line >= 0 and bool(self.bits >> line & 1)

    def __or__(self, other: "LineSet") -> "LineSet":
        return LineSet(self.bits | other.bits)

    def __and__(self, other: "LineSet") -> "LineSet":
        return LineSet(self.bits & other.bits)

    def __sub__(self, other: "LineSet") -> "LineSet":
        return LineSet(self.bits & ~other.bits)

    def __iter__(self) -> Iterator[int]:
        return iter(self._to_array().tolist())

    def list_ranges(self) -> list[tuple[int, int]]:
        """The lines as runs (first, last)."""
        lines = self._to_array()
        if not lines.size:
            return []
        is_break = np.diff(lines) > 1
        firsts = lines[np.concatenate(([True], is_break))]
        lasts = lines[np.concatenate((is_break, [True]))]
        return list(zip(firsts.tolist(), lasts.tolist(), strict=True))

    def _to_array(self) -> Numbers:
        flags = np.unpackbits(np.frombuffer(self.to_bytes(), np.uint8), bitorder="little")
        return np.flatnonzero(flags)


EMPTY: Final = LineSet()


class LineColumn:
    """The lines of one file as they are read, in any order and as often as the report names them.

    In `codes` a line takes four bytes: its number times two, plus one where it ran. Hot loops append there themselves.
    """

    __slots__ = ("_covered", "_valid", "codes", "ranges")

    def __init__(self) -> None:
        self.codes = array("I")
        self.ranges = array("Q")
        self._valid = self._covered = EMPTY

    def add(self, line: int, *, is_covered: bool) -> None:
        """A line, 1 to MAX_LINE."""
        self.codes.append(line << 1 | is_covered)

    def add_range(self, first: int, last: int, *, is_covered: bool) -> None:
        """All lines from `first` to `last`, 1 to MAX_LINE."""
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
            self._valid |= _mark(codes >> 1)
            self._covered |= _mark(codes[codes & 1 == 1] >> 1)
        for start in range(0, len(self.ranges), _CHUNK):
            ranges = np.frombuffer(self.ranges[start : start + _CHUNK], np.uint64)
            self._valid |= _mark_ranges(ranges)
            self._covered |= _mark_ranges(ranges[ranges & 1 == 1])
        self.codes, self.ranges = array("I"), array("Q")
        return self._valid, self._covered


def _mark(lines: Numbers) -> LineSet:
    if not lines.size:
        return EMPTY
    flags = np.zeros(int(lines.max()) + 1, np.bool_)
    flags[lines] = True
    return _pack(flags)


def _mark_ranges(ranges: Numbers) -> LineSet:
    """Ranges may overlap a million times over: their ends are counted, not their lines."""
    if not ranges.size:
        return EMPTY
    firsts = (ranges >> _RANGE_SHIFT).astype(np.int64)
    ends = (ranges >> 1 & _LAST_MASK).astype(np.int64) + 1
    size = int(ends.max()) + 1
    steps = np.bincount(firsts, minlength=size) - np.bincount(ends, minlength=size)
    return _pack(np.cumsum(steps) > 0)


def _pack(flags: npt.NDArray[np.bool_]) -> LineSet:
    return LineSet.from_bytes(np.packbits(flags, bitorder="little").tobytes())
