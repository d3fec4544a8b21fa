"""The list of runs.

Called by `dashboard.urls`. Promise: each list works without JavaScript, and its address holds all of it
(`tests/dashboard/test_runs_views.py`).
"""

from typing import Any

from django.http import HttpResponse
from django.views.decorators.http import require_GET

from dashboard.filters import Filters
from dashboard.http import HtmxRequest, answer_conditionally, get_project_or_404, render_page, require_login
from dashboard.queries.runs import RunList, list_runs
from dashboard.templatetags.display import plain
from health.rules.lanes import CHANGES

_MOST_LINKS = 8


@require_GET
@require_login
def page(request: HtmxRequest, slug: str) -> HttpResponse:
    """All runs, or those of one branch, newest first."""
    project = get_project_or_404(request, slug)
    filters = Filters.read(request.GET)

    def build() -> HttpResponse:
        runs = list_runs(project, filters)
        return render_page(
            request,
            "dashboard/runs.html",
            project=project,
            current="runs",
            runs=runs,
            filters=filters,
            groups=_offer_branches(runs, filters),
            next_url=filters.write(before=runs.next_before) if runs.next_before else "",
        )

    return answer_conditionally(request, project=project, build=build)


def _offer_branches(runs: RunList, filters: Filters) -> list[dict[str, Any]]:
    """The branches as a line of words; the chosen one is always among them."""
    branches = list(runs.branches[:_MOST_LINKS])
    if filters.branch and filters.branch not in branches:
        branches.append(filters.branch)
    choices = [{"word": "all", "url": filters.write(branch=""), "is_chosen": not filters.branch}]
    choices += [
        {
            "word": "changes and other branches" if branch == CHANGES else plain(branch),
            "url": filters.write(branch=branch),
            "is_chosen": branch == filters.branch,
        }
        for branch in branches
    ]
    return [{"title": "Branch", "choices": choices}] if len(runs.branches) > 1 or filters.branch else []
