"""The register of put-off tests.

Called by `dashboard.urls`. Promise: works without JavaScript, the address holds every choice, the same address with
`format=csv` or `json` gives every entry that fits, with `deselect` or `xfail` a list for pytest
(`tests/dashboard/test_deferred_views.py`).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final

from django.http import HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from dashboard.charts.deferred import draw_debt
from dashboard.filters import Filters
from dashboard.http import (
    HtmxRequest,
    Table,
    answer_conditionally,
    answer_with_file,
    get_project_or_404,
    render_page,
    require_login,
)
from dashboard.queries.deferral_facts import BACKINGS, FIELD_WORDS, KINDS, ORIGINS, EntryFact
from dashboard.queries.deferred import DeferredPage, read_deferred, write_deferred
from dashboard.queries.deferred_export import CONTENT_TYPES
from dashboard.queries.deferred_lines import MOST_IN_FILE, make_choice, read_all_entries
from dashboard.queries.deferred_named import export_deferred
from dashboard.queries.deferred_numbers import read_register
from health.models import Project
from health.policies import fetch_policy
from health.sql import open_cursor
from health.standing import fetch_standing

_HEAD: Final = (
    *("entry", "kind", "namespace", "suite_path", "class", "name", "occurrence", "pattern", "suite"),
    *("reason", "owner", "review", "overdue", "issue", "precedent", "phase", "backing", "sources", "missing"),
    *("opened_at", "opened_in_run", "days", "runs", "jobs_that_put_it_off", "jobs_that_run_it", "cases", "promised"),
    *("times_put_off", "came_back", "passes_in_a_row", "proposed_for_release", "closed_at", "ended_because"),
)
_LISTS: Final = ("deselect", "xfail")
_STATES: Final[dict[str, str]] = {
    "passing": "passes unexpectedly",
    "release": "proposed for release",
    "back": "came back",
    "overdue": "overdue",
    "missing": "lacks a field",
    "closed": "closed",
}
_ORDERS: Final[dict[str, str]] = {"age": "age", "name": "name", "count": "count", "debt": "debt"}


@require_safe
@require_login
def page(request: HtmxRequest, slug: str) -> HttpResponse:
    """What is put off, since when, why, and whether what is said to stand in still does."""
    project = get_project_or_404(request, slug)
    filters = Filters.read(request.GET)
    with timezone.override(project.time_zone):
        today = timezone.localdate()

    def build() -> HttpResponse:
        if (form := request.GET.get("format", "")) in _LISTS:
            return _answer_with_list(project, form)
        tables = {"register": lambda: _make_table(project, filters, today)}
        if answer := answer_with_file(request, project=project, tables=tables):
            return answer
        found = read_deferred(project, filters, today=today)
        return render_page(
            request,
            "dashboard/deferred.html",
            project=project,
            current="deferred",
            page=found,
            sentence=write_deferred(found),
            filters=filters,
            is_narrowed=filters.write(arrange="") != Filters().write(arrange=""),
            groups=_offer_choices(found, filters),
            selects=_offer_selects(found, filters),
            ages=[(band, filters.write(age=band.word, state="")) for band in found.summary.ages],
            backings=[(line, filters.write(backing=line.state, state="")) for line in found.backings],
            figure=draw_debt(found.trend) if len(found.trend.points) > 1 else None,
            next_url=filters.write(before=str(found.lines.next_before)) if found.lines.next_before else "",
        )

    # Ages are counted in days, and so is what is overdue, though no fact changes meanwhile.
    return answer_conditionally(request, project=project, build=build, also=today.isoformat())


def _answer_with_list(project: Project, form: str) -> HttpResponse:
    name = f"{project.slug}-{form}.txt"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(export_deferred(project, form), content_type=CONTENT_TYPES[form], headers=headers)


def _make_table(project: Project, filters: Filters, today: date) -> Table:
    """Every entry, or as many as a file holds: then its name says so."""
    cursor = open_cursor()
    policy, standing = fetch_policy(cursor, project.pk), fetch_standing(cursor, project.pk)
    register = read_register(project, standing=standing)
    choice = make_choice(project, register, filters, policy=policy, today=today)
    entries = read_all_entries(project, choice, policy=policy, today=today)
    name = f"deferred-first-{MOST_IN_FILE}" if len(choice.ids) > MOST_IN_FILE else "deferred"
    return Table(name, _HEAD, _list_rows(entries))


def _list_rows(entries: Iterator[EntryFact]) -> Iterator[Sequence[Any]]:
    for entry in entries:
        yield (entry.id, entry.word, *_write_case(entry), entry.pattern, entry.suite, *_write_said(entry))


def _write_case(entry: EntryFact) -> Sequence[Any]:
    case = entry.case
    if case is None:
        return ("", "", "", "", "")
    return (case.namespace, " > ".join(case.suite_path), case.class_name, case.name, case.occurrence)


def _write_said(entry: EntryFact) -> Sequence[Any]:
    review = entry.review_day.isoformat() if entry.review_day else ""
    sources = ", ".join(ORIGINS[source] for source in entry.sources)
    words = (entry.issue, entry.precedent, entry.phase, entry.backing_word, sources, ", ".join(entry.missing_words))
    age = (entry.opened_at.isoformat(), entry.opened_run, entry.days, entry.runs, entry.n_put_off, entry.n_running)
    counts = (entry.n_cases, entry.n_promised, entry.n_openings, entry.needs_person, entry.n_passes)
    closed = (entry.closed_at.isoformat() if entry.closed_at else "", entry.ending_word)
    return (entry.reason, entry.owner, review, entry.is_overdue, *words, *age, *counts, entry.is_releasable, *closed)


def _offer_choices(found: DeferredPage, filters: Filters) -> list[dict[str, Any]]:
    """What can be chosen, with how many tests are so; what is so of none is not offered."""
    summary = found.summary
    backings = {state or "none": (BACKINGS[state][1], n) for state, n in summary.by_backing.items()}
    kinds = {kind: (word, summary.by_kind.get(kind, 0)) for kind, (_, word) in KINDS.items()}
    states = {state: (_STATES[state], n) for state, n in found.states.items()}
    missing = {name: (FIELD_WORDS[name], summary.by_missing.get(name, 0)) for name in ("owner", "review", "reason")}
    ages = {band.word: (band.title, band.n) for band in summary.ages}
    groups = [
        _offer(filters, "backing", "Backing", backings, everything=("all", summary.n)),
        _offer(filters, "kind", "How", kinds, everything=("all", summary.n)),
        _offer(filters, "missing", "Missing", missing),
        _offer(filters, "age", "Age", ages if filters.age else {}),
        _offer(filters, "state", "State", states, everything=("open", summary.n)),
    ]
    offered = [group for group in groups if len(group["choices"]) > 1]
    orders = [
        {"word": word, "url": filters.write(arrange=name), "is_chosen": filters.arrange == name}
        for name, word in _ORDERS.items()
    ]
    return [*offered, {"title": "Sort by", "choices": orders}] if not found.is_empty else []


def _offer(
    filters: Filters,
    name: str,
    title: str,
    words: Mapping[str, tuple[str, int]],
    *,
    everything: tuple[str, int] = ("anything", 0),
) -> dict[str, Any]:
    chosen = getattr(filters, name)
    offered = [("", *everything), *((value, word, n) for value, (word, n) in words.items())]
    choices = [
        {"word": f"{word} {n:,}" if n else word, "url": filters.write(**{name: value}), "is_chosen": chosen == value}
        for value, word, n in offered
        if n or chosen == value or not value
    ]
    return {"title": title, "choices": choices}


def _offer_selects(found: DeferredPage, filters: Filters) -> list[dict[str, Any]]:
    """Owner, suite and phase, where there are any."""
    summary = found.summary
    offers = {
        "owner": {group.owner for group in summary.groups},
        "suite": {group.suite for group in summary.groups},
        "phase": {group.phase for group in summary.groups},
    }
    selects = []
    for name, values in offers.items():
        chosen = getattr(filters, name)
        words = sorted({*values, chosen} - {""})
        if len(words) > 1 or chosen or (name != "suite" and words):
            options = [(value, value == chosen) for value in words]
            selects.append({"name": name, "title": name.capitalize(), "empty": "every", "options": options})
    return selects
