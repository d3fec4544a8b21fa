"""How far a project's first upload has come: waiting, received, read, open.

Called by `dashboard.views.onboarding`, every two seconds by each waiting browser.
Promise: five queries at most, whatever the project holds (`tests/dashboard/test_onboarding_queries.py`).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.utils import timezone

from dashboard.queries.deliveries import write_span
from dashboard.queries.receipt import COVERAGE, Remark, describe
from dashboard.templatetags.display import fraction_of, in_words, plain, size
from health.models import Project, Refusal, Upload, UploadFile

State = Upload.State
_READ: Final = frozenset({State.STORED, State.PARTIAL})
_FAILED: Final = frozenset({State.FAILED, State.DEAD})
_N_LOOKED_AT: Final = 8
_ASKS: Final = "asks every 2 s"


@dataclass(frozen=True, slots=True)
class Step:
    """One line that narrates; `state` is done, now or todo."""

    state: str
    text: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class NotStored:
    """A try of which nothing was stored, and why. `file` is empty when the door kept none, or there were several."""

    file: str
    what: str
    word: str  # failed, given up, or refused
    at: datetime
    error: Remark


@dataclass(frozen=True, slots=True)
class Progress:
    """What the page shows. `is_over`: there is something to open, nobody need ask again.

    `refused` tells the newest try when the door did not take it.
    """

    steps: tuple[Step, ...]
    not_stored: tuple[NotStored, ...]
    refused: str
    is_over: bool
    run: int | None


def read_progress(project: Project) -> Progress:
    """How far the first upload has come, told as five steps."""
    uploads = list(project.uploads.prefetch_related("files").order_by("-id")[:_N_LOOKED_AT])
    first = _find_first_read(project, uploads)
    if first is not None:
        return Progress(_tell(project, first, waits_for=""), (), "", is_over=True, run=first.run)
    current = next((upload for upload in uploads if upload.state not in _FAILED), None)
    refusals = list(Refusal.objects.filter(project=project).order_by("-at", "-id")[:_N_LOOKED_AT])
    not_stored = [_explain(upload) for upload in uploads if upload.state in _FAILED]
    waits_for = "a report that can be read" if not_stored else "a delivery that can be taken"
    not_stored += [_explain_refusal(refusal) for refusal in refusals]
    not_stored.sort(key=lambda one: one.at, reverse=True)
    return Progress(
        steps=_tell(project, current, waits_for=waits_for if not_stored else "the first upload"),
        not_stored=tuple(not_stored[:_N_LOOKED_AT]),
        refused=_tell_refused(refusals[0], uploads) if refusals else "",
        is_over=False,
        run=None,
    )


def _find_first_read(project: Project, newest: list[Upload]) -> Upload | None:
    """The first upload that was read; `newest` are all there are, or the newest of more."""
    if len(newest) < _N_LOOKED_AT:
        return next((upload for upload in reversed(newest) if upload.state in _READ), None)
    return project.uploads.filter(state__in=_READ).prefetch_related("files").order_by("id").first()


def _tell_refused(newest: Refusal, uploads: list[Upload]) -> str:
    """What became of CI's last try, where it was the door that ended it."""
    if uploads and uploads[0].received_at > newest.at:
        return ""
    ago = write_span(timezone.now() - newest.at)
    return f"Your CI's last try was refused {ago} ago: {plain(str(newest.error.get('message', '')))}"


def _tell(project: Project, upload: Upload | None, *, waits_for: str) -> tuple[Step, ...]:
    has_token = project.upload_tokens.filter(revoked_at=None, scopes__contains=["upload"]).exists()
    if has_token:
        first = Step("done", "Token made, shown once")
    elif upload is not None:
        first = Step("done", "Token made; it is no longer active, and sending more needs a new one")
    else:
        first = Step("now", "No token yet: make one above")
    if upload is None and not has_token:
        return first, *(Step("todo", word) for word in ("The first upload", "Received", "Read", "Open the project"))
    return first, *_tell_upload(upload, waits_for=waits_for)


def _tell_upload(upload: Upload | None, *, waits_for: str) -> tuple[Step, ...]:
    if upload is None:
        waiting = Step("now", f"Waiting for {waits_for} …", _ASKS)
        return waiting, Step("todo", "Received"), Step("todo", "Read"), Step("todo", "Open the project")
    arrived, received = Step("done", "The first upload came"), Step("done", _name_files(upload))
    if upload.state not in _READ:
        word = "Waiting to try again …" if upload.state == State.RETRY else "Reading …"
        return arrived, received, Step("now", word, _ASKS), Step("todo", "Open the project")
    return arrived, received, Step("done", _tell_contents(upload)), Step("now", "Open the project")


def _name_files(upload: Upload) -> str:
    files = [file for file in upload.files.all() if file.role == UploadFile.Role.REPORT]
    n_bytes = sum(file.n_bytes_plain for file in files)
    what = plain(files[0].name) if len(files) == 1 else f"{in_words(len(files))} files"
    return f"Received {what}, {size(n_bytes)}" if files else f"Received {size(upload.n_bytes_plain)}"


def _tell_contents(upload: Upload) -> str:
    """What was read: cases, coverage, or both."""
    read = [file for file in (upload.receipt or {}).get("files", []) if file.get("state", "stored") != "failed"]
    coverage = [file for file in read if file.get("kind") == COVERAGE]
    told = []
    if len(coverage) < len(read) or not coverage:
        tests, passed = _total(read, "tests"), _total(read, "passed")
        told.append(f"{tests:,} {'case' if tests == 1 else 'cases'}, {passed:,} passed")
    if coverage:
        n_lines = _total(coverage, "lines_valid")
        lines = f"{fraction_of(_total(coverage, 'lines_covered'), n_lines)} lines" if n_lines else "no lines"
        reports = "" if len(coverage) == 1 else f" in {in_words(len(coverage))} reports"
        told.append(f"coverage: {lines}{reports}")
    partly = ", but not the whole of what was sent" if upload.state == State.PARTIAL else ""
    return f"Read {', and '.join(told)}{partly}"


def _total(files: list[dict[str, Any]], key: str) -> int:
    return sum(int(file.get(key) or 0) for file in files)


def _explain_refusal(refusal: Refusal) -> NotStored:
    times = f", {refusal.n:,} times" if refusal.n > 1 else ""
    error = describe(refusal.error, mark="fail", word="refused")
    return NotStored(file="", what="A delivery", word=f"refused{times}", at=refusal.at, error=error)


def _explain(upload: Upload) -> NotStored:
    told: dict[str, Any] = upload.error or next(
        (file["error"] for file in (upload.receipt or {}).get("files", []) if file.get("error")), {}
    )
    files = [file for file in upload.files.all() if file.role == UploadFile.Role.REPORT]
    word = str(State(upload.state).label)
    return NotStored(
        file=files[0].name if len(files) == 1 else "",
        what=f"{in_words(len(files))} files".capitalize(),
        word=word,
        at=upload.received_at,
        error=describe({"message": "It could not be read."} | told, mark="fail", word=word),
    )
