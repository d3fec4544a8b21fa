"""A project's settings: tokens, members, the project itself.

Called by `dashboard.urls`. Promise: a change is made by POST only, a project never loses its last owner, and a new
token is shown once (`tests/dashboard/test_settings_views.py`).
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, Final
from zoneinfo import available_timezones

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import F
from django.forms.models import model_to_dict
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from dashboard.http import (
    HtmxRequest,
    P,
    Role,
    ask_to_sign_in_again,
    forget_revealed,
    get_project_or_404,
    has_role,
    read_revealed,
    render_page,
    require_login,
    reveal_once,
)
from dashboard.queries.acts import read_acts
from dashboard.queries.in_force import read_in_force
from dashboard.queries.settings import SCOPES, read_members, read_tokens, write_settings
from dashboard.tasks import rebuild
from health.audit import record
from health.locks import lock_project
from health.models import Membership, Project, UploadToken
from health.sql import open_cursor

# Python's own word for the machine's zone; PostgreSQL, which counts the days, does not know it.
_OWN_ZONES: Final = frozenset({"localtime"})


class ProjectForm(forms.Form):
    """Name, days and the branch everything is judged by."""

    name = forms.CharField(max_length=120)
    time_zone = forms.CharField(
        max_length=64,
        help_text="Days on charts and dates on pages are of this zone, such as Europe/Vienna.",
        # Offered by app.js: 600 options in each answer would be most of the page.
        widget=forms.TextInput(attrs={"list": "zones", "autocomplete": "off"}),
    )
    default_branch = forms.CharField(
        max_length=255,
        required=False,
        help_text="The branch the project is judged by. Empty: the one that ran last.",
    )
    run_timeout_minutes = forms.IntegerField(
        min_value=1,
        max_value=43_200,
        required=False,
        label="Minutes to wait for a run",
        help_text="A run that lacks shards or jobs is closed, as incomplete, when nothing came for so long.",
    )

    def clean_run_timeout_minutes(self) -> int:
        """An emptied field means what every new project has."""
        given = self.cleaned_data["run_timeout_minutes"]
        return int(given or Project._meta.get_field("run_timeout_minutes").get_default())

    def clean_time_zone(self) -> str:
        """A zone this server knows, with its exact name."""
        name = str(self.cleaned_data["time_zone"])
        if name not in available_timezones() - _OWN_ZONES:
            raise forms.ValidationError("There is no such zone; write it like Europe/Vienna or UTC.")
        return name


class TokenForm(forms.Form):
    """What a token is for, so that it can be found again."""

    name = forms.CharField(max_length=80, help_text="Where it will be kept: “GitHub secret of click”.")
    scope = forms.ChoiceField(
        choices=SCOPES,
        required=False,
        label="It may",
        help_text="One that sends cannot read, and one that reads cannot send.",
    )

    def clean_scope(self) -> str:
        """Sending is what most tokens are for."""
        return self.cleaned_data["scope"] or "upload"


class MemberForm(forms.Form):
    """A user of this server, and what they may do."""

    username = forms.CharField(max_length=150, label="User name")
    role = forms.ChoiceField(choices=Role.choices)

    def clean_username(self) -> str:
        """Only people who already have an account: `manage.py create_user` makes one."""
        name = str(self.cleaned_data["username"])
        if not User.objects.filter(username=name, is_active=True).exists():
            raise forms.ValidationError("There is no user of this name. manage.py create_user makes one.")
        return name


def _lead_back(
    change: Callable[Concatenate[HtmxRequest, P], HttpResponse],
) -> Callable[Concatenate[HtmxRequest, P], HttpResponse]:
    """A refused form leaves the address of its change in the browser: opened again, it leads to the settings."""

    @wraps(change)
    def inner(request: HtmxRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if request.method == "POST":
            return change(request, *args, **kwargs)
        return _back(get_project_or_404(request, str(kwargs["slug"])).slug)

    return inner


@require_safe
@require_login
def page(request: HtmxRequest, slug: str) -> HttpResponse:
    """Everything on one page; what a member may not change is shown as text."""
    project = get_project_or_404(request, slug)
    return _render(request, project)


@require_http_methods(["GET", "HEAD", "POST"])
@require_login
@_lead_back
def change_project(request: HtmxRequest, slug: str) -> HttpResponse:
    """Name, time zone, default branch."""
    project = get_project_or_404(request, slug, role=Role.OWNER)
    form = ProjectForm(request.POST)
    if not form.is_valid():
        return _render(request, project, status=422, project_form=form)
    changed = _find_changes(project, form)
    with transaction.atomic():
        # The revision too: pages in browsers show the old name and days.
        Project.objects.filter(pk=project.pk).update(revision=F("revision") + 1, **form.cleaned_data)
        for name in changed:
            detail = {"before": getattr(project, name), "after": form.cleaned_data[name]}
            record(project.pk, user=request.user, action="project.changed", subject=name, detail=detail)
    if {"time_zone", "default_branch"} & set(changed):
        # Days and baselines mean something else now. If the broker is away, that is logged; `manage.py rebuild` helps.
        transaction.on_commit(lambda: rebuild.delay(project.pk), robust=True)
    messages.success(request, "The project was changed.")
    return _back(slug)


def _find_changes(project: Project, form: ProjectForm) -> list[str]:
    return [name for name, value in form.cleaned_data.items() if getattr(project, name) != value]


@require_http_methods(["GET", "HEAD", "POST"])
@require_login
@_lead_back
def delete_project(request: HtmxRequest, slug: str) -> HttpResponse:
    """Everything of it, when its name was typed and the sign-in is fresh."""
    project = get_project_or_404(request, slug, role=Role.OWNER)
    if again := ask_to_sign_in_again(request, back_to=_page_url(slug)):
        return again
    if request.POST.get("name", "").strip() != project.name:
        messages.error(request, f"To delete the project, type its name: {project.name}.")
        return _back(slug)
    name = project.name
    with transaction.atomic():
        with connection.cursor() as cursor:
            # A large project takes longer than a page may.
            cursor.execute("SET LOCAL statement_timeout = 0")
        # A worker that stores or judges writes rows no foreign key would take away: after it, never beside it.
        lock_project(open_cursor(), project.pk)
        project.delete()
    messages.success(request, f"{name} was deleted, with all its runs.")
    return HttpResponseRedirect(reverse("dashboard:projects"))


@require_http_methods(["GET", "HEAD", "POST"])
@require_login
@_lead_back
def issue_token(request: HtmxRequest, slug: str) -> HttpResponse:
    """A new token, shown once on the page this leads to."""
    project = get_project_or_404(request, slug, role=Role.MAINTAINER)
    if again := ask_to_sign_in_again(request, back_to=_page_url(slug)):
        return again
    form = TokenForm(request.POST, auto_id="token_%s")
    if not form.is_valid():
        return _render(request, project, status=422, token_form=form)
    with transaction.atomic():
        name, scopes = form.cleaned_data["name"], [form.cleaned_data["scope"]]
        row, token = UploadToken.issue(project, name=name, scopes=scopes, created_by_id=request.user.pk)
        _record_token(request, row, "token.created")
    return reveal_once(_back(slug), token, path=_page_url(slug))


@require_http_methods(["GET", "HEAD", "POST"])
@require_login
@_lead_back
def revoke_token(request: HtmxRequest, slug: str, pk: int) -> HttpResponse:
    """From now on the token is refused. There is no way back but a new one."""
    project = get_project_or_404(request, slug, role=Role.MAINTAINER)
    token = get_object_or_404(UploadToken, pk=pk, project=project)
    with transaction.atomic():
        if UploadToken.objects.filter(pk=pk, revoked_at=None).update(revoked_at=timezone.now()):
            _record_token(request, token, "token.revoked")
    messages.success(request, f"The token “{token.name}” ending in {token.last_four} was revoked.")
    return _back(slug)


@require_http_methods(["GET", "HEAD", "POST"])
@require_login
@_lead_back
def add_member(request: HtmxRequest, slug: str) -> HttpResponse:
    """Make a user of this server a member."""
    project = get_project_or_404(request, slug, role=Role.OWNER)
    form = MemberForm(request.POST)
    if not form.is_valid():
        return _render(request, project, status=422, member_form=form)
    user = User.objects.get(username=form.cleaned_data["username"])
    role = form.cleaned_data["role"]
    with transaction.atomic():
        _, is_new = Membership.objects.get_or_create(project=project, user=user, defaults={"role": role})
        if is_new:
            name = user.get_username()
            record(project.pk, user=request.user, action="member.added", subject=name, detail={"after": role})
    said = "is a member now" if is_new else "is already a member; their role is set in the list"
    messages.success(request, f"{user.get_username()} {said}.")
    return _back(slug)


@require_http_methods(["GET", "HEAD", "POST"])
@require_login
@_lead_back
def change_member(request: HtmxRequest, slug: str, pk: int) -> HttpResponse:
    """Change a role or end a membership: owners everybody's, everybody their own end."""
    project = get_project_or_404(request, slug)
    role = request.POST.get("role", "")
    is_leaving = role == "" and pk == request.membership.pk
    if not (is_leaving or has_role(request, Role.OWNER)):
        raise Http404
    if role and role not in Role.values:
        messages.error(request, "There is no such role.")
        return _back(slug)
    with transaction.atomic():
        # All owners are locked, so that two of them cannot leave at once.
        locked = Membership.objects.select_for_update().filter(project=project, role=Role.OWNER).order_by("pk")
        owners = set(locked.values_list("pk", flat=True))
        member = get_object_or_404(Membership.objects.select_related("user"), pk=pk, project=project)
        if owners == {member.pk} and role != Role.OWNER:
            messages.error(request, "A project needs an owner: make somebody else one first.")
            return _back(slug)
        _apply(request, member, role)
    messages.success(request, _say_member(member, role))
    return HttpResponseRedirect(reverse("dashboard:projects")) if is_leaving else _back(slug)


def _apply(request: HtmxRequest, member: Membership, role: str) -> None:
    before, name = member.role, member.user.get_username()
    if role == before:
        return
    action, detail = ("member.changed", {"after": role}) if role else ("member.removed", {})
    record(member.project_id, user=request.user, action=action, subject=name, detail={"before": before, **detail})
    if role:
        member.role = role
        member.save(update_fields=["role"])
    else:
        member.delete()


def _record_token(request: HtmxRequest, token: UploadToken, action: str) -> None:
    detail = {"last_four": token.last_four, "may": ", ".join(token.scopes)}
    record(token.project_id, user=request.user, action=action, subject=token.name, detail=detail)


def _say_member(member: Membership, role: str) -> str:
    name = member.user.get_username()
    if not role:
        return f"{name} is no longer a member."
    return f"{name} is an owner now." if role == Role.OWNER else f"{name} is a {role} now."


def _render(request: HtmxRequest, project: Project, *, status: int = 200, **forms_given: Any) -> HttpResponse:
    """The page, with a refused form in its place when there is one."""
    token = read_revealed(request)
    facts: dict[str, Any] = {
        "project_form": ProjectForm(initial=model_to_dict(project, list(ProjectForm.base_fields))),
        "token_form": TokenForm(auto_id="token_%s"),
        "member_form": MemberForm(),
        "members": read_members(project),
        "in_force": read_in_force(project),
        "roles": Role.values,
        "token": token,
    }
    facts["tokens"] = read_tokens(project)
    facts["sentence"] = write_settings(facts["tokens"], n_members=len(facts["members"]))
    if has_role(request, Role.MAINTAINER):
        facts["history"] = read_acts(project, before=request.GET.get("before", ""))
    response = render_page(
        request,
        "dashboard/settings.html",
        project=project,
        current="settings",
        status=status,
        **{**facts, **forms_given},
    )
    return forget_revealed(request, response)


def _page_url(slug: str) -> str:
    return reverse("dashboard:settings", kwargs={"slug": slug})


def _back(slug: str) -> HttpResponse:
    return HttpResponseRedirect(_page_url(slug))
