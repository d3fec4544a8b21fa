"""What did not arrive, or not whole: incomplete and empty runs, silent jobs, failed deliveries, long silence.

Used by `attention`. Promise: two statements (`tests/dashboard/test_attention.py`).
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from django.urls import reverse
from django.utils.text import capfirst

from dashboard.queries.attention_concern import Concern, link_run, name_in
from dashboard.queries.rhythm import find_silent
from dashboard.queries.standing import Standing
from dashboard.templatetags.display import count_of, plain
from health.models import Project, Upload

_N_UPLOADS: Final = 50
_FAILED: Final = frozenset({Upload.State.FAILED, Upload.State.DEAD})
_READ: Final = frozenset({Upload.State.STORED, Upload.State.PARTIAL})
_PATIENCE: Final = timedelta(hours=2)  # a sister job may still be running


def list_arrivals(project: Project, standing: Standing, *, now: datetime) -> Iterator[Concern]:
    """Each thing that is missing, in no order."""
    yield from _tell_incomplete(project, standing)
    yield from _tell_empty(project, standing)
    yield from _tell_silent(project, standing, now)
    yield from _tell_failed(project)
    yield from _tell_stale(project, standing, now)


def _tell_incomplete(project: Project, standing: Standing) -> Iterator[Concern]:
    """What the newest incomplete run lacks, of those the lane stands on."""
    for number in sorted(standing.missing, reverse=True)[:1]:
        n, run = len(standing.missing), standing.all_runs[number]
        told = plain(standing.missing[number].tell("It" if n == 1 else f"Run {number}"))
        yield Concern(
            rank=5,
            mark="stale",
            word="incomplete",
            subject=f"Run {number} is incomplete" if n == 1 else f"{n} runs are incomplete",
            told=f"{capfirst(told)}. What arrived is counted.",
            since=run.ran_at,
            since_url=link_run(project, number),
            evidence=f"{count_of(run.counts.declared, 'test')} arrived",
            url=f"{link_run(project, number)}#deliveries",
            action="Read the receipts",
        )


def _tell_empty(project: Project, standing: Standing) -> Iterator[Concern]:
    """Jobs whose reports list no test: a runner that found nothing ends without an error."""
    for job in standing.jobs:
        if not job.counts.declared and job.is_complete:
            yield Concern(
                rank=5,
                mark="absent",
                word="no tests",
                subject="A run without a test",
                told=f"Its report was read and lists none{name_in(job, standing)}.",
                since=job.ran_at,
                since_url=link_run(project, job.key.run),
                evidence=f"compared with run {job.baseline.run}" if job.baseline else "",
                url=f"{link_run(project, job.key.run)}#deliveries",
                action="Read the receipts",
            )


def _tell_silent(project: Project, standing: Standing, now: datetime) -> Iterator[Concern]:
    """Jobs whose sisters went on without them."""
    if not standing.silent or not standing.head or now - standing.head.run.ran_at < _PATIENCE:
        return
    first = min(standing.silent, key=lambda job: job.ordered_at)
    names = ", ".join(plain(job.title) for job in standing.silent[:3])
    more = f" and {len(standing.silent) - 3} more" if len(standing.silent) > 3 else ""
    n = len(standing.silent)
    yield Concern(
        rank=6,
        mark="stale",
        word="not reported",
        subject="One job sent nothing" if n == 1 else f"{n} jobs sent nothing",
        told=f"{names}{more}: the other jobs of that name reported in a newer run.",
        since=first.ran_at,
        since_url=link_run(project, first.key.run),
        evidence=f"last in run {first.key.run}; no longer counted here",
        url=link_run(project, first.key.run),
        action=f"See run {first.key.run}",
    )


def _tell_failed(project: Project) -> Iterator[Concern]:
    """Deliveries that failed or were given up, and were not followed by a good one of the same job."""
    newest = project.uploads.order_by("-id")[:_N_UPLOADS]
    good: set[tuple[str, ...]] = set()
    failed: list[Upload] = []
    for upload in newest.only("id", "public_id", "state", "metadata", "received_at", "error", "project"):
        place = tuple(str(upload.metadata.get(name, "")) for name in ("job", "variant", "suite"))
        if upload.state in _READ:
            good.add(place)
        elif upload.state in _FAILED and place not in good:
            failed.append(upload)
    if not failed:
        return
    newest_one, n = failed[0], len(failed)
    url = reverse("dashboard:upload", kwargs={"slug": project.slug, "public_id": newest_one.public_id})
    yield Concern(
        rank=8,
        mark="fail",
        word=str(Upload.State(newest_one.state).label),
        subject="A delivery failed" if n == 1 else f"{n} deliveries failed",
        told=plain(str((newest_one.error or {}).get("message", ""))),
        since=failed[-1].received_at,
        since_url=url,
        evidence=f"{n} of the last {_N_UPLOADS} uploads" if n > 1 else "nothing better came since",
        url=url,
        action="Read the receipt",
    )


def _tell_stale(project: Project, standing: Standing, now: datetime) -> Iterator[Concern]:
    """Silence that the project's own rhythm of arrivals does not explain."""
    for silence in find_silent([project.pk], now=now).values():
        newest = standing.runs[-1] if standing.runs else None
        url = reverse("dashboard:uploads", kwargs={"slug": project.slug})
        yield Concern(
            rank=9,
            mark="stale",
            word="silent",
            subject=f"No upload for {silence.days:,} days",
            told="Whatever this page says may no longer hold.",
            since=silence.since,
            since_url=link_run(project, newest.number) if newest else url,
            evidence=silence.usual,
            url=url,
            action="Open the uploads",
        )
