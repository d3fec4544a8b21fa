"""What a run was made of: the uploads that brought it.

Called by `dashboard.queries.run`. Promise: two statements, and no receipt is read as a whole, however many uploads a
run has and however long their receipts are (`tests/dashboard/test_run_deliveries.py`).
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from dashboard.queries.facts import JobFact, name_job
from dashboard.queries.sql import Row, fetch_rows
from dashboard.queries.uploads import MARKS
from health.models import Project, Upload, UploadFile

_MOST_LISTED: Final = 100


class Sibling(NamedTuple):
    """Another delivery of the same job that ran `n` of the same tests, as the receipt says."""

    n: int
    upload: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """An upload this run was made of."""

    public_id: UUID
    state: str
    word: str
    files: tuple[str, ...]
    job: str
    branch: str  # as it was sent; empty when it was not
    shard: str
    attempt: int
    received_at: datetime
    n_bytes: int
    siblings: tuple[Sibling, ...] = ()

    @property
    def mark(self) -> str:
        """The mark's name."""
        return MARKS[self.state]


@dataclass(frozen=True, slots=True)
class Deliveries:
    """The first of `n` deliveries; `has_branch`: any of all of them said which branch it was of."""

    listed: tuple[Delivery, ...]
    n: int
    has_branch: bool

    @property
    def has_siblings(self) -> bool:
        """Whether deliveries of one job ran the same tests side by side."""
        return any(delivery.siblings for delivery in self.listed)


def read_deliveries(project: Project, *, number: int, jobs: Sequence[JobFact], is_whole: bool) -> Deliveries:
    """Those of these jobs; of the whole run also those of nothing but coverage, which belong to no job."""
    titles = {job.key.series: job.title for job in jobs}
    values = {"project": project.pk, "number": number, "series": list(titles), "is_whole": is_whole}
    rows = fetch_rows(_UPLOADS_SQL, {**values, "most": _MOST_LISTED})
    if not rows:
        return Deliveries((), 0, has_branch=False)
    files: dict[int, list[tuple[str, int]]] = defaultdict(list)
    reports = UploadFile.objects.filter(upload__in=[row[0] for row in rows], role=UploadFile.Role.REPORT)
    for upload, name, n_bytes in reports.order_by("position").values_list("upload", "name", "n_bytes_plain"):
        files[upload].append((name, n_bytes))
    listed = tuple(_describe(row[:-2], titles, files[row[0]]) for row in rows)
    return Deliveries(listed, rows[0][-2], has_branch=rows[0][-1])


def _describe(row: Row, titles: dict[int, str], files: Sequence[tuple[str, int]]) -> Delivery:
    _, public_id, state, series, attempt, received_at, n_bytes, branch, shard, job, variant, siblings = row
    return Delivery(
        public_id=public_id,
        state=state,
        word=Upload.State(state).label,
        files=tuple(name for name, _ in files),
        job=_name_as_sent(job, variant) if series is None else titles[series],
        branch=branch,
        shard=shard,
        attempt=attempt,
        received_at=received_at,
        n_bytes=sum(n for _, n in files) if files else n_bytes,
        siblings=tuple(Sibling(warning["count"], warning["upload"]) for warning in json.loads(siblings)),
    )


def _name_as_sent(job: str, variant: str) -> str:
    """What brings nothing but coverage is no job of the run, and came from one."""
    return name_job(job, variant) if job or variant else ""


_UPLOADS_SQL: Final = """
SELECT u.id, u.public_id, u.state, u.series, u.attempt, u.received_at, u.n_bytes_plain,
    coalesce(u.metadata ->> 'branch', ''), coalesce(u.metadata ->> 'shard', ''),
    coalesce(u.metadata ->> 'job', ''), coalesce(u.metadata ->> 'variant', ''),
    coalesce(jsonb_path_query_array(u.receipt, '$.warnings[*] ? (@.code == "sibling_deliveries")'), '[]')::text,
    u.n, u.has_branch
FROM (
    SELECT *, count(*) OVER () AS n, bool_or(coalesce(metadata ->> 'branch', '') <> '') OVER () AS has_branch
    FROM health_upload
    WHERE project_id = %(project)s AND run = %(number)s
      AND (series = ANY(%(series)s) OR %(is_whole)s AND series IS NULL)
    ORDER BY id LIMIT %(most)s) u
ORDER BY u.id
"""
