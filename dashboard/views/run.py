"""One run.

Called by `dashboard.urls`. Promise: a run somebody else's project has does not exist here
(`tests/dashboard/test_run_views.py`).
"""

from django.http import Http404, HttpResponse
from django.views.decorators.http import require_safe

from dashboard.filters import Filters
from dashboard.http import (
    HtmxRequest,
    Role,
    answer_conditionally,
    get_project_or_404,
    has_role,
    render_page,
    require_login,
)
from dashboard.queries.facts import Changes
from dashboard.queries.run import read_run_page
from dashboard.queries.sentences import write_bare_run, write_run


@require_safe
@require_login
def page(request: HtmxRequest, slug: str, number: int) -> HttpResponse:
    """What a run counts, what broke, what changed, and what it was made of."""
    project = get_project_or_404(request, slug)
    series = Filters.read(request.GET).job

    def build() -> HttpResponse:
        found = read_run_page(project, number=number, series=series, for_owner=has_role(request, Role.OWNER))
        if found is None:
            raise Http404
        changes = Changes(found.n_new, found.n_still, found.n_fixed, found.n_gone)
        return render_page(
            request,
            "dashboard/run.html",
            project=project,
            current="runs",
            page=found,
            run=found.run,
            sentence=write_bare_run(found.coverage)
            if found.is_bare and found.is_complete
            else write_run(
                found.counts,
                changes,
                is_complete=found.is_complete,
                missing=found.told_missing,
                baselines=found.baselines,
                what=found.what,
            ),
        )

    return answer_conditionally(request, project=project, build=build)
