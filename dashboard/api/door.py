"""Who asks, and whether anything changed: what stands before every answer of the read API.

Called by `dashboard.api.urls`. Promise: a figure is told to members and to tokens that may read that project, to
nobody else; an unchanged one is answered by 304 before its queries run, and only then is django-ninja imported
(`tests/dashboard/test_api_access.py`, `test_api_door.py`).
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, wraps
from typing import Any, Final, NamedTuple, cast

from django.conf import settings
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.cache import get_conditional_response, patch_cache_control, patch_vary_headers
from django.views.decorators.http import require_safe

from dashboard.filters import Filters
from dashboard.http import HtmxRequest, Role, get_project_or_404, has_role, keep_private, make_etag
from dashboard.queries.deferred_export import CONTENT_TYPES, FORMATS
from dashboard.queries.deferred_named import export_deferred
from dashboard.queries.entry_marks import find_today
from dashboard.queries.upload import describe_step, find_upload
from dashboard.queries.uploads import read_pulse
from health.models import Project
from health.rules.refusals import RefusedError
from health.tokens import find_token, refuse_in_address

_STATUS: Final = {"token_in_url": 400, "scope_missing": 403, "https_required": 403, "rate_limited": 429}
_KEPT_SECONDS: Final = 300  # by whoever reads what is the same for everybody
View = Callable[..., HttpResponseBase]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a token of one project, or a person who is signed in."""

    key: tuple[object, ...]
    project: Project | None  # the token's
    user: User | None

    @property
    def is_token(self) -> bool:
        """Whether a program asks."""
        return self.project is not None


class ApiRequest(HttpRequest):
    """A request as operations see it."""

    caller: Caller
    project: Project  # where the address names one
    filters: Filters
    is_owner: bool  # whether texts are shown in which secrets are not masked


def _answer_refusals(view: View) -> View:
    """Turn RefusedError into the API's one error shape."""

    @wraps(view)
    def answering(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except RefusedError as refused:
            return _refuse(request, refused)

    return answering


def _refuse(request: HttpRequest, refused: RefusedError) -> JsonResponse:
    told = {
        "code": refused.code,
        "message": refused.message,
        "hint": refused.hint,
        "docs": f"{settings.BASE_URL}/api/v1/errors#{refused.code}",
        "field": refused.field,
        "limit": refused.limit,
        "actual": refused.actual,
        "request_id": getattr(request, "request_id", ""),
    }
    error = {name: value for name, value in told.items() if value is not None}
    response = JsonResponse({"error": error}, status=_STATUS.get(refused.code, 401))
    if response.status_code == 401:
        response["WWW-Authenticate"] = "Bearer"
    if refused.retry_after is not None:
        response["Retry-After"] = str(refused.retry_after)
    response["Cache-Control"] = "no-store"
    return response


@require_safe
@_answer_refusals
def list_projects(request: HttpRequest) -> HttpResponseBase:
    """What the caller may read."""
    asked = _enter(request)
    return _finish(_operate(asked, "projects"))


@require_safe
@_answer_refusals
def answer(request: HttpRequest, slug: str, **arguments: Any) -> HttpResponseBase:
    """The figures of the page that this address is named for."""
    asked = _enter(request)
    asked.project = _find_project(asked, slug)
    asked.filters = Filters.read(request.GET)
    name = str(request.resolver_match and request.resolver_match.url_name)
    with timezone.override(asked.project.time_zone):
        reader = (*asked.caller.key, asked.is_owner)
        also = _tell_besides(asked.project, name, **arguments)
        etag = make_etag(asked.project, address=request.get_full_path(), reader=reader, also=also)
        unchanged = get_conditional_response(request, etag=etag)
        if unchanged is not None and unchanged.status_code == 304:
            return unchanged
        response = _finish(_operate(asked, name, slug=slug, **arguments))
    if response.status_code == 200:
        response["ETag"] = etag
    return response


@require_safe
@_answer_refusals
def export(request: HttpRequest, slug: str) -> HttpResponseBase:
    """The register of put-off tests as a list for pytest: a text, and none of the figures."""
    asked = _enter(request)
    project, form = _find_project(asked, slug), request.GET.get("format", FORMATS[0])
    if form not in FORMATS:
        raise Http404
    etag = make_etag(project, address=request.get_full_path(), reader=asked.caller.key, also="")
    unchanged = get_conditional_response(request, etag=etag)
    if unchanged is not None and unchanged.status_code == 304:
        return unchanged
    response = _finish(HttpResponse(export_deferred(project, form), content_type=CONTENT_TYPES[form]))
    response["ETag"] = etag
    return response


def _enter(request: HttpRequest) -> ApiRequest:
    """The request with who sent it. Raises RefusedError."""
    if settings.SECURE_SSL_REDIRECT and not request.is_secure():
        raise RefusedError("https_required", "This instance is spoken to over https.")
    refuse_in_address(request.META.get("QUERY_STRING", ""))
    asked = cast("ApiRequest", request)
    asked.caller = _find_caller(request)
    asked.is_owner = False
    return asked


def _find_caller(request: HttpRequest) -> Caller:
    """A token where one was sent, whoever is signed in beside it; else the session's person."""
    authorization = request.headers.get("Authorization", "")
    if not authorization and request.user.is_authenticated:
        return Caller(("user", request.user.pk), project=None, user=request.user)
    token = find_token(authorization, scope="read", sender=str(request.META.get("REMOTE_ADDR", "")))
    return Caller(("token", token.pk), project=token.project, user=None)


def _find_project(request: ApiRequest, slug: str) -> Project:
    """The project, when the caller may read it; else it does not exist."""
    if request.caller.project is not None:
        if request.caller.project.slug != slug:
            raise Http404
        return request.caller.project
    asked = cast("HtmxRequest", request)
    project = get_project_or_404(asked, slug)
    request.is_owner = has_role(asked, Role.OWNER)
    return project


def _tell_besides(project: Project, name: str, **arguments: Any) -> str:
    """What an answer tells beside the project's facts, as the page of that name says it."""
    now = timezone.now()
    if name == "overview":
        return f"{now:%Y-%m-%dT%H} {find_today(project, now=now)}"
    if name in ("run", "case", "deferred", "deferral"):
        return f"{find_today(project, now=now)}"  # entries of the register grow older
    if name == "uploads":
        return read_pulse(project, now=now)
    if name == "upload":
        upload = find_upload(project, public_id=arguments["public_id"])
        return describe_step(upload) if upload else ""
    return ""


def _operate(request: ApiRequest, name: str, **arguments: Any) -> HttpResponse:
    from dashboard.api.operations import find_operation

    method, request.method = request.method, "GET"  # a HEAD is answered as a GET
    try:
        return find_operation(name)(request, **arguments)
    finally:
        request.method = method


def _finish(response: HttpResponse) -> HttpResponse:
    patch_vary_headers(response, ["Authorization"])
    return keep_private(response)


@require_safe
def document(request: HttpRequest) -> HttpResponseBase:
    """The OpenAPI document. It holds no data, so everybody may read it."""
    return _answer_everybody(request, _write_document(settings.BASE_URL), content_type="application/json")


@require_safe
def docs(request: HttpRequest) -> HttpResponseBase:
    """The same as a page, which does not look at who asks."""
    return _answer_everybody(request, _write_docs(settings.BASE_URL), content_type="text/html; charset=utf-8")


class _Written(NamedTuple):
    """What is the same for everybody as long as this process lives."""

    body: bytes
    etag: str


@cache
def _write_document(address: str) -> _Written:
    from dashboard.api.document import write_document

    return _tag(json.dumps(write_document(address), ensure_ascii=False))


@cache
def _write_docs(address: str) -> _Written:
    from dashboard.api.document import write_document
    from dashboard.api.reference import read_reference

    return _tag(render_to_string("dashboard/api.html", {"reference": read_reference(write_document(address))}))


def _tag(text: str) -> _Written:
    body = text.encode()
    return _Written(body, f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"')


def _answer_everybody(request: HttpRequest, written: _Written, *, content_type: str) -> HttpResponseBase:
    response = HttpResponse(written.body, content_type=content_type, headers={"ETag": written.etag})
    patch_cache_control(response, public=True, max_age=_KEPT_SECONDS)
    return get_conditional_response(request, etag=written.etag, response=response) or response
