"""The numbers of the overview, each against the whole it is part of, with a line of how it came.

Used by the overview. Pure (`tests/dashboard/test_numbers.py`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from dashboard.queries.covered import LevelFact
from dashboard.queries.facts import Counts, tell_as_expected
from dashboard.queries.standing import Point, Standing
from dashboard.queries.two_axes import is_backed, tell_axes, tell_backed, tell_put_off
from dashboard.templatetags.display import duration, percent_of, plain

_WIDTH: Final = 100.0
_TOP: Final = 4.0
_MOST_LEVELS: Final = 4  # in words, beside the one in figures
_BOTTOM: Final = 26.0


@dataclass(frozen=True, slots=True)
class Spark:
    """One ink line: an SVG path in a box of 100 × 30, and what it says."""

    points: str
    label: str


@dataclass(frozen=True, slots=True)
class Number:
    """`figure` is large, `unit` small beside it; `whole` is bold and `rest` plain below. `part` of the page of `run`
    lists what the figure counts; or the page named `page` does.
    """

    title: str
    figure: str
    unit: str
    whole: str
    rest: str
    spark: Spark | None
    run: int | None = None
    part: str = ""
    page: str = ""


def list_numbers(
    standing: Standing,
    *,
    levels: Sequence[LevelFact] = (),
    coverage: Sequence[Sequence[LevelFact]] = (),
    backed: int | None = None,
) -> tuple[Number, ...]:
    """Pass rate, deferred, line coverage, declared; without coverage test time. Nothing without a run.

    `levels` are what stands for the lane, as `rank_levels` orders them, `coverage` is of its runs, oldest first.
    `backed` is how many of the deferred tests are, None where nobody knows.
    """
    if standing.head is None:
        return ()
    points = standing.points
    rate, deferred = _tell_rate(points, backed), _tell_deferred(standing, backed)
    if not levels:
        return (rate, deferred, _tell_declared(points, backed), _tell_time(points))
    return (rate, deferred, tell_coverage(levels, coverage), _tell_declared(points, backed))


def tell_coverage(levels: Sequence[LevelFact], coverage: Sequence[Sequence[LevelFact]] = ()) -> Number:
    """The level that the headline of the coverage page is about, and the others in words; its line from runs."""
    most, others = levels[0], levels[1:]
    valid, covered = most.covered.lines_valid, most.covered.lines_covered
    named, n_more = others[:_MOST_LEVELS], len(others) - _MOST_LEVELS
    told = [f"{plain(f.name)}: {f.covered.lines_covered:,} of {f.covered.lines_valid:,}." for f in named]
    told += [f"{n_more} more level{'' if n_more == 1 else 's'}."] if n_more > 0 else []
    by = f", by the {plain(most.level)} tests" if most.level else ""
    cut = ["It is incomplete."] if most.is_partial else []
    shares = [
        fact.covered.lines_covered / fact.covered.lines_valid
        for facts in coverage
        for fact in facts
        if fact.level == most.level and not fact.is_partial and fact.covered.lines_valid
    ]
    return Number(
        title="Line coverage",
        figure=percent_of(covered, valid),
        unit="%" if valid else "",
        whole=f"{covered:,} of {valid:,} lines ran" if valid else "",
        rest=" ".join([f"{by}.", *cut, *told]) if valid else "No line could run.",
        spark=_draw_values(shares, "Line coverage", first=shares[0]) if len(shares) > 1 else None,
        page="coverage",
    )


def _tell_rate(points: Sequence[Point], backed: int | None) -> Number:
    """In per cent, but all of it only where nothing is put off that nothing backs: then the fraction says it."""
    counts = points[-1].counts
    if not counts.executed:
        return Number("Pass rate", "none", "", "", f"Nothing ran of {counts.declared:,} declared tests.", None)
    whole, split = tell_as_expected(counts)
    broken = [f"{counts.failed:,} failed"] if counts.failed else []
    broken += [f"{counts.errored:,} ended in an error"] if counts.errored else []
    told = f". {' and '.join(broken)}" if broken else ""
    n_green, n_points = sum(point.is_green for point in points), len(points)
    green = f" {_count_of(n_green, n_points)} runs left it green." if n_points > 1 else ""
    is_whole = counts.as_expected == counts.executed and not is_backed(counts, backed=backed)
    if is_whole:  # the fraction is the figure
        whole = whole.partition(f"of {counts.executed:,} ")[2]
        told = f"; {tell_put_off(counts, backed=backed)}"
    return Number(
        title="Pass rate",
        figure=f"{counts.as_expected:,}" if is_whole else percent_of(counts.as_expected, counts.executed),
        unit=f"of {counts.executed:,}" if is_whole else "%",
        whole=whole,
        rest=f"{f': {split}' if split else ''}{told}.{green}",
        spark=_draw(points, lambda c: c.as_expected / c.executed if c.executed else 0, "Pass rate", ceiling=1.0),
    )


def _tell_deferred(standing: Standing, backed: int | None) -> Number:
    points = standing.points
    counts = points[-1].counts
    if not counts.declared:
        return Number("Deferred", "none", "", "", "No test is declared.", None)
    told = [f"{counts.skipped:,} skipped"] if counts.skipped else []
    told += [f"{counts.xfailed:,} expected to fail"] if counts.xfailed else []
    most = max(standing.jobs, key=lambda job: job.counts.deferred, default=None)
    split = f": {', '.join(told)}{tell_backed(counts, backed=backed)}." if told else ": everything ran."
    is_in_register = bool(counts.deferred) and backed is not None
    return Number(
        title="Deferred",
        figure=f"{counts.deferred:,}",
        unit="",
        whole=f"of {counts.declared:,} declared",
        rest=split + _tell_oldest(points, lambda c: c.deferred),
        spark=_draw(points, lambda c: c.deferred, "Deferred tests"),
        run=most.key.run if most and most.counts.deferred and not is_in_register else None,
        part="put-off",
        page="deferred" if is_in_register else "",
    )


def _tell_declared(points: Sequence[Point], backed: int | None) -> Number:
    counts = points[-1].counts
    if not counts.declared:
        return Number("Declared", "none", "", "", "The reports list no test.", None)
    return Number(
        title="Declared",
        figure=f"{counts.declared:,}",
        unit="",
        whole=tell_axes(counts, backed=backed) if counts.deferred else "all executed",
        rest=f". No plan says how many there should be.{_tell_oldest(points, lambda c: c.declared)}",
        spark=_draw(points, lambda c: c.declared, "Declared tests"),
    )


def _tell_time(points: Sequence[Point]) -> Number:
    counts = points[-1].counts
    if not counts.units:
        return Number("Test time", "none", "", "", "The reports give no times.", None)
    figure, _, unit = duration(counts.seconds).partition("\u00a0")
    before = [point.counts.seconds for point in points[:-1] if point.counts.units] or [counts.seconds]
    usual = f" Half of the {len(before)} runs before took {duration(median(before))} or less."
    return Number(
        title="Test time",
        figure=figure,
        unit=unit.replace("\u00a0", " "),
        whole=f"in {counts.executed:,} executed tests",
        rest=f", added up; not the time on the clock.{usual if len(before) > 2 else ''}",
        spark=_draw(points, lambda c: c.seconds, "Test time"),
    )


def _count_of(part: int, whole: int) -> str:
    if part == whole:
        return "Both" if whole == 2 else f"All {whole}"
    return f"{part or 'None'} of {whole}"


def _tell_oldest(points: Sequence[Point], take: Callable[[Counts], int]) -> str:
    """How it was in the oldest run that left the lane with as many jobs as now, when that was otherwise."""
    oldest = _find_oldest(points)
    first, last = take(oldest.counts), take(points[-1].counts)
    where = "in the oldest run shown" if oldest is points[0] else f"after run {oldest.run.number}"
    return f" It was {first:,} {where}." if first != last else ""


def _find_oldest(points: Sequence[Point]) -> Point:
    """The oldest point that can be compared with the newest one: whole, and of as many jobs."""
    last = points[-1]
    return next((point for point in points if point.is_complete and point.n_jobs == last.n_jobs), last)


def _draw(
    points: Sequence[Point], take: Callable[[Counts], float], title: str, *, ceiling: float | None = None
) -> Spark | None:
    """A line from the oldest run to the newest; None for a single point."""
    if len(points) < 2:
        return None
    values = [take(point.counts) for point in points]
    return _draw_values(values, title, first=take(_find_oldest(points).counts), ceiling=ceiling)


def _draw_values(values: Sequence[float], title: str, *, first: float, ceiling: float | None = None) -> Spark:
    low, high = min(values), max(values) if ceiling is None else ceiling
    scale = (_BOTTOM - _TOP) / (high - low) if high > low else 0.0
    step = _WIDTH / (len(values) - 1)
    base = _BOTTOM if scale else (_TOP if ceiling is not None else (_TOP + _BOTTOM) / 2)
    path = " ".join(f"{at * step:.1f},{base - (value - low) * scale:.1f}" for at, value in enumerate(values))
    trend = _tell_trend(first, values[-1])
    return Spark(path, f"{title} in {len(values)} runs: {trend}")


def _tell_trend(first: float, last: float) -> str:
    if last == first:
        return "the same at both ends"
    return "higher now than at first" if last > first else "lower now than at first"
