"""Plain builders: a project, a report, an upload stored through the real store.

Keyword-only; whatever is not named has a sensible default. Time stands still unless a test says otherwise.
"""

import itertools
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone

from health.models import Membership, Project, Upload, UploadToken
from health.rules import outcomes as codes
from health.rules.bitmaps import LineSet
from health.rules.identity import PART
from ingest.cases import forget_names
from ingest.claims import claim_next, finish_failed, retry_later
from ingest.configuration.keep import keep_configuration
from ingest.coverage import CoverageFile
from ingest.metadata import Metadata
from ingest.parsers.coverage.types import FileCoverage, ParsedCoverage
from ingest.parsers.types import Detail, ElementCounts, ParsedReport, SuiteError
from ingest.store import Contents, store_contents

FIRST_MOMENT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
_counter = itertools.count(1)

OUTCOMES = {
    "pass": codes.PASS,
    "fail": codes.FAIL,
    "error": codes.ERROR,
    "skip": codes.SKIP,
    "xfail": codes.XFAIL,
    "xpass": codes.XPASS,
    "retry": codes.PASS_ON_RETRY,
}


def a_user(name: str = "", **fields: Any) -> User:
    """A person who can sign in with the password `correct horse`."""
    return User.objects.create_user(name or f"user{next(_counter)}", password="correct horse", **fields)


def a_project(slug: str = "", *, owner: User | None = None, default_branch: str = "main", **fields: Any) -> Project:
    """A project, owned by `owner` when given."""
    slug = slug or f"project-{next(_counter)}"
    project = Project.objects.create(slug=slug, name=fields.pop("name", slug), default_branch=default_branch, **fields)
    if owner:
        Membership.objects.create(project=project, user=owner, role="owner")
    return project


def a_token(project: Project, **fields: Any) -> str:
    """The plain text of a new upload token."""
    return UploadToken.issue(project, name="ci", **fields)[1]


def a_key(name: str) -> str:
    """The identity key of `class::case`, in a suite without a name of its own."""
    class_name, _, case = name.rpartition("::")
    return PART.join(("", class_name or "tests.example", case))


def a_report(cases: dict[str, str], *, seconds: float = 0.01, text: str = "", suite_errors: int = 0) -> ParsedReport:
    """A parsed report of cases by name ("class::case") and outcome word; broken ones carry a message and a text.

    The message may stand behind the word: `skip: no network here`.
    """
    report = ParsedReport(format="junit")
    packer, offset = zlib.compressobj(), 0
    blob = b""
    for index, (name, described) in enumerate(cases.items()):
        word, _, said = described.partition(": ")
        outcome = OUTCOMES[word]
        report.keys.append(a_key(name))
        report.outcomes.append(outcome)
        report.seconds.append(seconds)
        if outcome != codes.PASS:
            message = said or f"{word}: {name}"
            body = (text or f"{name}:1: {word}").encode()
            blob += packer.compress(message.encode() + body)
            length = len(message.encode())
            report.details.append(Detail(index, 1, outcome, "AssertionError", message, offset, length, len(body)))
            offset += length + len(body)
    report.texts = blob + packer.flush()
    words = [described.partition(": ")[0] for described in cases.values()]
    report.elements = ElementCounts(
        tests=len(words),
        passed=words.count("pass") + words.count("retry"),
        failed=words.count("fail"),
        errored=words.count("error"),
        skipped=words.count("skip") + words.count("xfail"),
        flaky=words.count("retry"),
        distinct=len(words),
        total_time=seconds * len(words),
    )
    report.suite_errors = [SuiteError((), codes.ERROR, "set-up failed", 1)] * suite_errors
    return report


def a_received_upload(project: Project, *, received_at: datetime | None = None, **metadata: Any) -> Upload:
    """An upload row as the door leaves it, without a payload."""
    number = next(_counter)
    return Upload.objects.create(
        project=project,
        idempotency_key=f"key-{number:08}",
        content_digest=number.to_bytes(32, "big"),
        metadata=Metadata(**metadata).to_json(),
        attempt=metadata.get("attempt", 1),
        received_at=received_at or timezone.now(),
        next_attempt_at=FIRST_MOMENT,
    )


def a_coverage(files: dict[str, str], *, level: str = "", is_partial: bool = False) -> CoverageFile:
    """Coverage by path; a text of `1` (ran), `0` (did not) and `.` (no code) stands for the lines from 1."""
    report = ParsedCoverage("cobertura")
    for path, marks in files.items():
        valid = LineSet.of(line for line, mark in enumerate(marks, 1) if mark in "01")
        covered = LineSet.of(line for line, mark in enumerate(marks, 1) if mark == "1")
        report.files.append(FileCoverage(path, valid, covered, len(valid), len(covered)))
        report.lines_valid += len(valid)
        report.lines_covered += len(covered)
    return CoverageFile(report, level, is_partial)


def an_upload(
    project: Project,
    cases: dict[str, str] | None,
    *,
    coverage: Sequence[CoverageFile] = (),
    state: str = "stored",
    seconds: float = 0.01,
    text: str = "",
    suite_errors: int = 0,
    configuration: str | None = None,
    owners: str | None = None,
    deferrals: str | None = None,
    **metadata: Any,
) -> Upload:
    """Store a report as one upload through the real claim and store. Metadata as in the upload API.

    `cases` may be None where only `coverage` comes (`a_coverage`). `configuration`, `owners` and `deferrals` are the
    texts of `.suitewatch.yml`, CODEOWNERS and `.suitewatch-deferrals.yml` that came with it.

    Without `ran_at` each upload of a project runs one hour after the one before; without `run_id` it is a run of its
    own.
    """
    number = Upload.objects.filter(project=project).count() + 1
    metadata.setdefault("ran_at", FIRST_MOMENT + timedelta(hours=number))
    metadata.setdefault("commit", f"{number:040x}")
    metadata.setdefault("branch", "main")
    metadata.setdefault("job", "tests")
    upload = a_received_upload(project, **metadata)
    forget_names()  # a rolled-back test must not leave its numbers to the next one
    delivery = claim_next()
    assert delivery is not None
    assert delivery.upload_id == upload.pk
    texts = {"data": configuration, "owners_data": owners, "deferrals_data": deferrals}
    if came := {name: text.encode() for name, text in texts.items() if text is not None}:
        keep_configuration(project_id=project.pk, upload_id=upload.pk, **came)
    report, n = None, len(cases or ())
    if cases is not None:
        report = a_report(cases, seconds=seconds, text=text, suite_errors=suite_errors)
    files = [{"name": "junit.xml", "format": "junit", "state": state, "kind": "results", "tests": n, "accepted": n}]
    store_contents(delivery, Contents(report, coverage), state=state, receipt={"files": files, "warnings": []})
    upload.refresh_from_db()
    return upload


def a_lost_upload(project: Project, *, state: str = "failed", kind: str | None = None, **metadata: Any) -> Upload:
    """An upload that nothing came of, through the real claim: `failed`, `dead`, or waiting in `retry`.

    `kind` is what its file could be told to be, as in a receipt.
    """
    metadata.setdefault("branch", "main")
    upload = a_received_upload(project, **metadata)
    if state == "dead":
        Upload.objects.filter(pk=upload.pk).update(attempts=settings.MAX_ATTEMPTS - 1)
    delivery = claim_next()
    assert delivery is not None
    assert delivery.upload_id == upload.pk
    error = {"code": "not_a_report", "message": "", "hint": ""}
    if state == "failed":
        files = [{"name": "junit.xml", "format": None, "state": "failed", "kind": kind, "error": error}]
        finish_failed(delivery, error=error, receipt={"files": files, "warnings": []})
    else:
        retry_later(delivery, error=error, is_counted=True)
    upload.refresh_from_db()
    assert upload.state == state
    return upload
