"""Verdicts: what a window of runs says of cases that did not always plainly pass; flaky, broken, unclear or sound.

Used by `health.verdicts` for whole grids of jobs × cases at once, and by the pages that say the rule in words; pure.
Promise: a case's verdict needs nothing but its own column (`tests/health/test_flakiness.py` reads it case by case).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

from health.rules import outcomes as codes

FLAKY: Final = "flaky"
BROKEN: Final = "broken"
UNCLEAR: Final = "unclear"
SOUND: Final = "sound"
VERDICTS: Final = (UNCLEAR, BROKEN, FLAKY, SOUND)

# Fewer results than this are no ground for a verdict.
MIN_RAN: Final = 5
# From passed to broken so often on a long-lived branch: it broke, recovered and broke again.
MIN_FLIPS: Final = 2
# Of pull requests and short-lived branches, one alone says more about its change than about the case.
MIN_BRANCHES: Final = 2
# A streak of broken results is taken for broken when bad luck would give it less often than this.
MOST_LUCK: Final = 0.05
# Where so large a share of so many executed cases broke at once, something around them broke.
MASS_MIN_EXECUTED: Final = 10
MASS_SHARE: Final = 0.3

_Z_95: Final = 1.959963984540054

Grid = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int32]
Chances = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def _table(members: frozenset[int]) -> Mask:
    return np.isin(np.arange(codes.N_OUTCOMES), list(members))


_IS_EXECUTED: Final = _table(codes.EXECUTED)
_IS_BROKEN: Final = _table(codes.BROKEN)
_IS_TROUBLE: Final = _table(codes.BROKEN | {codes.PASS_ON_RETRY})


@dataclass(frozen=True, slots=True)
class Jobs:
    """What a verdict needs to know of the jobs of a grid: one entry per row, oldest first."""

    commits: Sequence[str]
    branches: Sequence[tuple[str, str]]  # branch and pull request
    is_long_lived: bool


@dataclass(frozen=True, slots=True)
class Tally:
    """What the window says of each case that broke or was retried in it; all arrays are alike in length."""

    places: npt.NDArray[np.intp]  # which columns of the grid these cases are, ascending
    n_ran: Numbers
    n_broken: Numbers
    n_retried: Numbers
    n_disagreed: Numbers
    n_flips: Numbers
    n_streak: Numbers
    last_ran: Numbers  # rows of the grid
    last_broken: Numbers  # -1: never
    verdicts: npt.NDArray[np.uint8]  # places in VERDICTS


def is_mass_failure(n_broken: int, n_executed: int) -> bool:
    """Whether so much of a job broke at once that it says nothing about its cases."""
    return n_executed >= MASS_MIN_EXECUTED and n_broken >= MASS_SHARE * n_executed


def wilson_interval(k: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a rate seen k times in n; from 0 to 1 where nothing ran."""
    if not n:
        return 0.0, 1.0
    rate, square = k / n, _Z_95 * _Z_95
    middle = rate + square / (2 * n)
    half = _Z_95 * sqrt(rate * (1 - rate) / n + square / (4 * n * n))
    scale = 1 + square / n
    low = 0.0 if k == 0 else max(0.0, (middle - half) / scale)
    high = 1.0 if k == n else min(1.0, (middle + half) / scale)
    return low, high


def chance_of_silence(rate: float, n: int) -> float:
    """How likely n results in a row do not break when each breaks at this rate: that silence is luck."""
    return float((1 - min(max(rate, 0.0), 1.0)) ** n)


def chance_of_streak(n_streak: Numbers, *, n_broken_before: Numbers, n_ran_before: Numbers) -> Chances:
    """How likely so many broken results in a row are, when a case breaks as it did before them; one entry per case.

    One broken and one passed result are added to what was seen, so that no case is thought never or always to break.
    """
    return ((n_broken_before + 1) / (n_ran_before + 2)) ** n_streak


def judge_grid(outcomes: Grid, *, jobs: Jobs) -> Tally:
    """Judge each case of a grid of jobs × cases, oldest job first, that broke or was retried in it.

    Mass failures are left out before; results from before a claimed fix are absent.
    """
    places = np.flatnonzero(_IS_TROUBLE[outcomes].any(axis=0))
    troubled = outcomes[:, places]
    ran, broken, retried = _IS_EXECUTED[troubled], _IS_BROKEN[troubled], troubled == codes.PASS_ON_RETRY
    n_disagreed, evidence = _find_disagreements(ran, broken, jobs.commits)
    evidence |= retried
    n_flips, n_streak = _walk(ran, broken)
    if not jobs.is_long_lived:
        n_flips[:] = 0
    n_ran, n_broken = _count(ran), _count(broken)
    is_evident = _count_branches(evidence, jobs) >= (1 if jobs.is_long_lived else MIN_BRANCHES)
    luck = chance_of_streak(n_streak, n_broken_before=n_broken - n_streak, n_ran_before=n_ran - n_streak)
    verdicts = np.select(
        [
            n_ran < MIN_RAN,
            (n_streak > 0) & (luck < MOST_LUCK),
            is_evident | (n_flips >= MIN_FLIPS),
            # It broke at most once and recovered, and nothing but a single change speaks against it.
            (n_streak == 0) & ~evidence.any(axis=0),
        ],
        [VERDICTS.index(verdict) for verdict in (UNCLEAR, BROKEN, FLAKY, SOUND)],
        VERDICTS.index(UNCLEAR),
    ).astype(np.uint8)
    return Tally(
        places=places,
        n_ran=n_ran,
        n_broken=n_broken,
        n_retried=_count(retried),
        n_disagreed=n_disagreed,
        n_flips=n_flips,
        n_streak=n_streak,
        last_ran=_find_last(ran),
        last_broken=_find_last(broken),
        verdicts=verdicts,
    )


def _count(mask: Mask) -> Numbers:
    counts: Numbers = mask.sum(axis=0, dtype=np.int32)
    return counts


def _find_last(mask: Mask) -> Numbers:
    """The last row in which each column is set; -1 where it never is."""
    if not len(mask):
        return np.full(mask.shape[1], -1, np.int32)
    last = len(mask) - 1 - np.argmax(mask[::-1], axis=0)
    return np.where(mask.any(axis=0), last, -1).astype(np.int32)


def _find_disagreements(ran: Mask, broken: Mask, commits: Sequence[str]) -> tuple[Numbers, Mask]:
    """On how many commits each case both broke and did not, and the broken results that show it."""
    n_disagreed, evidence = np.zeros(ran.shape[1], np.int32), np.zeros(ran.shape, np.bool_)
    rows_of: dict[str, list[int]] = {}
    for row, commit in enumerate(commits):
        rows_of.setdefault(commit, []).append(row)
    for commit, rows in rows_of.items():
        if commit and len(rows) > 1:
            disagreed = broken[rows].any(axis=0) & (ran[rows] & ~broken[rows]).any(axis=0)
            n_disagreed += disagreed
            evidence[rows] = broken[rows] & disagreed
    return n_disagreed, evidence


def _walk(ran: Mask, broken: Mask) -> tuple[Numbers, Numbers]:
    """How often each case went from passed to broken, and how often it broke in a row up to its newest result."""
    n_flips, n_streak = np.zeros(ran.shape[1], np.int32), np.zeros(ran.shape[1], np.int32)
    has_passed = np.zeros(ran.shape[1], np.bool_)  # in its newest result so far
    for ran_now, broken_now in zip(ran, broken, strict=True):
        n_flips += broken_now & has_passed
        n_streak = np.where(broken_now, n_streak + 1, np.where(ran_now, 0, n_streak)).astype(np.int32)
        has_passed = (ran_now & ~broken_now) | (has_passed & ~ran_now)
    return n_flips, n_streak


def _count_branches(evidence: Mask, jobs: Jobs) -> Numbers:
    """On how many different branches each case has evidence."""
    n_branches = np.zeros(evidence.shape[1], np.int32)
    rows_of: dict[tuple[str, str], list[int]] = {}
    for row, change in enumerate(_name_changes(jobs.branches)):
        rows_of.setdefault(change, []).append(row)
    for rows in rows_of.values():
        n_branches += evidence[rows].any(axis=0)
    return n_branches


def _name_changes(branches: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The change each job belongs to: a push to a branch is one with the pull request that was made of it."""
    request_of = {branch: request for branch, request in sorted(branches, reverse=True) if request}
    return [(branch, request or request_of.get(branch, "")) for branch, request in branches]
