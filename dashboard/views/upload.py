"""One delivery and its receipt, and the button that reads it again.

Called by `dashboard.urls`. Promise: only a maintainer can have it read again, and only when nothing was stored of it;
the page asks again only while something moves (`tests/dashboard/test_upload_views.py`).
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect, JsonResponse
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
from dashboard.queries.receipt import RemarkGroup
from dashboard.queries.upload import UploadPage, describe_step, find_upload, read_upload_page
from health.models import Upload
from health.retries import read_again as read_upload_again

_COUNTS: Final = (
    *("tests", "passed", "failed", "errored", "skipped", "xfailed", "merged", "rejected"),
    *("files", "lines_valid", "lines_covered", "branches_valid", "branches_covered"),
)


@require_safe
@require_login
def page(request: HtmxRequest, slug: str, public_id: UUID) -> HttpResponse:
    """What became of every file."""
    project = get_project_or_404(request, slug)
    upload = find_upload(project, public_id=public_id)
    if upload is None:
        raise Http404

    def build() -> HttpResponse:
        if request.GET.get("format") == "json" and not request.GET.get("table"):
            return _answer_with_receipt(upload)
        found = read_upload_page(upload)
        if answer := answer_with_file(request, project=project, tables=_list_tables(found)):
            return answer
        return render_page(
            request,
            "dashboard/upload.html",
            project=project,
            current="uploads",
            page=found,
            upload=upload,
        )

    return answer_conditionally(request, project=project, build=build, also=describe_step(upload))


def _list_tables(found: UploadPage) -> dict[str, Callable[[], Table]]:
    """What the page shows; all of the receipt is in its JSON."""
    about = (*found.rows, *found.about_delivery, *(found.configuration.groups if found.configuration else ()))
    remarks = ("file", "line", "column", "kind", "code", "message", "hint", "places")
    return {
        "files": lambda: Table("upload-files", ("file", "format", "bytes", "outcome", *_COUNTS), _list_files(found)),
        "remarks": lambda: Table("upload-remarks", remarks, _list_remarks(about)),
    }


def _list_files(found: UploadPage) -> Iterator[tuple[Any, ...]]:
    for file in (*found.reports, *found.coverage):
        counts = (file.counts.get(name, 0) if file.is_read else "" for name in _COUNTS)
        yield (file.name, file.format, file.n_bytes, file.word, *counts)


def _list_remarks(groups: Iterable[RemarkGroup]) -> Iterator[tuple[Any, ...]]:
    for group in groups:
        for one in (group.first, *group.others):
            where = (one.file, one.line, one.column, one.word, one.code)
            yield (*where, one.message, one.hint, one.count)


def _answer_with_receipt(upload: Upload) -> JsonResponse:
    """All of the receipt, as the API gives it too."""
    return JsonResponse(
        {
            "upload": str(upload.public_id),
            "state": upload.state,
            "received_at": upload.received_at.isoformat(),
            "finished_at": upload.finished_at and upload.finished_at.isoformat(),
            "attempts": upload.attempts,
            "metadata": upload.metadata,
            "run": upload.run,
            "receipt": upload.receipt,
            "error": upload.error,
        }
    )


@require_http_methods(["GET", "HEAD", "POST"])  # opened, as after a new sign-in, it leads to its page
@require_login
def read_again(request: HtmxRequest, slug: str, public_id: UUID) -> HttpResponse:
    """Put a delivery that failed back in the queue; the sweeper rings for it."""
    project = get_project_or_404(request, slug, role=Role.MAINTAINER)
    upload = find_upload(project, public_id=public_id)
    if upload is None:
        raise Http404
    if request.method == "POST" and read_upload_again(upload, user=request.user):
        messages.info(request, "It will be read again within a minute.")
    elif request.method == "POST":
        messages.info(request, "It is not waiting for that: something of it was stored, or it is being read.")
    return HttpResponseRedirect(reverse("dashboard:upload", kwargs={"slug": slug, "public_id": public_id}))
