"""All projects, and making a new one.

Called by `dashboard.urls`. Promise: the maker of a project owns it, and its first token is shown once, on the
page that says what to do with it (`tests/dashboard/test_projects_views.py`).
"""

from typing import Any, Final
from urllib.parse import urlencode

from django import forms
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.text import slugify
from django.views.decorators.http import require_http_methods, require_safe

from dashboard.http import HtmxRequest, Role, Table, answer_with_file, render_page, require_login, reveal_once
from dashboard.queries import projects
from dashboard.queries.projects import ProjectLine, Severity
from health.audit import record
from health.models import Membership, Project, UploadToken

_SHOWN: Final = {"all": "all", "attention": "needing attention", "runs": "with runs"}
_MOST_SLUG_TRIES: Final = 5
_SORTED: Final = {"worst": "worst", "name": "name", "last": "last run"}
_HEAD: Final = (
    *("project", "name", "state", "sentence", "runs", "as_expected", "executed", "declared", "deferred"),
    *("backed", "last_run_at"),
)


class NewProjectForm(forms.Form):
    """A name is all it takes."""

    name = forms.CharField(max_length=120, help_text="Such as pallets/click.")


@require_safe
@require_login
def page(request: HtmxRequest) -> HttpResponse:
    """One line a project, worst first."""
    shown = _choose(request.GET.get("show"), _SHOWN)
    order = _choose(request.GET.get("sort"), _SORTED)
    lines = projects.read_lines(request.user)
    listed = _sort(_filter(lines, shown), order)
    tables = {"projects": lambda: Table("projects", _HEAD, map(_write_row, listed))}
    if answer := answer_with_file(request, project=None, tables=tables):
        return answer
    return render_page(
        request,
        "dashboard/projects.html",
        current="projects",
        today=timezone.now(),
        n_all=len(lines),
        sentence=projects.write_sentence(lines),
        lines=listed,
        groups=[
            {"title": "Show", "choices": _offer(_SHOWN, "show", shown, {"sort": order})},
            {"title": "Sort by", "choices": _offer(_SORTED, "sort", order, {"show": shown})},
        ],
    )


@require_http_methods(["GET", "HEAD", "POST"])
@require_login
def create(request: HtmxRequest) -> HttpResponse:
    """Ask for a name; then project, owner and first token exist, and the way leads to the first upload."""
    form = NewProjectForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return render_page(request, "dashboard/project_create.html", current="project-create", form=form)
    project, token = _make_project(form.cleaned_data["name"], request.user)
    start = reverse("dashboard:start", kwargs={"slug": project.slug})
    return reveal_once(HttpResponseRedirect(start), token, path=start)


def _make_project(name: str, owner: User) -> tuple[Project, str]:
    """The project with its owner, and the text of its first token."""
    for _ in range(_MOST_SLUG_TRIES - 1):
        try:
            return _try_slug(name, owner, slug=_find_free_slug(name))
        except IntegrityError:  # somebody else took it between the look and the write
            continue
    return _try_slug(name, owner, slug=_find_free_slug(name))


@transaction.atomic
def _try_slug(name: str, owner: User, *, slug: str) -> tuple[Project, str]:
    project = Project.objects.create(name=name, slug=slug)
    Membership.objects.create(project=project, user=owner, role=Role.OWNER)
    row, token = UploadToken.issue(project, name="first token", created_by_id=owner.pk)
    record(project.pk, user=owner, action="project.created", subject=name)
    record(project.pk, user=owner, action="token.created", subject=row.name, detail={"last_four": row.last_four})
    return project, token


def _choose(value: str | None, choices: dict[str, str]) -> str:
    """What the address asks for, or the first choice: an unknown word is no error."""
    return value if value in choices else next(iter(choices))


def _offer(choices: dict[str, str], key: str, chosen: str, rest: dict[str, str]) -> list[dict[str, object]]:
    return [
        {"word": word, "url": f"?{urlencode({key: value, **rest})}", "is_chosen": value == chosen}
        for value, word in choices.items()
    ]


def _filter(lines: tuple[ProjectLine, ...], shown: str) -> list[ProjectLine]:
    if shown == "attention":
        return [line for line in lines if line.severity < Severity.UNSTEADY or line.severity == Severity.WAITING]
    return [line for line in lines if line.runs or shown == "all"]


def _write_row(line: ProjectLine) -> tuple[Any, ...]:
    counts = line.counts
    figures = (counts.as_expected, counts.executed, counts.declared, counts.deferred) if counts else ("",) * 4
    what = (line.slug, line.name, line.judgement.word, line.judgement.sentence, len(line.runs))
    backed = "" if line.backed is None else line.backed
    return (*what, *figures, backed, line.last_run_at.isoformat() if line.last_run_at else "")


def _sort(lines: list[ProjectLine], order: str) -> list[ProjectLine]:
    if order == "name":
        return sorted(lines, key=lambda line: line.name.casefold())
    if order == "last":
        return sorted(lines, key=lambda line: line.last_run_at.timestamp() if line.last_run_at else 0, reverse=True)
    return lines


def _find_free_slug(name: str) -> str:
    """The name as an address; numbered when it is taken."""
    stem = slugify(name)[:70] or "project"
    taken = set(Project.objects.filter(slug__startswith=stem).values_list("slug", flat=True))
    slug, k = stem, 1
    while slug in taken:
        k += 1
        slug = f"{stem}-{k}"
    return slug
