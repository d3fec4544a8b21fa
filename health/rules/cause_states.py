"""How a cause stands on a branch: new, ongoing, quiet, claimed fixed, returned.

Used by the queries of causes; pure. Promise: the words on the page say what is decided here
(`tests/health/test_cause_states.py`).
"""

from collections.abc import Sequence
from typing import Final

NEW: Final = "new"
ONGOING: Final = "ongoing"
QUIET: Final = "quiet"
CLAIMED: Final = "claimed fixed"
RETURNED: Final = "returned"
STATES: Final = (NEW, RETURNED, ONGOING, QUIET, CLAIMED)

# A cause that was away for so many runs in a row was gone.
N_SILENT: Final = 5

MEANINGS: Final = {
    NEW: "broke the newest run of its job, for the first time on this branch",
    RETURNED: f"broke again after somebody said it was fixed, or after {N_SILENT} runs or more without it",
    ONGOING: "broke the newest run of its job, and one before it",
    QUIET: "did not break the newest run of its job",
    CLAIMED: "somebody said it is fixed, and it broke nothing since",
}


def tell_state(broke: Sequence[bool | None], *, was_before: bool, since: int | None = None) -> str:
    """The state of a cause from the runs of a window, oldest first.

    `broke` is whether it broke the run, None where nothing of what it breaks ran; `was_before`, whether it broke any
    run before the window; `since`, the place of the first run behind a claimed fix.
    """
    if since is not None:
        return RETURNED if any(broke[since:]) else CLAIMED
    ran = [bool(one) for one in broke if one is not None]
    if not ran or not ran[-1]:
        return QUIET
    if sum(ran) == 1 and not was_before:
        return NEW
    return RETURNED if _was_away(ran, was_before=was_before) else ONGOING


def _was_away(ran: Sequence[bool], *, was_before: bool) -> bool:
    """Whether so many silent runs in a row lie between two that it broke."""
    n_silent, has_broken = 0, was_before
    for is_broken in ran:
        if is_broken and has_broken and n_silent >= N_SILENT:
            return True
        n_silent = 0 if is_broken else n_silent + 1
        has_broken = has_broken or is_broken
    return False
