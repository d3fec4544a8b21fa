"""Renames: what looks renamed, merged with one click and undone with one.

Called by `dashboard.urls`. Promise: maintainers decide, viewers read; a change is made by POST only, and a decision
somebody else made meanwhile is left alone (`tests/dashboard/test_renames_views.py`).
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Final

from django.contrib import messages
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from dashboard.http import (
    HtmxRequest,
    Role,
    Table,
    answer_conditionally,
    answer_with_file,
    get_project_or_404,
    render_page,
    require_login,
)
from dashboard.queries.as_of import read_as_of
from dashboard.queries.renames import State, list_proposals, name_pairs, read_renames, write_renames
from dashboard.tasks import rebuild
from health.models import Project
from health.renames import dismiss_proposals, merge_cases, undo_merge

_HEAD: Final = (
    *("state", "score", "old_class", "old_name", "new_class", "new_name", "evidence"),
    *("run", "commit", "decided_at", "decided_by"),
)
_PAIR: Final = re.compile(r"(\d{1,9})-(\d{1,9})", re.ASCII)

Decide = Callable[..., int]


@require_safe
@require_login
def page(request: HtmxRequest, slug: str) -> HttpResponse:
    """Proposals with their evidence, merged renames, and what was found to be none."""
    project = get_project_or_404(request, slug)
    if answer := answer_with_file(request, project=project, tables={"pairs": lambda: _list_all(project)}):
        return answer

    def build() -> HttpResponse:
        renames = read_renames(project)
        return render_page(
            request,
            "dashboard/renames.html",
            project=project,
            current="runs",
            renames=renames,
            sentence=write_renames(renames),
            as_of=read_as_of(project),
        )

    return answer_conditionally(request, project=project, build=build)


def _list_all(project: Project) -> Table:
    rows = [
        (
            *(pair.proposal.state, pair.proposal.score),
            *(pair.old.place, pair.old.name, pair.new.place, pair.new.name, pair.told),
            *(pair.proposal.run, pair.proposal.commit),
            pair.proposal.decided_at.isoformat() if pair.proposal.decided_at else "",
            pair.proposal.decided_by,
        )
        for pair in name_pairs(project, list_proposals(project))
    ]
    return Table("renames", _HEAD, rows)


@require_http_methods(["GET", "HEAD", "POST"])
@require_login
def merge(request: HtmxRequest, slug: str) -> HttpResponse:
    """From now on one case with one history."""
    state = State.DISMISSED if request.POST.get("state") == State.DISMISSED else State.PROPOSED
    return _decide(request, slug, of=state, decide=partial(merge_cases, state=state), said=_MERGED, is_rebuilt=True)


@require_http_methods(["GET", "HEAD", "POST"])
@require_login
def undo(request: HtmxRequest, slug: str) -> HttpResponse:
    """Two cases again, as if they had never been one."""
    return _decide(request, slug, of=State.MERGED, decide=undo_merge, said=_UNDONE, is_rebuilt=True)


@require_http_methods(["GET", "HEAD", "POST"])
@require_login
def dismiss(request: HtmxRequest, slug: str) -> HttpResponse:
    """Not a rename: never proposed again."""
    return _decide(request, slug, of=State.PROPOSED, decide=dismiss_proposals, said=_DISMISSED, is_rebuilt=False)


_MERGED: Final = ("One case goes on under its new name.", "{} cases go on under their new names.")
_UNDONE: Final = ("One case stands under both of its names again.", "{} cases stand under both of their names again.")
_DISMISSED: Final = ("One pair is not proposed again.", "{} pairs are not proposed again.")


def _decide(
    request: HtmxRequest, slug: str, *, of: State, decide: Decide, said: tuple[str, str], is_rebuilt: bool
) -> HttpResponse:
    """Carry out a decision about pairs that stand in the state `of`, as its section of the page showed them."""
    if request.method != "POST":  # a decision's address, opened: back to where it is made
        return _back(get_project_or_404(request, slug))
    project = get_project_or_404(request, slug, role=Role.MAINTAINER)
    user = User.objects.get(pk=request.user.pk)
    n = decide(project.pk, pairs=_choose(project, request.POST, of), user=user)
    if n and is_rebuilt:
        # Counts were made of the names before. If the broker is away, that is logged, and the sweeper sees to it.
        transaction.on_commit(lambda: rebuild.delay(project.pk), robust=True)
    one, several = said
    if n:
        messages.success(request, one if n == 1 else several.format(f"{n:,}"))
    else:
        messages.info(request, "Nothing was changed: it was decided before, or is no longer proposed.")
    return _back(project)


def _choose(project: Project, form: QueryDict, state: State) -> list[tuple[int, int]]:
    """The pairs a form is about: those it names, or all of the group it names."""
    named = [(int(found[1]), int(found[2])) for text in form.getlist("pair") if (found := _PAIR.fullmatch(text))]
    if named or not (group := form.get("group", "")):
        return named
    return [(row.old, row.new) for row in list_proposals(project, states=[state]) if row.group == group]


def _back(project: Project) -> HttpResponse:
    return HttpResponseRedirect(reverse("dashboard:renames", kwargs={"slug": project.slug}))
