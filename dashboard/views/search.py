"""Search over the cases of a project, with jumps to runs and branches.

Called by `dashboard.urls` and by the box in the masthead. Promise: works without JavaScript, and the address holds all
of it (`tests/dashboard/test_search_views.py`).
"""

from collections.abc import Iterator
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
from dashboard.queries.search import Found, search_cases, write_found
from health.rules import outcomes as codes
from health.rules.lanes import CHANGES

_HEAD = (
    *("case", "class", "name", "suite_path", "formerly", "last_outcome", "verdict", "ran", "broken", "retried"),
    "owners",
)


@require_safe
@require_login
def page(request: HtmxRequest, slug: str) -> HttpResponse:
    """What fits the words, the best first."""
    project = get_project_or_404(request, slug)
    filters = Filters.read(request.GET)

    def build() -> HttpResponse:
        found = search_cases(project, filters)
        tables = {"cases": lambda: Table("search", _HEAD, _list_rows(found))}
        if answer := answer_with_file(request, project=project, tables=tables):
            return answer
        return render_page(
            request,
            "dashboard/search.html",
            project=project,
            current="search",
            found=found,
            filters=filters,
            sentence=write_found(found, owner=filters.owner),
            selects=offer_selects(found.offer, filters, branch=found.lane)
            if found.words and (found.n or filters != Filters(search=filters.search))
            else [],
            changes=CHANGES,
            next_url=filters.write(before=found.next_before) if found.next_before else "",
            first_url=filters.write(),
        )

    return answer_conditionally(request, project=project, build=build)


def _list_rows(found: Found) -> Iterator[tuple[Any, ...]]:
    for row in found.rows:
        for hit in row.hits:
            case, judged = hit.case, hit.verdict
            counts = (judged.word, judged.n_ran, judged.n_broken, judged.n_retried) if judged else ("", "", "", "")
            formerly = hit.former.name if hit.former else ""
            where = (case.ord, case.class_name, case.name, "/".join(case.suite_path), formerly)
            yield (*where, codes.WORDS[hit.outcome], *counts, ", ".join(hit.owners))
