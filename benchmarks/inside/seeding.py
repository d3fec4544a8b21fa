"""Projects and waiting uploads, as the other modules here need them; made the way the product makes them."""

import gzip
import hashlib
import itertools
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.contrib.auth.models import User

from health.models import Membership, PayloadChunk, Project, Upload, UploadFile, UploadToken
from ingest.claims import claim_next
from ingest.metadata import Metadata
from ingest.store import Delivery

_CHUNK = 2**20
_counter = itertools.count(1)


def make_project(slug: str) -> Project:
    """A new project; the clock keeps its name apart from an earlier one's."""
    return Project.objects.create(slug=f"{slug}-{time.time_ns()}", name=slug, default_branch="main")


def issue_token(slug: str) -> str:
    """A new project's upload token, in plain text."""
    return UploadToken.issue(make_project(slug), name="bench")[1]


def make_member(project: Project) -> User:
    """A user who may see the project."""
    user = User.objects.create_user(f"bench-{time.time_ns()}")
    Membership.objects.create(project=project, user=user, role=Membership.Role.OWNER)
    return user


def add_waiting_upload(
    project: Project,
    *,
    report: Path | None = None,
    branch: str = "main",
    variant: str = "",
    number: int | None = None,
    of: int = 1_440,
) -> None:
    """An upload as the door leaves it, without a report it has no payload; the last one `of` many ran just now.

    Each ran an hour after the one before.
    """
    number = next(_counter) if number is None else number
    ran_at = datetime.now(UTC) + timedelta(hours=number - of)
    metadata = Metadata(
        commit=f"{number:040x}",
        branch=branch,
        job="tests",
        variant=variant,
        ran_at=ran_at,
        committed_at=ran_at,
        run_id=f"run-{number}",
    )
    upload = Upload.objects.create(
        project=project,
        idempotency_key=f"bench-{number:08}",
        content_digest=number.to_bytes(32, "big"),
        metadata=metadata.to_json(),
    )
    if report is not None:
        _add_payload(upload, report)


def _add_payload(upload: Upload, report: Path) -> None:
    packed = report.read_bytes()
    plain = gzip.decompress(packed)
    file = UploadFile.objects.create(
        upload=upload,
        position=0,
        name="junit.xml",
        n_bytes_wire=len(packed),
        n_bytes_plain=len(plain),
        digest=hashlib.sha256(plain).digest(),
    )
    for sequence, start in enumerate(range(0, len(packed), _CHUNK)):
        PayloadChunk.objects.create(file=file, sequence=sequence, data=packed[start : start + _CHUNK])


def claim_waiting() -> Delivery:
    """Claim the upload that was just added."""
    delivery = claim_next()
    if delivery is None:
        raise LookupError("the upload that was added does not wait")
    return delivery
