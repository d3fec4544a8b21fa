"""The overview of a project: one sentence, what needs attention, the numbers, the trend, the newest runs.

Called by `dashboard.views.overview`. Promise: a bounded number of statements, and every sentence is written from
the counts beside it (`tests/dashboard/test_overview_queries.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dashboard.queries.attention import Attention, read_attention
from dashboard.queries.facts import Counts, RunFact
from dashboard.queries.standing import Point, Standing, read_standing
from dashboard.templatetags.display import write_day
from health.models import Project, Run

_N_RECENT: Final = 8
_SPARK_WIDTH: Final = 100.0
_SPARK_TOP: Final = 4.0
_SPARK_BOTTOM: Final = 26.0


@dataclass(frozen=True, slots=True)
class RecentRun:
    """A run of the list; `declared_change` is against the run before it, where both had the same jobs."""

    run: RunFact
    declared_change: int | None


@dataclass(frozen=True, slots=True)
class Spark:
    """One ink line: an SVG path in a box of 100 × 30, and what it says."""

    points: str
    label: str


@dataclass(frozen=True, slots=True)
class Number:
    """One of the numbers. `figure` is large, `unit` small beside it, `whole` bold and `rest` plain below."""

    title: str
    figure: str
    unit: str
    whole: str
    rest: str
    spark: Spark | None


@dataclass(frozen=True, slots=True)
class Overview:
    """All the page shows. Without a single run `standing.head` is None."""

    standing: Standing
    sentence: str
    attention: Attention
    recent: tuple[RecentRun, ...]
    n_red: int
    runs_of_head: tuple[RunFact, ...]
    has_other_runs: bool


def read_overview(project: Project, *, now: datetime) -> Overview:
    """Read the lane, judge it, and find what needs somebody."""
    standing = read_standing(project)
    numbers = {job.key.run for job in standing.jobs}
    has_other_runs = standing.head is None and Run.objects.filter(project=project).exists()
    return Overview(
        standing=standing,
        sentence=write_sentence(standing, has_other_runs=has_other_runs),
        attention=read_attention(project, standing, now=now),
        recent=_list_recent(standing.runs),
        n_red=sum(run.counts.is_red for run in standing.runs),
        runs_of_head=tuple(run for run in reversed(standing.runs) if run.number in numbers),
        has_other_runs=has_other_runs,
    )


def write_sentence(standing: Standing, *, has_other_runs: bool = False) -> str:
    """What a colleague would say about the branch: how it is, how much of it, since when."""
    lane, head = standing.lane or "the default branch", standing.head
    if head is None:
        return f"No run of {lane} yet." if has_other_runs else "No runs yet."
    counts = head.counts
    if counts.errored or counts.suite_errors:
        return f"{lane} does not run clean: {_tell_errors(counts)}{_tell_since(standing)}."
    if counts.failed:
        return f"{lane} is failing: {_tell_failures(standing)}{_tell_since(standing)}."
    if not counts.declared:
        return f"{lane} reported, but no report listed a test."
    if not counts.executed:
        return f"{lane} is untested: none of {counts.declared:,} declared tests ran."
    if not head.is_complete:
        return f"{lane} is incomplete: what arrived passed, {_of(counts.as_expected, counts.executed)} executed tests."
    return f"{lane} is green: {_tell_passes(counts)}."


def _tell_passes(counts: Counts) -> str:
    if counts.xfailed:
        return f"{_of(counts.passed, counts.executed)} executed tests passed, {counts.xfailed:,} failed as expected"
    if counts.executed == 1:
        return "its one executed test passed"
    return f"all {counts.executed:,} executed tests passed"


def _tell_failures(standing: Standing) -> str:
    if standing.head is None:
        return ""
    counts = standing.head.counts
    n_new = sum(job.changes.new for job in standing.jobs)
    verb = "fails" if counts.failed == 1 else "fail"
    new = "" if not n_new else ", all of them new" if n_new == counts.failed > 1 else f", {n_new:,} of them new"
    if counts.failed == 1:
        new = ", and is new" if n_new else ""
    return f"{_of(counts.failed, counts.executed)} executed tests {verb}{new}"


def _tell_errors(counts: Counts) -> str:
    said = []
    if counts.errored:
        verb = "stops" if counts.errored == 1 else "stop"
        said.append(f"{_of(counts.errored, counts.executed)} executed tests {verb} with an error")
    if counts.suite_errors:
        said.append(f"{counts.suite_errors:,} suite{' breaks' if counts.suite_errors == 1 else 's break'} outside any test")
    if counts.failed:
        said.append(f"{counts.failed:,} fail{'s' if counts.failed == 1 else ''}")
    return " and ".join(said) if len(said) < 3 else f"{', '.join(said[:-1])} and {said[-1]}"


def _tell_since(standing: Standing) -> str:
    """Since when it is red, unless that is only the newest run."""
    first = standing.red_since
    if first is None or first is standing.head:
        return ""
    if first is standing.points[0]:
        return "" if standing.is_whole else f", for at least {len(standing.points)} runs"
    n = len(standing.points) - standing.points.index(first)
    return f", since {write_day(first.run.ran_at)}, {n} runs in a row"


def list_numbers(standing: Standing) -> tuple[Number, ...]:
    """The numbers with their denominators in words, and a line of how they came."""
    head = standing.head
    if head is None:
        return ()
    counts, points = head.counts, standing.points
    n_green = sum(not point.is_red for point in points)
    return (
        Number(
            "Declared",
            f"{counts.declared:,}",
            "",
            f"{counts.executed:,} of them ran",
            _tell_declared(points),
            _draw([p.counts.declared for p in points], f"Declared tests, {_tell_range([p.counts.declared for p in points])}"),
        ),
        Number(
            "Deferred",
            f"{counts.deferred:,}" if counts.declared else "none",
            "",
            f"of {counts.declared:,} declared",
            _tell_deferred(points),
            _draw([p.counts.deferred for p in points], f"Deferred tests, {_tell_range([p.counts.deferred for p in points])}"),
        ),
    ) if n_green >= 0 else ()


def _tell_declared(points: Sequence[Point]) -> str:
    first, last = points[0].counts.declared, points[-1].counts.declared
    if len(points) == 1 or first == last:
        return ""
    return f"{first:,} in the oldest run shown here"


def _tell_deferred(points: Sequence[Point]) -> str:
    counts = points[-1].counts
    return f"{counts.skipped:,} skipped, {counts.xfailed:,} expected to fail"


def _tell_range(values: Sequence[int]) -> str:
    return f"from {values[0]:,} to {values[-1]:,} in {len(values)} runs"


def _draw(values: Sequence[float], label: str) -> Spark | None:
    """A line from the oldest to the newest; flat ones lie in the middle. None for a single point."""
    if len(values) < 2:
        return None
    low, high = min(values), max(values)
    span = high - low

    def height(value: float) -> float:
        if not span:
            return (_SPARK_TOP + _SPARK_BOTTOM) / 2
        return _SPARK_BOTTOM - (value - low) / span * (_SPARK_BOTTOM - _SPARK_TOP)

    step = _SPARK_WIDTH / (len(values) - 1)
    return Spark(" ".join(f"{at * step:.1f},{height(value):.1f}" for at, value in enumerate(values)), label)


def _list_recent(runs: Sequence[RunFact]) -> tuple[RecentRun, ...]:
    return ()


def _of(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,}"
