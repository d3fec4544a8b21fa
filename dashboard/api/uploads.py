"""Deliveries, and one of them. Called by `dashboard.api.operations` (`tests/dashboard/test_api_figures.py`)."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.http import Http404
from django.utils import timezone
from ninja import Router
from pydantic import Field

from dashboard.api.answers import Facts, frame, take
from dashboard.api.door import ApiRequest
from dashboard.queries.as_of import read_as_of
from dashboard.queries.deliveries import list_days, list_reasons, read_waiting
from dashboard.queries.upload import find_upload
from dashboard.queries.uploads import list_uploads

router = Router(tags=["Uploads"])


class UploadLineFacts(Facts):
    """One delivery of the list."""

    public_id: UUID = Field(description="Its name in addresses.")
    state: str = Field(description="received, processing, retry, stored, partial, failed, dead or cancelled.")
    received_at: datetime = Field(description="When it came.")
    run: int | None = Field(description="The run it became a part of; null until it is stored.")
    job: str = Field(description="Its job; may be empty.")
    branch: str = Field(description="Its branch; may be empty.")
    files: tuple[str, ...] = Field(description="Its first files by name.")
    n_files: int = Field(description="How many files it has.")
    n_tests: int | None = Field(description="Cases in its reports; null until it is stored.")
    n_coverage: int = Field(description="How many of its files are coverage.")
    n_remarks: int = Field(description="How many remarks its receipt has.")
    n_mistakes: int = Field(description="How many mistakes its files of the configuration have.")
    n_bytes: int = Field(description="Its size, unpacked, in bytes.")
    attempts: int = Field(description="How often it was read.")
    message: str = Field(description="Why it failed; empty when it did not.")


class DeliveryDayFacts(Facts):
    """What became of the deliveries of a day."""

    day: date = Field(description="The day, in the project's time zone.")
    n_kept: int = Field(description="All that came in.")
    whole: int = Field(description="Of these, stored as a whole.")
    partial: int = Field(description="Of these, stored in part.")
    failed: int = Field(description="Of these, failed or given up.")
    open: int = Field(description="Of these, still to be read.")
    refused: int = Field(description="RefusedError at the door; nothing of them was kept.")


class FailureReasonFacts(Facts):
    """Why deliveries of the last days were not wholly stored."""

    kind: str = Field(description="partial, failed or door.")
    code: str = Field(description="The code of the error.")
    n: int = Field(description="How many deliveries.")
    newest_at: datetime = Field(description="When the newest of them came.")
    message: str = Field(description="What it was told.")


class WaitingFacts(Facts):
    """What is not finished."""

    n: int = Field(description="All of it.")
    n_due: int = Field(description="Of these, waiting to be read.")
    n_reading: int = Field(description="Of these, being read.")
    n_later: int = Field(description="Of these, to be tried again later.")
    oldest_at: datetime | None = Field(description="When the oldest came that waits.")


class UploadsPage(Facts):
    """The list of deliveries."""

    lines: tuple[UploadLineFacts, ...] = Field(description="The deliveries, newest first.")
    days: tuple[DeliveryDayFacts, ...] = Field(description="What became of those of the last 30 days, oldest first.")
    reasons: tuple[FailureReasonFacts, ...] = Field(description="Why some of these were not wholly stored.")
    waiting: WaitingFacts = Field(description="What is not finished.")


@router.get(**take("uploads", data=UploadsPage, takes=("state", "reason", "before")), summary="Uploads")
def list_all(request: ApiRequest, slug: str) -> dict[str, Any]:
    """Every delivery with its state; what became of those of the last days, and why."""
    project, today = request.project, timezone.localdate()
    found = list_uploads(project, request.filters, today=today)
    data = {
        "lines": found.lines,
        "days": list_days(project, today=today),
        "reasons": list_reasons(project, today=today),
        "waiting": read_waiting(project),
    }
    return frame(request, data, as_of=read_as_of(project), next_before=found.next_before)


class UploadPage(Facts):
    """One delivery."""

    public_id: UUID = Field(description="Its name in addresses.")
    state: str = Field(description="received, processing, retry, stored, partial, failed, dead or cancelled.")
    received_at: datetime = Field(description="When it came.")
    finished_at: datetime | None = Field(description="When it was read to its end.")
    attempts: int = Field(description="How often it was read.")
    run: int | None = Field(description="The run it became a part of.")
    metadata: dict[str, Any] = Field(description="What the sender said of it.")
    receipt: dict[str, Any] | None = Field(description="What became of each file; null until it is read.")
    error: dict[str, Any] | None = Field(description="Why it failed; null when it did not.")


@router.get(**take("upload", data=UploadPage), summary="One upload")
def read(request: ApiRequest, slug: str, public_id: UUID) -> dict[str, Any]:
    """One delivery with its receipt."""
    found = find_upload(request.project, public_id=public_id)
    if found is None:
        raise Http404
    return frame(request, found, as_of=(found.run, (found.ran_at or found.received_at) if found.run else None))
