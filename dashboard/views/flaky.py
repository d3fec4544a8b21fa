"""Flaky and broken tests.

Called by `dashboard.urls`. Promise: works without JavaScript, the address holds every choice, and the same address
with `format=csv` or `json` gives every case behind the table (`tests/dashboard/test_flaky_views.py`).
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
from dashboard.queries.flaky import MOST_IN_FILE, FlakyPage, Member, read_flaky, read_members
from dashboard.queries.flaky_sentences import write_flaky, write_rule
from dashboard.queries.owners import read_owners
from dashboard.queries.scope import read_scope
from dashboard.queries.verdicts import Verdict
from health.models import Project
from health.rules.flakiness import wilson_interval

_HEAD: Final = (
    *("verdict", "namespace", "suite_path", "class", "name", "occurrence", "job", "owners", "results", "failed"),
    *("passed_on_retry", "rate_low", "rate_high", "disagreed_commits", "flips", "broken_in_a_row"),
    *("last_broken_run", "last_run", "vanished_in_run"),
)


@require_safe
@require_login
def page(request: HtmxRequest, slug: str) -> HttpResponse:
    """Families of tests that do not always pass, with what speaks for it."""
    project = get_project_or_404(request, slug)
    filters = Filters.read(request.GET)

    def build() -> HttpResponse:
        tables = {"cases": lambda: _make_table(project, filters)}
        if answer := answer_with_file(request, project=project, tables=tables):
            return answer
        found = read_flaky(project, filters)
        return render_page(
            request,
            "dashboard/flaky.html",
            project=project,
            current="flaky",
            page=found,
            sentence=write_flaky(found),
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
    members = read_members(project, scope, state=filters.state, limit=MOST_IN_FILE + 1)
    name = f"flaky-first-{MOST_IN_FILE}" if len(members) > MOST_IN_FILE else "flaky"
    return Table(name, _HEAD, _list_rows(project, filters, members[:MOST_IN_FILE]))


def _list_rows(project: Project, filters: Filters, members: Sequence[Member]) -> Iterator[Sequence[Any]]:
    owners = read_owners(project, cases={member.case.ord: member.case for member in members}.values())
    for member in members:
        names = owners.get(member.case.ord, ())
        if not filters.owner or filters.owner in names:
            yield _write_row(member, names)


def _write_row(member: Member, owners: Sequence[str]) -> Sequence[Any]:
    case, judged = member.case, member.judged
    low, high = wilson_interval(judged.n_bad, judged.n_ran)
    who = (judged.verdict, case.namespace, " > ".join(case.suite_path), case.class_name, case.name, case.occurrence)
    counts = (judged.n_ran, judged.n_broken, judged.n_retried, round(low, 4), round(high, 4))
    evidence = (judged.n_disagreed, judged.n_flips, judged.n_streak, judged.last_broken_run, judged.last_run)
    return (*who, member.series, " ".join(owners), *counts, *evidence, member.gone.gone_run if member.gone else "")


def _offer_choices(found: FlakyPage, filters: Filters) -> list[dict[str, Any]]:
    """The verdicts with how many cases have each, and the two orders."""
    states = [("", "all", sum(found.counts.values()))]
    states += [(verdict.value, str(verdict.label), found.counts.get(verdict, 0)) for verdict in _ORDER]
    verdicts = [
        {"word": f"{word} {n:,}", "url": filters.write(state=state), "is_chosen": filters.state == state}
        for state, word, n in states
        if n or not state or filters.state == state
    ]
    orders = [
        {"word": word, "url": filters.write(rank=rank), "is_chosen": filters.rank == rank}
        for rank, word in (("evidence", "by evidence"), ("rate", "by rate"))
    ]
    return [{"title": "Verdict", "choices": verdicts}, {"title": "Order", "choices": orders}]


_ORDER: Final = (Verdict.FLAKY, Verdict.BROKEN, Verdict.UNCLEAR, Verdict.SOUND)
