"""What pages say of coverage: lines and branches, covered of valid, of a run and level; which run stands for a branch.

Used by the queries of coverage, run, runs and overview.
Promise: one statement for whatever is asked, and a share is rounded down (`tests/dashboard/test_coverage_facts.py`).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from operator import itemgetter
from typing import Final, NamedTuple

from dashboard.queries.sql import Row, fetch_rows
from dashboard.templatetags.display import percent_of, plain, write_day
from health.models import Project
from health.rules.lanes import CHANGES

_MONTH_DAYS: Final = range(30, 46)
NO_LEVEL: Final = "no level"  # how addresses, tables and sentences call a level that nobody named


class Covered(NamedTuple):
    """How many lines and branches could run, and how many of them did."""

    lines_valid: int = 0
    lines_covered: int = 0
    branches_valid: int = 0
    branches_covered: int = 0

    @property
    def uncovered(self) -> int:
        """Lines that could have run and did not."""
        return self.lines_valid - self.lines_covered

    @property
    def tenths(self) -> int | None:
        """The share of lines in tenths of a per cent, rounded down; None of no lines."""
        return self.lines_covered * 1000 // self.lines_valid if self.lines_valid else None


class Change(NamedTuple):
    """What coverage is compared with, and the difference of the shares in tenths of a point."""

    before: Covered
    tenths: int
    run: int
    day: date


@dataclass(frozen=True, slots=True)
class LevelFact:
    """One run's coverage at one level, as its report counts it. `change` is against the run before it that measured
    the level; `listed` is what its files list line by line, where that is known.
    """

    level: str
    lane: str
    run: int
    commit: str
    ran_at: datetime
    day: date
    is_partial: bool
    n_files: int
    covered: Covered
    change: Change | None = None
    listed: Covered | None = None

    @property
    def name(self) -> str:
        """The level's name, or that it has none."""
        return name_level(self.level)

    @property
    def lists_less(self) -> bool:
        """Whether its report's own totals count other lines than its files list."""
        return self.listed is not None and self.listed[:2] != self.covered[:2]


def name_level(level: str) -> str:
    """A level as a table names it."""
    return level or NO_LEVEL


def rank_levels(facts: Iterable[LevelFact]) -> tuple[LevelFact, ...]:
    """The level that ran most lines first: it stands for the branch wherever one figure has to. Incomplete ones come
    last.
    """
    return tuple(sorted(facts, key=lambda f: (f.is_partial, -f.covered.lines_covered, -f.covered.lines_valid, f.level)))


def sum_covered(many: Iterable[Covered]) -> Covered:
    """The sum, figure by figure."""
    # Not zip(*many): a hundred thousand iterators at once take seven times as long.
    found = list(many)
    return Covered(*(sum(map(itemgetter(at), found)) for at in range(len(Covered._fields))))


def compare(now: Covered, before: Covered, *, run: int, day: date) -> Change | None:
    """The difference of two shares, as they are written; None where one of them is a share of nothing."""
    if now.tenths is None or before.tenths is None:
        return None
    return Change(before, now.tenths - before.tenths, run, day)


def write_points(tenths: int) -> str:
    """A difference of shares without its sign: "3 points", "0.4 points", "one point"."""
    whole, rest = divmod(abs(tenths), 10)
    if not rest:
        return "one point" if whole == 1 else f"{whole} points"
    return f"{whole}.{rest} points"


def write_before(day: date, *, now: date) -> str:
    """The day compared with: "about a month before, on 16 Jul 2026". None may be as old, or none lately."""
    days = (now - day).days
    if days < _MONTH_DAYS.start:
        return f"on the first day measured, {write_day(day)}"
    when = "about a month before" if days in _MONTH_DAYS else f"{days:,} days before"
    return f"{when}, on {write_day(day)}"


def write_levels(facts: Sequence[LevelFact]) -> str:
    """A run's coverage in one line: "86.4 %, 4,204 of 4,863 lines", level by level where there are several."""
    said = []
    for fact in facts:
        valid, covered = fact.covered.lines_valid, fact.covered.lines_covered
        share = f"{percent_of(covered, valid)}{' %' if valid else ''}, {covered:,} of {valid:,} lines"
        said.append(f"{plain(fact.name)} {share}" if fact.level or len(facts) > 1 else share)
    return "; ".join(said)


def read_newest(project: Project) -> tuple[LevelFact, ...]:
    """The newest run of each long-lived branch and level: what stands for it. An incomplete one only stands where
    there is no whole one. Levels by name.
    """
    rows = fetch_rows(_NEWEST_SQL, {"project": project.pk, "changes": CHANGES})
    return tuple(_read(row) for row in rows)


def read_of_runs(project: Project, *, numbers: Sequence[int]) -> dict[int, tuple[LevelFact, ...]]:
    """What each of these runs measured, level by level; runs without coverage are not among them."""
    found: dict[int, list[LevelFact]] = defaultdict(list)
    for row in fetch_rows(_OF_RUNS_SQL, {"project": project.pk, "runs": list(numbers)}):
        fact = _read(row)
        found[fact.run].append(fact)
    return {run: tuple(facts) for run, facts in found.items()}


def read_of_run(project: Project, *, number: int) -> tuple[LevelFact, ...]:
    """What one run measured, each level against the whole run before it: of its branch or pull request, else of the
    default branch. An incomplete one says less than there is, so it is compared with nothing.
    """
    values = {"project": project.pk, "run": number, "changes": CHANGES, "default": project.default_branch}
    return tuple(_read_compared(row) for row in fetch_rows(_OF_RUN_SQL, values))


def choose_lane(project: Project, facts: Sequence[LevelFact], *, asked: str) -> str:
    """The branch a page is about: the one asked for, else the default one, else the one that was measured last."""
    lanes = {fact.lane for fact in facts}
    if asked or not lanes:
        return asked or project.default_branch
    if project.default_branch in lanes:
        return project.default_branch
    return max(facts, key=lambda fact: fact.ran_at).lane


def _read(row: Row) -> LevelFact:
    level, lane, run, commit, ran_at, day, is_partial, n_files = row[:8]
    return LevelFact(level, lane, run, commit, ran_at, day, is_partial, n_files, Covered(*row[8:12]))


def _read_compared(row: Row) -> LevelFact:
    fact = _read(row)
    run, day, *before = row[12:]
    if run is None or fact.is_partial:
        return fact
    return replace(fact, change=compare(fact.covered, Covered(*before), run=run, day=day))


_FIGURES: Final = "{0}.lines_valid, {0}.lines_covered, {0}.branches_valid, {0}.branches_covered"
_COLUMNS: Final = "c.level, c.lane, c.run, r.commit, c.ran_at, c.day, c.is_partial, c.n_files, " + _FIGURES.format("c")
_RUN: Final = "JOIN health_run r ON r.project_id = c.project_id AND r.number = c.run"

# From one branch and level to the next by the index: a project has a handful of them and many thousand runs.
_NEWEST_SQL: Final = f"""
WITH RECURSIVE place(lane, level) AS (
    (SELECT lane, level FROM health_runcoverage WHERE project_id = %(project)s ORDER BY lane, level LIMIT 1)
    UNION ALL
    SELECT next.lane, next.level FROM place CROSS JOIN LATERAL (
        SELECT lane, level FROM health_runcoverage
        WHERE project_id = %(project)s AND (lane, level) > (place.lane, place.level)
        ORDER BY lane, level LIMIT 1) next
)
SELECT {_COLUMNS}
FROM place CROSS JOIN LATERAL (
    (SELECT * FROM health_runcoverage
     WHERE project_id = %(project)s AND lane = place.lane AND level = place.level AND NOT is_partial
     ORDER BY ordered_at DESC, ran_at DESC, run DESC LIMIT 1)
    UNION ALL
    (SELECT * FROM health_runcoverage
     WHERE project_id = %(project)s AND lane = place.lane AND level = place.level AND is_partial
     ORDER BY ordered_at DESC, ran_at DESC, run DESC LIMIT 1)
    ORDER BY is_partial LIMIT 1) c
{_RUN}
WHERE place.lane <> %(changes)s
ORDER BY c.lane, c.level
"""  # noqa: S608 - the columns are constants

_OF_RUNS_SQL: Final = f"""
SELECT {_COLUMNS}
FROM health_runcoverage c {_RUN}
WHERE c.project_id = %(project)s AND c.run = ANY(%(runs)s)
ORDER BY c.run, c.level
"""  # noqa: S608 - the columns are constants

# The run before: on its own branch or pull request, else on the default branch. An incomplete one tells nothing.
# `ordered_at` once more on its own: the index can be entered there.
_BEFORE: Final = """
SELECT {0} AS rank, b.* FROM health_runcoverage b
WHERE b.project_id = c.project_id AND b.level = c.level AND NOT b.is_partial AND {1}
  AND b.ordered_at <= c.ordered_at AND (b.ordered_at, b.ran_at, b.run) < (c.ordered_at, c.ran_at, c.run)
ORDER BY b.ordered_at DESC, b.ran_at DESC, b.run DESC LIMIT 1
"""
_BESIDE: Final = _BEFORE.format(
    1, "b.lane = c.lane AND (c.lane <> %(changes)s OR (b.branch, b.pull_request) = (c.branch, c.pull_request))"
)
_BEHIND: Final = _BEFORE.format(2, "c.lane = %(changes)s AND b.lane = %(default)s")
_OF_RUN_SQL: Final = f"""
SELECT {_COLUMNS}, before.run, before.day, {_FIGURES.format("before")}
FROM health_runcoverage c {_RUN}
LEFT JOIN LATERAL (({_BESIDE}) UNION ALL ({_BEHIND}) ORDER BY rank LIMIT 1) before ON true
WHERE c.project_id = %(project)s AND c.run = %(run)s
ORDER BY c.level
"""  # noqa: S608 - the columns are constants
