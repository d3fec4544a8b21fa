"""The causes of a branch, or of one run: ranked, with their share, their category and how they stand.

Called by `dashboard.views.causes`.
Promise: shares are of all broken results counted, errors stand apart from failures, and the number of statements does
not grow with the project (`tests/dashboard/test_causes_views.py`).
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from django.utils.text import capfirst

from dashboard.filters import Filters
from dashboard.queries.cause_facts import CauseFact, Known, read_causes, read_rules
from dashboard.queries.cause_standing import MARKS, Standing, list_members, read_claims
from dashboard.queries.cause_window import (
    Count,
    RunPoint,
    Tally,
    can_be_read,
    choose_largest,
    read_broken,
    read_counts,
    read_first_seen,
    read_jobs_of_run,
    read_largest,
    read_window,
    tally_counts,
    tally_results,
    trim_window,
)
from dashboard.queries.scope import Scope, read_scope
from dashboard.queries.windows import Windows, read_windows
from dashboard.templatetags.display import count_in_words, in_words, plain
from health.causes import fetch_merged
from health.models import Project, Run
from health.rules.causes import CauseRule, find_head, list_categories
from health.sql import open_cursor

MOST_LISTED: Final = 100  # on the page; a file holds all that are ranked
_MOST_RANKED: Final = 300  # how each of them stands is looked up


@dataclass(frozen=True, slots=True)
class CauseLine:
    """One cause in the table. `n_of` is how many broken results there are in all."""

    fact: CauseFact
    state: str
    count: Count
    n_of: int
    n_cases: int
    is_at_least: bool  # more cases than could be read; it broke as many in one job
    n_runs: int
    n_runs_of: int
    first: RunPoint | None  # on this branch, however long ago
    last: RunPoint | None
    marks: tuple[str, ...]

    @property
    def mark(self) -> str:
        """The state's mark; an error is one in its mark, too."""
        mark = MARKS[self.state]
        return "error" if mark == "fail" and self.count.errored > self.count.failed else mark

    @property
    def label(self) -> str:
        """The strip in words."""
        n = sum(mark in ("fail", "error") for mark in self.marks)
        return f"broke {n} of the newest {len(self.marks)} runs"


@dataclass(frozen=True, slots=True)
class CategoryLine:
    """A category in the table: how many causes are of it, and how many broken results they are."""

    name: str
    n_causes: int
    count: Count
    n_of: int
    url: str


@dataclass(frozen=True, slots=True)
class CausesPage:
    """All the page shows. `counted` are the runs the shares are of: the window, or the chosen run alone."""

    scope: Scope
    windows: Windows
    run: RunPoint | None
    counted: tuple[RunPoint, ...]
    n_window: int  # of how many runs its standing is told
    total: Count
    n_causes: int
    lines: tuple[CauseLine, ...]
    n_fitting: int  # of those ranked, how many fit category and state
    n_unranked: int
    n_unranked_broken: int
    categories: tuple[CategoryLine, ...]  # of those ranked
    rules: tuple[CauseRule, ...]
    names: tuple[str, ...]  # all categories there are

    @property
    def newest(self) -> RunPoint | None:
        """The newest run counted."""
        return self.counted[-1] if self.counted else None

    @property
    def sentence(self) -> str:
        """The page in one sentence."""
        if not self.counted:
            return "No run is here yet."
        where = f"run {self.run.number}" if self.run else _tell_runs(len(self.counted))
        if not self.total.broken:
            return f"Nothing broke in {where}."
        return f"{tell_count(self.total)} in {where}, {self._tell_causes()}."

    def _tell_causes(self) -> str:
        told = f"for {count_in_words(self.n_causes, 'cause')}"
        if not self.categories:
            return told
        first = self.categories[0]
        name = f"the category “{plain(first.name)}”"
        if len(self.categories) == 1 and not self.n_unranked:
            return f"{told}, {'all ' if self.n_causes > 1 else ''}in {name}"
        if self.n_unranked:
            where = f"of the {self.n_causes - self.n_unranked:,} largest"
            return f"{told}; {where}, {first.count.broken:,} of {first.n_of:,} broken results are in {name}"
        are = "is" if first.count.broken == 1 else "are"
        return f"{told}; {first.count.broken:,} of {first.n_of:,} {are} in {name}"


def read_causes_page(project: Project, filters: Filters, *, for_owner: bool = False) -> CausesPage | None:
    """The causes that fit the filters; None when the run they name is not there."""
    run = Run.objects.filter(project=project, number=int(filters.run)).first() if filters.run else None
    if filters.run and run is None:
        return None
    scope = read_scope(project, replace(filters, branch=run.lane) if run else filters)
    window = read_window(project, scope)
    counted = read_jobs_of_run(project, scope, run=run.number) if run else window
    suites = scope.suite_numbers
    if suites is not None and not can_be_read(counted):
        counted = trim_window(counted)
    rules = read_rules(project)
    results = read_broken(project, counted.jobs, suites=suites) if can_be_read(counted) or suites is not None else None
    merged = fetch_merged(open_cursor(), project.pk)
    heads = {one: find_head(merged, one) for one in merged}
    # What they say is read of the largest alone: there may be as many causes as broken results.
    if results is None:
        largest = read_largest(project, counted, heads=heads, limit=_MOST_RANKED)
    else:
        of_all = tally_results(results, heads)
        largest = choose_largest(of_all, limit=_MOST_RANKED)
    members = list_members(merged, heads=largest.counts)
    fingerprints = [one for ones in members.values() for one in ones]
    if results is None:
        tallies = tally_counts(read_counts(project, counted, fingerprints=fingerprints), heads)
    else:
        tallies = {head: of_all[head] for head in largest.counts}
    known = read_causes(project, fingerprints=largest.counts, rules=rules, for_owner=for_owner)
    total = largest.total
    ranked = _rank(tallies, known)
    standing = Standing(
        window=window,
        # How causes stand is told from the whole window, whichever run is looked at.
        tallies=tally_counts(read_counts(project, window, fingerprints=fingerprints), heads) if run else tallies,
        first=read_first_seen(project, scope, members=members),
        claims={head: claims[-1] for head, claims in read_claims(project, members=members).items()},
    )
    lines = [
        _describe(
            known.facts[head],
            tallies[head],
            standing,
            n_of=total.broken,
            n_runs_of=len(counted.runs),
            is_read=results is not None,
        )
        for head in ranked
    ]
    fitting = [line for line in lines if _fits(line, filters)]
    return CausesPage(
        scope=scope,
        windows=read_windows(project, scope),
        run=counted.runs[0] if run and counted.runs else None,
        counted=counted.runs,
        n_window=len(window.runs),
        total=total,
        n_causes=largest.n_causes,
        lines=tuple(fitting),
        n_fitting=len(fitting),
        n_unranked=largest.n_causes - len(ranked),
        n_unranked_broken=total.broken - sum(tallies[head].total.broken for head in ranked),
        categories=_sum_categories(tallies, known, total.broken, filters),
        rules=rules,
        names=tuple(list_categories(rules)),
    )


def _rank(tallies: Mapping[int, Tally], known: Known) -> list[int]:
    """The largest first."""
    heads = [head for head in tallies if head in known.facts]
    return sorted(heads, key=lambda head: (-tallies[head].total.broken, known.facts[head].masked, head))


def _describe(
    fact: CauseFact, tally: Tally, standing: Standing, *, n_of: int, n_runs_of: int, is_read: bool
) -> CauseLine:
    head = fact.fingerprint
    return CauseLine(
        fact=fact,
        state=standing.tell(head),
        count=tally.total,
        n_of=n_of,
        n_cases=len(tally.ords) if is_read else tally.n_most,
        is_at_least=not is_read,
        n_runs=len(tally.of_run),
        n_runs_of=n_runs_of,
        first=standing.find_first(head),
        last=standing.find_last(head),
        marks=standing.draw(head),
    )


def _fits(line: CauseLine, filters: Filters) -> bool:
    return filters.category in ("", line.fact.category.name) and filters.state in ("", line.state)


def _sum_categories(
    tallies: Mapping[int, Tally], known: Known, n_of: int, filters: Filters
) -> tuple[CategoryLine, ...]:
    """Over all causes that are ranked, also those that are not listed."""
    totals: dict[str, Count] = defaultdict(Count)
    n_causes: dict[str, int] = defaultdict(int)
    for head, tally in tallies.items():
        if fact := known.facts.get(head):
            totals[fact.category.name] = totals[fact.category.name].plus(tally.total)
            n_causes[fact.category.name] += 1
    ranked = sorted(totals, key=lambda name: (-totals[name].broken, name))
    return tuple(
        CategoryLine(name, n_causes[name], totals[name], n_of, filters.write(category=name)) for name in ranked
    )


def tell_count(count: Count) -> str:
    """Broken results in words, errors apart: "Four failures and 25 errors"."""
    told = [count_in_words(n, noun) for n, noun in ((count.failed, "failure"), (count.errored, "error")) if n]
    return capfirst(" and ".join(told))


def _tell_runs(n: int) -> str:
    return "the newest run" if n == 1 else f"the newest {in_words(n)} runs"
