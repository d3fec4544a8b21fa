"""Cases × the newest runs of a branch.

Called by `dashboard.urls`. Promise: the address holds every choice, and the same address with `format=csv` or `json`
gives the cells of the page (`tests/dashboard/test_matrix_views.py`).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from django.http import HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from dashboard.charts.figure import Figure
from dashboard.charts.matrix import MOST_DRAWN, Head, Span, draw_all, write_table
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
from dashboard.queries.matrix import Matrix, list_all, list_trail, read_matrix
from dashboard.queries.matrix_card import read_card
from dashboard.queries.matrix_rows import STATES
from dashboard.queries.matrix_window import Column
from dashboard.templatetags.display import find_crowded_days, how_often, short_day_among, write_day, write_long_day
from health.models import Project
from health.rules import outcomes as codes

_ORDERS: Final = {"trouble": "trouble", "change": "latest change", "name": "name"}
_HEAD: Final = ("path", "name", "tests", "case")
_SHORT_SPAN: Final = 5  # fewer columns have no room for a commit


@require_safe
@require_login
def page(request: HtmxRequest, slug: str) -> HttpResponse:
    """A page of the matrix, the drawing of all of it, its cells as a file, or what one row has to say."""
    project = get_project_or_404(request, slug)
    # Its rows are of several owners each, so it offers no choice of one, and hands none on.
    filters = replace(Filters.read(request.GET), owner="")
    form, case = request.GET.get("format", ""), request.GET.get("case", "")

    def build() -> HttpResponse:
        if form == "card" and case.isdecimal() and len(case) < 10:
            return _answer_card(project, filters, int(case))
        found = read_matrix(project, filters)
        if answer := answer_with_file(request, project=project, tables={"rows": lambda: _write_rows(found)}):
            return answer
        heads = _make_heads(found.columns)
        is_all = filters.view == "all"
        return render_page(
            request,
            "dashboard/matrix.html",
            project=project,
            current="matrix",
            page=found,
            filters=filters,
            newest=found.columns[-1] if found.columns else None,
            table=None if is_all else write_table(heads, _make_spans(found.columns), found.groups),
            figure=_draw(found, heads) if is_all else None,
            most_drawn=MOST_DRAWN,
            legend=_make_legend(found, filters),
            groups=_offer_choices(found, filters),
            selects=offer_selects(found.offer, filters, branch=found.lane),
            trail=[(path, filters.write(path=path)) for path in list_trail(filters.path)],
            root_url=filters.write(path=""),
            plain_url=filters.write(search="", state="", path="", view="rows"),
            pages=_list_pages(found, filters),
        )

    return answer_conditionally(request, project=project, build=build)


def _answer_card(project: Project, filters: Filters, number: int) -> HttpResponse:
    lines = read_card(project, filters, number=number)
    return JsonResponse({run: [line.took, line.job, line.said] for run, line in lines.items()})


def _make_heads(columns: Sequence[Column]) -> list[Head]:
    """The columns by their day; those of a repeated commit by their number."""
    crowded = find_crowded_days(column.ran_at for column in columns if not column.repeat)
    heads = []
    before = 0
    n_repeats = Counter(column.commit for column in columns if column.repeat)
    for at, column in enumerate(columns):
        local = timezone.localtime(column.ran_at)
        commit = f", commit {column.commit[:8]}" if column.commit else ""
        if column.repeat:
            commit += f", time {column.repeat} of {n_repeats[column.commit]}"
        whole = "" if column.is_complete else ", incomplete"
        heads.append(
            Head(
                label=str(column.repeat) if column.repeat else short_day_among(column.ran_at, crowded),
                day=write_day(column.ran_at),
                title=f"run {column.run}, {write_long_day(local)}, {local:%H:%M}{commit}{whole}",
                url=f"../runs/{column.run}/",
                is_complete=column.is_complete,
                is_apart=at > 0 and (column.repeat == 1 or (before > 0 and column.repeat == 0)),
            )
        )
        before = column.repeat
    return heads


def _make_spans(columns: Sequence[Column]) -> list[Span]:
    """Years, and the commits that ran more than once."""
    spans: list[Span] = []
    was_repeat = False
    for (is_repeat, name), n in _count_blocks(columns):
        told = f"{name[:8]}, {how_often(n)}" if is_repeat else name
        label = f"×{n}" if is_repeat and n < _SHORT_SPAN else told
        spans.append(Span(label, told, n, is_apart=bool(spans) and (is_repeat or was_repeat)))
        was_repeat = is_repeat
    return spans


def _count_blocks(columns: Sequence[Column]) -> Iterator[tuple[tuple[bool, str], int]]:
    """Neighbours of one year, or of one repeated commit, and how many there are."""
    block: tuple[bool, str] | None = None
    n = 0
    for column in columns:
        its = (column.repeat > 0, column.commit if column.repeat else str(timezone.localtime(column.ran_at).year))
        if block is not None and (its != block or column.repeat == 1):
            yield block, n
            n = 0
        block, n = its, n + 1
    if block is not None:
        yield block, n


def _draw(found: Matrix, heads: Sequence[Head]) -> Figure | None:
    cases = list_all(found)
    if not len(cases) or not heads:
        return None
    window = found.window
    places = [window.places[place] for place in window.place_of[cases].tolist()]
    return draw_all(window.outcomes[cases], places=places, heads=heads)


def _make_legend(found: Matrix, filters: Filters) -> list[dict[str, Any]]:
    """The letters with their words; each leads to the cases that ended so in any of the runs."""
    return [
        {
            "letter": codes.LETTERS[code],
            "style": f"o-{codes.LETTERS[code] or 'none'}" if code != codes.PASS else "",
            "word": codes.WORDS[code],
            "n": found.facts.states[state],
            "is_chosen": filters.state == state,
            "url": filters.write(state="" if filters.state == state else state, view="rows"),
        }
        for state, code in STATES.items()
    ]


def _offer_choices(found: Matrix, filters: Filters) -> list[dict[str, Any]]:
    """How the rows are sorted, how many a page holds, and the drawing of all."""
    sort = [
        {
            "word": word,
            "url": filters.write(order=order, view="rows"),
            "is_chosen": filters.order == order and filters.view == "rows",
        }
        for order, word in _ORDERS.items()
    ]
    view = [
        {
            "word": f"{size} rows a page",
            "url": filters.write(rows=size, view="rows"),
            "is_chosen": filters.rows == size and filters.view == "rows",
        }
        for size in ("200", "1000")
        if size == "200" or found.n_rows > 200 or filters.rows == size
    ]
    view.append({"word": "all as one drawing", "url": filters.write(view="all"), "is_chosen": filters.view == "all"})
    return [{"title": "Sort by", "choices": sort}, {"title": "Show", "choices": view}]


def _list_pages(found: Matrix, filters: Filters) -> dict[str, str]:
    """The ways to the pages before and after."""
    starts = {"previous": found.previous_start, "next": found.next_start}
    return {
        word: filters.write(before=str(start) if start else "") for word, start in starts.items() if start is not None
    }


def _write_rows(found: Matrix) -> Table:
    return Table("matrix", (*_HEAD, *(f"run {column.run}" for column in found.columns)), _list_rows(found))


def _list_rows(found: Matrix) -> Iterator[Sequence[Any]]:
    """The rows of the page: a case's outcomes in words; of several cases the worst, or the share that held."""
    for group in found.groups:
        for row in group.rows:
            cells = (
                "{} of {} as expected".format(*row.shares[at]) if at in row.shares else codes.WORDS[code]
                for at, code in enumerate(row.cells)
            )
            yield (row.path, row.full, row.n, row.ord if row.ord is not None else "", *cells)
