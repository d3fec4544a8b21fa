"""The list of deliveries.

Called by `dashboard.urls`. Promise: each list works without JavaScript, and its address holds all of it
(`tests/dashboard/test_uploads_views.py`).
"""

from typing import Final

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from dashboard.filters import Filters
from dashboard.http import HtmxRequest, answer_conditionally, get_project_or_404, render_page, require_login
from dashboard.queries.uploads import list_uploads, read_newest_states, write_uploads

_SHOWN: Final = {"": "all", "trouble": "not wholly stored", "waiting": "waiting"}


@require_safe
@require_login
def page(request: HtmxRequest, slug: str) -> HttpResponse:
    """Every delivery with its state, newest first."""
    project = get_project_or_404(request, slug)
    filters = Filters.read(request.GET)

    def build() -> HttpResponse:
        uploads = list_uploads(project, filters)
        choices = [
            {"word": word, "url": filters.write(state=state), "is_chosen": filters.state == state}
            for state, word in _SHOWN.items()
        ]
        return render_page(
            request,
            "dashboard/uploads.html",
            project=project,
            current="uploads",
            uploads=uploads,
            sentence=write_uploads(uploads, state=filters.state),
            filters=filters,
            groups=[{"title": "Show", "choices": choices}],
            next_url=filters.write(before=uploads.next_before) if uploads.next_before else "",
        )

    # A delivery is on the list before it changes a fact.
    return answer_conditionally(request, project=project, build=build, also=read_newest_states(project))
