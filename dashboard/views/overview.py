"""A project's first page.

Called by `dashboard.urls`. Promise: works without JavaScript, without a single run it leads to the first upload, and
each table is a file at the same address (`tests/dashboard/test_overview_views.py`).
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from django.http import HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from dashboard.charts.overview import draw_trend
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
from dashboard.queries.entry_marks import find_today
from dashboard.queries.overview import Overview, read_overview
from dashboard.queries.scope import read_scope

_RUNS: Final = (
    *("run", "ran_at", "outcome", "jobs", "commit", "as_expected", "executed", "deferred", "backed", "declared"),
    "seconds",
)


@require_safe
@require_login
def page(request: HtmxRequest, slug: str) -> HttpResponse:
    """How the project is, in one sentence and its evidence."""
    project = get_project_or_404(request, slug)
    filters, now = Filters.read(request.GET), timezone.now()

    def build() -> HttpResponse:
        overview = read_overview(project, now=now, lane=filters.branch)
        if answer := answer_with_file(request, project=project, tables=_list_tables(overview)):
            return answer
        offer = read_scope(project, filters).offer
        points = overview.standing.points
        return render_page(
            request,
            "dashboard/overview.html",
            project=project,
            current="overview",
            overview=overview,
            standing=overview.standing,
            head=overview.standing.head,
            filters=filters,
            selects=[
                select
                for select in offer_selects(offer, filters, branch=overview.standing.lane)
                if select["name"] == "branch"
            ],
            figure=draw_trend(points, zone=project.time_zone, lane=overview.standing.lane) if len(points) > 1 else None,
        )

    # Silence and lateness are told in hours, and reviews fall due with the day, though no fact changes meanwhile.
    also = f"{now:%Y-%m-%dT%H} {find_today(project, now=now)}"
    return answer_conditionally(request, project=project, build=build, also=also)


def _list_tables(overview: Overview) -> dict[str, Callable[[], Table]]:
    head = ("state", "what", "cases", "told", "since", "evidence")
    return {
        "attention": lambda: Table("attention", head, _list_concerns(overview)),
        "runs": lambda: Table("recent-runs", _RUNS, _list_recent(overview)),
    }


def _list_concerns(overview: Overview) -> Iterator[tuple[Any, ...]]:
    for row in (*overview.attention.rows, *overview.attention.more):
        cases = ", ".join(case.name for case in row.cases)
        yield (row.word, row.subject, cases, row.told, row.since.isoformat() if row.since else "", row.evidence)


def _list_recent(overview: Overview) -> Iterator[tuple[Any, ...]]:
    for recent in overview.recent:
        run, counts = recent.run, recent.run.counts
        outcome = "no test results" if recent.is_bare else run.verdict.word
        where = (run.number, run.ran_at.isoformat(), outcome, recent.what, run.commit)
        put_off = (counts.deferred, "" if recent.backed is None else recent.backed)
        yield (*where, counts.as_expected, counts.executed, *put_off, counts.declared, counts.seconds)
