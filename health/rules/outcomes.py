"""The outcomes a case can have, their codes in a tile, and what counts as what.

Used by the parsers, the store and every page; pure.
Promise: the codes are stored bytes and never change (`tests/health/test_rules.py`).
"""

from typing import Final

ABSENT: Final = 0
PASS: Final = 1
FAIL: Final = 2
ERROR: Final = 3
SKIP: Final = 4
XFAIL: Final = 5
XPASS: Final = 6
PASS_ON_RETRY: Final = 7

N_OUTCOMES: Final = 8

WORDS: Final[tuple[str, ...]] = (
    "absent",
    "passed",
    "failed",
    "error",
    "skipped",
    "expected failure",
    "unexpected pass",
    "passed on retry",
)
# As test runners print them; nothing for a case that was not there.
LETTERS: Final[tuple[str, ...]] = ("", "·", "F", "E", "s", "x", "X", "R")

# A case that ran to its end counts as executed; an expected failure ran (DESIGN, section 2).
EXECUTED: Final = frozenset({PASS, FAIL, ERROR, XFAIL, XPASS, PASS_ON_RETRY})
PASSED: Final = frozenset({PASS, XPASS, PASS_ON_RETRY})
# Ended as it should: nobody has to act on it. The pass rate divides these by the executed.
AS_EXPECTED: Final = PASSED | {XFAIL}
BROKEN: Final = frozenset({FAIL, ERROR})
DEFERRED: Final = frozenset({SKIP, XFAIL})

# Within one attempt two deliveries may disagree about a case; the worst of them is believed.
# An error hides whether the case holds at all, so it outranks a failure.
SEVERITY: Final[tuple[int, ...]] = tuple(
    (ABSENT, SKIP, XFAIL, PASS, XPASS, PASS_ON_RETRY, FAIL, ERROR).index(code) for code in range(N_OUTCOMES)
)
