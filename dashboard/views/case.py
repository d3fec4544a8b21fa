"""One case.

Called by `dashboard.urls`. Promise: names are shown as they were sent, blanks and controls made visible
(`tests/dashboard/test_case_views.py`).
"""

from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_safe

from dashboard.charts.case import draw_timings
from dashboard.http import (
    HtmxRequest,
    Role,
    answer_conditionally,
    get_project_or_404,
    has_role,
    render_page,
    require_login,
)
from dashboard.queries.case import read_case_page
from dashboard.queries.cases import read_aliases
from dashboard.queries.sentences import write_case


@require_safe
@require_login
def page(request: HtmxRequest, slug: str, number: int) -> HttpResponse:
    """How a case fared, since when it fails, and what it said."""
    project = get_project_or_404(request, slug)
    newest = read_aliases(project).canonical(number)
    if newest != number:  # not for good: a merge may be undone
        return HttpResponseRedirect(reverse("dashboard:case", kwargs={"slug": slug, "number": newest}))

    def build() -> HttpResponse:
        found = read_case_page(project, number=number, for_owner=has_role(request, Role.OWNER))
        if found is None:
            raise Http404
        figure = None
        if len(found.timings) > 1:
            figure = draw_timings(
                found.timings, zone=project.time_zone, series=found.timed_series, lane=found.timed_lane
            )
        return render_page(
            request,
            "dashboard/case.html",
            project=project,
            current="case",
            page=found,
            case=found.case,
            sentence=write_case(found),
            figure=figure,
        )

    return answer_conditionally(request, project=project, build=build)
