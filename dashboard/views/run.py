"""One run.

Called by `dashboard.urls`. Promise: a run somebody else's project has does not exist here, and each table is a file at
the same address (`tests/dashboard/test_run_views.py`).
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from django.http import Http404, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from dashboard.filters import Filters
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
from dashboard.queries.entry_marks import find_today
from dashboard.queries.run import RunPage, SuiteLine, read_run_page
from dashboard.queries.sentences import write_bare_run, write_run
from dashboard.templatetags.display import plain

_COUNTS: Final = ("declared", "executed", "passed", "expected_failures", "failed", "errored", "skipped", "seconds")


@require_safe
@require_login
def page(request: HtmxRequest, slug: str, number: int) -> HttpResponse:
    """What a run counts, what broke, what changed, and what it was made of."""
    project = get_project_or_404(request, slug)
    filters, today = Filters.read(request.GET), find_today(project, now=timezone.now())

    def build() -> HttpResponse:
        found = read_run_page(
            project, number=number, series=filters.job, for_owner=has_role(request, Role.OWNER), filters=filters
        )
        if found is None:
            raise Http404
        if answer := answer_with_file(request, project=project, tables=_list_tables(found)):
            return answer
        return render_page(
            request,
            "dashboard/run.html",
            project=project,
            current="runs",
            page=found,
            run=found.run,
            filters=filters,
            groups=_offer_levels(found, filters),
            suites=[(suite, filters.write(suite=suite.name)) for suite in found.suites],
            every_url=filters.write(suite="", level="", owner=""),
            sentence=write_bare_run(found.coverage)
            if found.is_bare and found.is_complete
            else write_run(
                found.counts,
                found.changes,
                is_complete=found.is_complete,
                missing=found.told_missing,
                baselines=found.baselines,
                what=found.what,
                n_renamed=found.n_gone_renamed,
                backed=found.backed,
            ),
        )

    return answer_conditionally(request, project=project, build=build, also=f"{today}")  # entries grow older


def _offer_levels(found: RunPage, filters: Filters) -> list[dict[str, Any]]:
    """The test levels of its suites as a line of words; a choice of one is none."""
    levels = sorted({suite.level for suite in found.suites} - {""} | ({filters.level} - {""}))
    if len(levels) < 2 and not filters.level:
        return []
    choices = [{"word": "every", "url": filters.write(level=""), "is_chosen": not filters.level}]
    choices += [
        {"word": plain(level), "url": filters.write(level=level), "is_chosen": level == filters.level}
        for level in levels
    ]
    return [{"title": "Level", "choices": choices}]


def _list_tables(found: RunPage) -> dict[str, Callable[[], Table]]:
    name = f"run-{found.run.number}"
    outcomes = found.pairs.columns if found.pairs else ()
    return {
        "suites": lambda: Table(
            f"{name}-suites", ("suite", "level", *_COUNTS, "deferred", "backed"), map(_write_suite, found.suites)
        ),
        "failures": lambda: Table(
            f"{name}-failures",
            ("case", "class", "name", "job", "variant", "state", "cause", "seconds", "owners", "quarantined"),
            _list_failures(found),
        ),
        "changes": lambda: Table(
            f"{name}-changes", ("what", "case", "class", "name", "job", "variant"), _list_changes(found)
        ),
        "put-off": lambda: Table(
            f"{name}-put-off",
            ("case", "class", "name", "job", "variant", "state", "reason", "days", "entry"),
            _list_put_off(found),
        ),
        "jobs": lambda: Table(
            f"{name}-jobs",
            ("job", "variant", "outcome", *_COUNTS, "new", "still", "fixed", "gone", "against_run"),
            _list_jobs(found),
        ),
        "coverage": lambda: Table(
            f"{name}-coverage",
            ("level", "files", "lines_valid", "lines_covered", "branches_valid", "branches_covered", "is_partial"),
            ((f.name, f.n_files, *f.covered, f.is_partial) for f in found.coverage),
        ),
        "transitions": lambda: Table(
            f"{name}-transitions",
            ("before", *outcomes),
            ((row.word, *(cell.n for cell in row.cells)) for row in (found.pairs.rows if found.pairs else ())),
        ),
        "deliveries": lambda: Table(
            f"{name}-deliveries",
            ("upload", "files", "state", "job", "shard", "attempt", "bytes", "received_at"),
            _list_deliveries(found),
        ),
    }


def _write_suite(suite: SuiteLine) -> tuple[Any, ...]:
    backed = "" if suite.backed is None else suite.backed
    return (suite.name, suite.level, *_write_counts(suite), suite.counts.deferred, backed)


def _write_counts(line: Any) -> tuple[Any, ...]:
    counts = line.counts
    ended = (counts.passed, counts.xfailed, counts.failed, counts.errored, counts.skipped)
    return (counts.declared, counts.executed, *ended, counts.seconds)


def _list_failures(found: RunPage) -> Iterator[tuple[Any, ...]]:
    for cause in found.failures.causes:
        for one in cause.cases:
            where = (one.case.ord, one.case.place, one.case.name, one.job.job, one.job.variant)
            yield (*where, one.word, cause.title, one.seconds, ", ".join(one.owners), one.is_quarantined)


def _list_changes(found: RunPage) -> Iterator[tuple[Any, ...]]:
    for what, listed in (("fixed", found.fixed), ("gone", found.gone), ("passed on retry", found.retried)):
        for one in listed.cases:
            yield (what, one.case.ord, one.case.place, one.case.name, one.job.job, one.job.variant)


def _list_put_off(found: RunPage) -> Iterator[tuple[Any, ...]]:
    for reason in found.put_off.reasons:
        for one in reason.cases:
            where = (one.case.ord, one.case.place, one.case.name, one.job.job, one.job.variant)
            entry = (one.entry.days, one.entry.url) if one.entry else ("", "")
            yield (*where, one.word, reason.title, *entry)


def _list_jobs(found: RunPage) -> Iterator[tuple[Any, ...]]:
    for job in found.jobs:
        changes = (job.changes.new, job.changes.still, job.changes.fixed, job.changes.gone)
        against = job.baseline.run if job.baseline else ""
        yield (job.job, job.variant, job.verdict.word, *_write_counts(job), *changes, against)


def _list_deliveries(found: RunPage) -> Iterator[tuple[Any, ...]]:
    for one in found.deliveries.listed:
        what = (str(one.public_id), ", ".join(one.files), one.word, one.job, one.shard)
        yield (*what, one.attempt, one.n_bytes, one.received_at.isoformat())
