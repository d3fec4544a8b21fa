"""What somebody should look at first: at most seven rows, worst first, each with since when, evidence and a way there.

Used by the overview. Only what the stored results prove is said.
Promise: a bounded number of statements, whatever the project holds (`tests/dashboard/test_attention.py`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Final

import numpy as np
from django.urls import reverse

from dashboard.queries.broken import FIRST, NEW, BrokenGroup, read_broken
from dashboard.queries.cases import CaseName, read_case_names
from dashboard.queries.changes import JobChange, read_changes
from dashboard.queries.facts import JobFact
from dashboard.queries.standing import Standing
from dashboard.templatetags.display import duration, plain
from health.models import Project, Upload
from health.rules.durations import UNITS_PER_SECOND

N_ROWS: Final = 7
_MOST_JOBS: Final = 16  # compared case by case; counts come from all
_N_UPLOADS: Final = 50
_REFUSED: Final = frozenset({Upload.State.FAILED, Upload.State.DEAD})
_READ: Final = frozenset({Upload.State.STORED, Upload.State.PARTIAL})
_SLOWER_RATIO: Final = 1.5
_SLOWER_SECONDS: Final = 1.0
_N_USUAL: Final = 10
_SILENCE_RATIO: Final = 3
_SHORTEST_SILENCE: Final = timedelta(days=7)
_PATIENCE: Final = timedelta(hours=2)  # a sister job may still be running


@dataclass(frozen=True, slots=True)
class Concern:
    """One row. `subject` is the bold part, `cases` are named behind it, `told` follows: a sentence of its own, or
    the rest of the one that named the cases. `quoted` is the report's own words.
    """

    rank: int
    mark: str
    word: str
    subject: str
    told: str
    since: datetime | None
    since_url: str
    evidence: str
    url: str
    action: str
    cases: tuple[CaseName, ...] = ()
    n_unnamed: int = 0
    is_going_on: bool = False
    quoted: str = ""


@dataclass(frozen=True, slots=True)
class Attention:
    """The rows shown, and how many more there would be."""

    rows: tuple[Concern, ...]
    n_more: int


def read_attention(project: Project, standing: Standing, *, now: datetime) -> Attention:
    """Everything that needs somebody, the worst first."""
    changes = read_changes(project, jobs=_choose_jobs(standing))
    concerns = [
        *_tell_broken(project, standing, changes),
        *_tell_suite_errors(project, standing),
        *_tell_gone(project, standing, changes),
        *_tell_incomplete(project, standing),
        *_tell_silent(project, standing, now),
        *_tell_flaky(project, standing),
        *_tell_refused(project),
        *_tell_stale(project, standing, now),
        *_tell_slower(project, standing, changes),
    ]
    ranked = sorted(concerns, key=lambda concern: concern.rank)  # stable: within a rank the largest came first
    return Attention(tuple(ranked[:N_ROWS]), max(len(ranked) - N_ROWS, 0))


def _choose_jobs(standing: Standing) -> list[JobFact]:
    """The jobs worth reading result by result: broken ones, those with cases gone, and the one that slowed down."""
    worth = [job for job in standing.jobs if job.counts.broken or job.changes.gone]
    worth.sort(key=lambda job: (job.counts.broken, job.changes.gone), reverse=True)
    if not worth and _is_slower(standing):
        worth = sorted(standing.jobs, key=lambda job: job.counts.units, reverse=True)[:1]
    return worth[:_MOST_JOBS]


def _tell_broken(project: Project, standing: Standing, changes: Sequence[JobChange]) -> Iterator[Concern]:
    n_executed = standing.head.counts.executed if standing.head else 0
    for group in read_broken(project, changes):
        run, since = group.job.key.run, group.streak.first if group.streak else None
        verb = "stops with an error" if group.is_error else "fails"
        yield Concern(
            rank=1 if group.is_error else 0 if group.kind in (NEW, FIRST) else 2,
            mark="error" if group.is_error else "fail",
            word=_name_kind(group),
            subject=_name_group(group, verb),
            cases=group.cases,
            n_unnamed=group.n_cases - len(group.cases),
            told="",
            quoted=group.message,
            since=since.ran_at if since else group.job.ran_at,
            since_url=_run_url(project, since.run if since else run),
            evidence=_give_evidence(group, standing, n_executed),
            url=group.cases[0].url if group.n_cases == 1 and group.cases else _run_url(project, run),
            action="See the case" if group.n_cases == 1 and group.cases else f"See run {run}",
        )


def _name_kind(group: BrokenGroup) -> str:
    noun = "error" if group.is_error else "failure"
    if group.kind == NEW:
        return f"new {noun}" if group.n_cases == 1 else f"{group.n_cases:,} new {noun}s"
    if group.kind == FIRST:
        return _count(group.n_cases, noun)
    return "still an error" if group.is_error else "still failing"


def _name_group(group: BrokenGroup, verb: str) -> str:
    if group.n_cases == 1:
        return f"One test {verb}"
    plural = {"fails": "fail", "stops with an error": "stop with an error"}[verb]
    family = f" of {plain(group.family)}" if group.family else ""
    return f"{group.n_cases:,} {'cases' if family else 'tests'}{family} {plural}"


def _give_evidence(group: BrokenGroup, standing: Standing, n_executed: int) -> str:
    said = []
    if group.streak and group.streak.n_broken > 1:
        more = "" if group.streak.is_whole else "at least "
        said.append(f"{more}{group.streak.n_broken} runs in a row")
    elif group.kind == NEW and group.job.baseline:
        said.append(f"passed in run {group.job.baseline.run}")
    if len(standing.jobs) > 1:
        said.append(f"in {group.n_jobs} of {len(standing.jobs)} jobs")
    else:
        said.append(f"{group.n_cases:,} of {n_executed:,} executed")
    return "; ".join(said)


def _tell_suite_errors(project: Project, standing: Standing) -> Iterator[Concern]:
    for job in standing.jobs:
        if n := job.counts.suite_errors:
            yield Concern(
                rank=3,
                mark="error",
                word="suite error" if n == 1 else f"{n:,} suite errors",
                subject=f"{'A suite' if n == 1 else f'{n:,} suites'} broke outside any test",
                told=f"No test stands for it, so no count shows it{_in_job(job, standing)}.",
                since=job.ran_at,
                since_url=_run_url(project, job.key.run),
                evidence=f"run {job.key.run}",
                url=_run_url(project, job.key.run),
                action=f"See run {job.key.run}",
            )


def _tell_gone(project: Project, standing: Standing, changes: Sequence[JobChange]) -> Iterator[Concern]:
    gone = [job for job in standing.jobs if job.changes.gone]
    if not gone:
        return
    job = max(gone, key=lambda job: job.changes.gone)
    change = next((change for change in changes if change.job == job), None)
    ords = np.flatnonzero(change.transitions.gone)[:3].tolist() if change else []
    names = read_case_names(project.pk, project.slug, ords=ords)
    n = job.changes.gone
    yield Concern(
        rank=4,
        mark="absent",
        word=f"{n:,} gone",
        subject="One test is gone" if n == 1 else f"{n:,} tests are gone",
        cases=tuple(names[ord_] for ord_ in ords if ord_ in names),
        n_unnamed=n - len(names),
        told=f"{'Its suite still reports' if n == 1 else 'Their suites still report'}{_in_job(job, standing)}.",
        since=job.ran_at,
        since_url=_run_url(project, job.key.run),
        evidence=f"reported in run {job.baseline.run}" if job.baseline else "",
        url=f"{_run_url(project, job.key.run)}#gone",
        action="List them",
    )


def _tell_incomplete(project: Project, standing: Standing) -> Iterator[Concern]:
    cut = [job for job in standing.jobs if not job.is_complete]
    for job in cut[:1]:
        many = f"{len(cut)} jobs are" if len(cut) > 1 else "The newest run is"
        yield Concern(
            rank=5,
            mark="stale",
            word="incomplete",
            subject=f"{many} incomplete",
            told=f"What arrived counts, what is missing is unknown{_in_job(job, standing)}.",
            since=job.ran_at,
            since_url=_run_url(project, job.key.run),
            evidence=f"{job.counts.declared:,} tests arrived",
            url=f"{_run_url(project, job.key.run)}#deliveries",
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
        since_url=_run_url(project, first.key.run),
        evidence=f"last in run {first.key.run}; no longer counted here",
        url=_run_url(project, first.key.run),
        action=f"See run {first.key.run}",
    )


def _tell_flaky(project: Project, standing: Standing) -> Iterator[Concern]:
    for job in standing.jobs:
        if n := job.counts.flaky:
            yield Concern(
                rank=7,
                mark="flaky",
                word="flaky",
                subject=f"{n:,} test{'' if n == 1 else 's'} passed only on a retry",
                told="The first attempt failed, and nothing was changed in between.",
                since=job.ran_at,
                since_url=_run_url(project, job.key.run),
                evidence=f"run {job.key.run}{_in_job(job, standing)}",
                url=f"{_run_url(project, job.key.run)}#failures",
                action=f"See run {job.key.run}",
            )


def _tell_refused(project: Project) -> Iterator[Concern]:
    """Deliveries that came to nothing and were not followed by a good one of the same job."""
    newest = project.uploads.order_by("-id")[:_N_UPLOADS]
    good: set[tuple[str, ...]] = set()
    refused: list[Upload] = []
    for upload in newest.only("id", "public_id", "state", "metadata", "received_at", "error", "project"):
        place = tuple(str(upload.metadata.get(name, "")) for name in ("job", "variant", "suite"))
        if upload.state in _READ:
            good.add(place)
        elif upload.state in _REFUSED and place not in good:
            refused.append(upload)
    if not refused:
        return
    newest_one, n = refused[0], len(refused)
    url = reverse("dashboard:upload", kwargs={"slug": project.slug, "public_id": newest_one.public_id})
    yield Concern(
        rank=8,
        mark="fail",
        word="not understood" if newest_one.state == Upload.State.FAILED else "given up",
        subject="A delivery came to nothing" if n == 1 else f"{n} deliveries came to nothing",
        told=plain(str((newest_one.error or {}).get("message", ""))),
        since=refused[-1].received_at,
        since_url=url,
        evidence=f"{n} of the last {_N_UPLOADS} uploads" if n > 1 else "nothing better came since",
        url=url,
        action="Read the receipt",
    )


def _tell_stale(project: Project, standing: Standing, now: datetime) -> Iterator[Concern]:
    """Silence longer than three times the longest pause there was."""
    if project.is_sample or len(standing.runs) < 2:
        return
    times = sorted(run.ran_at for run in standing.runs)
    longest = max(later - earlier for earlier, later in pairwise(times))
    silence = now - times[-1]
    if silence <= max(longest * _SILENCE_RATIO, _SHORTEST_SILENCE):
        return
    yield Concern(
        rank=9,
        mark="stale",
        word="stale",
        subject=f"Nothing was sent for {silence.days:,} days",
        told="Whatever this page says may no longer hold.",
        since=times[-1],
        since_url=_run_url(project, standing.runs[-1].number),
        evidence=f"the longest pause before was {_count(max(longest.days, 1), 'day')}",
        url=reverse("dashboard:uploads", kwargs={"slug": project.slug}),
        action="Open the uploads",
    )


def _is_slower(standing: Standing) -> float:
    """The usual time in seconds when the newest one is well above it, else 0."""
    if not standing.head or len(standing.points) < 3:
        return 0
    before = [p.counts.seconds for p in standing.points[-_N_USUAL - 1 : -1] if p.n_jobs == standing.head.n_jobs]
    now = standing.head.counts.seconds
    usual = median(before) if before else now
    is_slower = usual > 0 and now >= usual * _SLOWER_RATIO and now - usual >= _SLOWER_SECONDS
    return usual if is_slower else 0


def _tell_slower(project: Project, standing: Standing, changes: Sequence[JobChange]) -> Iterator[Concern]:
    usual = _is_slower(standing)
    if not usual or not standing.head:
        return
    run = standing.head.run
    case, told = _find_slowest(project, changes)
    yield Concern(
        rank=10,
        mark="stale",
        word="slower",
        subject=f"Test time rose to {duration(standing.head.counts.seconds)} from {duration(usual)}",
        cases=case,
        told=told,
        is_going_on=bool(case),
        since=run.ran_at,
        since_url=_run_url(project, run.number),
        evidence=f"the median of the {min(_N_USUAL, len(standing.points) - 1)} runs before",
        url=_run_url(project, run.number),
        action=f"See run {run.number}",
    )


def _find_slowest(project: Project, changes: Sequence[JobChange]) -> tuple[tuple[CaseName, ...], str]:
    """The case that gained most time against its baseline, where it is worth naming."""
    for change in changes:
        if not change.is_comparable:
            continue
        ran_before = change.before.outcomes > 0
        gained = np.where(ran_before, change.now.units - change.before.units, 0)
        ord_ = int(gained.argmax())
        if gained[ord_] < UNITS_PER_SECOND // 2:
            continue
        names = read_case_names(project.pk, project.slug, ords=[ord_])
        now, before = (int(units[ord_]) / UNITS_PER_SECOND for units in (change.now.units, change.before.units))
        if ord_ in names:
            return (names[ord_],), f"took {duration(now)} of it, after {duration(before)}."
    return (), ""


def _in_job(job: JobFact, standing: Standing) -> str:
    """Which job, where there are several."""
    return f" ({plain(job.title)})" if len(standing.jobs) > 1 else ""


def _run_url(project: Project, number: int) -> str:
    return reverse("dashboard:run", kwargs={"slug": project.slug, "number": number})


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
