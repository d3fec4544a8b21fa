"""Where the words of a search may lead beside cases: a run by its number or commit, a branch by its name.

Used by `dashboard.queries.search`. Promise: two statements (`tests/dashboard/test_search_queries.py`).
"""

import re
from datetime import datetime
from typing import Final, NamedTuple

from dashboard.queries.sql import fetch_rows
from health.models import Project
from health.rules.lanes import CHANGES

_N_RUNS: Final = 5
_N_BRANCHES: Final = 8
_RUN: Final = re.compile(r"^(?:run[\s#]+(?=[0-9]+$)|#)")
_COMMIT: Final = re.compile(r"[0-9a-f]{4,64}", re.ASCII)


class Jump(NamedTuple):
    """One place: a run, or a branch with its newest run."""

    kind: str  # run, branch
    name: str  # a branch's
    run: int
    commit: str
    ran_at: datetime
    is_long_lived: bool = False


def list_jumps(project: Project, words: str) -> tuple[Jump, ...]:
    """Runs and branches that the words fit: a number ("35", "#35", "run 35") exactly, a commit from its start, a
    branch anywhere.
    """
    text = _RUN.sub("", words.strip().casefold())
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None
    commit = text if _COMMIT.fullmatch(text) else None
    values = {"project": project.pk, "number": number, "commit": commit, "n": _N_RUNS}
    runs = fetch_rows(_RUNS_SQL, values) if number is not None or commit else []
    branches = fetch_rows(_BRANCHES_SQL, {"project": project.pk, "words": words, "changes": CHANGES, "n": _N_BRANCHES})
    found = [Jump("run", "", run, sha, ran_at) for run, sha, ran_at in runs]
    return (*found, *(Jump("branch", name, run, "", ran_at, is_long) for name, run, ran_at, is_long in branches))


_RUNS_SQL: Final = """
SELECT r.number, r.commit, r.ran_at FROM health_run r
WHERE r.project_id = %(project)s
  AND (r.number = %(number)s OR %(commit)s::text IS NOT NULL AND starts_with(lower(r.commit), %(commit)s))
ORDER BY r.number = %(number)s DESC NULLS LAST, r.ordered_at DESC, r.ran_at DESC, r.number DESC LIMIT %(n)s
"""

# The branch that is called so comes first, then those that ran last.
_BRANCHES_SQL: Final = """
SELECT r.branch, (array_agg(r.number ORDER BY r.ordered_at DESC, r.ran_at DESC, r.number DESC))[1],
    max(r.ran_at), bool_or(r.lane <> %(changes)s)
FROM health_run r
WHERE r.project_id = %(project)s AND r.branch <> '' AND strpos(lower(r.branch), lower(%(words)s)) > 0
GROUP BY r.branch
ORDER BY lower(r.branch) = lower(%(words)s) DESC, max(r.ordered_at) DESC, r.branch LIMIT %(n)s
"""
