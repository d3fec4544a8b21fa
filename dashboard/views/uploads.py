"""The list of deliveries, what became of them, and the button that has all of one reason read again.

Called by `dashboard.urls`. Promise: the list works without JavaScript, and its address holds all of it; the page asks
again only while something moves (`tests/dashboard/test_uploads_views.py`).
"""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, Final

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from dashboard.charts.uploads import draw_days
from dashboard.filters import Filters
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
from dashboard.queries.deliveries import N_DAYS, list_days, list_reasons, read_waiting, write_days
from dashboard.queries.reasons import name_reason
from dashboard.queries.rhythm import find_silent
from dashboard.queries.uploads import UploadLine, UploadList, list_uploads, read_pulse, write_uploads
from health.models import Project
from health.retries import MOST_AT_ONCE, read_all_again

_SHOWN: Final = {
    "": "all",
    "stored": "stored",
    "partial": "partly stored",
    "failed": "failed",  # or given up
    "waiting": "waiting",
}
_HEAD: Final = (
    *(
        "upload",
        "received_at",
        "state",
        "told",
        "files",
        "branch",
        "job",
        "tests",
        "coverage_files",
        "remarks",
        "mistakes",
    ),
    *("bytes", "attempts", "run"),
)
_REASONS: Final = ("reason", "code", "state", "how_often", "message", "newest_at")


@require_safe
@require_login
def page(request: HtmxRequest, slug: str) -> HttpResponse:
    """Every delivery with its state, newest first; on the first page, what became of those of the last days."""
    project = get_project_or_404(request, slug)
    filters, now = Filters.read(request.GET), timezone.now()

    def build() -> HttpResponse:
        uploads = list_uploads(project, filters, today=timezone.localtime(now).date())
        today = timezone.localtime(now).date()
        tables = {
            "deliveries": lambda: Table("uploads", _HEAD, map(_write_row, uploads.lines)),
            "reasons": lambda: Table("uploads-reasons", _REASONS, _list_reasons(project, today)),
        }
        if answer := answer_with_file(request, project=project, tables=tables):
            return answer
        return render_page(
            request,
            "dashboard/uploads.html",
            project=project,
            current="uploads",
            uploads=uploads,
            filters=filters,
            **_gather(project, uploads, filters, now),
            groups=[{"title": "Show", "choices": _offer(filters)}],
            next_url=filters.write(before=uploads.next_before) if uploads.next_before else "",
        )

    # A delivery is on the list before it changes a fact.
    return answer_conditionally(request, project=project, build=build, also=read_pulse(project, now=now))


@require_http_methods(["GET", "HEAD", "POST"])  # opened, as after a new sign-in, it leads to its page
@require_login
def read_all(request: HtmxRequest, slug: str) -> HttpResponse:
    """Put every delivery that failed for one reason back in the queue; the sweeper rings for them."""
    project = get_project_or_404(request, slug, role=Role.MAINTAINER)
    if request.method == "POST":
        code = request.POST.get("code", "").replace("\x00", "")
        n = read_all_again(project.pk, code=code, user=request.user)
        messages.info(request, _say_waiting(n))
    return HttpResponseRedirect(reverse("dashboard:uploads", kwargs={"slug": slug}))


def _say_waiting(n: int) -> str:
    if not n:
        return "Nothing was left to read again for this reason."
    more = " There are more: press again when these are through." if n == MOST_AT_ONCE else ""
    return f"{n:,} {'delivery' if n == 1 else 'deliveries'} will be read again within a minute.{more}"


def _gather(project: Project, uploads: UploadList, filters: Filters, now: datetime) -> dict[str, Any]:
    """What stands above the list: on the first page of all deliveries the last days, elsewhere one sentence."""
    waiting = read_waiting(project)
    above = {"waiting": waiting, "waiting_told": waiting.write(now=now)}
    if filters.before or filters.state or filters.reason:
        return above | {"sentence": write_uploads(uploads, state=filters.state), "is_whole": False}
    today = timezone.localtime(now).date()
    days, reasons = list_days(project, today=today), list_reasons(project, today=today)
    silence = find_silent([project.pk], now=now).get(project.pk)
    if not uploads.lines and not reasons:
        return above | {"sentence": "Nothing has been sent yet.", "is_whole": True}
    is_drawn = any(day.n_kept or day.refused for day in days)
    return above | {
        "sentence": silence.sentence if silence else write_days(days),
        "silence": silence,
        "told_days": write_days(days),
        "figure": draw_days(days) if is_drawn else None,
        "reasons": reasons,
        "most_at_once": MOST_AT_ONCE,
        "is_whole": True,
    }


def _offer(filters: Filters) -> list[dict[str, Any]]:
    choices = [
        {"word": word, "url": filters.write(state=state, reason=""), "is_chosen": filters.state == state}
        for state, word in _SHOWN.items()
    ]
    if filters.state == "trouble":
        choices.append({"word": "not wholly stored", "url": filters.write(reason=""), "is_chosen": True})
    if filters.reason:
        word = f"because of: {name_reason(filters.reason)}, in the last {N_DAYS} days"
        choices.append({"word": word, "url": filters.write(), "is_chosen": True})
    return choices


def _list_reasons(project: Project, today: date) -> Iterator[tuple[Any, ...]]:
    for reason in list_reasons(project, today=today):
        newest_at = reason.newest_at.isoformat() if reason.newest_at else ""
        yield (reason.word, reason.code, reason.ended[1], reason.n, reason.message, newest_at)


def _write_row(line: UploadLine) -> tuple[Any, ...]:
    what = (str(line.public_id), line.received_at.isoformat(), line.state, line.told, ", ".join(line.files))
    where = (line.branch, line.job, line.n_tests, line.n_coverage, line.n_remarks, line.n_mistakes)
    return (*what, *where, line.n_bytes, line.attempts, line.run)
