"""Any two runs, or a branch against the default one.

Called by `dashboard.urls`. Promise: the address holds both sides, the cell and every choice, and the same address with
`format=csv` or `json` gives each table (`tests/dashboard/test_compare_views.py`).
"""

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from dashboard.choices import offer_selects
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
from dashboard.queries.compare import Compare, read_compare
from dashboard.queries.compare_cell import N_OWNED
from dashboard.queries.compare_sentences import list_remarks, write_compare
from dashboard.queries.covered import Covered

_GROUPS = (("new", "broke"), ("still", "still"), ("fixed", "fixed"), ("gone", "gone"))


@require_safe
@require_login
def page(request: HtmxRequest, slug: str) -> HttpResponse:
    """Outcome by outcome, with the cases behind each figure; coverage and times beside them."""
    project = get_project_or_404(request, slug)
    filters = Filters.read(request.GET)

    def build() -> HttpResponse:
        found = read_compare(project, filters)
        if answer := answer_with_file(request, project=project, tables=_list_tables(found)):
            return answer
        return render_page(
            request,
            "dashboard/compare.html",
            project=project,
            current="runs",
            page=found,
            filters=filters,
            sentence=write_compare(found),
            remarks=list_remarks(found),
            selects=[s for s in offer_selects(found.offer, filters, branch="") if s["name"] != "branch"],
            cells=_link_cells(found, filters),
            groups=_link_groups(found, filters),
            turned_url=filters.write(start=found.sides.end, end=found.sides.start, branch="", cell=""),
            next_url=filters.write(before=found.cell.next_start) if found.cell and found.cell.next_start else "",
            first_url=filters.write(),
            n_owned=N_OWNED,
            timed=_name_times(found),
        )

    return answer_conditionally(request, project=project, build=build)


def _link_cells(found: Compare, filters: Filters) -> list[tuple[Any, list[tuple[Any, str]]]]:
    """The rows of the table, each cell with the address of its cases."""
    rows = found.table.rows if found.table else ()
    return [(row, [(cell, filters.write(cell=cell.key)) for cell in row.cells]) for row in rows]


def _link_groups(found: Compare, filters: Filters) -> list[tuple[str, int, str]]:
    """What became of cases, with the address of each list."""
    words = {"new": "broke", "still": "broken on both sides", "fixed": "fixed", "gone": "gone"}
    groups = [(words[name], getattr(found.changes, name), filters.write(cell=cell)) for name, cell in _GROUPS]
    return [*groups, ("only there now", found.n_added, filters.write(cell="added"))]


def _name_times(found: Compare) -> list[dict[str, Any]]:
    names = found.names or {}
    return [{"case": names[time.ord], "time": time} for time in found.slower if time.ord in names]


def _list_tables(found: Compare) -> dict[str, Callable[[], Table]]:
    return {
        "cases": lambda: _write_cases(found),
        "outcomes": lambda: _write_outcomes(found),
        "levels": lambda: _write_levels(found),
        "directories": lambda: _write_paths(found, "directories"),
        "files": lambda: _write_paths(found, "files"),
        "suites": lambda: _write_suites(found),
        "times": lambda: _write_times(found),
    }


def _write_cases(found: Compare) -> Table:
    head = ("case", "class", "name", "job", "variant", "before", "now", "seconds_before", "seconds", "said", "owners")
    rows = (
        (c.case.ord, c.case.place, c.case.name, c.job.job, c.job.variant, c.word_before, c.word)
        + (c.seconds_before, c.seconds, c.said, ", ".join(c.owners))
        for c in (found.cell.cases if found.cell else ())
    )
    return Table("compare-cases", head, rows)


def _write_outcomes(found: Compare) -> Table:
    rows = ((row.word, *(cell.n for cell in row.cells), row.n) for row in (found.table.rows if found.table else ()))
    return Table("compare-outcomes", ("before", *(found.table.columns if found.table else ()), "all"), rows)


def _write_levels(found: Compare) -> Table:
    figures = ("lines_valid", "lines_covered", "branches_valid", "branches_covered")
    head = ("level", "run_before", "run", *(f"{name}_before" for name in figures), *figures, "is_partial")
    rows = (
        (
            level.name,
            level.before.run if level.before else "",
            level.now.run if level.now else "",
            *(level.before.covered if level.before else [""] * 4),
            *(level.now.covered if level.now else [""] * 4),
            level.is_partial,
        )
        for level in (found.coverage.levels if found.coverage else ())
    )
    return Table("compare-levels", head, rows)


def _write_paths(found: Compare, what: str) -> Table:
    head = ("path", "lines_valid_before", "lines_covered_before", "lines_valid", "lines_covered")
    changes = getattr(found.coverage, what) if found.coverage else ()
    rows = ((change.path, *_spread(change.before), *_spread(change.now)) for change in changes)
    return Table(f"compare-{what}", head, rows)


def _spread(covered: Covered | None) -> tuple[int | str, ...]:
    return covered[:2] if covered else ("", "")


def _write_suites(found: Compare) -> Table:
    head = ("suite", "level", "executed_before", "executed", "seconds_before", "seconds")
    rows = (
        (s.name, s.level, s.n_before, s.n_now, "" if s.before is None else s.before, "" if s.now is None else s.now)
        for s in found.suites
    )
    return Table("compare-suites", head, rows)


def _write_times(found: Compare) -> Table:
    rows = (
        (e["case"].ord, e["case"].place, e["case"].name, e["time"].job.job, e["time"].job.variant)
        + (e["time"].before, e["time"].now)
        for e in _name_times(found)
    )
    return Table("compare-times", ("case", "class", "name", "job", "variant", "seconds_before", "seconds"), rows)
