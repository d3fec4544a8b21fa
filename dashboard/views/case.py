"""One case.

Called by `dashboard.urls`. Promise: names are shown as they were sent, blanks and controls made visible
(`tests/dashboard/test_case_views.py`).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from dashboard.charts.case import draw_timings
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
from dashboard.queries.case import CasePage, read_case_page
from dashboard.queries.cases import read_aliases
from dashboard.queries.entry_marks import find_today
from dashboard.queries.facts import name_lane
from dashboard.queries.sentences import write_case
from dashboard.templatetags.display import plain
from health.fixes import UnknownCommitError, claim_fix, withdraw_fix
from health.judging import judge_project
from health.models import Case, FixClaim, Project


@require_safe
@require_login
def page(request: HtmxRequest, slug: str, number: int) -> HttpResponse:
    """How a case fared, since when it fails, and what it said."""
    project = get_project_or_404(request, slug)
    newest = read_aliases(project).canonical(number)
    if newest != number:  # not for good: a merge may be undone
        return HttpResponseRedirect(reverse("dashboard:case", kwargs={"slug": slug, "number": newest}))

    filters, today = Filters.read(request.GET), find_today(project, now=timezone.now())

    def build() -> HttpResponse:
        for_owner = has_role(request, Role.OWNER)
        found = read_case_page(
            project, number=number, for_owner=for_owner, branch=filters.branch, variant=filters.variant
        )
        if found is None:
            raise Http404
        if answer := answer_with_file(request, project=project, tables=_list_tables(found)):
            return answer
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
            groups=_offer_choices(found, filters),
            figure=figure,
        )

    return answer_conditionally(request, project=project, build=build, also=f"{today}")  # an entry grows older


@require_http_methods(["GET", "HEAD", "POST"])
@require_login
def claim(request: HtmxRequest, slug: str, number: int) -> HttpResponse:
    """Somebody says that a commit fixed the case; what runs since then is the evidence."""
    if request.method != "POST":
        return _back(get_project_or_404(request, slug), number)
    project = get_project_or_404(request, slug, role=Role.MAINTAINER)
    if not Case.objects.filter(project=project, ord=number).exists():
        raise Http404
    user = User.objects.get(pk=request.user.pk)
    commit, note = (request.POST.get(name, "").replace("\x00", "") for name in ("commit", "note"))
    try:
        claim_fix(project.pk, ord=number, commit=commit, note=note, user=user)
    except UnknownCommitError:
        messages.error(request, "That names no commit: seven digits of it or more, as in git, or one that ran here.")
    else:
        messages.success(request, "Noted. What runs from that commit on is counted by itself.")
        judge_project(project.pk)  # so that the page that follows is true; if somebody is at it, they see to it
    return _back(project, number)


@require_http_methods(["GET", "HEAD", "POST"])
@require_login
def withdraw(request: HtmxRequest, slug: str, number: int) -> HttpResponse:
    """Take a claim back, as if it had never been made."""
    if request.method != "POST":
        return _back(get_project_or_404(request, slug), number)
    project = get_project_or_404(request, slug, role=Role.MAINTAINER)
    user, written = User.objects.get(pk=request.user.pk), request.POST.get("claim", "")
    pk = int(written) if written.isascii() and written.isdecimal() and len(written) < 19 else 0
    ords = read_aliases(project).list_members(number)
    if FixClaim.objects.filter(project=project, pk=pk, ord__in=ords).exists() and withdraw_fix(
        project.pk, claim_id=pk, user=user
    ):
        messages.success(request, "The claim is withdrawn. All runs count again.")
        judge_project(project.pk)  # so that the page that follows is true; if somebody is at it, they see to it
    else:
        messages.info(request, "Nothing was changed: it was withdrawn before.")
    return _back(project, number)


def _back(project: Project, number: int) -> HttpResponse:
    return HttpResponseRedirect(reverse("dashboard:case", kwargs={"slug": project.slug, "number": number}))


def _offer_choices(found: CasePage, filters: Filters) -> list[dict[str, Any]]:
    """Branch and variant as lines of words; a choice of one is none."""
    return [
        *_offer(found.lanes, "branch", "Branch", filters),
        *_offer(found.variants, "variant", "Variant", filters),
    ]


def _offer(values: Sequence[str], name: str, title: str, filters: Filters) -> list[dict[str, Any]]:
    chosen = getattr(filters, name)
    if len(values) < 2 and not chosen:
        return []
    choices = [{"word": "every", "url": filters.write(**{name: ""}), "is_chosen": not chosen}]
    choices += [
        {
            "word": plain(name_lane(value) if name == "branch" else value),
            "url": filters.write(**{name: value}),
            "is_chosen": value == chosen,
        }
        for value in dict.fromkeys((*values, *([chosen] if chosen else [])))
    ]
    return [{"title": title, "choices": choices}]


def _list_tables(found: CasePage) -> dict[str, Callable[[], Table]]:
    name = f"case-{found.case.ord}"
    return {
        "history": lambda: Table(
            f"{name}-history", ("branch", "job", "run", "ran_at", "outcome"), _list_history(found)
        ),
        "broken": lambda: Table(
            f"{name}-broken",
            ("run", "ran_at", "outcome", "job", "message"),
            ((run.run, run.ran_at.isoformat(), run.word, run.job, run.message) for run in found.broken),
        ),
        "timings": lambda: Table(
            f"{name}-timings",
            ("run", "ran_at", "seconds", "is_broken"),
            ((time.run, time.ran_at.isoformat(), time.seconds, time.is_broken) for time in found.timings),
        ),
    }


def _list_history(found: CasePage) -> Iterator[tuple[Any, ...]]:
    for history in found.histories:
        for row in history.rows:
            for cell in row.cells:
                yield (history.lane, row.title, cell.run, cell.ran_at.isoformat(), cell.word)
