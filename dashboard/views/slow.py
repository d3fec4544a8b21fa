"""Slow tests and suites.

Called by `dashboard.urls`. Promise: works without JavaScript, the address holds every choice, and the same address
with `format=csv` or `json` gives every test that is kept, or with `table=suites` every suite
(`tests/dashboard/test_slow_views.py`).
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from dashboard.choices import offer_owners, offer_selects
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
from dashboard.queries.owners import read_owners
from dashboard.queries.scope import read_scope
from dashboard.queries.slow import MOST_IN_FILE, read_slow, read_speeds, write_rule, write_slow
from dashboard.queries.slow_suites import list_suite_times, read_targets
from dashboard.queries.suite_windows import read_suite_windows
from health.models import Project

_HEAD: Final = (
    *("namespace", "suite_path", "class", "name", "occurrence", "suite", "job", "owners", "results", "median_seconds"),
    *("results_before", "median_seconds_before", "slower"),
)
_SUITE_HEAD: Final = (
    *("suite", "level", "job", "run", "seconds", "executed", "runs_before", "median_seconds_before"),
    *("target_seconds", "state", "slower_than_usual"),
)


@require_safe
@require_login
def page(request: HtmxRequest, slug: str) -> HttpResponse:
    """What takes longest, and what takes longer than before."""
    project = get_project_or_404(request, slug)
    filters = Filters.read(request.GET)

    def build() -> HttpResponse:
        tables = {
            "cases": lambda: Table("slow", _HEAD, _list_cases(project, filters)),
            "suites": lambda: Table("slow-suites", _SUITE_HEAD, _list_suites(project, filters)),
        }
        if answer := answer_with_file(request, project=project, tables=tables):
            return answer
        found = read_slow(project, filters)
        return render_page(
            request,
            "dashboard/slow.html",
            project=project,
            current="slow",
            page=found,
            sentence=write_slow(found),
            rule=write_rule(),
            filters=filters,
            selects=[
                *offer_selects(found.scope.offer, filters, branch=found.scope.lane),
                *offer_owners(found.owners, filters),
            ],
        )

    return answer_conditionally(request, project=project, build=build)


def _list_cases(project: Project, filters: Filters) -> Iterator[Sequence[Any]]:
    speeds = read_speeds(project, read_scope(project, filters), limit=MOST_IN_FILE)
    owners = read_owners(project, cases={speed.case.ord: speed.case for speed in speeds}.values())
    for speed in speeds:
        case, names = speed.case, owners.get(speed.case.ord, ())
        if filters.owner and filters.owner not in names:
            continue
        who = (case.namespace, " > ".join(case.suite_path), case.class_name, case.name, case.occurrence)
        now, before = (speed.n, round(speed.seconds, 5)), (speed.n_before, round(speed.seconds_before, 5))
        yield (*who, speed.suite, speed.job, " ".join(names), *now, *before, speed.is_slower)


def _list_suites(project: Project, filters: Filters) -> Iterator[Sequence[Any]]:
    scope = read_scope(project, filters)
    for suite in list_suite_times(read_suite_windows(project, scope), scope, read_targets(project)):
        now = (suite.now.run, round(suite.now.seconds, 5), suite.now.n_executed)
        before = (suite.n_before, "" if suite.usual is None else round(suite.usual, 5))
        yield (suite.suite, suite.level, suite.series, *now, *before, suite.target, suite.word, suite.is_slower)
