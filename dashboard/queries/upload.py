"""One delivery and its receipt: what became of every file, with line, reason and what helps.

Called by `dashboard.views.upload`. Promise: two statements, and nothing on a receipt is left out
(`tests/dashboard/test_upload_queries.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from dashboard.queries.facts import name_job
from dashboard.queries.uploads import MARKS
from dashboard.templatetags.display import in_words
from health.models import Project, Upload

State = Upload.State
WAITING: Final = frozenset({State.RECEIVED, State.PROCESSING, State.RETRY})
TRY_AGAIN: Final = frozenset({State.FAILED, State.DEAD})

_COUNTS: Final = (
    "tests",
    "passed",
    "failed",
    "errored",
    "skipped",
    "xfailed",
    "flaky",
    "accepted",
    "merged",
    "rejected",
)
# What was done about a remark, by its code: mark and word. What is not named here is a note.
_KINDS: Final[dict[str, tuple[str, str]]] = {
    "attempts_merged": ("stale", "merged"),
    "case_cut_off": ("stale", "cut off"),
    "conflicting_outcome": ("stale", "judged"),
    "control_characters_removed": ("stale", "repaired"),
    "encoding_repaired": ("stale", "repaired"),
    "leading_space_removed": ("stale", "repaired"),
    "name_truncated": ("stale", "shortened"),
    "repeated_name": ("stale", "kept apart"),
    "status_ignored": ("stale", "judged"),
    "suite_level_error": ("error", "suite error"),
    "text_truncated": ("stale", "shortened"),
    "time_rewritten": ("stale", "repaired"),
    "trailing_content": ("stale", "ignored"),
}
_NOTE: Final = ("open", "note")


@dataclass(frozen=True, slots=True)
class Remark:
    """One line of a receipt: where, what kind, what was found, what helps."""

    mark: str
    word: str
    line: int | None
    column: int | None
    message: str
    hint: str
    code: str
    count: int

    @property
    def count_more(self) -> int:
        """In how many more places than the one named."""
        return self.count - 1


@dataclass(frozen=True, slots=True)
class FileReceipt:
    """What became of one file. Counts are of its elements; without `is_read` there are none.

    JUnit writes an expected failure as a skip; here it is counted as what it is: it ran.
    """

    name: str
    format: str
    mark: str
    word: str
    n_bytes: int | None
    is_read: bool
    counts: Mapping[str, int]
    remarks: tuple[Remark, ...]


@dataclass(frozen=True, slots=True)
class UploadPage:
    """All the page shows."""

    upload: Upload
    mark: str
    word: str
    sentence: str
    files: tuple[FileReceipt, ...]
    remarks: tuple[Remark, ...]  # about the delivery as a whole
    error: Remark | None
    job: str
    fields: tuple[tuple[str, str], ...]

    @property
    def is_waiting(self) -> bool:
        """Whether something is still to happen to it."""
        return self.upload.state in WAITING

    @property
    def may_try_again(self) -> bool:
        """Whether reading it again could end otherwise."""
        return self.upload.state in TRY_AGAIN

    def total(self, name: str) -> int:
        """A count summed over the files."""
        return sum(file.counts[name] for file in self.files)

    @property
    def totals(self) -> dict[str, int]:
        """The counts summed over the files that were read."""
        return {name: self.total(name) for name in _COUNTS}

    @property
    def n_listed(self) -> int:
        """Elements in the files that were read, those without an end included."""
        return self.total("tests") - self.total("merged") + self.total("rejected")

    @property
    def n_as_expected(self) -> int:
        """Elements that passed, or failed as they should."""
        return self.total("passed") + self.total("xfailed")

    @property
    def n_executed(self) -> int:
        """Elements that ran, those that failed as expected included."""
        return self.total("tests") - self.total("skipped")


def find_upload(project: Project, *, public_id: UUID) -> Upload | None:
    """The delivery, with its files."""
    return Upload.objects.filter(project=project, public_id=public_id).prefetch_related("files").first()


def read_upload_page(upload: Upload) -> UploadPage:
    """The receipt as the page shows it."""
    receipt: dict[str, Any] = upload.receipt or {}
    files = _list_files(upload, receipt.get("files", []))
    metadata = upload.metadata
    error = _remark(upload.error, mark="fail", word=_say_refused(upload)) if upload.error else None
    return UploadPage(
        upload=upload,
        mark=MARKS[upload.state],
        word=upload.get_state_display(),
        sentence=write_upload(upload, files),
        files=files,
        remarks=tuple(_note(warning) for warning in receipt.get("warnings", [])),
        error=None if error and any(error.message == r.message for f in files for r in f.remarks) else error,
        job=name_job(str(metadata.get("job", "")), str(metadata.get("variant", ""))),
        fields=tuple((name.replace("_", " "), str(value)) for name, value in metadata.items()),
    )


def write_upload(upload: Upload, files: Sequence[FileReceipt]) -> str:
    """What became of a delivery, in one sentence."""
    if upload.state == State.RECEIVED:
        return "It is kept, and waits to be read."
    if upload.state == State.PROCESSING:
        return "It is being read."
    if upload.state == State.RETRY:
        return "It is kept, and will be read again in a moment."
    if upload.state == State.CANCELLED:
        return "It was cancelled before it was read."
    if upload.state == State.DEAD:
        return f"It was given up after {in_words(upload.attempts)} tries. Nothing of it was stored."
    if upload.state == State.FAILED:
        what = "The file was refused" if len(files) == 1 else f"All {in_words(len(files))} files were refused"
        return f"{what}. Nothing was stored."
    return _tell_stored(files)


def _tell_stored(files: Sequence[FileReceipt]) -> str:
    read = [file for file in files if file.is_read]
    n_cases = sum(file.counts["accepted"] for file in read)
    n_cut = sum(file.word.startswith("breaks off") for file in read)
    n_refused = len(files) - len(read)
    n_remarks = sum(len(file.remarks) for file in read)
    cases = f"{in_words(n_cases)} case{' was' if n_cases == 1 else 's were'}"
    parts = [f"{cases[0].upper()}{cases[1:]} stored from {in_words(len(read))} file{'' if len(read) == 1 else 's'}"]
    if n_cut:
        parts.append(
            f"{in_words(n_cut)} of which breaks off" if n_cut == 1 else f"{in_words(n_cut)} of which break off"
        )
    if n_refused:
        parts.append(f"and {in_words(n_refused)} {'was' if n_refused == 1 else 'were'} refused")
    elif n_remarks and not n_cut:
        parts.append(f"with {in_words(n_remarks)} remark{'' if n_remarks == 1 else 's'}")
    return f"{', '.join(parts)}."


def _list_files(upload: Upload, receipts: Sequence[dict[str, Any]]) -> tuple[FileReceipt, ...]:
    """Files and receipts side by side: a delivery that waits has no receipts, an old one no files any more."""
    kept = sorted(upload.files.all(), key=lambda file: file.position)
    listed = []
    for at in range(max(len(kept), len(receipts))):
        receipt = receipts[at] if at < len(receipts) else {}
        name = str(receipt.get("name") or (kept[at].name if at < len(kept) else ""))
        listed.append(_describe_file(name, receipt, kept[at].n_bytes_plain if at < len(kept) else None))
    return tuple(listed)


def _describe_file(name: str, receipt: Mapping[str, Any], n_bytes: int | None) -> FileReceipt:
    state = str(receipt.get("state", ""))
    remarks = [_note(warning) for warning in receipt.get("warnings", [])]
    if receipt.get("error"):
        remarks.insert(0, _remark(receipt["error"], mark="fail", word="refused" if state == "failed" else "cut off"))
    mark, word = _judge_file(state, remarks)
    counts = {name: int(receipt.get(name) or 0) for name in _COUNTS}
    counts["skipped"] -= counts["xfailed"]
    is_read = state in ("stored", "partial")
    return FileReceipt(name, str(receipt.get("format") or ""), mark, word, n_bytes, is_read, counts, tuple(remarks))


def _judge_file(state: str, remarks: Sequence[Remark]) -> tuple[str, str]:
    """Mark and word: what was repaired or judged is marked, a mere note is only counted."""
    if state == "failed":
        return "fail", "refused"
    if state == "partial":
        return "fail", "breaks off"
    if state == "stored":
        n = len(remarks)
        told = "" if not n else ", 1 remark" if n == 1 else f", {n} remarks"
        is_touched = any(remark.mark != _NOTE[0] for remark in remarks)
        return ("stale" if is_touched else "pass"), f"stored{told}"
    return "open", "not read yet"


def _note(warning: Mapping[str, Any]) -> Remark:
    mark, word = _KINDS.get(str(warning.get("code", "")), _NOTE)
    return _remark(warning, mark=mark, word=word)


def _remark(told: Mapping[str, Any], *, mark: str, word: str) -> Remark:
    return Remark(
        mark=mark,
        word=word,
        line=told.get("line"),
        column=told.get("column"),
        message=str(told.get("message", "")),
        hint=str(told.get("hint") or ""),
        code=str(told.get("code", "")),
        count=int(told.get("count") or 1),
    )


def _say_refused(upload: Upload) -> str:
    return {State.DEAD: "given up", State.RETRY: "trying again"}.get(State(upload.state), "refused")
