"""Cases of a project by a part of their name, what became of them last, and jumps to runs and branches.

Called by `dashboard.views.search`. Every case is looked at, without an index: 100,000 of them take about a tenth of a
second. Exact names come first, then those that begin so; families are rolled up.
Promise: a bounded number of statements, at most N_ROWS rows a page (`tests/dashboard/test_search_queries.py`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from django.utils.text import capfirst

from dashboard.filters import Filters
from dashboard.queries.cases import CaseName, make_name, read_aliases, read_case_names
from dashboard.queries.facts import OUTCOME_MARKS
from dashboard.queries.owners import read_owners
from dashboard.queries.scope import Offer, Scope, read_scope
from dashboard.queries.search_jumps import Jump, list_jumps
from dashboard.queries.shown_suites import list_shown_in
from dashboard.queries.sql import Row, fetch_rows
from dashboard.queries.standing import Standing, read_standing
from dashboard.queries.verdicts import RANK, Judged, Verdict, read_verdicts
from dashboard.templatetags.display import in_words, plain, shorten
from health.aliases import Aliases
from health.models import Project
from health.rules import outcomes as codes
from health.rules.families import split_family
from health.rules.identity import STEP
from health.sql import format_array, open_cursor
from health.windows import fetch_grid

N_ROWS: Final = 200
N_READ: Final = 2_000  # cases a page is made of, before families are rolled up


@dataclass(frozen=True, slots=True)
class Hit:
    """One case that was found, under its newest name. `former`: the name that was found, where it was renamed."""

    case: CaseName
    former: CaseName | None
    outcome: int  # the worst that the newest jobs of the branch say; absent where none has it
    verdict: Judged | None
    owners: tuple[str, ...]

    @property
    def mark(self) -> str:
        """The mark of its outcome."""
        return OUTCOME_MARKS[self.outcome]

    @property
    def word(self) -> str:
        """Its outcome in words."""
        return codes.WORDS[self.outcome]


@dataclass(frozen=True, slots=True)
class HitRow:
    """A case, or several of one family; the worst of them stands for all."""

    hits: tuple[Hit, ...]

    @property
    def first(self) -> Hit:
        """The one whose name and place stand for all."""
        return self.hits[0]

    @property
    def worst(self) -> int:
        """The worst outcome."""
        return max((hit.outcome for hit in self.hits), key=lambda outcome: codes.SEVERITY[outcome])

    @property
    def mark(self) -> str:
        """Its mark."""
        return OUTCOME_MARKS[self.worst]

    @property
    def word(self) -> str:
        """How they ended, in words, the worst first: "passed", "2 failed, 5 passed"."""
        counted = Counter(hit.outcome for hit in self.hits)
        if len(counted) == 1:
            return codes.WORDS[self.worst]
        ranked = sorted(counted, key=lambda outcome: -codes.SEVERITY[outcome])
        return ", ".join(f"{counted[outcome]:,} {codes.WORDS[outcome]}" for outcome in ranked)

    @property
    def verdict(self) -> Judged | None:
        """The verdict a reader has to know first, of any of them."""
        found = [hit.verdict for hit in self.hits if hit.verdict]
        return min(found, key=lambda judged: RANK[Verdict(judged.verdict)], default=None)

    @property
    def told_verdict(self) -> str:
        """That verdict in words: of several cases, how many have it."""
        if not self.verdict or len(self.hits) == 1:
            return self.verdict.word if self.verdict else ""
        n = sum(hit.verdict is not None and hit.verdict.verdict == self.verdict.verdict for hit in self.hits)
        return f"{n:,} of {len(self.hits):,} {self.verdict.word}"

    @property
    def told_more(self) -> str:
        """What stands below: the rate of a single case, of several the other verdicts."""
        if not self.verdict or len(self.hits) == 1:
            return self.verdict.rate if self.verdict else ""
        counted = Counter(hit.verdict.verdict for hit in self.hits if hit.verdict)
        others = sorted(set(counted) - {self.verdict.verdict}, key=lambda verdict: RANK[Verdict(verdict)])
        return ", ".join(f"{counted[verdict]:,} {Verdict(verdict).label}" for verdict in others)

    @property
    def ranked(self) -> tuple[Hit, ...]:
        """The cases one by one, in front those whose verdict or outcome a reader has to know first."""
        return tuple(sorted(self.hits, key=_rank_hit))

    @property
    def owners(self) -> tuple[str, ...]:
        """Whoever owns any of them."""
        return tuple(dict.fromkeys(owner for hit in self.hits for owner in hit.owners))


def _rank_hit(hit: Hit) -> tuple[int, int]:
    verdict = RANK[Verdict(hit.verdict.verdict)] if hit.verdict else len(RANK)
    return (verdict, -int(codes.SEVERITY[hit.outcome]))


@dataclass(frozen=True, slots=True)
class Found:
    """One page of what was found. `n` counts all cases that fit, `n_shown` those in the rows of this page."""

    words: str
    lane: str
    offer: Offer
    jumps: tuple[Jump, ...]
    rows: tuple[HitRow, ...]
    n: int
    n_shown: int
    next_before: str
    n_looked_at: int | None = None  # with an owner: the first so many of those that fit
    standing: Standing | None = None

    @property
    def has_verdicts(self) -> bool:
        """Whether anything was concluded of a case on the page."""
        return any(row.verdict for row in self.rows)

    @property
    def has_owners(self) -> bool:
        """Whether anybody owns a case on the page."""
        return any(row.owners for row in self.rows)


def search_cases(project: Project, filters: Filters) -> Found:
    """The cases whose class, name or suite path holds the words, behind the first `filters.before` of them."""
    scope, words = read_scope(project, filters), filters.search
    nothing = Found(words, scope.lane, scope.offer, (), (), 0, 0, "")
    if not words:
        return nothing
    start = filters.n_before
    standing, aliases = read_standing(project, lane=scope.lane), read_aliases(project)
    ords = _choose_cases(project, scope, standing, aliases)
    values = {"project": project.pk, "words": words, "step": STEP, "ords": ords, "limit": N_READ + 1, "start": start}
    rows = fetch_rows(_CASES_SQL, values)
    groups, n_taken = _roll_up(rows[:N_READ])
    hits = _describe(project, rows[:n_taken], standing, aliases)
    every = [HitRow(tuple(hits[at] for at in group)) for group in groups]
    kept = [row for row in every if filters.owner in ("", *row.owners)]
    n = rows[0][-1] if rows else 0
    return replace(
        nothing,
        jumps=list_jumps(project, words) if not start else (),
        rows=tuple(kept),
        n=n,
        n_shown=sum(len(row.hits) for row in kept),
        next_before=str(start + n_taken) if start + n_taken < n else "",
        n_looked_at=n_taken if filters.owner else None,
        standing=standing,
    )


def write_found(found: Found, *, owner: str = "") -> str:
    """How many cases fit."""
    words = f"“{plain(shorten(found.words, 80))}”"
    if not found.words:
        return "Search for a test by a part of its name, class or suite."
    if not found.n and found.jumps:
        kinds = Counter(jump.kind for jump in found.jumps)
        led = " and ".join(f"{in_words(n)} {kind if n == 1 else _PLURALS[kind]}" for kind, n in kinds.items())
        return f"{words} fits {led}, and no test."
    if not found.n:
        return f"No test is called anything with {words}."
    said = f"{in_words(found.n)} test{' has' if found.n == 1 else 's have'} {words} in its name, class or suite"
    said = said.replace("in its name", "in their name") if found.n > 1 else said
    said = capfirst(said)
    if owner:
        n = found.n_looked_at or 0
        return f"{said}; of the {n:,} looked at here, {found.n_shown:,} {_belong(found.n_shown)} to {plain(owner)}."
    return f"{said}; {found.n_shown:,} of them are here." if found.n_shown < found.n else f"{said}."


_PLURALS: Final = {"run": "runs", "branch": "branches"}


def _belong(n: int) -> str:
    return "belongs" if n == 1 else "belong"


def _roll_up(rows: Sequence[Row]) -> tuple[list[list[int]], int]:
    """Places of the rows that stand together, and how many of the rows fit on the page."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for at, (ord_, name, class_name, suite_path, namespace, *_, merged_into, rank, _n) in enumerate(rows):
        family = split_family(name)
        is_alone = not family.parameters or merged_into is not None
        key = (ord_,) if is_alone else (rank, namespace, suite_path, class_name, family.name)
        if key not in groups and len(groups) == N_ROWS:
            return list(groups.values()), at
        groups.setdefault(key, []).append(at)
    return list(groups.values()), len(rows)


def _choose_cases(project: Project, scope: Scope, standing: Standing, aliases: Aliases) -> str | None:
    """Those that the branch shows under one of the suites, as an array for SQL; None where all fit."""
    if not scope.is_narrowed:
        return None
    newest = sorted(standing.jobs, key=lambda job: (job.ordered_at, job.ran_at, job.key.run))
    jobs = [(job.key.run, job.key.series) for job in newest]
    return format_array(list_shown_in(project, jobs=jobs, suites=scope.suites, aliases=aliases).tolist())


def _describe(project: Project, rows: Sequence[Row], standing: Standing, aliases: Aliases) -> list[Hit]:
    """Each found name with the newest name of its case, and what is known of that."""
    named = [make_name(row[:7], project.slug) for row in rows]
    newest = [aliases.canonical(case.ord) for case in named]
    renamed = {ord_ for case, ord_ in zip(named, newest, strict=True) if case.ord != ord_}
    names = {case.ord: case for case in named}
    if renamed:
        names |= read_case_names(project.pk, project.slug, ords=sorted(renamed))
    ords = sorted(set(newest) & set(names))
    outcomes = _read_outcomes(project, ords, standing, aliases)
    verdicts = _read_verdicts(project, ords, standing)
    owners = read_owners(project, cases=[names[ord_] for ord_ in ords])
    return [
        Hit(
            case=names.get(ord_, case),
            former=case if ord_ != case.ord else None,
            outcome=outcomes.get(ord_, codes.ABSENT),
            verdict=verdicts.get(ord_),
            owners=owners.get(ord_, ()),
        )
        for case, ord_ in zip(named, newest, strict=True)
    ]


def _read_outcomes(project: Project, ords: Sequence[int], standing: Standing, aliases: Aliases) -> Mapping[int, int]:
    """The worst that the jobs which the branch now consists of say of each case."""
    jobs = [(job.key.run, job.key.series) for job in standing.jobs]
    if not jobs or not ords:
        return {}
    grid = fetch_grid(open_cursor(), project.pk, jobs=jobs, ords=np.array(ords, np.int32), aliases=aliases)
    severity = np.array(codes.SEVERITY, np.uint8)[grid.outcomes]
    # A skip is less than nothing being known of a case: absent ones come last.
    worst = grid.outcomes[severity.argmax(axis=0), np.arange(len(ords))]
    return dict(zip(ords, worst.tolist(), strict=True))


def _read_verdicts(project: Project, ords: Sequence[int], standing: Standing) -> dict[int, Judged]:
    """The verdict of each case that has to be known first, in any series the branch consists of."""
    found: dict[int, Judged] = {}
    series = sorted({job.key.series for job in standing.jobs})
    for judged in read_verdicts(project, series=series, ords=ords) if series and ords else ():
        known = found.get(judged.ord)
        if known is None or RANK[Verdict(judged.verdict)] < RANK[Verdict(known.verdict)]:
            found[judged.ord] = judged
    return found


# One text a case: words may reach over the border of class and name, as runners write them.
_CASES_SQL: Final = """
WITH words AS (SELECT lower(%(words)s) AS text), found AS (
    SELECT c.*, lower(c.name) AS low_name, lower(c.class_name) AS low_class, words.text
    FROM health_case c, words
    WHERE c.project_id = %(project)s AND (%(ords)s::int[] IS NULL OR c.ord = ANY(%(ords)s))
      AND strpos(lower(c.suite_path || %(step)s || c.class_name || '::' || c.name), words.text) > 0
), ranked AS (
    SELECT *, CASE
        WHEN low_name = text OR low_class = text OR low_class || '::' || low_name = text THEN 0
        WHEN starts_with(low_name, text) OR starts_with(low_class || '::' || low_name, text) THEN 1
        ELSE 2 END AS rank
    FROM found
)
SELECT ord, name, class_name, suite_path, namespace, occurrence, suite, merged_into, rank, count(*) OVER ()
FROM ranked ORDER BY rank, ord LIMIT %(limit)s OFFSET %(start)s
"""
