"""The first upload: token, step, and a line that tells how far it is.

Called by `dashboard.urls`. Promise: the token is shown once and kept nowhere; the panel stops asking when
there is a run to open (`tests/dashboard/test_onboarding_views.py`).
"""

from django.conf import settings
from django.db import transaction
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from dashboard.http import (
    HtmxRequest,
    Role,
    ask_to_sign_in_again,
    forget_revealed,
    get_project_or_404,
    read_revealed,
    render_page,
    render_panel,
    require_login,
    reveal_once,
)
from dashboard.queries.onboarding import read_progress
from dashboard.queries.snippets import is_loopback, write_snippets
from health.audit import record
from health.models import UploadToken


@require_safe
@require_login
def page(request: HtmxRequest, slug: str) -> HttpResponse:
    """Three steps on one page."""
    project = get_project_or_404(request, slug, role=Role.MAINTAINER)
    token = read_revealed(request)
    response = render_page(
        request,
        "dashboard/onboarding.html",
        project=project,
        current="start",
        token=token,
        snippets=write_snippets(address=settings.BASE_URL, token=token),
        unreachable=settings.BASE_URL if is_loopback(settings.BASE_URL) else "",
        progress=read_progress(project),
    )
    return forget_revealed(request, response)


@require_http_methods(["GET", "HEAD", "POST"])  # opened, as after a new sign-in, it leads to its page
@require_login
def issue_token(request: HtmxRequest, slug: str) -> HttpResponse:
    """Another token, when the first one was not copied in time."""
    project = get_project_or_404(request, slug, role=Role.MAINTAINER)
    start = reverse("dashboard:start", kwargs={"slug": slug})
    if request.method != "POST":
        return HttpResponseRedirect(start)
    if project.uploads.exists() and (again := ask_to_sign_in_again(request, back_to=start)):
        return again
    with transaction.atomic():
        row, token = UploadToken.issue(project, name="made while setting up", created_by_id=request.user.pk)
        detail = {"last_four": row.last_four}
        record(project.pk, user=request.user, action="token.created", subject=row.name, detail=detail)
    return reveal_once(HttpResponseRedirect(start), token, path=start)


@require_safe
@require_login
def progress(request: HtmxRequest, slug: str) -> HttpResponse:
    """The live line."""
    project = get_project_or_404(request, slug, role=Role.MAINTAINER)
    return render_panel(
        request,
        "dashboard/onboarding/_progress.html",
        page_url=reverse("dashboard:start", kwargs={"slug": slug}),
        project=project,
        progress=read_progress(project),
    )
