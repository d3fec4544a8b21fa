"""A project's first page.

Called by `dashboard.urls`. Promise: works without JavaScript, and without a single run it leads to the first upload
(`tests/dashboard/test_overview_views.py`).
"""

from django.http import HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from dashboard.charts.overview import draw_trend
from dashboard.http import HtmxRequest, answer_conditionally, get_project_or_404, render_page, require_login
from dashboard.queries.overview import read_overview


@require_safe
@require_login
def page(request: HtmxRequest, slug: str) -> HttpResponse:
    """How the project is, in one sentence and its evidence."""
    project = get_project_or_404(request, slug)
    now = timezone.now()

    def build() -> HttpResponse:
        overview = read_overview(project, now=now)
        points = overview.standing.points
        return render_page(
            request,
            "dashboard/overview.html",
            project=project,
            current="overview",
            overview=overview,
            standing=overview.standing,
            head=overview.standing.head,
            figure=draw_trend(points, zone=project.time_zone, lane=overview.standing.lane) if len(points) > 1 else None,
        )

    # Silence and lateness are told in hours, though no fact changes meanwhile.
    return answer_conditionally(request, project=project, build=build, also=f"{now:%Y-%m-%dT%H}")
