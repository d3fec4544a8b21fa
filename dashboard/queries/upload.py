"""One delivery and its receipt: what became of every file, with line, reason and what helps.

Called by `dashboard.views.upload`. Promise: two statements, and nothing on a receipt is left out
(`tests/dashboard/test_upload_queries.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from dashboard.queries.facts import name_job
from dashboard.queries.reasons import name_reason
from dashboard.queries.receipt import (
    COVERAGE,
    TESTS,
    FileReceipt,
    Remark,
    RemarkKind,
    choose_files,
    describe,
    list_files,
    list_kinds,
    note,
)
from dashboard.queries.uploads import MARKS, write_progress
from dashboard.templatetags.display import in_words
from health.models import Project, Upload, UploadFile
from health.models.uploads import FINAL_STATES

State = Upload.State
WAITING: Final = frozenset({State.RECEIVED, State.PROCESSING, State.RETRY})
TRY_AGAIN: Final = frozenset({State.FAILED, State.DEAD})
_N_FILES: Final = 50  # in a table
_N_SECTIONS: Final = 10  # files with all their remarks


@dataclass(frozen=True, slots=True)
class Try:
    """One earlier try at reading it, and how it ended."""

    at: datetime | None
    word: str
    is_crash: bool


@dataclass(frozen=True, slots=True)
class Configuration:
    """The `.suitewatch.yml` and CODEOWNERS that travelled with it: the number of their content, and remarks."""

    number: int | None
    remarks: tuple[Remark, ...]


@dataclass(frozen=True, slots=True)
class UploadPage:
    """All the page shows. `reports` are the files with tests, and those that could not be read."""

    upload: Upload
    sentence: str
    files: tuple[FileReceipt, ...]
    remarks: tuple[Remark, ...]  # about the delivery as a whole
    configuration: Configuration | None
    error: Remark | None
    tries: tuple[Try, ...]
    job: str
    fields: tuple[tuple[str, str], ...]

    @property
    def mark(self) -> str:
        """The state's mark."""
        return MARKS[self.upload.state]

    @property
    def word(self) -> str:
        """The state in words."""
        return str(State(self.upload.state).label)

    @property
    def polls(self) -> str:
        """How often the page should ask again: while something moves, and not otherwise."""
        if self.upload.state == State.PROCESSING:
            return "every 1s"
        is_due = self.upload.state in WAITING and self.upload.next_attempt_at <= timezone.now()
        return "every 3s" if is_due else ""

    @property
    def told_progress(self) -> str:
        """How far the worker is, while one is at it."""
        if self.upload.state != State.PROCESSING:
            return ""
        return write_progress(self.upload.progress or 0, n_bytes=self.upload.n_bytes_plain)

    @property
    def may_try_again(self) -> bool:
        """Whether reading it again could end otherwise."""
        return self.upload.state in TRY_AGAIN

    @property
    def reports(self) -> tuple[FileReceipt, ...]:
        """The files that are no coverage, as many as have room."""
        return choose_files([file for file in self.files if file.kind == TESTS], most=_N_FILES)

    @property
    def coverage(self) -> tuple[FileReceipt, ...]:
        """The coverage reports, as many as have room."""
        return choose_files([file for file in self.files if file.kind == COVERAGE], most=_N_FILES)

    @property
    def n_files_more(self) -> int:
        """How many files have no row."""
        return len(self.files) - len(self.reports) - len(self.coverage)

    @property
    def n_with_remarks(self) -> int:
        """How many files have remarks."""
        return sum(bool(file.remarks) for file in self.files)

    @property
    def told_tries(self) -> str:
        """The earlier tries in a few words: "read again after the worker died"."""
        n = len(self.tries)
        after = self.tries[-1].word if self.tries[-1].is_crash else f"{in_words(n)} tries" if n > 1 else "one try"
        return f"{'will be ' if self.upload.state in WAITING else ''}read again after {after}"

    @property
    def sections(self) -> tuple[FileReceipt, ...]:
        """The files whose remarks are shown one by one: all, or of many those in trouble."""
        told = [file for file in self.files if file.remarks]
        if len(told) > _N_SECTIONS:
            told = [file for file in told if file.is_in_trouble]
        return choose_files(told, most=_N_SECTIONS)

    @property
    def n_sections_more(self) -> int:
        """How many files with remarks are only in the summary of kinds."""
        return self.n_with_remarks - len(self.sections)

    @property
    def kinds(self) -> tuple[RemarkKind, ...]:
        """The remarks of all files by kind, where not every file has its own section."""
        return list_kinds(self.files) if self.n_sections_more else ()

    def total(self, name: str) -> int:
        """A count summed over the files."""
        return sum(file.counts[name] for file in self.files)

    @property
    def totals(self) -> Mapping[str, int]:
        """The counts summed over the files that were read."""
        names = self.files[0].counts if self.files else ()
        return {name: self.total(name) for name in names}

    @property
    def has_tests(self) -> bool:
        """Whether a file with test results was read."""
        return any(file.is_read and file.kind == TESTS for file in self.files)

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
    """The receipt as the page shows it. What waits to be read again shows no old outcome as if it still held."""
    receipt: dict[str, Any] = upload.receipt or {}
    told = [] if upload.state in WAITING else receipt.get("files", [])
    kept = sorted(upload.files.all(), key=lambda file: file.position)
    reports = [(file.name, file.n_bytes_plain) for file in kept if file.role == UploadFile.Role.REPORT]
    files = list_files(reports, told, is_over=upload.state in FINAL_STATES)
    tries = tuple(_describe_try(ended) for ended in receipt.get("tries") or ())
    metadata = upload.metadata
    error = describe(upload.error, mark="fail", word=_say_refused(upload)) if upload.error else None
    return UploadPage(
        upload=upload,
        sentence=write_upload(upload, files),
        files=files,
        remarks=tuple(note(warning) for warning in receipt.get("warnings") or ()),
        configuration=_describe_configuration(upload, receipt.get("configuration")),
        error=None if error and any(error.message == r.message for f in files for r in f.remarks) else error,
        tries=tries,
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
        return "It is kept, and will be read again."
    if upload.state == State.CANCELLED:
        return "It was cancelled before it was read."
    if upload.state == State.DEAD:
        tries = f"{in_words(upload.attempts)} tries" if upload.attempts != 1 else "one try"
        return f"It was given up after {tries}. Nothing of it was stored."
    if upload.state == State.FAILED:
        refused = {0: "It could not be read", 1: "The file was refused"}
        return f"{refused.get(len(files), f'All {in_words(len(files))} files were refused')}. Nothing was stored."
    return _tell_stored(files)


def _tell_stored(files: Sequence[FileReceipt]) -> str:
    read = [file for file in files if file.is_read]
    n_cut = sum(file.word == "breaks off" for file in read)
    n_refused = len(files) - len(read)
    n_remarks = sum(len(file.remarks) for file in read)
    parts = [f"{_tell_contents(read)} from {in_words(len(read))} file{'' if len(read) == 1 else 's'}"]
    if n_cut:
        parts.append(
            f"{in_words(n_cut)} of which breaks off" if n_cut == 1 else f"{in_words(n_cut)} of which break off"
        )
    if n_refused:
        parts.append(f"and {in_words(n_refused)} {'was' if n_refused == 1 else 'were'} refused")
    elif n_remarks and not n_cut:
        parts.append(f"with {in_words(n_remarks)} remark{'' if n_remarks == 1 else 's'}")
    return f"{', '.join(parts)}."


def _tell_contents(read: Sequence[FileReceipt]) -> str:
    """What was stored, as the beginning of a sentence."""
    n_cases = sum(file.counts["accepted"] for file in read)
    cases = f"{in_words(n_cases)} case{'' if n_cases == 1 else 's'}"
    if not any(file.kind == COVERAGE for file in read):
        said = f"{cases} {'was' if n_cases == 1 else 'were'} stored"
    elif any(file.kind == TESTS for file in read):
        said = f"{cases} and coverage were stored"
    else:
        said = "coverage was stored"
    return f"{said[0].upper()}{said[1:]}"


def _describe_try(ended: Mapping[str, Any]) -> Try:
    code = str(ended.get("code") or "")
    try:
        at = parse_datetime(str(ended.get("at") or ""))
    except ValueError:  # a date there cannot be
        at = None
    return Try(at, name_reason(code), is_crash=code == "worker_crashed")


def _describe_configuration(upload: Upload, told: Any) -> Configuration | None:
    if not isinstance(told, Mapping):
        return None
    number = told.get("number", upload.configuration)
    return Configuration(number, tuple(note(warning) for warning in told.get("warnings") or ()))


def _say_refused(upload: Upload) -> str:
    return {State.DEAD: "given up", State.RETRY: "trying again"}.get(State(upload.state), "refused")
