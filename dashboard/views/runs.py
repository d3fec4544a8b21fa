"""The list of runs.

Called by `dashboard.urls`. Promise: each list works without JavaScript, and its address holds all of it
(`tests/dashboard/test_runs_views.py`).
"""

from collections.abc import Sequence
from typing import Any, Final

from django.http import HttpResponse
from django.views.decorators.http import require_safe

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
from dashboard.queries.as_of import read_as_of
from dashboard.queries.facts import name_lane
from dashboard.queries.runs import RunLine, RunList, list_runs
from dashboard.templatetags.display import plain

_MOST_LINKS: Final = 8
_HEAD: Final = (
    *("run", "ran_at", "branch", "pull_request", "commit", "jobs", "outcome", "declared", "executed", "passed"),
    *("expected_failures", "failed", "errored", "skipped", "new", "still", "fixed", "gone", "seconds"),
    *("deferred", "backed"),
)
_FIGURES: Final = ("lines_valid", "lines_covered", "branches_valid", "branches_covered")


@require_safe
@require_login
def page(request: HtmxRequest, slug: str) -> HttpResponse:
    """All runs, or those of one branch, newest first."""
    project = get_project_or_404(request, slug)
    filters = Filters.read(request.GET)

    def build() -> HttpResponse:
        runs = list_runs(project, filters)
        if answer := answer_with_file(request, project=project, tables={"runs": lambda: _list_rows(runs)}):
            return answer
        return render_page(
            request,
            "dashboard/runs.html",
            project=project,
            current="runs",
            runs=runs,
            filters=filters,
            groups=_offer_branches(runs, filters),
            as_of=read_as_of(project, lane=filters.branch),
            next_url=filters.write(before=runs.next_before) if runs.next_before else "",
        )

    return answer_conditionally(request, project=project, build=build)


def _list_rows(runs: RunList) -> Table:
    levels = sorted({fact.name for line in runs.lines for fact in line.coverage})
    head = (*_HEAD, *(f"{level}: {figure}" for level in levels for figure in _FIGURES))
    return Table("runs", head, (_write_row(line, levels) for line in runs.lines))


def _write_row(line: RunLine, levels: Sequence[str]) -> tuple[Any, ...]:
    """A run as a row: of coverage four figures a level, empty where it measured none."""
    covered = {fact.name: fact.covered for fact in line.coverage}
    run, counts, changes = line.run, line.run.counts, line.run.changes
    outcome = "no test results" if line.is_bare else run.verdict.word
    where = (run.number, run.ran_at.isoformat(), run.branch, run.pull_request, run.commit, line.what, outcome)
    cases = (counts.declared, counts.executed, counts.passed, counts.xfailed, counts.failed, counts.errored)
    changed = (changes.new, changes.still, changes.fixed, changes.gone)
    measured = (figure for level in levels for figure in covered.get(level, ("",) * len(_FIGURES)))
    put_off = (counts.deferred, "" if line.backed is None else line.backed)
    return (*where, *cases, counts.skipped, *changed, counts.seconds, *put_off, *measured)


def _offer_branches(runs: RunList, filters: Filters) -> list[dict[str, Any]]:
    """The branches as a line of words; the chosen one is always among them."""
    branches = list(runs.branches[:_MOST_LINKS])
    if filters.branch and filters.branch not in branches:
        branches.append(filters.branch)
    choices = [{"word": "all", "url": filters.write(branch=""), "is_chosen": not filters.branch}]
    choices += [
        {
            "word": plain(name_lane(branch)),
            "url": filters.write(branch=branch),
            "is_chosen": branch == filters.branch,
        }
        for branch in branches
    ]
    return [{"title": "Branch", "choices": choices}] if len(runs.branches) > 1 or filters.branch else []
