"""The register of put-off tests: all that its page shows.

Called by `dashboard.views.deferred` and `dashboard.api.deferred`. The register is about one branch
(`health.standing`). Promise: a bounded number of statements, whatever the size, and a test counts once
(`tests/dashboard/test_deferred_queries.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from django.utils.text import capfirst

from dashboard.filters import Filters
from dashboard.queries.deferral_facts import BACKINGS
from dashboard.queries.deferred_lines import Lines, make_choice, read_lines
from dashboard.queries.deferred_numbers import read_register
from dashboard.queries.deferred_summary import EntryGroup, Owed, Summary, read_summary
from dashboard.queries.deferred_trend import DebtDay, DebtTrend, read_trend
from dashboard.queries.facts import Counts, sum_counts
from dashboard.queries.sql import fetch_rows
from dashboard.queries.two_axes import tell_axes
from dashboard.templatetags.display import count_in_words, count_of, in_words, plain
from health.models import Backing, Project
from health.policies import fetch_policy
from health.rules.deferral_policy import DeferralPolicy
from health.sql import open_cursor
from health.standing import Standing, fetch_standing

_MOST_SUITES: Final = 50

# What each state of a backing means.
MEANINGS: Final[dict[str, str]] = {
    "backed": "every named test exists, ran, passed and is steady",
    "weakened": "some named tests are gone, put off or flaky, fewer than promised, or no longer execute the code",
    "broken": "a named test fails, or none is left",
    "unproven": "backing is claimed, but nothing can be looked up",
    "": "nobody says what covers the logic meanwhile",
}


@dataclass(frozen=True, slots=True)
class SuiteShare:
    """A suite in the standing jobs, with what is put off in it."""

    name: str
    counts: Counts
    n_backed: int  # of the deferred results
    owed: Owed

    @property
    def told(self) -> str:
        """In one line."""
        return tell_axes(self.counts, backed=self.n_backed)


@dataclass(frozen=True, slots=True)
class BackingLine:
    """A state of backing: the word of its filter, its mark and word, what it means, how many tests."""

    state: str
    mark: str
    word: str
    meaning: str
    n: int


@dataclass(frozen=True, slots=True)
class DeferredPage:
    """All the page shows."""

    branch: str
    run: int | None  # the newest run of the branch
    ran_at: datetime | None
    n_jobs: int
    counts: Counts  # of these jobs
    today: date
    policy: DeferralPolicy
    summary: Summary
    lines: Lines
    n_before: int
    suites: tuple[SuiteShare, ...]  # those with something put off
    n_other_suites: int
    trend: DebtTrend

    @property
    def is_empty(self) -> bool:
        """Whether the register never had an entry."""
        return not self.summary.groups

    @property
    def n_answered(self) -> int:
        """Tests with an owner and a review date."""
        return self.summary.count_tests(lambda group: not {"owner", "review"} & set(group.lacks))

    @property
    def n_in_no_suite(self) -> int:
        """Tests of no suite: quarantined or planned by a pattern."""
        return self.summary.count_tests(lambda group: not group.suite)

    @property
    def drawn(self) -> DebtDay:
        """What the lines of the trend come to today; they know of reports alone."""
        return self.trend.points[-1] if self.trend.points else DebtDay(self.today, 0, 0)

    @property
    def oldest(self) -> int:
        """The age of the oldest test that is put off, in days."""
        return max((group.oldest or 0 for group in self.summary.open), default=0)

    @property
    def by_owner(self) -> tuple[Owed, ...]:
        """Debt by owner; "" is nobody."""
        return self.summary.add_up(lambda group: group.owner)

    @property
    def by_phase(self) -> tuple[Owed, ...]:
        """Debt by phase; nothing where no entry names one."""
        owed = self.summary.add_up(lambda group: group.phase)
        return owed if any(line.name for line in owed) else ()

    @property
    def backings(self) -> tuple[BackingLine, ...]:
        """The states, those that hold first."""
        counts = self.summary.by_backing
        return tuple(
            BackingLine(state or "none", *BACKINGS[state], meaning, counts[state])
            for state, meaning in MEANINGS.items()
        )

    @property
    def states(self) -> dict[str, int]:
        """How many open tests are in each state that can be chosen, and how many entries are closed."""
        count = self.summary.count_tests
        return {
            "passing": count(lambda group: group.is_passing),
            "release": count(lambda group: group.is_releasable),
            "back": count(lambda group: group.is_back),
            "overdue": count(lambda group: group.is_overdue),
            "missing": count(lambda group: group.is_missing),
            "closed": self.summary.n_closed,
        }


def read_deferred(project: Project, filters: Filters, *, today: date) -> DeferredPage:
    """The register as it is today."""
    cursor = open_cursor()
    policy, standing = fetch_policy(cursor, project.pk), fetch_standing(cursor, project.pk)
    register = read_register(project, standing=standing)
    summary = read_summary(register, project=project, policy=policy, today=today)
    choice = make_choice(project, register, filters, policy=policy, today=today)
    counts = _read_counts(project, standing)
    suites, n_other = _list_suites(counts, summary)
    return DeferredPage(
        branch=standing.lane,
        run=standing.run,
        ran_at=_find_time(project, standing),
        n_jobs=len(standing.jobs),
        counts=sum_counts(counts.values()),
        today=today,
        policy=policy,
        summary=summary,
        lines=read_lines(project, choice, n_before=filters.n_before, policy=policy, today=today),
        n_before=filters.n_before,
        suites=suites,
        n_other_suites=n_other,
        trend=read_trend(project, series=standing.series, today=today),
    )


def write_deferred(page: DeferredPage) -> str:
    """How much is put off, and what became of what is said to stand in."""
    n, lane = page.summary.n, plain(page.branch)
    if not n:
        return _write_none(page, lane)
    put_off = f"{capfirst(count_in_words(n, 'test'))} {'is' if n == 1 else 'are'} put off"
    n_claimed = page.summary.count_tests(lambda group: group.backing_id is not None)
    if not n_claimed:
        return f"{put_off}, and nobody says what covers {'it' if n == 1 else 'them'} meanwhile."
    for state in (Backing.State.BROKEN, Backing.State.WEAKENED):
        if n_fallen := page.summary.by_backing[state]:
            whose = "its backing" if n == 1 else f"the backing of {_write_claimed(n, n_fallen)}"
            return f"{put_off}; {whose} is {state.value}{_write_fallen(page, state)}."
    said = page.summary.n_stand_in
    of = _write_claimed(n, n_claimed)
    if not said:
        return f"{put_off}. For {of} others are said to stand in, and {_write_unfound(page, 'none of those')}."
    others = "one other is" if said == 1 else f"{in_words(said)} others are"
    return f"{put_off}; for {of} {others} said to stand in, and {_write_passed(page, said)}."


def _write_claimed(n: int, n_claimed: int) -> str:
    if n == n_claimed:
        return {1: "it", 2: "both of them"}.get(n, "all of them")
    return f"{in_words(n_claimed)} of them"


def _write_fallen(page: DeferredPage, state: str) -> str:
    """What was found of the backings that are so; what is promised and what is there are told apart."""
    checks = [check for check in page.summary.checks if check.state == state]
    n_known, n_found = sum(check.n_known for check in checks), sum(check.n_found for check in checks)
    if state == Backing.State.BROKEN:
        n_gone, n_failed = sum(check.n_gone for check in checks), sum(check.n_failed for check in checks)
        lost = n_gone + n_failed
        gone, fail = ("is gone", "fails") if lost == 1 else ("are gone", "fail")
        became = " or ".join(word for word, n in ((gone, n_gone), (fail, n_failed)) if n)
        return f": {lost:,} of {count_of(n_known, 'test')} {became}" if lost else ""
    promised, n_passed = sum(check.n_stand_in for check in checks), sum(check.n_passed for check in checks)
    run = f" in run {page.run}" if page.run is not None else ""
    if not promised:
        return ""
    if promised == n_found:
        return f": {n_passed:,} of {count_of(n_found, 'test')} passed{run}"
    there = f"{n_found:,} {'is' if n_found == 1 else 'are'} there"
    return f": of {count_of(promised, 'test')} named {there}, {n_passed:,} passed{run}"


def _write_unfound(page: DeferredPage, none: str) -> str:
    """That nothing was found; only of a text that names nothing is it said that it cannot be looked up."""
    can = any(check.n_unread for check in page.summary.checks)
    return f"{none} {'can be looked up' if can else 'was found'}"


def _write_none(page: DeferredPage, lane: str) -> str:
    if page.run is None and page.is_empty:
        return "No run has arrived yet."
    if page.run is None:
        return "Nothing is put off."
    if not page.counts.declared or page.counts.deferred:
        return f"Nothing is put off on {lane}."
    noun = "test" if page.n_jobs == 1 else "result"
    return f"Nothing is put off on {lane}: {page.counts.executed:,} of {page.counts.declared:,} declared {noun}s ran."


def _write_passed(page: DeferredPage, said: int) -> str:
    summary = page.summary
    if not summary.n_found:
        return _write_unfound(page, f"none of the {said:,}" if said > 1 else "none")
    run = f" in run {page.run}" if page.run is not None else ""
    if summary.n_passed == said:
        return f"{'it' if said == 1 else 'all'} passed{run}"
    if summary.n_found == said:
        return f"{summary.n_passed:,} of the {said:,} passed{run}"
    found = f"{summary.n_found:,} of the {said:,} {'was' if summary.n_found == 1 else 'were'} found"
    return f"{found}, {summary.n_passed:,} passed{run}"


def _find_time(project: Project, standing: Standing) -> datetime | None:
    if standing.run is None:
        return None
    ((ran_at,),) = fetch_rows(_TIME_SQL, {"project": project.pk, "run": standing.run})
    return ran_at  # type: ignore[no-any-return]


def _read_counts(project: Project, standing: Standing) -> dict[str, Counts]:
    """Of the standing jobs, by suite."""
    jobs = {"runs": [job.run for job in standing.jobs], "series": standing.series}
    rows = fetch_rows(_SUITES_SQL, {"project": project.pk, **jobs})
    return {row[0]: Counts(declared=row[1], passed=row[2], skipped=row[3], xfailed=row[4]) for row in rows}


def _list_suites(counts: Mapping[str, Counts], summary: Summary) -> tuple[tuple[SuiteShare, ...], int]:
    """The suites in which something is put off, the largest debt first; and how many others there are."""
    owed = {line.name: line for line in summary.add_up(lambda group: group.suite) if line.name}
    results = _count_results(summary.open)
    suites = [
        SuiteShare(name, found, _cap_backed(found, results.get(name, (0, 0))), owed.get(name, Owed(name, 0, 0, 0)))
        for name, found in counts.items()
        if found.deferred or name in owed
    ]
    suites.sort(key=lambda suite: (-suite.owed.debt, -suite.counts.deferred, suite.name))
    return tuple(suites[:_MOST_SUITES]), len(counts) - min(len(suites), _MOST_SUITES)


def _count_results(groups: Sequence[EntryGroup]) -> Mapping[str, tuple[int, int]]:
    """By suite: results that are put off, and those of them that are backed."""
    counts: dict[str, tuple[int, int]] = {}
    for group in groups:
        n, n_backed = counts.get(group.suite, (0, 0))
        counts[group.suite] = (n + group.n_results, n_backed + (group.n_results if group.is_backed else 0))
    return counts


def _cap_backed(counts: Counts, results: tuple[int, int]) -> int:
    """Where the register knows more or less than was counted, so many are backed as are so in any case."""
    n, n_backed = results
    return max(min(n_backed, counts.deferred - (n - n_backed)), 0)


_TIME_SQL: Final = "SELECT ran_at FROM health_run WHERE project_id = %(project)s AND number = %(run)s"

_SUITES_SQL: Final = """
SELECT s.name, sum(r.n_declared)::int, sum(r.n_passed)::int, sum(r.n_skipped)::int, sum(r.n_xfailed)::int
FROM unnest(%(runs)s::int[], %(series)s::int[]) AS standing(run, series)
JOIN health_runsuite r ON r.project_id = %(project)s AND r.run = standing.run AND r.series = standing.series
JOIN health_suite s ON s.project_id = r.project_id AND s.number = r.suite
GROUP BY 1
"""
