"""The branches of one file: how many there are and how many were taken.

Used by the `draft`, `cobertura` and `numbers` beside it; pure. Formats either name each branch or give a count for a
line; a branch or a line that is named twice counts once, with its best figure.
Promise: no order and no repetition changes a figure (`tests/ingest/parsers/coverage/test_branches.py`).
"""

from array import array
from collections.abc import Hashable
from typing import Final

import numpy as np

# No line has more; more is a mistake.
MAX_BRANCHES: Final = 2**16 - 1

_LINE_SHIFT: Final = 32
_ALL_SHIFT: Final = 16
_HASH_MASK: Final = 2**64 - 2
# Shared, and never appended to.
_NONE: Final = array("Q")


class BranchColumn:
    """The branches as they are read; eight bytes each, or for each line."""

    __slots__ = ("_counts", "_points")

    def __init__(self) -> None:
        # Most of the files that come in great numbers have no branches.
        self._counts = self._points = _NONE

    def add(self, key: Hashable, *, is_taken: bool) -> None:
        """One branch, known by its key; 63 bits of the key's hash are kept."""
        if self._points is _NONE:
            self._points = array("Q")
        self._points.append(hash(key) << 1 & _HASH_MASK | is_taken)

    def add_counts(self, line: int, *, n_taken: int, n_all: int) -> None:
        """The branches of one line; the figures are at most MAX_BRANCHES."""
        if self._counts is _NONE:
            self._counts = array("Q")
        self._counts.append(line << _LINE_SHIFT | n_all << _ALL_SHIFT | n_taken)

    def extend(self, other: "BranchColumn") -> None:
        """Add what another column holds."""
        if other._points:
            self._points = array("Q") if self._points is _NONE else self._points
            self._points += other._points
        if other._counts:
            self._counts = array("Q") if self._counts is _NONE else self._counts
            self._counts += other._counts

    def clear(self) -> None:
        """Forget everything."""
        self._counts = self._points = _NONE

    def __len__(self) -> int:
        return len(self._points) + len(self._counts)

    def count(self) -> tuple[int, int]:
        """How many there are, and how many were taken."""
        n_points, n_points_taken = _count_points(self._points)
        n_counts, n_counts_taken = _add_up_counts(self._counts)
        return n_points + n_counts, n_points_taken + n_counts_taken


def _count_points(points: "array[int]") -> tuple[int, int]:
    if not points:
        return 0, 0
    codes = np.frombuffer(points, np.uint64)
    codes.sort()
    # The last of each group of equal keys is its best: the lowest bit says that it was taken.
    best = codes[np.append((codes[1:] ^ codes[:-1]) > 1, True)]
    return best.size, int((best & 1).sum())


def _add_up_counts(counts: "array[int]") -> tuple[int, int]:
    if not counts:
        return 0, 0
    codes = np.frombuffer(counts, np.uint64)
    codes.sort()
    best = codes[np.append((codes[1:] ^ codes[:-1]) >> _LINE_SHIFT > 0, True)]
    return int((best >> _ALL_SHIFT & MAX_BRANCHES).sum()), int((best & MAX_BRANCHES).sum())
