"""The sentences on top of the pages of coverage: how much of a branch, of a directory or of a file ran.

Used by the views of coverage. Pure; each number in them is a fact given (`tests/dashboard/test_coverage_queries.py`,
`test_coverage_file.py`).
"""

from django.utils.text import capfirst

from dashboard.queries.coverage import Coverage
from dashboard.queries.coverage_file import FileLevel, FilePage
from dashboard.queries.coverage_reports import N_RUNS
from dashboard.queries.covered import Covered, write_before, write_points
from dashboard.templatetags.display import in_words, percent_of, plain, shorten, write_day


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
    if not page.levels:
        return _tell_unmeasured(page)
    current = [level for level in page.levels if level.is_current]
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
    return f"{text if text.startswith(name) else f'{capfirst(text)}'}.{together}"


def _tell_unmeasured(page: FilePage) -> str:
    """A file of which no report that was read says anything: older runs may."""
    lane, looked_back = plain(page.lane), page.looked_back
    if looked_back.is_cut:
        return f"It is not known whether a run of {lane} has measured this file."
    if looked_back.n_runs >= N_RUNS:
        return f"None of the last {looked_back.n_runs} runs of {lane} has measured this file."
    return f"No run of {lane} has measured this file."


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
    fact = page.main or next(fact for fact in page.shown if fact.level == page.trends[0].level)
    when = f"than {write_before(change.day, now=fact.day)}"
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
