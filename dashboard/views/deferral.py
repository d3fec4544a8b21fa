"""One entry of the register: its whole story, and what people do with it.

Called by `dashboard.urls`. Promise: maintainers decide, viewers read and see no forms; who writes on an older version
is shown both, with 409, and nothing of theirs is lost (`tests/dashboard/test_deferral_views.py`).
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

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
from dashboard.queries.deferral import DeferralPage, read_deferral
from dashboard.queries.deferral_form import Sent, face, find_unread, make_fields, read_sent
from dashboard.queries.deferral_past import Change
from dashboard.templatetags.display import in_words, write_day
from health.deferral_acts import (
    FIELDS,
    Changed,
    Conflict,
    accept_backing,
    accept_opening,
    change_entry,
    read_values,
    release_entry,
)
from health.models import Project

_DONE_BEFORE: Final = "Nothing was changed: it says so already."
_IN_FILE: Final = "What the file says of a pattern is changed in the file. Each of its tests can be corrected here."
_CASE_COLUMNS: Final = (*("named_by", "case", "class", "name", "state", "outcome", "run"),)
_CHANGE_COLUMNS: Final = ("at", "run", "actor", "what", "field", "before", "after")

Act = Callable[[DeferralPage, HtmxRequest, User], Changed | Conflict | None]


@require_safe
@require_login
def page(request: HtmxRequest, slug: str, pk: int) -> HttpResponse:
    """Why it is put off, since when, what covers it meanwhile, and what became of it."""
    project = get_project_or_404(request, slug)

    def build() -> HttpResponse:
        found = _read(request, project, pk)
        if answer := answer_with_file(request, project=project, tables=_list_tables(found)):
            return answer
        return _render(request, project, found)

    with timezone.override(project.time_zone):
        today = str(timezone.localdate())
    return answer_conditionally(request, project=project, build=build, also=today)


@require_http_methods(["GET", "HEAD", "POST"])
@require_login
def edit(request: HtmxRequest, slug: str, pk: int) -> HttpResponse:
    """A person's word on it, before the file's and before what was read from CI."""
    if request.method != "POST":
        return _lead_back(request, slug, pk)
    project = get_project_or_404(request, slug, role=Role.MAINTAINER)
    with timezone.override(project.time_zone):
        return _edit(request, project, _read(request, project, pk))


def _edit(request: HtmxRequest, project: Project, found: DeferralPage) -> HttpResponse:
    if not found.may_change:
        messages.info(request, _IN_FILE)
        return _back(project, found.fact.id)
    sent = read_sent(request.POST, names=found.field_names)
    if sent.is_wrong:
        return _render(request, project, found, status=422, fields=sent.fields, also=request.POST.getlist("also"))
    done = change_entry(
        project.pk,
        found.fact.id,
        version=_version(request),
        changes=sent.changes,
        also=_choose_others(found, request),
        user=_find_user(request),
    )
    if done is None:
        raise Http404
    if isinstance(done, Conflict):
        return _show_both(request, project, found, sent, done)
    if done.n:
        messages.success(request, _tell_changed(done.n, sent))
    else:
        messages.info(request, _DONE_BEFORE)
    return _back(project, found.fact.id)


def _choose_others(found: DeferralPage, request: HtmxRequest) -> set[int]:
    """The entries that a change is meant for too."""
    chosen = request.POST.getlist("also")
    return {
        *(found.others.family if "family" in chosen else ()),
        *(found.others.reason if "reason" in chosen else ()),
    }


def _tell_changed(n: int, sent: Sent) -> str:
    told = "The entry was changed." if n == 1 else f"{in_words(n).capitalize()} entries were changed."
    unread = find_unread(sent.changes.get("backing") or ())
    if unread:
        told += f" “{unread[0]}” names no tests that can be looked up, so it cannot be proven."
    return told


def _show_both(
    request: HtmxRequest, project: Project, found: DeferralPage, sent: Sent, conflict: Conflict
) -> HttpResponse:
    """What holds now and what was sent, field by field, to be sent again or not."""
    fields = face(sent, conflict.current)
    return render_page(
        request,
        "dashboard/deferral_conflict.html",
        project=project,
        current="deferred",
        status=409,
        page=found,
        fact=found.fact,
        conflict=conflict,
        fields=fields,
        also=request.POST.getlist("also"),
        differing=[field for field in fields if field.now is not None],
    )


@require_http_methods(["GET", "HEAD", "POST"])
@require_login
def reset(request: HtmxRequest, slug: str, pk: int) -> HttpResponse:
    """What CI or the file says of a field holds again."""

    def act(found: DeferralPage, request: HtmxRequest, user: User) -> Changed | Conflict | None:
        field = request.POST.get("field", "")
        changes = dict.fromkeys([field] if field in FIELDS else [])
        project_id, version = found.entry.project_id, _version(request)
        return change_entry(project_id, found.fact.id, version=version, changes=changes, user=user)

    return _decide(request, slug, pk, act, said="What CI and the file say holds again.")


@require_http_methods(["GET", "HEAD", "POST"])
@require_login
def release(request: HtmxRequest, slug: str, pk: int) -> HttpResponse:
    """It is not put off any more."""

    def act(found: DeferralPage, request: HtmxRequest, user: User) -> Changed | Conflict | None:
        return release_entry(found.entry.project_id, found.fact.id, version=_version(request), user=user)

    said = "It was released. If CI puts it off again, somebody has to accept that."
    return _decide(request, slug, pk, act, said=said)


@require_http_methods(["GET", "HEAD", "POST"])
@require_login
def accept(request: HtmxRequest, slug: str, pk: int) -> HttpResponse:
    """It may be put off once more."""

    def act(found: DeferralPage, request: HtmxRequest, user: User) -> Changed | Conflict | None:
        return accept_opening(found.entry.project_id, found.fact.id, version=_version(request), user=user)

    return _decide(request, slug, pk, act, said="Noted: it may be put off this time.")


@require_http_methods(["GET", "HEAD", "POST"])
@require_login
def accept_gone(request: HtmxRequest, slug: str, pk: int) -> HttpResponse:
    """The backing does without the tests that are gone."""

    def act(found: DeferralPage, request: HtmxRequest, user: User) -> Changed | Conflict | None:
        return accept_backing(found.entry.project_id, found.fact.id, version=_version(request), user=user)

    return _decide(request, slug, pk, act, said="The tests that are gone are not missed any more.")


def _decide(request: HtmxRequest, slug: str, pk: int, act: Act, *, said: str) -> HttpResponse:
    """Carry out a decision without fields and say what came of it; its address, opened, leads to the entry."""
    if request.method != "POST":
        return _lead_back(request, slug, pk)
    project = get_project_or_404(request, slug, role=Role.MAINTAINER)
    with timezone.override(project.time_zone):
        done = act(_read(request, project, pk), request, _find_user(request))
        if isinstance(done, Conflict):
            messages.warning(request, f"Nothing was changed: {_tell_who(done)} Look at it as it is now.")
            return _render(request, project, _read(request, project, pk), status=409)
    if done is not None and done.n:
        messages.success(request, said)
    else:
        messages.info(request, "Nothing was changed: it was decided before, or is not for people to decide.")
    return _back(project, pk)


def _tell_who(conflict: Conflict) -> str:
    if not conflict.by:
        return "the entry was changed after this page was opened."
    return f"{conflict.by} changed the entry on {write_day(conflict.at)}, after this page was opened."


def _read(request: HtmxRequest, project: Project, pk: int) -> DeferralPage:
    for_forms = has_role(request, Role.MAINTAINER)
    found = read_deferral(project, pk=pk, today=timezone.localdate(), for_forms=for_forms)
    if found is None:
        raise Http404
    return found


def _render(
    request: HtmxRequest, project: Project, found: DeferralPage, *, status: int = 200, **facts: Any
) -> HttpResponse:
    fields = make_fields(read_values(found.entry), names=found.field_names)
    return render_page(
        request,
        "dashboard/deferral.html",
        project=project,
        current="deferred",
        status=status,
        **{"page": found, "fact": found.fact, "fields": fields, "is_refused": "fields" in facts} | facts,
    )


def _version(request: HtmxRequest) -> int:
    """The version that was looked at; 0, which none is, for anything that is no number."""
    text = request.POST.get("version", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _find_user(request: HtmxRequest) -> User:
    return User.objects.get(pk=request.user.pk)


def _lead_back(request: HtmxRequest, slug: str, pk: int) -> HttpResponse:
    project = get_project_or_404(request, slug)
    return _back(project, pk)


def _back(project: Project, pk: int) -> HttpResponse:
    return HttpResponseRedirect(reverse("dashboard:deferral", kwargs={"slug": project.slug, "pk": pk}))


def _list_tables(found: DeferralPage) -> dict[str, Callable[[], Table]]:
    name = f"deferral-{found.fact.id}"
    return {
        "backing": lambda: Table(f"{name}-backing", _CASE_COLUMNS, _write_backing(found)),
        "history": lambda: Table(f"{name}-history", _CHANGE_COLUMNS, _write_history(found.changes)),
    }


def _write_backing(found: DeferralPage) -> Iterator[tuple[Any, ...]]:
    for text in found.backing.texts if found.backing else ():
        for line in text.lines:
            case = line.case
            yield (text.text, case.ord, case.place, case.name, line.word, line.outcome_word, line.run)


def _write_history(changes: tuple[Change, ...]) -> Iterator[tuple[Any, ...]]:
    for change in changes:
        told = (change.at.isoformat(), change.run, change.actor, change.what)
        if not change.fields:
            yield (*told, "", "", "")
        for field in change.fields:
            yield (*told, field.label, field.before, field.after)
