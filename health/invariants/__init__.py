"""What must always hold between the tables, as SQL that finds where it does not.

Run by `health.fsck`. Promise: each law has a test that breaks it by hand and sees it named
(`tests/health/test_fsck.py`).
"""

from typing import Final

from health.invariants.conclusions import CONCLUSIONS
from health.invariants.counts import COUNTS
from health.invariants.deliveries import DELIVERIES, THOROUGH
from health.invariants.law import Invariant
from health.invariants.names import COVERAGE, NAMES
from health.invariants.register import REGISTER
from health.invariants.uploads import UPLOADS

__all__ = ["INVARIANTS", "THOROUGH", "Invariant"]

INVARIANTS: Final[tuple[Invariant, ...]] = UPLOADS + DELIVERIES + COUNTS + NAMES + COVERAGE + CONCLUSIONS + REGISTER
