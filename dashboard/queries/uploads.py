"""Every delivery of a project, newest first, a page at a time.

Called by `dashboard.views.uploads`. Promise: four statements for any page; narrowed to trouble, only the newest
N_SEARCHED deliveries are looked at (`tests/dashboard/test_uploads_queries.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet

from dashboard.filters import Filters
from dashboard.queries.facts import name_job
from dashboard.templatetags.display import in_words
from health.models import Project, Upload

N_ROWS: Final = 50
N_SEARCHED: Final = 5_000

State = Upload.State
# What the filter's words stand for.
GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "trouble": (State.FAILED, State.DEAD, State.PARTIAL),
    "waiting": (State.RECEIVED, State.PROCESSING, State.RETRY),
}
MARKS: Final[dict[str, str]] = {
    State.RECEIVED: "open",
    State.PROCESSING: "open",
    State.RETRY: "stale",
    State.STORED: "pass",
    State.PARTIAL: "stale",
    State.FAILED: "fail",
    State.DEAD: "error",
    State.CANCELLED: "absent",
}


@dataclass(frozen=True, slots=True)
class UploadLine:
    """One delivery in the list. `told` says what is worth knowing: an error, or how many remarks there are."""

    public_id: UUID
    state: str
    word: str
    files: tuple[str, ...]
    received_at: datetime
    run: int | None
    job: str
    branch: str
    n_tests: int | None
    n_bytes: int
    told: str

    @property
    def mark(self) -> str:
        """The mark's name."""
        return MARKS[self.state]


@dataclass(frozen=True, slots=True)
class UploadList:
    """One page of deliveries. `next_before` is where the next page starts, empty on the last one."""

    lines: tuple[UploadLine, ...]
    next_before: str
    is_searched: bool  # whether older ones than those looked at may fit as well

    @property
    def n_trouble(self) -> int:
        """How many of those shown came to nothing, or not to all of it."""
        return sum(line.state in GROUPS["trouble"] for line in self.lines)

    @property
    def n_waiting(self) -> int:
        """How many of those shown are still to be read."""
        return sum(line.state in GROUPS["waiting"] for line in self.lines)

    @property
    def n_whole(self) -> int:
        """How many of those shown were stored, all of them."""
        return sum(line.state == State.STORED for line in self.lines)


def list_uploads(project: Project, filters: Filters) -> UploadList:
    """The deliveries behind `filters.before`, of `filters.state` where that is a known group."""
    uploads: QuerySet[Upload] = Upload.objects.filter(project=project)
    last = _find_last(project, filters.before)
    if last is not None:
        uploads = uploads.filter(id__lt=last)
    states = GROUPS.get(filters.state)
    if states:
        newest = uploads.order_by("-id").values("id")[:N_SEARCHED]
        uploads = Upload.objects.filter(id__in=newest, state__in=states)
    found = list(uploads.order_by("-id").prefetch_related("files")[: N_ROWS + 1])
    shown = found[:N_ROWS]
    return UploadList(
        lines=tuple(_describe(upload) for upload in shown),
        next_before=str(shown[-1].public_id) if len(found) > N_ROWS else "",
        is_searched=bool(states),
    )


def write_uploads(uploads: UploadList, *, state: str) -> str:
    """What became of the deliveries shown; `state` is what was asked for."""
    n = len(uploads.lines)
    if not n:
        return {"trouble": "Everything was stored whole.", "waiting": "Nothing waits."}.get(
            state, "Nothing has been sent yet."
        )
    if uploads.n_trouble == n > 1:
        return f"None of the {n} deliveries shown was wholly stored."
    if uploads.n_trouble:
        return f"{_count_shown(uploads.n_trouble, n)} {'was' if uploads.n_trouble == 1 else 'were'} not wholly stored."
    if uploads.n_waiting:
        return f"{_count_shown(uploads.n_waiting, n)} {'waits' if uploads.n_waiting == 1 else 'wait'} to be read."
    return f"{_count_shown(uploads.n_whole, n)} {'is' if uploads.n_whole == 1 else 'are'} whole."


def _count_shown(part: int, whole: int) -> str:
    if part == whole:
        return "The one delivery shown" if whole == 1 else f"All {in_words(whole)} deliveries shown"
    return f"{in_words(part).capitalize() if part else 'None'} of {whole} deliveries shown"


def read_newest_states(project: Project) -> str:
    """The newest deliveries and their states as one text: what changes before a project's facts do."""
    newest = Upload.objects.filter(project=project).order_by("-id").values_list("id", "state")[:N_ROWS]
    return ",".join(f"{pk}{state}" for pk, state in newest)


def _find_last(project: Project, before: str) -> int | None:
    try:
        public_id = UUID(before)
    except ValueError:
        return None
    return Upload.objects.filter(project=project, public_id=public_id).values_list("id", flat=True).first()


def _describe(upload: Upload) -> UploadLine:
    files: Sequence[dict[str, Any]] = (upload.receipt or {}).get("files", [])
    names = [file.name for file in sorted(upload.files.all(), key=lambda file: file.position)]
    metadata = upload.metadata
    return UploadLine(
        public_id=upload.public_id,
        state=upload.state,
        word=upload.get_state_display(),
        files=tuple(names or [str(file.get("name", "")) for file in files]),
        received_at=upload.received_at,
        run=upload.run,
        job=name_job(str(metadata.get("job", "")), str(metadata.get("variant", ""))) if metadata else "",
        branch=str(metadata.get("branch", "")),
        n_tests=sum(int(file.get("tests") or 0) for file in files) if upload.run is not None else None,
        n_bytes=upload.n_bytes_plain,
        told=_tell(upload, files),
    )


def _tell(upload: Upload, files: Sequence[dict[str, Any]]) -> str:
    if upload.error:
        return str(upload.error.get("message", ""))
    errors = [file["error"] for file in files if file.get("error")]
    if errors:
        return str(errors[0].get("message", ""))
    n = sum(len(file.get("warnings", ())) for file in files)
    return "" if not n else "1 remark" if n == 1 else f"{n} remarks"
