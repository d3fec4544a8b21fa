"""The causes of a branch, or of one run.

Called by `dashboard.urls`. Promise: each list works without JavaScript, and its address holds all of it
(`tests/dashboard/test_causes_views.py`).
"""

from typing import Any, Final

from django.http import Http404, HttpResponse
from django.views.decorators.http import require_safe

from dashboard.choices import offer_selects
from dashboard.filters import Filters
from dashboard.http import (
    HtmxRequest,
    Role,
    Table,
    answer_conditionally,
    answer_with_file,
    get_project_or_404,
    has_role,
    render_page,
    require_login,
)
from dashboard.queries.causes import MOST_LISTED, CauseLine, CausesPage, read_causes_page
from health.rules.cause_states import MEANINGS, STATES
from health.rules.causes import RULES

_HEAD: Final = (
    *("cause", "kind", "message", "category", "rule", "state", "broken", "of_broken", "failed", "errored"),
    *("cases", "cases_at_least", "runs", "of_runs", "first_run", "first_at", "last_run", "last_at"),
)


@require_safe
@require_login
def page(request: HtmxRequest, slug: str) -> HttpResponse:
    """What breaks cases, ranked, with how it stands."""
    project = get_project_or_404(request, slug)
    filters = Filters.read(request.GET)

    def build() -> HttpResponse:
        found = read_causes_page(project, filters, for_owner=has_role(request, Role.OWNER))
        if found is None:
            raise Http404
        tables = {"causes": lambda: Table("causes", _HEAD, map(_write_row, found.lines))}
        if answer := answer_with_file(request, project=project, tables=tables):
            return answer
        return render_page(
            request,
            "dashboard/causes.html",
            project=project,
            current="causes",
            page=found,
            lines=found.lines[:MOST_LISTED],
            filters=filters,
            selects=_offer(found, filters),
            states=MEANINGS.items(),
            rules=(*found.rules, *RULES),
        )

    return answer_conditionally(request, project=project, build=build)


def _offer(found: CausesPage, filters: Filters) -> list[dict[str, Any]]:
    """The usual selects, then category and state; a run is of one branch."""
    selects = offer_selects(found.scope.offer, filters, branch=found.scope.lane)
    selects = [select for select in selects if not filters.run or select["name"] != "branch"]
    names = list(dict.fromkeys([line.name for line in found.categories] + [filters.category] * bool(filters.category)))
    for name, values in (("category", names), ("state", list(STATES))):
        chosen = getattr(filters, name)
        options = [(value, value == chosen) for value in values]
        selects.append({"name": name, "title": name.capitalize(), "empty": "every", "options": options})
    return selects


def _write_row(line: CauseLine) -> tuple[Any, ...]:
    fact, first, last = line.fact, line.first, line.last
    return (
        *(fact.key, fact.kind, fact.masked, fact.category.name, fact.told_rule, line.state),
        *(line.count.broken, line.n_of, line.count.failed, line.count.errored, line.n_cases, line.is_at_least),
        *(line.n_runs, line.n_runs_of),
        *((first.number, first.ran_at.isoformat()) if first else ("", "")),
        *((last.number, last.ran_at.isoformat()) if last else ("", "")),
    )
