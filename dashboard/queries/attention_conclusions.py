"""What was concluded of a lane that needs somebody: flaky tests, vanished ones, shrinking suites, slower tests.

Used by what needs attention; each row leads to its page, which says the same in full.
What is told lately is of the newest N_RECENT runs: what was lost long ago is listed on its page alone.
Promise: two statements where nothing was concluded, and a bounded number else
(`tests/dashboard/test_attention_conclusions.py`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.urls import reverse
from django.utils.text import capfirst

from dashboard.filters import Filters
from dashboard.queries.attention_concern import Concern, link_run
from dashboard.queries.flaky import Family, Member, group_families, read_members
from dashboard.queries.scope import Scope, read_scope
from dashboard.queries.shrinking import Shrinking, read_shrinking
from dashboard.queries.slow import Speed, add_lines, read_speeds
from dashboard.queries.sql import fetch_rows
from dashboard.queries.vanished import Lost, Suspicion, read_lost
from dashboard.queries.verdict_evidence import ProofLink, read_evidence
from dashboard.queries.verdicts import BAD, JOIN_GONE, Verdict
from dashboard.queries.windows import read_jobs_of_windows
from dashboard.templatetags.display import count_of, duration, plain, shorten
from health.models import Project

# The rank of what stopped running, whether the newest run shows it or it is a conclusion already.
VANISHED: Final = 4
N_RECENT: Final = 10
_MOST_READ: Final = 500
_N_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class _Found:
    """How many cases of the lane each conclusion is about; lost ones without those that look renamed.

    `recent` are the newest runs. What was lost in one of them is news; flaky cases that were lost earlier are none.
    """

    n_flaky: int
    n_flaky_gone: int  # of these, those that vanished lately
    n_lost: int
    n_lost_earlier: int
    n_slower: int
    recent: list[int]


def list_conclusions(project: Project, *, lane: str) -> list[Concern]:
    """The rows about a lane, in no order."""
    scope = read_scope(project, Filters(branch=lane))
    if not scope.series:
        return []
    values = {"project": project.pk, "series": scope.numbers, "renamed": Suspicion.RENAMED, "flaky": Verdict.FLAKY}
    found = _Found(*fetch_rows(_FOUND_SQL, values | {"lane": scope.lane, "n_recent": N_RECENT})[0])
    told: list[Concern] = []
    if found.n_flaky:
        told += _tell_flaky(project, scope, found)
    if found.n_lost:
        told += _tell_lost(project, scope, found)
    told += _tell_shrinking(project, read_shrinking(project, scope))
    if found.n_slower:
        told += _tell_slower(project, scope, found.n_slower)
    return told


def _tell_flaky(project: Project, scope: Scope, found: _Found) -> Iterator[Concern]:
    members = read_members(project, scope, state=Verdict.FLAKY, limit=_MOST_READ, gone_in=found.recent)
    families = sorted(group_families(members), key=_rank_families)
    first, n, n_gone = families[0], found.n_flaky, found.n_flaky_gone
    since = _find_first_broken(project, scope, members)
    commit = _find_commit(project, families)
    cases = list({member.case.ord: member.case for family in families for member in family.members}.values())
    is_family = len(families) == 1 and n > 1
    rate = first.rate if len(families) == 1 else f"{first.rate} for the first"
    yield Concern(
        rank=7,
        mark="flaky",
        word="flaky",
        subject=_count_flaky(n, n_gone, first, is_family=is_family),
        cases=tuple(cases[:_N_NAMED]),
        n_unnamed=n - len(cases[:_N_NAMED]),
        told=_give_reason(families),
        since=since[1] if since else None,
        since_url=link_run(project, since[0]) if since else "",
        evidence=f"{plain(commit.text)}{commit.told}; {rate}" if commit else rate,
        url=f"{_link(project, 'flaky')}?state=flaky",
        action="See the evidence",
    )


def _rank_families(family: Family) -> tuple[bool, int, int, int]:
    return (family.gone is not None, -family.n_evident, -family.n_bad, family.case.ord)


def _count_flaky(n: int, n_gone: int, first: Family, *, is_family: bool) -> str:
    """How many are flaky, and how many were until they vanished."""
    n_now = n - n_gone
    if is_family and n_gone in (0, n):
        whose = f"{n:,} cases of {plain(shorten(first.case.family, 60))}"
    else:
        whose = "One test" if (n_now or n_gone) == 1 else count_of(n_now or n_gone, "test")
    if not n_gone:
        return f"{whose} {'is' if n == 1 else 'are'} flaky"
    if n_now:
        were = "was until it" if n_gone == 1 else "were until they"
        return f"{whose} {'is' if n_now == 1 else 'are'} flaky, {n_gone:,} more {were} vanished lately"
    after = f" after run {first.gone.last_run}" if first.gone else ""
    return f"{whose} {'was flaky until it' if n == 1 else 'were flaky until they'} vanished{after}"


def _find_commit(project: Project, families: Sequence[Family]) -> ProofLink | None:
    """The newest commit on which the first such family both passed and broke, and how many of its runs broke."""
    groups = ([member.judged for member in family.members] for family in families)
    group = next((judged for judged in groups if any(one.n_disagreed for one in judged)), None)
    if group is None:
        return None
    jobs = read_jobs_of_windows(project, series={judged.series for judged in group})
    (evidence,) = read_evidence(project, [group], jobs)
    return next((link for proof in evidence.proofs for link in proof.links if link.is_commit), None)


def _give_reason(families: Sequence[Family]) -> str:
    """What speaks for it, of all of them together."""
    judged = [member.judged for family in families for member in family.members]
    if any(case.n_disagreed for case in judged):
        return "Passed and broke on one commit, with nothing changed in between."
    if any(case.n_retried for case in judged):
        return "Passed on a retry, with nothing changed in between."
    return "Broke, recovered and broke again."


def _find_first_broken(project: Project, scope: Scope, members: Sequence[Member]) -> tuple[int, datetime] | None:
    """The first run of the windows in which one of them did not plainly pass."""
    values = {
        "project": project.pk,
        "series": scope.numbers,
        "ords": sorted({member.case.ord for member in members}),
        "bad": sorted(BAD),
    }
    rows = fetch_rows(_FIRST_SQL, values)
    return (rows[0][0], rows[0][1]) if rows else None


def _tell_lost(project: Project, scope: Scope, found: _Found) -> Iterator[Concern]:
    """What stopped running lately, since the first of these runs; how much did earlier is only counted."""
    lost = (row for row in read_lost(project, scope, limit=_MOST_READ) if row.gone.run in found.recent)
    rows = [row for row in lost if row.suspicion != Suspicion.RENAMED]
    if not rows:
        return
    n, newest, oldest = found.n_lost, rows[0], rows[-1]
    earlier = f", {found.n_lost_earlier:,} earlier" if found.n_lost_earlier else ""
    is_one_run = len({row.last.run for row in rows}) == 1
    cases = list({row.case.ord: row.case for row in rows}.values())[:_N_NAMED]
    yield Concern(
        rank=VANISHED,
        mark="absent",
        word=f"{n:,} vanished",
        subject=f"{'One test' if n == 1 else f'{n:,} tests'} stopped running since run {oldest.gone.run}{earlier}",
        cases=tuple(cases),
        n_unnamed=n - len(cases),
        told=_suspect(rows),
        since=oldest.gone.ran_at,
        since_url=link_run(project, oldest.gone.run),
        evidence=f"{'' if is_one_run else 'the latest '}last seen in run {newest.last.run}",
        url=_link(project, "vanished"),
        action="See what vanished",
    )


def _suspect(rows: Sequence[Lost]) -> str:
    """What may have happened, where it is the same for all."""
    suspicions = {row.suspicion for row in rows}
    if suspicions == {Suspicion.SUITE_SILENT} and len({row.suite for row in rows}) == 1:
        return f"Their whole suite, {plain(shorten(rows[0].suite, 60))}, is silent."
    if suspicions == {Suspicion.FILE_GONE}:
        return "Nothing of their class or file runs any more."
    if suspicions == {Suspicion.SHARD_MISSING}:
        return "Newer runs are incomplete, so they may come back."
    beside = "it" if len(rows) == 1 else "them"
    return f"Deselected or removed; others beside {beside} still run." if suspicions == {Suspicion.DESELECTED} else ""


def _tell_shrinking(project: Project, shrinking: Sequence[Shrinking]) -> Iterator[Concern]:
    if not shrinking:
        return
    first, n = shrinking[0], len({suite.suite for suite in shrinking})
    more = f" {count_of(n - 1, 'other suite')} {'shrinks' if n == 2 else 'shrink'} too." if n > 1 else ""
    run = first.newest or first.most
    yield Concern(
        rank=6,
        mark="stale",
        word="shrinking",
        subject=f"{plain(shorten(first.suite, 60))} declares {first.now:,} tests, {first.n_fewer:,} fewer than it did",
        told=f"{capfirst(first.told)}.{more}",
        since=first.most.ran_at,
        since_url=link_run(project, first.most.run),
        evidence=f"runs {first.most.run} and {run.run}" if first.newest else f"run {first.most.run}",
        url=f"{_link(project, 'vanished')}#shrinking",
        action="See how it slid",
    )


def _tell_slower(project: Project, scope: Scope, n: int) -> Iterator[Concern]:
    speeds = read_speeds(project, scope, limit=_MOST_READ, is_slower=True)
    speeds.sort(key=lambda speed: speed.seconds_before - speed.seconds)
    (first,) = add_lines(project, speeds[:1])
    cases = list({speed.case.ord: speed.case for speed in speeds}.values())[:_N_NAMED]
    yield Concern(
        rank=11,
        mark="stale",
        word="slower",
        subject="One test became slower" if n == 1 else f"{n:,} tests became slower",
        cases=tuple(cases),
        n_unnamed=n - len(cases),
        told=_tell_times(first, is_only=n == 1),
        since=first.since.ran_at if first.since else None,
        since_url=link_run(project, first.since.run) if first.since else "",
        evidence=f"medians of {first.n} and {first.n_before} results",
        url=f"{_link(project, 'slow')}#slower",
        action="See the times",
    )


def _tell_times(speed: Speed, *, is_only: bool) -> str:
    return (
        f"{'It' if is_only else 'The first'} takes {duration(speed.seconds)}, after {duration(speed.seconds_before)}."
    )


def _link(project: Project, page: str) -> str:
    return reverse(f"dashboard:{page}", kwargs={"slug": project.slug})


_FOUND_SQL: Final = f"""
WITH recent AS (
    SELECT n.number FROM health_run n
    WHERE n.project_id = %(project)s AND n.lane = %(lane)s
      AND EXISTS (SELECT FROM health_job j WHERE j.project_id = n.project_id AND j.run = n.number)
    ORDER BY n.ordered_at DESC, n.ran_at DESC, n.number DESC LIMIT %(n_recent)s
), flaky AS (
    SELECT v.ord, bool_and(x.ord IS NOT NULL) AS is_gone FROM health_caseverdict v {JOIN_GONE}
    WHERE v.project_id = %(project)s AND v.series = ANY(%(series)s) AND v.verdict = %(flaky)s
      AND (x.ord IS NULL OR x.gone_run IN (SELECT number FROM recent))
    GROUP BY v.ord
), lost AS (
    SELECT ord, bool_or(gone_run IN (SELECT number FROM recent)) AS is_recent FROM health_vanishedcase
    WHERE project_id = %(project)s AND series = ANY(%(series)s) AND suspicion <> %(renamed)s
    GROUP BY ord
)
SELECT
    (SELECT count(*) FROM flaky), (SELECT count(*) FROM flaky WHERE is_gone),
    (SELECT count(*) FROM lost WHERE is_recent), (SELECT count(*) FROM lost WHERE NOT is_recent),
    (SELECT count(DISTINCT v.ord) FROM health_casespeed v
     WHERE v.project_id = %(project)s AND v.series = ANY(%(series)s) AND v.is_slower AND v.n > 0
       AND NOT EXISTS (SELECT 1 FROM health_vanishedcase x
                       WHERE x.project_id = v.project_id AND x.series = v.series AND x.ord = v.ord)),
    ARRAY(SELECT number FROM recent)
"""  # noqa: S608 - the join is a constant

_FIRST_SQL: Final = """
SELECT r.number, r.ran_at FROM health_failure f
JOIN health_serieswindow w ON w.project_id = f.project_id AND w.series = f.series
JOIN health_run b ON b.project_id = w.project_id AND b.number = w.first_run
JOIN health_run r ON r.project_id = f.project_id AND r.number = f.run
WHERE f.project_id = %(project)s AND f.ord = ANY(%(ords)s) AND f.series = ANY(%(series)s) AND f.outcome = ANY(%(bad)s)
  AND (r.ordered_at, r.ran_at, r.number) >= (b.ordered_at, b.ran_at, b.number)
ORDER BY r.ordered_at, r.ran_at, r.number LIMIT 1
"""
