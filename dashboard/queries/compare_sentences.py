"""The sentence on top of a comparison, and what has to be said beside it.

Used by `dashboard.views.compare`. Pure; each number is a fact given (`tests/dashboard/test_compare_queries.py`).
"""

from collections.abc import Sequence

from django.utils.text import capfirst

from dashboard.queries.compare import Compare
from dashboard.queries.compare_coverage import CoverageChange
from dashboard.queries.compare_sides import Side
from dashboard.queries.covered import write_points
from dashboard.queries.facts import JobFact
from dashboard.queries.renames import tell_renamed
from dashboard.templatetags.display import count_in_words, in_words, percent_of, plain


def write_compare(page: Compare) -> str:
    """What differs between the two sides."""
    if page.both is None:
        return _tell_missing(page)
    before, now = page.both
    if page.is_itself:
        return f"{_capital(now.title)} is compared with itself, so nothing differs."
    if not page.table and not page.pruned:
        return _tell_untested(page, before, now)
    if not page.table:
        return f"The results of {_name_pruned(page)} are no longer kept case by case, so only sums can be compared."
    said = _list_changes(page)
    where = f"From {before.title} to {now.title}"
    if not page.table.n_cases:
        return f"{where}, no case fits these choices."
    if not page.table.n_changed:
        return f"{where}, {_every(page.table.n_cases)} ended as before."
    alike = f"{page.n_alike:,} of {page.table.n_cases:,} results are alike"
    return f"{where}, {_join(said)}; {alike}." if said else f"{where}, {alike}, and none of the others broke."


def list_remarks(page: Compare) -> list[str]:
    """What a reader has to know before the figures: order, what is missing, what is not compared."""
    if page.both is None:
        return []
    before, now = page.both
    said = []
    if page.is_backwards:
        said.append(f"This looks back in time: {before.title} is newer than {now.title}.")
    said += [
        f"{_capital(side.title)} is incomplete: {plain(side.lacks)}. A case that is absent there is not gone."
        for side in page.lacking
    ]
    if page.pruned and page.table:
        said.append(f"The results of {_name_pruned(page)} are no longer kept; the table is without them.")
    for side, jobs in ((before, page.matched.only_before), (now, page.matched.only_now)):
        if jobs:
            tests = count_in_words(sum(job.counts.declared for job in jobs), "test")
            said.append(f"Only {side.title} has {_name_jobs(jobs)}, {tests}; no case of {_them(jobs)} is in the table.")
    if page.is_cut:
        n = f"{len(page.compared):,} of {len(page.matched.pairs):,}"
        said.append(f"The table is of {n} jobs, those with most failures. Choose a job for its own.")
    return said


def _tell_missing(page: Compare) -> str:
    sides = page.sides
    if not sides.end:
        return "There is nothing to compare yet: no run has arrived."
    missing = sides.end if sides.now is None else sides.start
    if missing.isdigit():
        return f"There is no run {missing} here."
    return f"No run of the branch {plain(missing)} is known." if missing else "Choose two runs, or a branch."


def _tell_untested(page: Compare, before: Side, now: Side) -> str:
    if page.coverage and not before.jobs and not now.jobs:
        return f"Neither {before.title} nor {now.title} has test results. {_tell_coverage(page.coverage)}"
    if page.coverage:
        said = f"{_capital(before.title)} and {now.title} have no job with test results in common."
        return f"{said} {_tell_coverage(page.coverage)}"
    return f"{_capital(before.title)} and {now.title} have no job in common, so no case can be compared."


def _tell_coverage(coverage: CoverageChange) -> str:
    level = next((level for level in coverage.levels if level.before and level.now), None)
    if level is None or level.before is None or level.now is None:
        return "Only one of them measured coverage at each level."
    shares = [
        f"{percent_of(fact.covered.lines_covered, fact.covered.lines_valid)} %" for fact in (level.before, level.now)
    ]
    of = f" of level {plain(level.name)}" if len(coverage.levels) > 1 else ""
    if not level.tenths:
        return f"Coverage{of} is {shares[1]} on both."
    more = "more" if level.tenths > 0 else "less"
    return f"Coverage{of} went from {shares[0]} to {shares[1]}, {write_points(level.tenths)} {more}."


def _list_changes(page: Compare) -> list[str]:
    changes, said = page.changes, []
    if changes.new:
        said.append(f"{count_in_words(changes.new, 'test')} broke")
    if changes.still:
        said.append(f"{count_in_words(changes.still, 'test')} {_be(changes.still)} broken on both sides")
    if changes.fixed:
        said.append(f"{count_in_words(changes.fixed, 'test')} {_be(changes.fixed)} fixed")
    gone = [f"{count_in_words(changes.gone, 'test')} {_be(changes.gone)} gone"] if changes.gone else []
    added = [f"{count_in_words(page.n_added, 'test')} came new"] if page.n_added else []
    # What is said of some of those gone comes last, or it would be said of those that came, too.
    if page.n_renamed:
        return [*said, *added, f"{gone[0]}{tell_renamed(page.n_renamed, changes.gone)}"]
    return [*said, *gone, *added]


def _name_pruned(page: Compare) -> str:
    return _name_jobs(page.pruned)


def _name_jobs(jobs: Sequence[JobFact]) -> str:
    if len(jobs) > 3:
        return f"{in_words(len(jobs))} jobs"
    return _join([f"job {plain(job.title)}" if any((job.job, job.variant)) else "an unnamed job" for job in jobs])


def _them(jobs: Sequence[JobFact]) -> str:
    return "it" if len(jobs) == 1 else "them"


def _every(n: int) -> str:
    return "the one result" if n == 1 else f"all {n:,} results"


def _be(n: int) -> str:
    return "is" if n == 1 else "are"


def _join(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _capital(text: str) -> str:
    return capfirst(text) if text.startswith("run ") else text
