"""How far a project's first upload has come: waiting, received, read, open.

Called by `dashboard.views.onboarding`, every two seconds by each waiting browser.
Promise: three queries at most, whatever the project holds (`tests/dashboard/test_onboarding_queries.py`).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from dashboard.templatetags.display import plain, size
from health.models import Project, Upload

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
    """A try that came to nothing, and why."""

    file: str
    at: datetime
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Progress:
    """What the page shows. `is_over`: there is something to open, nobody need ask again."""

    steps: tuple[Step, ...]
    turned_away: tuple[TurnedAway, ...]
    is_over: bool
    run: int | None


def read_progress(project: Project) -> Progress:
    """The newest uploads, told as five steps."""
    uploads = list(project.uploads.prefetch_related("files").order_by("-id")[:_N_LOOKED_AT])
    read = next((upload for upload in uploads if upload.state in _READ), None)
    current = read or next((upload for upload in uploads if upload.state not in _TURNED_AWAY), None)
    turned_away = tuple(_explain(upload) for upload in uploads if upload.state in _TURNED_AWAY)
    return Progress(
        steps=_tell(project, current, n_turned_away=len(turned_away)),
        turned_away=turned_away if read is None else (),
        is_over=read is not None,
        run=read.run if read else None,
    )


def _tell(project: Project, upload: Upload | None, *, n_turned_away: int) -> tuple[Step, ...]:
    has_token = project.upload_tokens.filter(revoked_at=None).exists()
    first = Step("done", "Token made, shown once") if has_token else Step("now", "No token yet: make one above")
    if upload is None and not has_token:
        return first, *(Step("todo", word) for word in ("The first upload", "Received", "Read", "Open the project"))
    return first, *_tell_upload(upload, n_turned_away=n_turned_away)


def _tell_upload(upload: Upload | None, *, n_turned_away: int) -> tuple[Step, ...]:
    if upload is None:
        what = "a report that can be read" if n_turned_away else "the first upload"
        waiting = Step("now", f"Waiting for {what} …", _ASKS)
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


def _explain(upload: Upload) -> TurnedAway:
    error: dict[str, Any] = upload.error or next(
        (file["error"] for file in (upload.receipt or {}).get("files", []) if file.get("error")), {}
    )
    files = list(upload.files.all())
    return TurnedAway(
        file=files[0].name if len(files) == 1 else f"{len(files)} files",
        at=upload.received_at,
        message=str(error.get("message", "It could not be read.")),
        hint=str(error.get("hint", "")),
    )
