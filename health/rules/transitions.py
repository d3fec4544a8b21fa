"""What became of every case between a job and its baseline: new, still, fixed, gone.

Used by `health.rollups` for the counts and by the run page for the lists, so both always agree; pure.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from health.rules import outcomes

Mask = npt.NDArray[np.bool_]


def _table(codes: frozenset[int]) -> Mask:
    return np.isin(np.arange(outcomes.N_OUTCOMES), list(codes))


_IS_BROKEN = _table(outcomes.BROKEN)
_IS_PASSED = _table(outcomes.PASSED)


@dataclass(frozen=True, slots=True)
class Transitions:
    """One mask over all cases of the project for each transition; the masks never overlap."""

    new: Mask
    still: Mask
    fixed: Mask
    gone: Mask

    def count(self) -> tuple[int, int, int, int]:
        """How many cases are new, still, fixed, gone."""
        new, still, fixed, gone = (int(np.count_nonzero(m)) for m in (self.new, self.still, self.fixed, self.gone))
        return new, still, fixed, gone


def compare_outcomes(
    now: npt.NDArray[np.uint8],
    before: npt.NDArray[np.uint8],
    *,
    suites: npt.NDArray[np.int32],
    is_complete: bool,
) -> Transitions:
    """Compare the outcomes of a job with its baseline's; all three arrays are indexed by case number.

    A case is *gone* only where its suite reported at all in this job, and the job is complete: a missing shard or
    a cut file is no evidence that a case was removed. A skipped case is neither fixed nor gone.
    """
    broken_now, broken_before = _IS_BROKEN[now], _IS_BROKEN[before]
    gone = (before != outcomes.ABSENT) & (now == outcomes.ABSENT)
    if not is_complete:
        gone[:] = False
    elif gone.any():
        gone &= np.isin(suites, np.unique(suites[now != outcomes.ABSENT]))
    return Transitions(
        new=broken_now & ~broken_before,
        still=broken_now & broken_before,
        fixed=broken_before & _IS_PASSED[now],
        gone=gone,
    )
