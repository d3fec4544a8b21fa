"""How long cases take now, against before: medians of the newest passing results and of those before them.

Used by `health.speeds` for whole grids of jobs × cases at once, and by the page that says the rule in words; pure.
Promise: the same as reading it case by case (`tests/health/test_speed_rules.py`).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from health.rules import outcomes as codes
from health.rules.durations import UNITS_PER_SECOND, Words, decode_units

# So many of the newest passing results are "now", so many before them "before".
N_NOW: Final = 10
N_BEFORE: Final = 20
# With fewer on either side nothing is said about a change.
MIN_RESULTS: Final = 5
# Slower: by half at least, and by a tenth of a second, which nobody would notice below.
MIN_RATIO: Final = 1.5
MIN_MORE_UNITS: Final = UNITS_PER_SECOND // 10
# So many of the slowest cases of a series are kept besides those that became slower.
MOST_KEPT: Final = 100

# Packed durations are in the order of what they stand for, so medians can be taken of them; this is none's.
_NEVER: Final = np.iinfo(np.uint16).max

Units = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]

_IS_PASSED: Final = np.isin(np.arange(codes.N_OUTCOMES), list(codes.PASSED))


@dataclass(frozen=True, slots=True)
class Speeds:
    """One entry per case of a grid."""

    n: Numbers
    median: Units
    n_before: Numbers
    median_before: Units
    is_slower: Mask


def measure_grid(outcomes: npt.NDArray[np.uint8], *, words: Words) -> Speeds:
    """Measure each case of a grid of jobs × cases, oldest job first."""
    passed = _IS_PASSED[outcomes]
    newest = _line_up(passed, words)
    n_passed = passed.sum(axis=0, dtype=np.int32)
    n, n_before = np.minimum(n_passed, N_NOW), np.clip(n_passed - N_NOW, 0, N_BEFORE)
    median, median_before = _take_medians(newest[:, :N_NOW], n), _take_medians(newest[:, N_NOW:], n_before)
    is_slower = (n >= MIN_RESULTS) & (n_before >= MIN_RESULTS)
    is_slower &= (median >= MIN_RATIO * median_before) & (median - median_before >= MIN_MORE_UNITS)
    return Speeds(n, median, n_before, median_before, is_slower)


def _line_up(passed: Mask, words: Words) -> Words:
    """The packed times of each case's newest passing results, the newest first: one row per case."""
    n_wanted = N_NOW + N_BEFORE
    newest = np.full((passed.shape[1], n_wanted), _NEVER, np.uint16)
    recent = passed[-n_wanted:]
    plain = recent.all(axis=0)  # no gap in the newest jobs, which is so for nearly all
    newest[plain, : len(recent)] = words[-n_wanted:][::-1, plain].T
    rest = np.flatnonzero(~plain & passed.any(axis=0))
    # 1 is a case's newest passing result, 2 the one before it.
    ranks = np.cumsum(passed[::-1, rest], axis=0, dtype=np.int16)[::-1]
    rows, places = np.nonzero(passed[:, rest] & (ranks <= n_wanted))
    newest[rest[places], ranks[rows, places] - 1] = words[rows, rest[places]]
    return newest


def choose_kept(medians: Units, *, ords: npt.NDArray[np.int64], is_slower: Mask) -> npt.NDArray[np.intp]:
    """Which cases are kept: those that became slower, and the slowest; among equals those with a lower number."""
    slowest = np.lexsort((ords, -medians))[:MOST_KEPT]
    return np.union1d(slowest, np.flatnonzero(is_slower))


def _take_medians(newest: Words, n: Numbers) -> Units:
    """The median of the first n of each row, which are followed by fillers; 0 where n is 0."""
    ordered = np.sort(newest, axis=1)
    rows, last = np.arange(len(newest)), np.maximum(n - 1, 0)
    low, high = (decode_units(ordered[rows, middle]) for middle in (last // 2, last - last // 2))
    return np.where(n > 0, (low + high) // 2, 0)
