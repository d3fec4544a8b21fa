"""The sentences on top of pages: what a colleague would say about a branch, a run, a case, a trend.

Used by the queries of the overview and the views of run, case and trends. Pure; each number in them is a
fact given (`tests/dashboard/test_sentences.py`).
"""

from collections.abc import Sequence
from typing import Final

from django.utils.text import capfirst

from dashboard.queries.backed import PutOffNow
from dashboard.queries.case import CasePage
from dashboard.queries.case_history import Cell
from dashboard.queries.covered import LevelFact, write_levels
from dashboard.queries.facts import Changes, Counts
from dashboard.queries.renames import tell_renamed
from dashboard.queries.standing import Standing
from dashboard.queries.trends import DayPoint, Trends
from dashboard.queries.two_axes import tell_put_off
from dashboard.templatetags.display import count_in_words, count_of, in_words, plain, shorten, write_day
from health.rules import outcomes as codes

_LONGEST_NAME: Final = 80
_PLURALS: Final = {
    "suite": "suites",
    "level": "levels",
    "variant": "variants",
    "job": "jobs",
    "branch": "branches",
}


def write_status(
    standing: Standing,
    *,
    has_other_runs: bool = False,
    coverage: Sequence[LevelFact] = (),
    backed: int | None = None,
    is_quarantined: bool = False,
) -> str:
    """How the lane is, how much of it, since when. `has_other_runs`: other branches have been heard of. `coverage` is
    all that has come without test results. `backed`: how many of the deferred tests are. `is_quarantined`: nothing
    fails but what is quarantined.
    """
    lane, head = plain(standing.lane) or "the default branch", standing.head
    if head is None and coverage:
        return f"No test results of {lane} yet, only coverage: {write_levels(coverage)}."
    if head is None:
        return f"No run of {lane} yet." if has_other_runs else "No run yet."
    counts = head.counts
    known = ("; it is quarantined" if counts.broken == 1 else "; all of them quarantined") if is_quarantined else ""
    if counts.errored or counts.suite_errors:
        return f"{lane} is failing{_tell_since(standing)}: {_tell_errors(counts)}{known}."
    if counts.failed:
        return f"{lane} is failing{_tell_since(standing)}: {_tell_failures(standing, counts)}{known}."
    if not counts.declared:
        return f"{lane} sent reports, but none lists a test."
    if not counts.executed:
        return f"Nothing ran on {lane}: {_of(0, counts.declared)} declared tests."
    if not head.is_complete:
        return _tell_incomplete(standing, lane, backed)
    return f"{lane} is green: {_tell_passes(counts, backed)}."


def _tell_incomplete(standing: Standing, lane: str, backed: int | None) -> str:
    """What is missing where that is known; of several runs, in the newest."""
    passes = _tell_passes(standing.head.counts if standing.head else Counts(), backed)
    if not standing.missing:
        return f"{lane} is incomplete: of what arrived, {passes}."
    number = max(standing.missing)
    return f"{lane} is incomplete: {plain(standing.missing[number].tell(f'run {number}'))}. Of what arrived, {passes}."


def _tell_passes(counts: Counts, backed: int | None) -> str:
    """That all is well, and in the same breath what was put off: nobody is to take the one for the other."""
    put_off = tell_put_off(counts, backed=backed)
    if counts.xfailed:
        said = f"all {counts.executed:,} executed tests ended as expected"
        return f"{said}; {counts.passed:,} passed, {counts.xfailed:,} failed as expected, and {put_off}"
    one, many = "the one executed test passed", f"all {counts.executed:,} executed tests passed"
    return f"{one if counts.executed == 1 else many}{f'; {put_off}' if put_off else ''}"


def _tell_failures(standing: Standing, counts: Counts) -> str:
    n_new = sum(job.changes.new for job in standing.jobs)
    said = _tell_failed(counts)
    if not n_new:
        return said
    if n_new == counts.failed:
        return f"{said}, and did not before" if counts.failed == 1 else f"{said}, none of which did before"
    return f"{said}, {n_new:,} of them new"


def _tell_errors(counts: Counts) -> str:
    said = []
    if counts.errored:
        verb = "ends" if counts.errored == 1 else "end"
        said.append(f"{_of(counts.errored, counts.executed)} executed tests {verb} in an error")
    if counts.suite_errors:
        what = "one suite breaks" if counts.suite_errors == 1 else f"{counts.suite_errors:,} suites break"
        said.append(f"{what} outside any test")
    if counts.failed:
        said.append(f"{counts.failed:,} {'fails' if counts.failed == 1 else 'fail'}")
    return " and ".join(said) if len(said) < 3 else f"{', '.join(said[:-1])} and {said[-1]}"


def _tell_since(standing: Standing) -> str:
    """Since when it is red, unless only the newest run is."""
    first = standing.red_since
    if first is None or first is standing.head:
        return ""
    points = standing.points[standing.points.index(first) :]
    n_runs, n_red = len(points), sum(point.run.counts.is_red for point in points)
    tested = " with test results" if standing.has_bare else ""
    if first is not standing.points[0]:
        runs = f"{n_runs} runs{tested} in a row" if n_red == n_runs else f"in {n_red} of {n_runs} runs{tested}"
        return f" since {write_day(first.run.ran_at)}, {runs}"
    if standing.is_whole:
        return f" in {'each' if n_red == n_runs else n_red} of its {n_runs} runs{tested}"
    return f" {'for at least' if n_red == n_runs else f'in {n_red} of the last'} {n_runs} runs{tested}"


def write_run(
    counts: Counts,
    changes: Changes,
    *,
    is_complete: bool,
    baselines: Sequence[int],
    what: str = "",
    missing: str = "",
    n_renamed: int = 0,
    backed: int | None = None,
) -> str:
    """What a run found, against the runs it is compared with. `what` names its jobs, `missing` what it lacks;
    `n_renamed` of those that are gone look renamed, `backed` of those put off are.
    """
    against = f"run {baselines[0]}" if len(baselines) == 1 else "the runs before"
    renamed = tell_renamed(n_renamed, changes.gone)
    said = _tell_changes(changes, counts, against, renamed, backed) if baselines else _tell_alone(counts, what, backed)
    if not is_complete:
        lacks = plain(missing) or "what is missing is unknown"
        return f"This run is incomplete: {lacks}. Of what arrived, {said[0].lower()}{said[1:]}"
    return said


def write_bare_run(coverage: Sequence[LevelFact]) -> str:
    """A run that brought coverage and no test results."""
    return f"This run sent coverage and no test results: {write_levels(coverage)}."


def _tell_alone(counts: Counts, what: str = "", backed: int | None = None) -> str:
    """A run with nothing before it to compare with: an earlier one may have been of other jobs."""
    if not counts.declared:
        return "No test is listed in what was sent."
    if not counts.executed:
        return f"None of {counts.declared:,} declared tests ran."
    if not counts.is_red:
        said = _tell_passes(counts, backed)
    else:
        said = _tell_errors(counts) if counts.errored or counts.suite_errors else _tell_failed(counts)
    of = f" of {plain(what)}" if what else ""
    return f"{capfirst(said)}. There is no earlier whole run{of} to compare with."


def _tell_changes(changes: Changes, counts: Counts, against: str, renamed: str, backed: int | None) -> str:
    if not counts.declared:
        return f"No test is listed in what was sent, though {against} had some."
    parts = []
    if changes.new:
        parts.append(f"{count_in_words(changes.new, 'test')} broke that did not in {against}")
    if changes.still:
        parts.append(
            f"{count_in_words(changes.still, 'test')} {'is' if changes.still == 1 else 'are'} broken as before"
        )
    if counts.suite_errors:
        parts.append(
            f"{'one suite' if counts.suite_errors == 1 else f'{counts.suite_errors:,} suites'} broke outside any test"
        )
    if changes.fixed:
        parts.append(f"{count_in_words(changes.fixed, 'test')} {'is' if changes.fixed == 1 else 'are'} fixed")
    if changes.gone:
        parts.append(f"{count_in_words(changes.gone, 'test')} {'is' if changes.gone == 1 else 'are'} gone")
    if not counts.is_red:
        return _tell_green(counts, parts, against, renamed, backed)
    if not parts:  # its broken tests are in a job that has nothing before it
        return _tell_alone(counts)
    if len(parts) == 1:
        return f"{capfirst(parts[0])}{renamed}."
    text = f"{', '.join(parts[:-1])} and {parts[-1]}"
    return f"{capfirst(text)}{renamed}."


def _tell_green(counts: Counts, parts: Sequence[str], against: str, renamed: str, backed: int | None) -> str:
    """All is well; then what changed, where something did."""
    said = _tell_passes(counts, backed) if counts.executed else f"none of {counts.declared:,} declared tests ran"
    if not parts:
        return f"{capfirst(said)}."
    changed = " and ".join(parts)
    return f"{capfirst(said)}. {capfirst(changed)} since {against}{renamed}."


def _tell_failed(counts: Counts) -> str:
    return f"{_of(counts.failed, counts.executed)} executed tests {'fails' if counts.failed == 1 else 'fail'}"


def write_case(page: CasePage) -> str:
    """How a case fares on the main lane, and since when it does."""
    history, name = page.main, plain(shorten(page.case.name, _LONGEST_NAME))
    if history is None or page.latest is None:
        return f"{name} has no result in the runs that are kept."
    seen = [cell for row in history.rows for cell in row.cells if cell.outcome]
    where, n_runs = f"on {plain(history.title)}", len({cell.run for cell in seen})
    lately = f"its {'one run' if n_runs == 1 else f'last {n_runs} runs'} {where}"
    n_broken = len({cell.run for cell in seen if cell.outcome in codes.BROKEN})
    if page.streak:
        first = page.streak.first
        verb = "stops with an error" if page.latest.outcome == codes.ERROR else "fails"
        if page.streak.n_broken == 1:
            return f"{name} {verb} {where} since run {first.run} of {write_day(first.ran_at)}."
        more = "" if page.streak.is_whole else "at least "
        said = f"since {more}run {first.run} of {write_day(first.ran_at)}, {page.streak.n_broken} runs in a row"
        return f"{name} {verb} {where} {said}."
    if not page.latest.outcome:
        last = max(seen, key=lambda cell: cell.ran_at, default=None)
        return f"{name} no longer reports {where}" + (
            f": last seen in run {last.run}, {write_day(last.ran_at)}." if last else "."
        )
    if all(cell.outcome in codes.DEFERRED for cell in seen):
        put_off = "put off" if all(cell.outcome == codes.SKIP for cell in seen) else "expected to fail"
        return f"{name} is {put_off} in {'all of ' if n_runs > 1 else ''}{lately}."
    if n_runs == 1:
        return f"{name} {_say_now(page.latest)} in {lately}."
    if n_broken:
        return f"{name} {_say_now(page.latest)}, and broke in {n_broken} of {lately}."
    return f"{name} {_say_now(page.latest)}, and broke in none of {lately}."


def write_trends(trends: Trends, *, by: str, now: PutOffNow | None = None) -> str:
    """How the lines moved from their first day to their last; `now` is what is put off, where that is known of them."""
    if not trends.groups:
        return "No test results yet, only coverage." if trends.has_only_coverage else "There is nothing to draw yet."
    points = trends.groups[0].points
    if len(trends.groups) > 1:
        worst = min(trends.groups, key=lambda g: g.last.as_expected / g.last.executed if g.last.executed else 1)
        if worst.last.broken:
            n = f"{len(trends.groups) + trends.n_more_groups:,}"
            return f"Of {n} {_PLURALS[by]}, {plain(worst.name)} passes least: {_tell_share(worst.last)}."
        deferring = sum(group.last.deferred > 0 for group in trends.groups)
        verb = "puts" if deferring == 1 else "put"
        put_off = f"; {in_words(deferring)} of them {verb} tests off" if deferring else ""
        return f"All {in_words(len(trends.groups))} {_PLURALS[by]} drawn end without a failure{put_off}."
    n_red = sum(point.broken > 0 for point in points)
    known = [point.declared_once for point in points if point.declared_once is not None]
    unit = "weeks" if trends.is_weekly else "days"
    red = f"{in_words(n_red) if n_red else 'none'} of {in_words(len(points))} {unit} with runs had a failure"
    put_off = _tell_deferred(points[-1], now)
    if len(points) == 1:
        return f"One day so far: {_tell_share(points[0])}{put_off}. A trend needs two."
    if not known:
        return f"{capfirst(red)}; no run was whole, so how many tests are declared is unknown{put_off}."
    first, last = known[0], known[-1]
    if round(first) == round(last):
        return f"{capfirst(red)}; {last:,.0f} tests are declared, as at first{put_off}."
    return f"{capfirst(red)}; declared tests went from {first:,.0f} to {last:,.0f}{put_off}."


def _tell_deferred(point: DayPoint, now: PutOffNow | None) -> str:
    """What is put off, as a clause behind the others; how much of it is backed only where that is known."""
    if now and now.n_tests:
        counts = Counts(declared=now.n_tests, skipped=now.n_tests)
        return f"; {tell_put_off(counts, backed=now.n_backed_tests, noun='test')}"
    if not point.deferred:
        return ""
    verb = "was" if point.deferred == 1 else "were"
    return f"; {count_of(point.deferred, 'result')} of {write_day(point.day)} {verb} put off"


def _tell_share(point: DayPoint) -> str:
    return f"{_of(point.as_expected, point.executed)} executed tests ended as expected on {write_day(point.day)}"


def _say_now(cell: Cell) -> str:
    words = {codes.SKIP: "was put off", codes.XFAIL: "failed as expected", codes.XPASS: "passes unexpectedly"}
    words |= {codes.PASS_ON_RETRY: "passed on a retry"}
    return words.get(cell.outcome or 0, "passes")


def _of(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,}" if part else f"none of {whole:,}"
