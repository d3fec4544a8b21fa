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
from django.utils.text import capfirst

from dashboard.queries.facts import name_job
from dashboard.queries.reasons import name_reason
from dashboard.queries.receipt import (
    COVERAGE,
    TESTS,
    FileReceipt,
    Remark,
    RemarkGroup,
    choose_files,
    describe,
    group_remarks,
    list_files,
    note,
    note_mistake,
    tell_mistakes,
)
from dashboard.queries.uploads import MARKS, write_progress
from dashboard.templatetags.display import count_in_words, in_words
from health.models import Project, Upload, UploadFile
from health.models.uploads import FINAL_STATES

State = Upload.State
WAITING: Final = frozenset({State.RECEIVED, State.PROCESSING, State.RETRY})
TRY_AGAIN: Final = frozenset({State.FAILED, State.DEAD})
_N_FILES: Final = 50  # in a table
_N_ROWS: Final = 60  # of remarks
# What was tested, where, as which part; what is not named here follows behind.
_FIELDS: Final = (
    *("commit", "branch", "pull_request", "committed_at", "provider", "run_id", "attempt", "ran_at", "build_url"),
    *("job", "job_id", "variant", "shard", "expected_jobs", "suite", "level", "namespace", "default_branch"),
)


@dataclass(frozen=True, slots=True)
class Try:
    """One earlier try at reading it, and how it ended."""

    at: datetime | None
    word: str
    is_crash: bool


@dataclass(frozen=True, slots=True)
class Configuration:
    """The files of the configuration that travelled with it: the number of `.suitewatch.yml`, and all remarks."""

    number: int | None
    remarks: tuple[Remark, ...]

    @property
    def groups(self) -> tuple[RemarkGroup, ...]:
        """A row for each remark."""
        return tuple(map(RemarkGroup, self.remarks))

    @property
    def told_mistakes(self) -> str:
        """How many mistakes it has, and where; nothing of none."""
        return tell_mistakes(len(self.remarks), files=(remark.file for remark in self.remarks))


@dataclass(frozen=True, slots=True)
class Field:
    """One field that was sent beside the files."""

    name: str
    value: str

    @property
    def label(self) -> str:
        """Its name in words."""
        return self.name.replace("_", " ")

    @property
    def is_address(self) -> bool:
        """Whether it leads to a page of the web."""
        return self.value.startswith(("https://", "http://"))


@dataclass(frozen=True, slots=True)
class UploadPage:
    """All the page shows. `reports` are the files with tests, and those that could not be read."""

    upload: Upload
    sentence: str
    files: tuple[FileReceipt, ...]
    groups: tuple[RemarkGroup, ...]  # remarks about files, each with the others of its code
    about_delivery: tuple[RemarkGroup, ...]
    configuration: Configuration | None
    error: Remark | None
    tries: tuple[Try, ...]
    job: str
    fields: tuple[Field, ...]
    n_bytes_sent: int  # of all files, packed as they came
    n_bytes_plain: int

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
    def anchors(self) -> frozenset[int]:
        """The numbers of the files that have a row for a remark."""
        listed = (remark for group in self.rows for remark in (group.first, *group.others))
        return frozenset(remark.anchor for remark in listed)

    @property
    def told_about(self) -> str:
        """The one file the remarks are about; empty where there are several."""
        return next(file.name for file in self.files if file.remarks) if self.n_with_remarks == 1 else ""

    @property
    def rows(self) -> tuple[RemarkGroup, ...]:
        """The groups that have room."""
        return self.groups[:_N_ROWS]

    @property
    def n_unlisted(self) -> int:
        """How many remarks are not on the page, neither in a row nor behind one."""
        return sum(group.n_unlisted for group in self.rows) + sum(1 + g.n_others for g in self.groups[_N_ROWS:])

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


def describe_step(upload: Upload) -> str:
    """What changes before a project's facts do. Each try has a lease of its own; one that is due is asked for again."""
    tried = (upload.attempts, upload.lease_epoch, upload.next_attempt_at, upload.next_attempt_at <= timezone.now())
    return repr((upload.state, upload.progress, upload.finished_at, tried))


def read_upload_page(upload: Upload) -> UploadPage:
    """The receipt as the page shows it. What waits to be read again shows no old outcome as if it still held."""
    receipt: dict[str, Any] = upload.receipt or {}
    told = [] if upload.state in WAITING else receipt.get("files", [])
    kept = sorted(upload.files.all(), key=lambda file: file.position)
    reports = [(file.name, file.n_bytes_plain) for file in kept if file.role == UploadFile.Role.REPORT]
    files = list_files(reports, told, is_over=upload.state in FINAL_STATES)
    tries = tuple(_describe_try(ended) for ended in receipt.get("tries") or ())
    metadata = upload.metadata
    error = describe(upload.error, mark="fail", word=upload.get_state_display()) if upload.error else None
    configuration = _describe_configuration(upload, receipt.get("configuration"))
    return UploadPage(
        upload=upload,
        sentence=write_upload(upload, files, mistakes=configuration.told_mistakes if configuration else ""),
        files=files,
        groups=group_remarks(files),
        about_delivery=tuple(RemarkGroup(note(warning)) for warning in receipt.get("warnings") or ()),
        configuration=configuration,
        error=None if error and any(error.message == r.message for f in files for r in f.remarks) else error,
        tries=tries,
        job=name_job(str(metadata.get("job", "")), str(metadata.get("variant", ""))),
        fields=_list_fields(metadata),
        n_bytes_sent=sum(file.n_bytes_wire for file in kept),
        n_bytes_plain=sum(file.n_bytes_plain for file in kept),
    )


def write_upload(upload: Upload, files: Sequence[FileReceipt], *, mistakes: str = "") -> str:
    """What became of a delivery, in one sentence; in a second one the mistakes in the configuration beside it."""
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
        failed = {0: "It could not be read", 1: "The file could not be read"}
        return (
            f"{failed.get(len(files), f'None of the {in_words(len(files))} files could be read')}. Nothing was stored."
        )
    told = _tell_stored(files)
    return f"{told} There {'is' if mistakes.startswith('one ') else 'are'} {mistakes}." if mistakes else told


def _tell_stored(files: Sequence[FileReceipt]) -> str:
    read = [file for file in files if file.is_read]
    n_cut = sum(file.is_in_trouble for file in read)
    n_failed = len(files) - len(read)
    n_remarks = sum(len(file.remarks) for file in read)
    parts = [f"{_tell_contents(read)} from {count_in_words(len(read), 'file')}"]
    if n_cut:
        parts.append(_tell_cut(n_cut, of=len(read)))
    if n_failed:
        parts.append(f"and {in_words(n_failed)} failed")
    elif n_remarks and not n_cut:
        parts.append(f"with {count_in_words(n_remarks, 'remark')}")
    return f"{', '.join(parts)}."


def _tell_cut(n: int, *, of: int) -> str:
    if n == of:
        return "which breaks off" if n == 1 else f"{'both' if n == 2 else 'all'} of which break off"
    return f"{in_words(n)} of which {'breaks' if n == 1 else 'break'} off"


def _tell_contents(read: Sequence[FileReceipt]) -> str:
    """What was stored, as the beginning of a sentence."""
    n_cases = sum(file.counts["accepted"] for file in read)
    cases = count_in_words(n_cases, "case")
    if not any(file.kind == COVERAGE for file in read):
        said = f"{cases} {'was' if n_cases == 1 else 'were'} stored"
    elif any(file.kind == TESTS for file in read):
        said = f"{cases} and coverage were stored"
    else:
        said = "coverage was stored"
    return capfirst(said)


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
    return Configuration(number, tuple(note_mistake(warning) for warning in told.get("warnings") or ()))


def _list_fields(metadata: Mapping[str, Any]) -> tuple[Field, ...]:
    names = [*(name for name in _FIELDS if name in metadata), *sorted(metadata.keys() - set(_FIELDS))]
    return tuple(Field(name, str(metadata[name])) for name in names)
