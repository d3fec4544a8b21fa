"""How far a project's first upload has come: waiting, received, read, open.

Called by `dashboard.views.onboarding`, every two seconds by each waiting browser.
Promise: four queries at most, whatever the project holds (`tests/dashboard/test_onboarding_queries.py`).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.utils import timezone

from dashboard.queries.deliveries import write_span
from dashboard.templatetags.display import plain, size
from health.models import Project, Refusal, Upload

State = Upload.State
_READ: Final = frozenset({State.STORED, State.PARTIAL})
_TURNED_AWAY: Final = frozenset({State.FAILED, State.DEAD})
_N_LOOKED_AT: Final = 8
_ASKS: Final = "asks every 2 s"


@dataclass(frozen=True, slots=True)
class Step:
    """One line that narrates; `state` is done, now or todo."""

    state: str
    text: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """A try that came to nothing, and why. `file` is empty when the door kept none."""

    file: str
    word: str
    at: datetime
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Progress:
    """What the page shows. `is_over`: there is something to open, nobody need ask again.

    `refused` tells the newest try when the door did not take it.
    """

    steps: tuple[Step, ...]
    turned_away: tuple[TurnedAway, ...]
    refused: str
    is_over: bool
    run: int | None


def read_progress(project: Project) -> Progress:
    """The newest uploads, told as five steps."""
    uploads = list(project.uploads.prefetch_related("files").order_by("-id")[:_N_LOOKED_AT])
    read = next((upload for upload in uploads if upload.state in _READ), None)
    current = read or next((upload for upload in uploads if upload.state not in _TURNED_AWAY), None)
    if read is not None:
        return Progress(_tell(project, current, waits_for=""), (), "", is_over=True, run=read.run)
    refusals = list(Refusal.objects.filter(project=project).order_by("-at", "-id")[:_N_LOOKED_AT])
    turned_away = [_explain(upload) for upload in uploads if upload.state in _TURNED_AWAY]
    waits_for = "a report that can be read" if turned_away else "a delivery that can be taken"
    turned_away += [_explain_refusal(refusal) for refusal in refusals]
    turned_away.sort(key=lambda away: away.at, reverse=True)
    return Progress(
        steps=_tell(project, current, waits_for=waits_for if turned_away else "the first upload"),
        turned_away=tuple(turned_away[:_N_LOOKED_AT]),
        refused=_tell_refused(refusals[0], uploads) if refusals else "",
        is_over=False,
        run=None,
    )


def _tell_refused(newest: Refusal, uploads: list[Upload]) -> str:
    """What became of CI's last try, where it was the door that ended it."""
    if uploads and uploads[0].received_at > newest.at:
        return ""
    ago = write_span(timezone.now() - newest.at)
    return f"Your CI's last try was refused {ago} ago: {plain(str(newest.error.get('message', '')))}"


def _tell(project: Project, upload: Upload | None, *, waits_for: str) -> tuple[Step, ...]:
    has_token = project.upload_tokens.filter(revoked_at=None).exists()
    first = Step("done", "Token made, shown once") if has_token else Step("now", "No token yet: make one above")
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
    return arrived, received, Step("done", _count_cases(upload)), Step("now", "Open the project")


def _name_files(upload: Upload) -> str:
    files = list(upload.files.all())
    if len(files) == 1:
        return f"Received {plain(files[0].name)}, {size(files[0].n_bytes_plain)}"
    return f"Received {len(files)} files, {size(upload.n_bytes_plain)}"


def _count_cases(upload: Upload) -> str:
    files = (upload.receipt or {}).get("files", [])
    tests, passed = _total(files, "tests"), _total(files, "passed")
    partly = ", but not the whole of what was sent" if upload.state == State.PARTIAL else ""
    return f"Read {tests:,} {'case' if tests == 1 else 'cases'}, {passed:,} passed{partly}"


def _total(files: list[dict[str, Any]], key: str) -> int:
    return sum(int(file.get(key) or 0) for file in files)


def _explain_refusal(refusal: Refusal) -> TurnedAway:
    error: dict[str, Any] = refusal.error
    times = f", {refusal.n:,} times" if refusal.n > 1 else ""
    return TurnedAway(
        file="",
        word=f"Refused at the door{times}",
        at=refusal.at,
        message=str(error.get("message", "")),
        hint=str(error.get("hint", "")),
    )


def _explain(upload: Upload) -> TurnedAway:
    error: dict[str, Any] = upload.error or next(
        (file["error"] for file in (upload.receipt or {}).get("files", []) if file.get("error")), {}
    )
    files = list(upload.files.all())
    return TurnedAway(
        file=files[0].name if len(files) == 1 else "",
        word=f"{len(files)} files",
        at=upload.received_at,
        message=str(error.get("message", "It could not be read.")),
        hint=str(error.get("hint", "")),
    )
