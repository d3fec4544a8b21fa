"""What somebody should look at first: at most seven rows, worst first, each with since when, evidence and a way there.

Used by the overview. Only what the stored results prove is said.
Promise: a bounded number of statements, whatever the project holds (`tests/dashboard/test_attention.py`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
from django.urls import reverse

from dashboard.queries.attention_arrivals import list_arrivals
from dashboard.queries.attention_broken import FIRST, NEW, BrokenGroup, read_broken
from dashboard.queries.attention_concern import Concern, link_run, name_in
from dashboard.queries.attention_conclusions import N_RECENT, VANISHED, list_conclusions
from dashboard.queries.attention_deferred import list_deferred
from dashboard.queries.cases import CaseName, read_case_names
from dashboard.queries.changes import JobChange, read_changes
from dashboard.queries.facts import JobFact
from dashboard.queries.renames import count_open
from dashboard.queries.run_times import time_branch
from dashboard.queries.standing import Standing
from dashboard.templatetags.display import count_of, duration, in_words, plain
from health.models import Project
from health.rules.durations import UNITS_PER_SECOND

N_ROWS: Final = 7
_MOST_JOBS: Final = 16  # compared case by case; counts come from all


@dataclass(frozen=True, slots=True)
class Attention:
    """The rows shown, and those that are less pressing."""

    rows: tuple[Concern, ...]
    more: tuple[Concern, ...] = ()
    is_quarantined: bool = False  # whether nothing is broken but what is quarantined


def read_attention(project: Project, standing: Standing, *, now: datetime) -> Attention:
    """Everything that needs somebody, the worst first."""
    changes = read_changes(project, jobs=_choose_jobs(standing))
    broken = read_broken(project, changes)
    concluded = list_conclusions(project, lane=standing.lane) if standing.head else []
    concerns = [
        *_tell_broken(project, standing, broken),
        *_tell_suite_errors(project, standing),
        *(() if any(concern.rank == VANISHED for concern in concluded) else _tell_gone(project, standing, changes)),
        *_tell_renamed(project, standing),
        *list_deferred(project, standing, now=now),
        *list_arrivals(project, standing, now=now),
        *_tell_slower(project, standing, changes),
        *concluded,
    ]
    ranked = sorted(concerns, key=lambda concern: concern.rank)  # stable: within a rank the largest came first
    is_quarantined = bool(broken) and all(group.n_quarantined == group.n_cases for group in broken)
    is_quarantined &= not _is_cut(standing) and not any(job.counts.suite_errors for job in standing.jobs)
    return Attention(tuple(ranked[:N_ROWS]), tuple(ranked[N_ROWS:]), is_quarantined)


def _is_cut(standing: Standing) -> bool:
    """Whether more jobs are broken than are compared."""
    return sum(bool(job.counts.broken) for job in standing.jobs) > _MOST_JOBS


def _choose_jobs(standing: Standing) -> list[JobFact]:
    """The jobs worth reading result by result: broken ones, those with cases gone, and the one that slowed down."""
    worth = [job for job in standing.jobs if job.counts.broken or job.changes.gone]
    worth.sort(key=lambda job: (job.counts.broken, job.changes.gone), reverse=True)
    if not worth and (time := time_branch(standing)) and time.is_slower:
        worth = sorted(standing.jobs, key=lambda job: job.counts.units, reverse=True)[:1]
    return worth[:_MOST_JOBS]


def _tell_broken(project: Project, standing: Standing, broken: Sequence[BrokenGroup]) -> Iterator[Concern]:
    n_executed = standing.head.counts.executed if standing.head else 0
    is_cut = _is_cut(standing)
    for group in broken:
        run, since = group.job.key.run, group.streak.first if group.streak else None
        verb = "stops with an error" if group.is_error else "fails"
        yield Concern(
            rank=0 if group.kind == NEW else 1 if group.is_error else 2,
            mark="error" if group.is_error else "fail",
            word=_name_kind(group),
            subject=_name_group(group, verb),
            cases=group.cases,
            n_unnamed=group.n_cases - len(group.cases),
            told=group.told_quarantined,
            quoted=group.message,
            since=since.ran_at if since else group.job.ran_at,
            since_url=link_run(project, since.run if since else run),
            evidence=_give_evidence(group, standing, n_executed, is_cut=is_cut),
            url=group.cases[0].url if group.n_cases == 1 and group.cases else link_run(project, run),
            action="See the case" if group.n_cases == 1 and group.cases else f"See run {run}",
        )


def _name_kind(group: BrokenGroup) -> str:
    noun = "error" if group.is_error else "failure"
    if group.kind == NEW:
        return f"new {noun}" if group.n_cases == 1 else f"{group.n_cases:,} new {noun}s"
    if group.kind == FIRST:
        return count_of(group.n_cases, noun)
    return "still an error" if group.is_error else "still failing"


def _name_group(group: BrokenGroup, verb: str) -> str:
    if group.n_cases == 1:
        return f"One test {verb}"
    plural = {"fails": "fail", "stops with an error": "stop with an error"}[verb]
    family = f" of {plain(group.family)}" if group.family else ""
    return f"{group.n_cases:,} {'cases' if family else 'tests'}{family} {plural}"


def _give_evidence(group: BrokenGroup, standing: Standing, n_executed: int, *, is_cut: bool) -> str:
    said = []
    if group.streak and group.streak.n_broken > 1:
        more = "" if group.streak.is_whole else "at least "
        said.append(f"{more}{group.streak.n_broken} runs in a row")
    elif group.kind == NEW and group.job.baseline:
        verb = "passed" if group.has_passed else "did not fail"
        said.append(f"{verb} in run {group.job.baseline.run}")
    if len(standing.jobs) > 1:
        new = f", new in {in_words(group.n_newly)} of them" if group.n_newly and group.kind != NEW else ""
        said.append(f"in {'at least ' if is_cut else ''}{group.n_jobs} of {len(standing.jobs)} jobs{new}")
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
                told=f"No test stands for it, so no count shows it{name_in(job, standing)}.",
                since=job.ran_at,
                since_url=link_run(project, job.key.run),
                evidence=f"run {job.key.run}",
                url=link_run(project, job.key.run),
                action=f"See run {job.key.run}",
            )


def _tell_gone(project: Project, standing: Standing, changes: Sequence[JobChange]) -> Iterator[Concern]:
    recent = {point.run.number for point in standing.points[-N_RECENT:]}
    gone = [job for job in standing.jobs if job.changes.gone and job.key.run in recent]
    if not gone:
        return
    job = max(gone, key=lambda job: job.changes.gone)
    change = next((change for change in changes if change.job == job), None)
    ords = np.flatnonzero(change.transitions.gone)[:3].tolist() if change else []
    names = read_case_names(project.pk, project.slug, ords=ords)
    n = job.changes.gone
    yield Concern(
        rank=VANISHED,
        mark="absent",
        word=f"{n:,} gone",
        subject="One test is gone" if n == 1 else f"{n:,} tests are gone",
        cases=tuple(names[ord_] for ord_ in ords if ord_ in names),
        n_unnamed=n - len(names),
        told=f"{'Its suite still reports' if n == 1 else 'Their suites still report'}{name_in(job, standing)}.",
        since=job.ran_at,
        since_url=link_run(project, job.key.run),
        evidence=f"reported in run {job.baseline.run}" if job.baseline else "",
        url=f"{link_run(project, job.key.run)}#gone",
        action="List them",
    )


def _tell_renamed(project: Project, standing: Standing) -> Iterator[Concern]:
    """Cases that vanished and look like others that appeared: their history stops until somebody decides."""
    counted = count_open(project, lane=standing.lane)
    if not counted:
        return
    n, oldest = sum(counted.values()), list(counted)[-1]
    where = f"in run {oldest}" if len(counted) == 1 else f"in {len(counted)} runs"
    ran_at = standing.all_runs[oldest].ran_at if oldest in standing.all_runs else None
    yield Concern(
        rank=5,
        mark="open",
        word="renamed?",
        subject=f"{count_of(n, 'case')} {'looks' if n == 1 else 'look'} renamed {where}",
        told="It vanished when a similar one appeared; merged, the two are one case with one history."
        if n == 1
        else "They vanished when similar ones appeared; merged, each keeps its history.",
        since=ran_at,
        since_url=link_run(project, oldest),
        evidence="",
        url=reverse("dashboard:renames", kwargs={"slug": project.slug}),
        action="Compare the names",
    )


def _tell_slower(project: Project, standing: Standing, changes: Sequence[JobChange]) -> Iterator[Concern]:
    time = time_branch(standing)
    if not time or not time.is_slower:
        return
    case, told = _find_slowest(project, changes)
    yield Concern(
        rank=10,
        mark="stale",
        word="slower",
        subject=f"Test time rose to {duration(time.seconds)} from {duration(time.usual.seconds)}",
        cases=case,
        told=told,
        is_going_on=bool(case),
        since=time.since.ran_at,
        since_url=link_run(project, time.since.number),
        evidence=f"the median of {time.usual.n} runs before",
        url=f"{reverse('dashboard:slow', kwargs={'slug': project.slug})}#suites",
        action="See the times",
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
