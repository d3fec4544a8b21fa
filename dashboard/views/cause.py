"""One cause, and what people say of it: merge, split, category, claimed fixes.

Called by `dashboard.urls`. Promise: maintainers decide, viewers read; a change is made by POST only
(`tests/dashboard/test_cause_views.py`).
"""

from collections.abc import Callable
from typing import Any, Final

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

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
from dashboard.queries.cause import CausePage, find_newest, read_cause_page
from dashboard.queries.cause_facts import read_rules
from dashboard.templatetags.display import count_in_words, in_words
from health.cause_acts import Moved, merge_causes, set_category, split_cause, undo_split, unmerge_cause
from health.fixes import UnknownCommitError, claim_fix, withdraw_fix
from health.models import FixClaim, Project
from health.rules.causes import list_categories
from health.rules.fingerprints import read_fingerprint

_HEAD: Final = (*("case", "class", "name", "broken", "failed", "errored", "last_run", "owners"),)
_DECIDED_BEFORE: Final = "Nothing was changed: it was decided before, or is not there any more."

Act = Callable[[Project, int, QueryDict, User], str]


@require_safe
@require_login
def page(request: HtmxRequest, slug: str, fingerprint: int) -> HttpResponse:
    """What was masked, which rule fits, what it broke, and what can be said of it."""
    project = get_project_or_404(request, slug)
    newest = find_newest(project, fingerprint=fingerprint)
    if newest is None:
        raise Http404
    if newest != fingerprint:  # not for good: a merge may be undone
        return HttpResponseRedirect(_address(project, newest))
    filters = Filters.read(request.GET)

    def build() -> HttpResponse:
        found = read_cause_page(
            project, fingerprint=fingerprint, filters=filters, for_owner=has_role(request, Role.OWNER)
        )
        tables = {"cases": lambda: Table(f"cause-{found.fact.key}", _HEAD, _write_rows(found))}
        if answer := answer_with_file(request, project=project, tables=tables):
            return answer
        return render_page(
            request,
            "dashboard/cause.html",
            project=project,
            current="causes",
            page=found,
            fact=found.fact,
            filters=filters,
        )

    return answer_conditionally(request, project=project, build=build)


def _write_rows(found: CausePage) -> list[tuple[Any, ...]]:
    return [
        (
            *(line.case.ord, line.case.place, line.case.name),
            *(line.broke.broken, line.broke.failed, line.broke.errored, line.last, ", ".join(line.owners)),
        )
        for line in found.evidence.cases
    ]


@require_http_methods(["GET", "HEAD", "POST"])
@require_login
def merge(request: HtmxRequest, slug: str, fingerprint: int) -> HttpResponse:
    """From now on one cause with another one."""
    return _decide(request, slug, fingerprint, _merge)


@require_http_methods(["GET", "HEAD", "POST"])
@require_login
def unmerge(request: HtmxRequest, slug: str, fingerprint: int) -> HttpResponse:
    """A merged cause by itself again."""
    return _decide(request, slug, fingerprint, _unmerge)


@require_http_methods(["GET", "HEAD", "POST"])
@require_login
def split(request: HtmxRequest, slug: str, fingerprint: int) -> HttpResponse:
    """Told apart by the word at a masked place."""
    return _decide(request, slug, fingerprint, _split)


@require_http_methods(["GET", "HEAD", "POST"])
@require_login
def join(request: HtmxRequest, slug: str, fingerprint: int) -> HttpResponse:
    """One again, as if it had never been told apart."""
    return _decide(request, slug, fingerprint, _join)


@require_http_methods(["GET", "HEAD", "POST"])
@require_login
def categorise(request: HtmxRequest, slug: str, fingerprint: int) -> HttpResponse:
    """Of this category, whatever the rules say."""
    return _decide(request, slug, fingerprint, _categorise)


@require_http_methods(["GET", "HEAD", "POST"])
@require_login
def claim(request: HtmxRequest, slug: str, fingerprint: int) -> HttpResponse:
    """Fixed, by this commit."""
    return _decide(request, slug, fingerprint, _claim)


@require_http_methods(["GET", "HEAD", "POST"])
@require_login
def withdraw(request: HtmxRequest, slug: str, fingerprint: int) -> HttpResponse:
    """Not fixed after all."""
    return _decide(request, slug, fingerprint, _withdraw)


def _decide(request: HtmxRequest, slug: str, fingerprint: int, act: Act) -> HttpResponse:
    """Carry out a decision and say what came of it; its address, opened, leads to where it is made."""
    is_asked = request.method == "POST"
    project = get_project_or_404(request, slug, role=Role.MAINTAINER if is_asked else Role.VIEWER)
    newest = find_newest(project, fingerprint=fingerprint)
    if newest is None:
        raise Http404
    if is_asked:
        said = act(project, fingerprint, request.POST, User.objects.get(pk=request.user.pk))
        if said:
            messages.success(request, said)
        else:
            messages.info(request, _DECIDED_BEFORE)
    return HttpResponseRedirect(_address(project, find_newest(project, fingerprint=fingerprint) or newest))


def _address(project: Project, fingerprint: int) -> str:
    return reverse("dashboard:cause", kwargs={"slug": project.slug, "fingerprint": fingerprint})


def _merge(project: Project, fingerprint: int, form: QueryDict, user: User) -> str:
    into = read_fingerprint(form.get("into", ""))
    if into is None or not merge_causes(project.pk, fingerprints=[fingerprint], into=into, user=user):
        return ""
    return "From now on the two are one cause. Splitting it off again loses nothing."


def _unmerge(project: Project, fingerprint: int, form: QueryDict, user: User) -> str:
    if not unmerge_cause(project.pk, fingerprint=fingerprint, user=user):
        return ""
    return "It is a cause of its own again."


def _split(project: Project, fingerprint: int, form: QueryDict, user: User) -> str:
    place = form.get("place", "")
    if not (place.isascii() and place.isdigit() and len(place) < 4):
        return ""
    moved = split_cause(project.pk, fingerprint=fingerprint, place=int(place), user=user)
    return f"Failures are told apart by this word from now on: {_tell(moved)}." if moved else ""


def _join(project: Project, fingerprint: int, form: QueryDict, user: User) -> str:
    moved = undo_split(project.pk, fingerprint=fingerprint, user=user)
    return f"It is one cause again: {_tell(moved)}." if moved else ""


def _tell(moved: Moved) -> str:
    failures = count_in_words(moved.n_failures, "stored failure")
    deliveries = f"{in_words(moved.n_uploads)} deliver{'y' if moved.n_uploads == 1 else 'ies'}"
    left = "; deliveries older than these were left as they were" if moved.n_uploads_left else ""
    return f"{failures} of {deliveries} read again{left}"


def _categorise(project: Project, fingerprint: int, form: QueryDict, user: User) -> str:
    category = form.get("category", "")
    if category and category not in list_categories(read_rules(project)):
        return ""
    if not set_category(project.pk, fingerprint=fingerprint, category=category, user=user):
        return ""
    return f"It is of the category {category}, whatever the rules say." if category else "The rules decide again."


def _claim(project: Project, fingerprint: int, form: QueryDict, user: User) -> str:
    commit, note = form.get("commit", "").replace("\x00", ""), form.get("note", "").replace("\x00", "")
    try:
        claim_fix(project.pk, fingerprint=fingerprint, commit=commit, note=note, user=user)
    except UnknownCommitError:
        return "Nothing was claimed: name the commit by seven or more of its digits, or by the start of one that ran."
    return "Noted. If it breaks anything from that commit on, it counts as returned."


def _withdraw(project: Project, fingerprint: int, form: QueryDict, user: User) -> str:
    number = form.get("claim", "")
    pk = int(number) if number.isascii() and number.isdigit() and len(number) < 19 else 0
    claimed = FixClaim.objects.filter(project=project, pk=pk).first()
    if claimed is None:
        return ""
    head = None if claimed.fingerprint is None else find_newest(project, fingerprint=claimed.fingerprint)
    if head is None or head != find_newest(project, fingerprint=fingerprint):
        raise Http404  # of a case, or of another cause
    if not withdraw_fix(project.pk, claim_id=pk, user=user):
        return ""
    return "The claim was taken back."
