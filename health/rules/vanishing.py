"""Why a case may have stopped running: the first suspicion that fits; and which cases did.

Used by `health.vanishing` for all such cases at once; pure. Promise: the order of suspicions is the one listed here
(`tests/health/test_vanishing_rules.py`).
"""

from typing import Final

import numpy as np
import numpy.typing as npt

RENAMED: Final = "renamed"
SUITE_SILENT: Final = "suite"
SHARD_MISSING: Final = "shard"
FILE_GONE: Final = "file"
DESELECTED: Final = "deselected"
SUSPICIONS: Final = (RENAMED, SUITE_SILENT, SHARD_MISSING, FILE_GONE, DESELECTED)

Mask = npt.NDArray[np.bool_]


def suspect(
    is_renamed: Mask, *, is_suite_silent: Mask, is_part_missing: Mask, is_class_gone: Mask
) -> npt.NDArray[np.uint8]:
    """The suspicion of each case, as a place in SUSPICIONS; what no other fits was deselected or removed.

    `is_part_missing`: the run right after the last one that holds the case lacks a part, which it may have been in.
    `is_class_gone`: it went with the last cases of its class or file, of which none runs any more.
    """
    conditions = [is_renamed, is_suite_silent, is_part_missing, is_class_gone]
    return np.select(conditions, range(len(conditions)), len(conditions)).astype(np.uint8)


def find_vanished(last_seen: npt.NDArray[np.int32], newest_complete: int) -> Mask:
    """Which cases ran in a job before the newest complete one, and in none since; -1 is never.

    Jobs are counted in their order. A case that a newer, incomplete job holds is there.
    """
    return (last_seen >= 0) & (last_seen < newest_complete)
