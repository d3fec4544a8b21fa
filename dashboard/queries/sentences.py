"""The sentences on top of pages: what a colleague would say about a branch, a run, a case, a trend.

Used by the queries of the overview and the views of run, case, trends and coverage. Pure; each number in them is a
fact given (`tests/dashboard/test_sentences.py`).
"""

from collections.abc import Sequence
from typing import Final

from dashboard.queries.case import CasePage
from dashboard.queries.case_history import Cell
from dashboard.queries.coverage import Coverage
from dashboard.queries.coverage_file import FileLevel, FilePage
from dashboard.queries.covered import Covered, LevelFact, write_before, write_levels, write_points
from dashboard.queries.facts import Changes, Counts
from dashboard.queries.standing import Standing
from dashboard.queries.trends import DayPoint, Trends
from dashboard.templatetags.display import in_words, percent_of, plain, shorten, write_day
from health.rules import outcomes as codes

_PLURALS: Final = {
    "suite": "suites",
    "level": "levels",
    "variant": "variants",
    "job": "jobs",
    "branch": "branches",
}


def write_status(standing: Standing, *, has_other_runs: bool = False, coverage: Sequence[LevelFact] = ()) -> str:
    """How the lane is, how much of it, since when. `has_other_runs`: other branches have been heard of. `coverage` is
    all that has come without test results.
    """
    lane, head = plain(standing.lane) or "the default branch", standing.head
    if head is None and coverage:
        return f"No test results of {lane} yet, only coverage: {write_levels(coverage)}."
    if head is None:
        return f"No run of {lane} yet." if has_other_runs else "No run yet."
    counts = head.counts
    if counts.errored or counts.suite_errors:
        return f"{lane} is failing{_tell_since(standing)}: {_tell_errors(counts)}."
    if counts.failed:
        return f"{lane} is failing{_tell_since(standing)}: {_tell_failures(standing, counts)}."
    if not counts.declared:
        return f"{lane} sent reports, but none lists a test."
    if not counts.executed:
        return f"Nothing ran on {lane}: {_of(0, counts.declared)} declared tests."
    if not head.is_complete:
        return _tell_incomplete(standing, lane)
    return f"{lane} is green: {_tell_passes(counts)}."


def _tell_incomplete(standing: Standing, lane: str) -> str:
    """What is missing where that is known; of several runs, in the newest."""
    passes = _tell_passes(standing.head.counts if standing.head else Counts())
    if not standing.missing:
        return f"{lane} is incomplete: of what arrived, {passes}."
    number = max(standing.missing)
    return f"{lane} is incomplete: {plain(standing.missing[number].tell(f'run {number}'))}. Of what arrived, {passes}."


def _tell_passes(counts: Counts) -> str:
    if counts.xfailed:
        said = f"all {counts.executed:,} executed tests ended as expected"
        return f"{said}; {counts.passed:,} passed, {counts.xfailed:,} failed as expected"
    if counts.executed == 1:
        return "the one executed test passed"
    return f"all {counts.executed:,} executed tests passed"


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
    counts: Counts, changes: Changes, *, is_complete: bool, baselines: Sequence[int], what: str = "", missing: str = ""
) -> str:
    """What a run found, against the runs it is compared with. `what` names its jobs, `missing` what it lacks."""
    against = f"run {baselines[0]}" if len(baselines) == 1 else "the runs before"
    said = _tell_changes(changes, counts, against) if baselines else _tell_alone(counts, what)
    if not is_complete:
        lacks = plain(missing) or "what is missing is unknown"
        return f"This run is incomplete: {lacks}. Of what arrived, {said[0].lower()}{said[1:]}"
    return said


def write_bare_run(coverage: Sequence[LevelFact]) -> str:
    """A run that brought coverage and no test results."""
    return f"This run sent coverage and no test results: {write_levels(coverage)}."


def _tell_alone(counts: Counts, what: str = "") -> str:
    """A run with nothing before it to compare with: an earlier one may have been of other jobs."""
    if not counts.declared:
        return "No test is listed in what was sent."
    if not counts.executed:
        return f"None of {counts.declared:,} declared tests ran."
    if not counts.is_red:
        said = _tell_passes(counts)
    else:
        said = _tell_errors(counts) if counts.errored or counts.suite_errors else _tell_failed(counts)
    of = f" of {plain(what)}" if what else ""
    return f"{said[0].upper()}{said[1:]}. There is no earlier whole run{of} to compare with."


def _tell_changes(changes: Changes, counts: Counts, against: str) -> str:
    if not counts.declared:
        return f"No test is listed in what was sent, though {against} had some."
    parts = []
    if changes.new:
        parts.append(f"{_tests(changes.new)} broke that did not in {against}")
    if changes.still:
        parts.append(f"{_tests(changes.still)} {'is' if changes.still == 1 else 'are'} broken as before")
    if counts.suite_errors:
        parts.append(
            f"{'one suite' if counts.suite_errors == 1 else f'{counts.suite_errors:,} suites'} broke outside any test"
        )
    if changes.fixed:
        parts.append(f"{_tests(changes.fixed)} {'is' if changes.fixed == 1 else 'are'} fixed")
    if changes.gone:
        parts.append(f"{_tests(changes.gone)} {'is' if changes.gone == 1 else 'are'} gone")
    if not counts.is_red:
        return _tell_green(counts, parts, against)
    if not parts:  # its broken tests are in a job that has nothing before it
        return _tell_alone(counts)
    if len(parts) == 1:
        return f"{parts[0][0].upper()}{parts[0][1:]}."
    text = f"{', '.join(parts[:-1])} and {parts[-1]}"
    return f"{text[0].upper()}{text[1:]}."


def _tell_green(counts: Counts, parts: Sequence[str], against: str) -> str:
    """All is well; then what changed, where something did."""
    said = _tell_passes(counts) if counts.executed else f"none of {counts.declared:,} declared tests ran"
    if not parts:
        return f"{said[0].upper()}{said[1:]}."
    changed = " and ".join(parts)
    return f"{said[0].upper()}{said[1:]}. {changed[0].upper()}{changed[1:]} since {against}."


def _tell_failed(counts: Counts) -> str:
    return f"{_of(counts.failed, counts.executed)} executed tests {'fails' if counts.failed == 1 else 'fail'}"


def _tests(n: int) -> str:
    return f"{in_words(n)} test{'' if n == 1 else 's'}"


def write_case(page: CasePage) -> str:
    """How a case fares on the main lane, and since when it does."""
    history = page.main
    if history is None or page.latest is None:
        return "This test has no result in the runs that are kept."
    seen = [cell for row in history.rows for cell in row.cells if cell.outcome]
    where, n_runs = f"on {plain(history.title)}", len({cell.run for cell in seen})
    lately = f"its {'one run' if n_runs == 1 else f'last {n_runs} runs'} {where}"
    n_broken = len({cell.run for cell in seen if cell.outcome in codes.BROKEN})
    if page.streak:
        first = page.streak.first
        verb = "stops with an error" if page.latest.outcome == codes.ERROR else "fails"
        if page.streak.n_broken == 1:
            return f"It {verb} {where} since run {first.run} of {write_day(first.ran_at)}."
        more = "" if page.streak.is_whole else "at least "
        said = f"since {more}run {first.run} of {write_day(first.ran_at)}, {page.streak.n_broken} runs in a row"
        return f"It {verb} {where} {said}."
    if not page.latest.outcome:
        last = max(seen, key=lambda cell: cell.ran_at, default=None)
        return f"It no longer reports {where}" + (
            f": last seen in run {last.run}, {write_day(last.ran_at)}." if last else "."
        )
    if all(cell.outcome in codes.DEFERRED for cell in seen):
        put_off = "put off" if all(cell.outcome == codes.SKIP for cell in seen) else "expected to fail"
        return f"It is {put_off} in {'all of ' if n_runs > 1 else ''}{lately}."
    if n_runs == 1:
        return f"It {_say_now(page.latest)} in {lately}."
    if n_broken:
        return f"It {_say_now(page.latest)}, and broke in {n_broken} of {lately}."
    return f"It {_say_now(page.latest)}, and broke in none of {lately}."


def write_trends(trends: Trends, *, by: str) -> str:
    """How the lines moved from their first day to their last."""
    if not trends.groups:
        return "No test results yet, only coverage." if trends.has_only_coverage else "There is nothing to draw yet."
    points = trends.groups[0].points
    if len(trends.groups) > 1:
        worst = min(trends.groups, key=lambda g: g.last.as_expected / g.last.executed if g.last.executed else 1)
        if worst.last.broken:
            n = f"{len(trends.groups) + trends.n_more_groups:,}"
            return f"Of {n} {_PLURALS[by]}, {plain(worst.name)} passes least: {_tell_share(worst.last)}."
        return f"All {in_words(len(trends.groups))} {_PLURALS[by]} drawn end without a failure."
    n_red = sum(point.broken > 0 for point in points)
    known = [point.declared_once for point in points if point.declared_once is not None]
    unit = "weeks" if trends.is_weekly else "days"
    red = f"{in_words(n_red) if n_red else 'none'} of {in_words(len(points))} {unit} with runs had a failure"
    if len(points) == 1:
        return f"One day so far: {_tell_share(points[0])}. A trend needs two."
    if not known:
        return f"{red[0].upper()}{red[1:]}; no run was whole, so how many tests are declared is unknown."
    first, last = known[0], known[-1]
    if round(first) == round(last):
        return f"{red[0].upper()}{red[1:]}; {last:,.0f} tests are declared, as at first."
    return f"{red[0].upper()}{red[1:]}; declared tests went from {first:,.0f} to {last:,.0f}."


def write_coverage(page: Coverage) -> str:
    """How much of a branch, or of a directory of it, ran in the newest run, and since a month ago."""
    lane = plain(page.lane) or "the default branch"
    if not page.lanes:
        return "No coverage has arrived yet."
    if not page.shown:
        return f"No run of {lane} has measured that."
    where = f" in {plain(shorten(page.directory, 80))}" if page.directory else ""
    if not page.n_files:
        return f"The newest run of {lane} measured no file{where}."
    if not page.covered.lines_valid:
        files = _count_files(page.n_files)
        return f"The newest run of {lane} lists {files}{where}, and no line in {_them(page.n_files)} that could run."
    said = f"{_tell_ran(page, where)} in {_name_newest(page, lane)}: {_tell_lines(page)}"
    return f"{said}{_tell_points(page)}.{_tell_together(page)}{_tell_cut(page)}"


def _tell_ran(page: Coverage, where: str) -> str:
    """Who ran which share: "The unit tests ran 86.4 % of lines", "86.4 % of lines ran"."""
    share = f"{_write_percent(page.covered)} of lines{where}"
    if page.main is None:
        return f"{_name_levels(len(page.shown))} together ran {share}"
    return f"The {plain(page.main.level)} tests ran {share}" if page.main.level else f"{share} ran"


def _name_newest(page: Coverage, lane: str) -> str:
    if len(page.shown) == 1:
        return f"the newest run of {lane}"
    return f"their newest run on {lane}" if page.main and page.main.level else f"the newest runs of {lane}"


def _tell_lines(page: Coverage) -> str:
    lines = f"{page.covered.lines_covered:,} of {page.covered.lines_valid:,} lines"
    main = None if page.directory else page.main
    if main is None:
        return f"{lines} of {_count_files(page.n_files)}"
    if main.listed and main.lists_less:
        n = main.listed.lines_valid
        return f"{lines} by the report's own totals; line by line it lists {n:,} in {_count_files(main.n_files)}"
    return f"{lines} of {_count_files(main.n_files)}"


def _tell_together(page: Coverage) -> str:
    if page.directory or page.together is None:
        return ""
    together = page.together
    lines = f"{together.lines_covered:,} of {together.lines_valid:,} lines of {_count_files(page.n_files)}"
    return f" {_name_levels(len(page.shown))} together ran {_write_percent(together)}, {lines}."


def _name_levels(n: int) -> str:
    return "Both levels" if n == 2 else f"All {in_words(n)} levels"


def _count_files(n: int) -> str:
    return "one file" if n == 1 else f"{n:,} files"


def write_file(page: FilePage) -> str:
    """How much of a file ran, level by level."""
    current = [level for level in page.levels if level.is_current]
    if not page.levels:
        return f"No run of {plain(page.lane)} has measured this file."
    if not current:
        last = page.levels[0]
        return (
            f"Not measured by the newest run of {plain(page.lane)}; last by run {last.run}, {write_day(last.ran_at)}."
        )
    name = plain(shorten(page.path.rpartition("/")[2] or page.path, 80))
    said = [_tell_level(level, name if at == 0 else "it") for at, level in enumerate(current)]
    together = ""
    if page.together:
        ran = f"{page.together.lines_covered:,} of {page.together.lines_valid:,}"
        together = f" {_name_levels(len(current))} together ran {_write_percent(page.together)}, {ran}."
    text = "; ".join(said)
    return f"{text if text.startswith(name) else f'{text[0].upper()}{text[1:]}'}.{together}"


def _tell_level(level: FileLevel, name: str) -> str:
    """One level of a file: "the unit tests ran 94.1 % of the lines of core.py, 16 of 17"."""
    valid, covered = level.covered.lines_valid, level.covered.lines_covered
    who = f"the {plain(level.level)} tests" if level.level else ""
    if not valid:
        return f"{who} found no line of {name} that could run" if who else f"no line of {name} could run"
    whose = "its lines" if name == "it" else f"the lines of {name}"
    ran = f"{_write_percent(level.covered)} of {whose}, {covered:,} of {valid:,}"
    return f"{who} ran {ran}" if who else f"{ran}, ran"


def _them(n: int) -> str:
    return "it" if n == 1 else "them"


def _write_percent(covered: Covered) -> str:
    return f"{percent_of(covered.lines_covered, covered.lines_valid)} %"


def _tell_points(page: Coverage) -> str:
    change = page.change
    if change is None:
        return ""
    trend = next(trend for trend in page.trends if page.main is None or trend.level == page.main.level)
    when = f"than {write_before(change.day, now=trend.last.day)}"
    if not change.tenths:
        return f", no more and no less {when}"
    return f", {write_points(change.tenths)} {'more' if change.tenths > 0 else 'less'} {when}"


def _tell_cut(page: Coverage) -> str:
    if any(fact.is_partial for fact in page.shown):
        return " The coverage is incomplete, so more may have run."
    if page.n_later and page.directory:
        n = "one file is" if page.n_later == 1 else f"{page.n_later:,} files are"
        return f" Of these, {n} as a later run left {_them(page.n_later)}, whose coverage is incomplete."
    return ""


def _tell_share(point: DayPoint) -> str:
    return f"{_of(point.as_expected, point.executed)} executed tests ended as expected on {write_day(point.day)}"


def _say_now(cell: Cell) -> str:
    words = {codes.SKIP: "was put off", codes.XFAIL: "failed as expected", codes.XPASS: "passed against expectation"}
    words |= {codes.PASS_ON_RETRY: "passed on a retry"}
    return words.get(cell.outcome or 0, "passes")


def _of(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,}" if part else f"none of {whole:,}"
