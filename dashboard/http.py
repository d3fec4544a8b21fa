"""What every page's view needs between URL and template.

Called by `dashboard.views`, and in part by `dashboard.api`. Promise: for strangers a project does not exist (404), a
panel never answers as a page, an unchanged page is answered by 304 before its queries run, and no cache keeps a page
for others (`tests/dashboard/test_http.py`).
"""

import csv
import hashlib
import io
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from itertools import chain
from pathlib import Path
from typing import Any, Concatenate, Final, NamedTuple, ParamSpec, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render, resolve_url
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.cache import get_conditional_response, patch_cache_control
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from health.models import Membership, Project

Role = Membership.Role
P = ParamSpec("P")

_RANK: Final = {Role.VIEWER: 0, Role.MAINTAINER: 1, Role.OWNER: 2}
_FORMS: Final = ("csv", "json")
_SIGNS: Final = frozenset("=+-@\t\r\n")
_REVEAL_COOKIE: Final = "sw_shown_once"
_REVEAL_SECONDS: Final = 120
_SIGNED_IN_AT: Final = "signed_in_at"
_FRESH_SECONDS: Final = 12 * 3600


class HtmxRequest(HttpRequest):
    """A request as views behind `require_login` see it: signed in, and with what htmx said."""

    user: User
    htmx: HtmxDetails
    membership: Membership


def require_login(
    view: Callable[Concatenate[HtmxRequest, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Send strangers to the login page, and back afterwards; also from inside a panel, where a plain
    redirect would be swapped into the page.
    """

    @wraps(view)
    def inner(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if request.user.is_authenticated:
            return view(cast("HtmxRequest", request), *args, **kwargs)
        details = cast("HtmxRequest", request).htmx
        if not details:
            return redirect_to_login(request.get_full_path())
        back_to = details.current_url_abs_path or "/"
        return HttpResponseClientRedirect(redirect_to_login(back_to).url)

    return inner


def note_sign_in(request: HttpRequest) -> None:
    """Remember when this session began; called at every sign-in."""
    request.session[_SIGNED_IN_AT] = int(time.time())


def ask_to_sign_in_again(request: HtmxRequest, *, back_to: str) -> HttpResponse | None:
    """A way to the login page when the session is older than half a day, else None.

    For what a found, still open browser should not be able to do: new tokens, deleting a project.
    """
    if time.time() - request.session.get(_SIGNED_IN_AT, 0) <= _FRESH_SECONDS:
        return None
    messages.info(request, "This needs a fresh sign-in. Sign in again, then repeat it.")
    return redirect_to_login(back_to)


def get_project_or_404(request: HtmxRequest, slug: str, *, role: str = Role.VIEWER) -> Project:
    """The project, when this person may act as `role` in it.

    No member of it: 404, as if it did not exist. A member with too small a role: also 404, so that
    an address tells nothing.
    """
    membership = Membership.objects.select_related("project").filter(user=request.user, project__slug=slug).first()
    if membership is None or _RANK[Role(membership.role)] < _RANK[Role(role)]:
        raise Http404
    request.membership = membership
    return membership.project


def has_role(request: HtmxRequest, role: str) -> bool:
    """Whether the member `get_project_or_404` found may act as `role`."""
    return _RANK[Role(request.membership.role)] >= _RANK[Role(role)]


def render_page(
    request: HtmxRequest,
    template: str,
    *,
    project: Project | None = None,
    current: str = "",
    status: int = 200,
    **facts: Any,
) -> HttpResponse:
    """A whole page. `current` is the page's URL name, for the masthead; dates show in the project's zone."""
    facts |= {"project": project, "current": current}
    if project is not None:
        facts["may_maintain"] = has_role(request, Role.MAINTAINER)
        facts["may_own"] = has_role(request, Role.OWNER)
    with timezone.override(project.time_zone if project else None):
        return keep_private(render(request, template, facts, status=status))


def render_panel(
    request: HtmxRequest, template: str, *, page_url: str, project: Project | None = None, **facts: Any
) -> HttpResponse:
    """A fragment for htmx. Opened directly, in a tab of its own, it leads to its page instead."""
    if not request.htmx:
        return HttpResponseRedirect(page_url)
    with timezone.override(project.time_zone if project else None):
        html = render_to_string(template, facts | {"project": project}, request=request)
    return HttpResponse(html, headers={"Cache-Control": "no-store"})


def answer_conditionally(
    request: HtmxRequest, *, project: Project, build: Callable[[], HttpResponse], also: str = ""
) -> HttpResponse:
    """Answer 304 when neither the project's facts nor the address changed since the browser last asked.

    The address holds every filter, so it is the key. `also` names what a page shows beside the facts.
    Sentences with dates are written in `build`, in the project's zone.
    """
    with timezone.override(project.time_zone):
        return _answer_conditionally(request, project, build, also)


def _answer_conditionally(
    request: HtmxRequest, project: Project, build: Callable[[], HttpResponse], also: str
) -> HttpResponse:
    if len(messages.get_messages(request)):
        return keep_private(build())  # what an action said must be shown once, whatever the browser holds
    etag = _make_etag(request, project, also)
    unchanged = get_conditional_response(request, etag=etag)
    if unchanged is not None and unchanged.status_code == 304:
        return unchanged
    response = keep_private(build())
    if response.status_code == 200:
        response["ETag"] = etag
    return response


def keep_private(response: HttpResponse) -> HttpResponse:
    """A page is for one person, and shown again only after asking whether it still holds."""
    patch_cache_control(response, private=True, no_cache=True)
    return response


class Table(NamedTuple):
    """A page's table as a file: its name, the titles of its columns, its rows."""

    name: str
    head: Sequence[str]
    rows: Iterable[Sequence[Any]]


def answer_with_file(
    request: HtmxRequest, *, project: Project | None, tables: Mapping[str, Callable[[], Table]]
) -> HttpResponse | None:
    """The table that the address asks for with `format` (csv or json) and `table`; None where it asks for the page.

    `tables` by their word in the address; the first is meant where it names none, or one that is not there.
    """
    form = request.GET.get("format", "")
    if form not in _FORMS:
        return None
    chosen = tables.get(request.GET.get("table", "")) or next(iter(tables.values()))
    table = chosen()
    name = f"{project.slug}-{table.name}" if project else table.name
    if form == "json":
        return JsonResponse({"name": name, "rows": [dict(zip(table.head, row, strict=True)) for row in table.rows]})
    written = io.StringIO(newline="")  # at once: a response is slow to take a row after the other
    writer = csv.writer(written)
    writer.writerows(_disarm(row) for row in chain([table.head], table.rows))
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return HttpResponse(written.getvalue(), content_type="text/csv; charset=utf-8", headers=headers)


def _disarm(row: Sequence[Any]) -> list[Any]:
    """Spreadsheets run what begins with these signs, and names come from reports."""
    return [f"'{cell}" if isinstance(cell, str) and cell[:1] in _SIGNS else cell for cell in row]


def reveal_once(response: HttpResponse, secret: str, *, path: str) -> HttpResponse:
    """Let the page at `path` show a secret once: it travels in a signed cookie and is kept nowhere."""
    response.set_signed_cookie(
        _REVEAL_COOKIE,
        secret,
        salt=f"suitewatch.reveal:{path}",
        max_age=_REVEAL_SECONDS,
        path=path,
        httponly=True,
        samesite="Strict",
        secure=settings.SESSION_COOKIE_SECURE,
    )
    return response


def read_revealed(request: HttpRequest) -> str:
    """The secret `reveal_once` sent to this path, or nothing."""
    salt = f"suitewatch.reveal:{request.path}"
    return request.get_signed_cookie(_REVEAL_COOKIE, "", salt=salt, max_age=_REVEAL_SECONDS) or ""


def forget_revealed(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Take the secret back after it was shown, and keep the page that shows it out of every cache."""
    if _REVEAL_COOKIE in request.COOKIES:
        response.delete_cookie(_REVEAL_COOKIE, path=request.path, samesite="Strict")
        response["Cache-Control"] = "no-store"
    return response


def address_of(path: str) -> str:
    """A path as CI or a mail must write it: from the configured base address, never from `Host`."""
    return settings.BASE_URL.rstrip("/") + resolve_url(path)


def find_newest(*places: Path) -> int:
    """When anything in these files and folders changed last, in nanoseconds; 0 when none of them is there."""
    paths = (path for place in places for path in (place, *place.rglob("*")))
    return max((path.stat().st_mtime_ns for path in paths if path.exists()), default=0)


# Once, before any template is read: a later look could give a new tag to what this process keeps of an old template.
_LOOK_CHANGED_AT: Final = find_newest(settings.BASE_DIR / "templates", settings.STATIC_ROOT / "staticfiles.json")


def _make_etag(request: HtmxRequest, project: Project, also: str) -> str:
    # The session too: the page carries a CSRF token, which a new login makes useless.
    reader = (request.user.pk, request.membership.role, request.session.session_key)
    return make_etag(project, address=request.get_full_path(), reader=reader, also=also)


def make_etag(project: Project, *, address: str, reader: Sequence[object], also: str) -> str:
    """The tag of an answer that depends on the project's facts, its address, who reads it, and `also`."""
    parts = (settings.VERSION, _LOOK_CHANGED_AT, project.pk, project.revision, address, *reader, also)
    return f'"{hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()}"'
