"""How a project moved.

Called by `dashboard.urls`. Promise: the address holds every choice, and the same address with `format=csv` or `json`
gives the numbers behind the lines (`tests/dashboard/test_trends_views.py`).
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from dashboard.charts.figure import Figure
from dashboard.charts.trends import draw_all, draw_groups
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
from dashboard.queries.as_of import read_as_of
from dashboard.queries.backed import PutOffNow, read_put_off_now
from dashboard.queries.coverage import LevelTrend, read_lane_trends
from dashboard.queries.sentences import write_trends
from dashboard.queries.trends import Trends, read_trends
from health.models import Project

_WORDS: Final[dict[str, dict[str, str]]] = {
    "by": {
        "all": "everything",
        "suite": "suite",
        "level": "level",
        "variant": "variant",
        "job": "job",
        "branch": "branch",
    },
    "measure": {
        "passed": "as expected",
        "executed": "executed",
        "declared": "declared",
        "failed": "broken",
        "time": "test time",
    },
    "span": {"quarter": "a quarter", "year": "a year", "all": "all"},
}
_HEAD: Final = (
    *("day", "group", "jobs", "declared", "executed", "passed", "expected_failures", "failed", "errored", "skipped"),
    *("passed_on_retry", "seconds", "declared_in_one_run", "seconds_in_one_run", "deferred"),
)


@require_safe
@require_login
def page(request: HtmxRequest, slug: str) -> HttpResponse:
    """Lines over days, with the choices that narrow and group them."""
    project = get_project_or_404(request, slug)
    filters = Filters.read(request.GET)

    def build() -> HttpResponse:
        trends = read_trends(project, filters)
        tables = {"days": lambda: Table("trends", _HEAD, _list_rows(trends))}
        if answer := answer_with_file(request, project=project, tables=tables):
            return answer
        return render_page(
            request,
            "dashboard/trends.html",
            project=project,
            current="trends",
            trends=trends,
            filters=filters,
            as_of=read_as_of(project, lane=trends.branch),
            sentence=write_trends(trends, by=filters.by, now=_read_put_off(project, trends, filters)),
            figure=_draw(project, trends, filters),
            groups=_offer_choices(trends, filters),
            selects=offer_selects(
                trends.offer, filters, branch=trends.branch, any_branch="every" if filters.by == "branch" else ""
            ),
        )

    return answer_conditionally(request, project=project, build=build)


def _read_put_off(project: Project, trends: Trends, filters: Filters) -> PutOffNow | None:
    """What is put off now, where the lines are of all tests of the branch the register is about."""
    if filters.by != "all" or filters.job or filters.variant or filters.suite or filters.level:
        return None
    now = read_put_off_now([project.pk])[project.pk]
    return now if now.lane == trends.branch else None


def _draw(project: Project, trends: Trends, filters: Filters) -> Figure | None:
    if not trends.groups:
        return None
    if filters.by == "all":
        coverage = _read_coverage(project, trends, filters)
        return draw_all(trends.groups[0], is_weekly=trends.is_weekly, coverage=coverage)
    return draw_groups(trends.groups, measure=filters.measure, is_weekly=trends.is_weekly, by=filters.by)


def _read_coverage(project: Project, trends: Trends, filters: Filters) -> tuple[LevelTrend, ...]:
    """Coverage is of a branch and a level; of one job, variant or suite nobody knows it."""
    if trends.first is None or filters.job or filters.variant or filters.suite:
        return ()
    return read_lane_trends(project, lane=trends.branch, level=filters.level, since=trends.first)


def _offer_choices(trends: Trends, filters: Filters) -> list[dict[str, Any]]:
    """The lines of words: how to group, what to show of groups, how far back. Where there is one suite, say, its
    word is left out: a line a suite would be the line that is there.
    """
    offer = trends.offer
    counts = {"suite": offer.suites, "variant": offer.variants, "job": offer.jobs, "branch": offer.branches}
    alone = {name for name, values in counts.items() if len(values) < 2} | ({"level"} if not offer.levels else set())
    names = {"by": "By", "measure": "Show", "span": "Over"}
    return [
        {
            "title": title,
            "choices": [
                {"word": word, "url": filters.write(**{name: value}), "is_chosen": getattr(filters, name) == value}
                for value, word in _WORDS[name].items()
                if value not in alone or value == getattr(filters, name)
            ],
        }
        for name, title in names.items()
        if name != "measure" or filters.by != "all"
    ]


def _list_rows(trends: Trends) -> Iterator[Sequence[Any]]:
    for group in trends.groups:
        for p in group.points:
            counts = (p.declared, p.executed, p.passed, p.xfailed, p.failed, p.errored, p.skipped, p.flaky)
            once = (round(p.seconds, 5), _round(p.declared_once, 2), _round(p.seconds_once, 5))
            yield (p.day.isoformat(), group.name, p.n_jobs, *counts, *once, p.deferred)


def _round(value: float | None, digits: int) -> float | str:
    """A cell of the file: empty where nothing is known."""
    return "" if value is None else round(value, digits)
