"""A new entry of the register, because a person says so: of one test, or of all that a pattern names.

Called by `dashboard.urls`. Promise: what is there already is never made twice, and a form that cannot be taken comes
back as it was sent (`tests/dashboard/test_deferral_add_views.py`).
"""

from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from dashboard.http import HtmxRequest, Role, get_project_or_404, render_page, require_login
from dashboard.queries.deferral_add import AddPage, read_add_page
from dashboard.queries.deferral_form import check_pattern, read_sent
from dashboard.templatetags.display import count_in_words
from health.deferral_acts import Added, NamedInFileError, add_entry
from health.models import Deferral, Project


@require_http_methods(["GET", "HEAD", "POST"])
@require_login
def page(request: HtmxRequest, slug: str) -> HttpResponse:
    """The form, and what is sent with it."""
    project = get_project_or_404(request, slug, role=Role.MAINTAINER)
    sent = request.POST if request.method == "POST" else request.GET
    found = read_add_page(project, case=sent.get("case", ""))
    if found is None:
        raise Http404
    if request.method == "POST":
        return _add(request, project, found)
    if found.entry is not None:
        return _lead_to(project, found.entry)
    pattern = request.GET.get("pattern", "").replace("\x00", "")
    return _render(request, project, found, pattern=pattern)


def _add(request: HtmxRequest, project: Project, found: AddPage) -> HttpResponse:
    pattern = request.POST.get("pattern", "").replace("\x00", "").strip()
    wrong = "" if found.case else check_pattern(pattern)
    sent = read_sent(request.POST, names=[field.name for field in found.fields])
    if wrong or sent.is_wrong:
        return _render(request, project, found, status=422, fields=sent.fields, pattern=pattern, wrong=wrong)
    fields = {field.name: field.value for field in sent.fields if field.name == "kind"} | sent.changes
    try:
        added = add_entry(
            project.pk,
            ord_=found.case.ord if found.case else None,
            pattern=pattern,
            fields=fields,
            user=User.objects.get(pk=request.user.pk),
        )
    except NamedInFileError as refused:
        return _render(request, project, found, status=422, fields=sent.fields, pattern=pattern, wrong=str(refused))
    if added is None:
        raise Http404
    _tell(request, added)
    return _lead_to(project, added.pk)


def _tell(request: HtmxRequest, added: Added) -> None:
    entry = Deferral.objects.get(pk=added.pk)
    if not added.is_new:
        messages.info(request, "It is in the register already.")
    elif entry.ord is not None or entry.kind == Deferral.Kind.PLANNED:
        messages.success(request, "It is in the register now.")
    elif entry.n_cases:
        messages.success(request, f"It is in the register now, and names {count_in_words(entry.n_cases, 'test')}.")
    else:
        messages.warning(request, "It is in the register now, but no test that reports fits it.")


def _render(request: HtmxRequest, project: Project, found: AddPage, *, status: int = 200, **facts: Any) -> HttpResponse:
    return render_page(
        request,
        "dashboard/deferral_add.html",
        project=project,
        current="deferred",
        status=status,
        **{"page": found, "fields": found.fields} | facts,
    )


def _lead_to(project: Project, pk: int) -> HttpResponse:
    return HttpResponseRedirect(reverse("dashboard:deferral", kwargs={"slug": project.slug, "pk": pk}))
