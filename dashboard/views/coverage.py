"""Coverage: a branch as a whole with its directories and files, and one file.

Called by `dashboard.urls`. Promise: the address holds every choice, the same address with `format=csv` or `json` gives
each table, and no page shows a line of anybody's source (`tests/dashboard/test_coverage_views.py`).
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Any, Final

from django.conf import settings
from django.http import Http404, HttpResponse
from django.views.decorators.http import require_safe

from dashboard.charts.coverage import draw_file, draw_level, draw_levels
from dashboard.charts.figure import Figure
from dashboard.filters import Filters
from dashboard.http import (
    HtmxRequest,
    Table,
    answer_conditionally,
    answer_with_file,
    get_project_or_404,
    render_page,
    require_login,
)
from dashboard.queries.coverage import Coverage, read_coverage
from dashboard.queries.coverage_file import FilePage, read_file_page
from dashboard.queries.coverage_files import AtLevel
from dashboard.queries.coverage_sentences import write_coverage, write_file
from dashboard.queries.covered import write_before
from dashboard.templatetags.display import plain

_TABLES: Final = ("files", "levels", "trend", "directories")
_FIGURES: Final = ("lines_valid", "lines_covered", "branches_valid", "branches_covered")
_SPANS: Final = {
    "quarter": ("a quarter", "in a quarter"),
    "year": ("a year", "in a year"),
    "all": ("all", "since the first"),
}
_SORTS: Final = {"uncovered": "most uncovered lines", "share": "smallest share", "path": "path"}


@require_safe
@require_login
def page(request: HtmxRequest, slug: str) -> HttpResponse:
    """How much of a branch ran, level by level, over time, by directory and by file."""
    project = get_project_or_404(request, slug)
    filters = Filters.read(request.GET)

    def build() -> HttpResponse:
        found = read_coverage(project, filters)
        tables = {word: partial(_write_table, found, word) for word in _TABLES}
        if answer := answer_with_file(request, project=project, tables=tables):
            return answer
        return render_page(
            request,
            "dashboard/coverage.html",
            project=project,
            current="coverage",
            page=found,
            filters=filters,
            sentence=write_coverage(found),
            figure=_draw(found),
            address=settings.BASE_URL.rstrip("/"),
            groups=_offer_choices(found, filters),
            spans=_offer_spans(found, filters),
            told_span=_SPANS[filters.span][1],
            told_since=write_before(found.since, now=found.shown[0].day) if found.since else "",
            trail=[(_name_last(path), filters.write(directory=path)) for path in found.parents],
            root_url=filters.write(directory=""),
            file_query=Filters(branch=found.lane).write(),
            directories=[(line, filters.write(directory=line.path)) for line in found.directories],
            sorts=[(word, filters.write(sort=sort), sort == filters.sort) for sort, word in _SORTS.items()],
            next_url=filters.write(before=found.next_before) if found.next_before else "",
        )

    return answer_conditionally(request, project=project, build=build)


@require_safe
@require_login
def file(request: HtmxRequest, slug: str, number: int) -> HttpResponse:
    """Which lines of one file ran. By number, because a path in an address would have to be escaped twice."""
    project = get_project_or_404(request, slug)
    filters = Filters.read(request.GET)

    def build() -> HttpResponse:
        found = read_file_page(project, number=number, filters=filters)
        if found is None:
            raise Http404
        if answer := answer_with_file(request, project=project, tables=_list_file_tables(found)):
            return answer
        first = found.first
        return render_page(
            request,
            "dashboard/coverage_file.html",
            project=project,
            current="coverage",
            page=found,
            filters=filters,
            sentence=write_file(found),
            figure=draw_file(found.history, level=first.level, zone=project.time_zone)
            if first and len(found.history) > 1
            else None,
            groups=_offer_lanes(found.lanes, found.lane, filters),
            coverage_query=Filters(branch=found.lane).write(),
            trail=[
                (_name_last(path), Filters(branch=found.lane, directory=path).write()) for path in found.directories
            ],
            name=_name_last(found.path),
        )

    return answer_conditionally(request, project=project, build=build)


def _draw(found: Coverage) -> Figure | None:
    if not any(len(trend.points) > 1 for trend in found.trends):
        return None
    return draw_levels(found.trends) if len(found.trends) > 1 else draw_level(found.trends[0])


def _offer_choices(found: Coverage, filters: Filters) -> list[dict[str, Any]]:
    """Branch and level as lines of words; a choice of one is none."""
    groups = _offer_lanes(found.lanes, found.lane, filters)
    names = [fact.name for fact in found.levels]
    if len(names) > 1 or filters.level:
        choices = [{"word": "all", "url": filters.write(level=""), "is_chosen": not filters.level}]
        choices += [
            {"word": plain(name), "url": filters.write(level=name), "is_chosen": name == filters.level}
            for name in names
        ]
        groups.append({"title": "Level", "choices": choices})
    return groups


def _offer_spans(found: Coverage, filters: Filters) -> list[dict[str, Any]]:
    """How far back the trend goes."""
    choices = [
        {"word": word, "url": filters.write(span=span), "is_chosen": filters.span == span}
        for span, (word, _) in _SPANS.items()
    ]
    return [{"title": "Over", "choices": choices}] if found.trends else []


def _offer_lanes(lanes: Sequence[str], chosen: str, filters: Filters) -> list[dict[str, Any]]:
    if len(lanes) < 2 and chosen in lanes:
        return []
    return (
        [
            {
                "title": "Branch",
                "choices": [
                    {"word": plain(lane), "url": filters.write(branch=lane), "is_chosen": lane == chosen}
                    for lane in lanes
                ],
            }
        ]
        if lanes
        else []
    )


def _write_table(found: Coverage, table: str) -> Table:
    """One of the page's tables, by its word in the address."""
    if table == "levels":
        head = ("level", "run", "commit", "ran_at", "is_partial", "files", *_FIGURES)
        rows = (
            (f.name, f.run, f.commit, f.ran_at.isoformat(), f.is_partial, f.n_files, *f.covered) for f in found.shown
        )
        return Table("coverage-levels", head, rows)
    if table == "trend":
        points = ((t.name, p.day.isoformat(), p.run, *p.covered) for t in found.trends for p in t.points)
        return Table("coverage-trend", ("level", "day", "run", *_FIGURES), points)
    levels = [fact.name for fact in found.shown] if len(found.shown) > 1 else []
    more = [f"{level}: {figure}" for level in levels for figure in _FIGURES[:2]]
    if table == "directories":
        lines = ((d.path or "(directly here)", d.n_files, *d.covered, *_spread(d.levels)) for d in found.directories)
        return Table("coverage-directories", ("directory", "files", *_FIGURES, *more), lines)
    files = ((f.path, f.run, True, *f.covered, *_spread(f.levels)) for f in found.files)
    blank = ("",) * len(more)
    left_out = ((f.path, f.run, False, *f.covered, *blank) for f in found.left_out)
    return Table("coverage-files", ("path", "run", "in_newest_run", *_FIGURES, *more), chain(files, left_out))


def _name_last(path: str) -> str:
    """The last part of a path, which a trail ends in."""
    return path.rpartition("/")[2] or path


def _spread(levels: Sequence[AtLevel]) -> Iterator[int | str]:
    """The columns of a row level by level; empty where a level has not measured it."""
    for at in levels:
        yield from at.covered[:2] if at.covered else ("", "")


def _list_file_tables(found: FilePage) -> dict[str, Callable[[], Table]]:
    name = f"coverage-file-{found.number}"
    contexts = found.contexts
    tests = ((test.name, test.n_lines, test.ranges) for test in (contexts.listed if contexts else ()))
    points = ((point.run, point.ran_at.isoformat(), *point.covered) for point in found.history)
    return {
        "lines": lambda: Table(name, ("level", "run", "first_line", "last_line", "ran"), _list_ranges(found)),
        "tests": lambda: Table(f"{name}-tests", ("test", "lines", "which"), tests),
        "history": lambda: Table(f"{name}-history", ("run", "ran_at", *_FIGURES), points),
    }


def _list_ranges(found: FilePage) -> Iterator[Sequence[Any]]:
    for level in found.levels:
        ranges = [(*lines, True) for lines in level.ran] + [(*lines, False) for lines in level.uncovered]
        for first, last, ran in sorted(ranges):
            yield level.name, level.run, first, last, ran
