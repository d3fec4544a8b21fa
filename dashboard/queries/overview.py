"""The overview of a project: one sentence, what needs attention, the numbers, the trend, the newest runs.

Called by `dashboard.views.overview`. Promise: a bounded number of statements, and every sentence is written from
the counts beside it (`tests/dashboard/test_overview_queries.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final

from dashboard.queries.attention import Attention, read_attention
from dashboard.queries.backed import read_put_off_now
from dashboard.queries.covered import LevelFact, rank_levels, read_newest, read_of_runs, write_levels
from dashboard.queries.facts import JobFact, RunFact, name_jobs
from dashboard.queries.numbers import Number, list_numbers
from dashboard.queries.sentences import write_status
from dashboard.queries.standing import Standing, read_standing
from dashboard.queries.two_axes import is_backed, tell_axes, tell_backed, tell_put_off
from dashboard.templatetags.display import find_crowded_days, in_words
from health.models import Project, Run

_N_RECENT: Final = 8


@dataclass(frozen=True, slots=True)
class RecentRun:
    """A run, with its jobs in words. `change` is in declared tests, against the run before of the same jobs.

    `is_bare`: it brought coverage and no test results.
    """

    run: RunFact
    what: str
    change: int | None
    is_bare: bool = False
    backed: int | None = None  # how many of its deferred tests are; None where nobody knows

    @property
    def told_backed(self) -> str:
        """What follows the number of deferred tests."""
        return tell_backed(self.run.counts, backed=self.backed)


@dataclass(frozen=True, slots=True)
class Overview:
    """All the page shows. Without a single run on the lane `standing.head` is None."""

    standing: Standing
    sentence: str
    attention: Attention
    numbers: tuple[Number, ...]
    recent: tuple[RecentRun, ...]
    counted: tuple[RunFact, ...]  # the runs the figures come from, newest first
    told_recent: str
    crowded: frozenset[date]  # days on which several of the recent runs were
    has_several: bool  # whether the runs are not all of the same jobs
    has_other_runs: bool
    has_only_coverage: bool
    backed: int | None = None  # how many of the deferred tests are; None for a branch the register is not about

    @property
    def line(self) -> str:
        """Executed of declared and backed of deferred, in one line."""
        return tell_axes(self.standing.head.counts, backed=self.backed) if self.standing.head else ""

    @property
    def told_put_off(self) -> str:
        """What is put off and not backed, as a sentence; empty where that is nothing."""
        head = self.standing.head
        if head is None or is_backed(head.counts, backed=self.backed):
            return ""
        return f"{tell_put_off(head.counts, backed=self.backed, noun='test')}."


def read_overview(project: Project, *, now: datetime, lane: str = "") -> Overview:
    """Read the lane (the one the project is judged by, where none is asked for), judge it, find what needs somebody."""
    standing = read_standing(project, lane=lane)
    if lane and standing.lane != lane:
        standing = replace(standing, lane=lane)  # it has no run
    has_other_runs = standing.head is None and Run.objects.filter(project=project).exists()
    coverage = read_of_runs(project, numbers=[run.number for run in standing.runs])
    in_order = [coverage[run.number] for run in standing.runs if run.number in coverage]
    recent_runs = list_recent(standing.runs, jobs=standing.jobs_of_runs, coverage=coverage)[:_N_RECENT]
    levels = rank_levels(fact for fact in read_newest(project) if fact.lane == standing.lane)
    only = levels if standing.head is None else ()
    counted = {job.key.run for job in standing.jobs}
    backed = _read_backed(project, standing)
    if len(counted) == 1:
        recent_runs = tuple(replace(one, backed=backed) if one.run.number in counted else one for one in recent_runs)
    attention = read_attention(project, standing, now=now)
    return Overview(
        standing=standing,
        sentence=write_status(
            standing,
            has_other_runs=has_other_runs,
            coverage=only,
            backed=backed,
            is_quarantined=attention.is_quarantined,
        ),
        attention=attention,
        numbers=list_numbers(standing, levels=levels, coverage=in_order, backed=backed),
        recent=recent_runs,
        counted=tuple(run for run in reversed(standing.runs) if run.number in counted),
        has_several=len({recent.what for recent in recent_runs if recent.what}) > 1,
        told_recent=tell_recent(standing, n_shown=len(recent_runs)),
        crowded=find_crowded_days(recent.run.ran_at for recent in recent_runs),
        has_other_runs=has_other_runs,
        has_only_coverage=bool(only),
        backed=backed,
    )


def _read_backed(project: Project, standing: Standing) -> int | None:
    if standing.head is None:
        return None
    return read_put_off_now([project.pk])[project.pk].find_backed(standing.head.counts, lane=standing.lane)


def tell_recent(standing: Standing, *, n_shown: int) -> str:
    """How many of which runs are listed, and how many of which were red."""
    n, n_red = len(standing.runs), sum(run.counts.is_red for run in standing.runs)
    were = f"{n_red or 'none'} of {{}} {'was' if n_red == 1 else 'were'} red"
    if n == 1:
        return "The only one so far."
    if not standing.is_whole:
        return f"The {in_words(n_shown)} newest; {were.format(f'the last {n} runs')}."
    if n_shown < n:
        return f"The {in_words(n_shown)} newest of {n} runs; {were.format(f'the {n}')}."
    return f"All {in_words(n)}; {were.format('them')}."


def list_recent(
    runs: Sequence[RunFact],
    *,
    jobs: Mapping[int, Sequence[JobFact]],
    coverage: Mapping[int, Sequence[LevelFact]],
) -> tuple[RecentRun, ...]:
    """The runs, newest first, each compared with the one before it that had the same series."""
    last: dict[frozenset[int], RunFact] = {}
    listed = []
    for run in runs:
        here = jobs.get(run.number, ())
        if not here:
            listed.append(RecentRun(run, write_levels(coverage.get(run.number, ())), None, is_bare=True))
            continue
        series = frozenset(job.key.series for job in here)
        before = last.get(series)
        change = run.counts.declared - before.counts.declared if before else None
        listed.append(RecentRun(run, name_jobs([(job.job, job.variant) for job in here]), change))
        last[series] = run
    return tuple(reversed(listed))
