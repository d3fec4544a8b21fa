"""Tests that stopped running, and suites that shrink.

Called by `dashboard.urls`. Promise: works without JavaScript, the address holds every choice, and the same address
with `format=csv` or `json` gives every case that vanished (`tests/dashboard/test_vanished_views.py`).
"""

from collections.abc import Iterator, Mapping, Sequence
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
from dashboard.queries.shrinking import write_rule
from dashboard.queries.vanished import (
    MOST_IN_FILE,
    STATES,
    Lost,
    VanishedPage,
    read_lost,
    read_vanished,
    write_vanished,
)
from health.models import Project

_HEAD: Final = (
    *("suspected", "namespace", "suite_path", "class", "name", "occurrence", "suite", "job", "owners"),
    *("last_run", "last_ran_at", "gone_since_run", "gone_since", "may_be_case"),
)


@require_safe
@require_login
def page(request: HtmxRequest, slug: str) -> HttpResponse:
    """What stopped running, why that may be, and what slides although all is green."""
    project = get_project_or_404(request, slug)
    filters = Filters.read(request.GET)

    def build() -> HttpResponse:
        tables = {"cases": lambda: _make_table(project, filters)}
        if answer := answer_with_file(request, project=project, tables=tables):
            return answer
        found = read_vanished(project, filters)
        return render_page(
            request,
            "dashboard/vanished.html",
            project=project,
            current="vanished",
            page=found,
            sentence=write_vanished(found),
            rule=write_rule(),
            filters=filters,
            groups=_offer_choices(found, filters),
            selects=[
                *offer_selects(found.scope.offer, filters, branch=found.scope.lane),
                *offer_owners(found.owners, filters),
            ],
            next_url=filters.write(before=str(found.next_before)) if found.next_before else "",
        )

    return answer_conditionally(request, project=project, build=build)


def _make_table(project: Project, filters: Filters) -> Table:
    """Every case, or as many as a file holds: then its name says so."""
    scope = read_scope(project, filters)
    lost = read_lost(project, scope, state=filters.state, limit=MOST_IN_FILE + 1)
    name = f"vanished-first-{MOST_IN_FILE}" if len(lost) > MOST_IN_FILE else "vanished"
    return Table(name, _HEAD, _list_rows(project, filters, lost[:MOST_IN_FILE], scope.titles))


def _list_rows(
    project: Project, filters: Filters, lost: Sequence[Lost], titles: Mapping[int, str]
) -> Iterator[Sequence[Any]]:
    owners = read_owners(project, cases={found.case.ord: found.case for found in lost}.values())
    for found in lost:
        names = owners.get(found.case.ord, ())
        if not filters.owner or filters.owner in names:
            yield _write_row(found, titles[found.series], names)


def _write_row(found: Lost, job: str, owners: Sequence[str]) -> Sequence[Any]:
    case = found.case
    who = (case.namespace, " > ".join(case.suite_path), case.class_name, case.name, case.occurrence)
    times = (seen.ran_at.isoformat() if seen.ran_at else "" for seen in (found.last, found.gone))
    last_at, gone_at = times
    when = (found.last.run, last_at, found.gone.run, gone_at, found.other)
    return (STATES[found.suspicion][1], *who, found.suite, job, " ".join(owners), *when)


def _offer_choices(found: VanishedPage, filters: Filters) -> list[dict[str, Any]]:
    """What may have happened, with how many cases it may have happened to."""
    states = [("", "all", found.n_cases)]
    states += [(str(state), word, found.counts.get(state, 0)) for state, (_, word) in STATES.items()]
    choices = [
        {"word": f"{word} {n:,}", "url": filters.write(state=state), "is_chosen": filters.state == state}
        for state, word, n in states
        if n or filters.state == state
    ]
    return [{"title": "Suspected", "choices": choices}] if len(choices) > 1 else []
