"""Which lane a run belongs to: each long-lived branch by its name, everything else together.

Used by `ingest.store`; pure. Promise: a pull request never lands on a branch's own lane, whatever its branch is
called (`tests/health/test_rules.py`).
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Final

CHANGES: Final = "changes"


def choose_lane(branch: str, *, pull_request: str, default_branch: str, long_lived: Iterable[str]) -> str:
    """The lane of a run: the branch's own name when it is long-lived and no pull request, else `changes`.

    A run that names no branch counts for the default branch: that is what a bare `curl` on a build server means.
    """
    if pull_request:
        return CHANGES
    if not branch:
        return default_branch or CHANGES
    if branch == default_branch or any(fnmatchcase(branch, pattern) for pattern in long_lived):
        # A branch could itself be called "changes"; its lane gets a name no branch can have.
        return branch if branch != CHANGES else f"{CHANGES}^{{}}"
    return CHANGES


def guess_default_branch(branch: str, *, stated: str) -> str:
    """What to take for the default branch of a project that has none: what CI states, else a customary name."""
    if stated:
        return stated
    return branch if branch in {"main", "master", "trunk"} else ""
