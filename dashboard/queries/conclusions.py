"""What was concluded of a lane that needs somebody: flaky tests, vanished ones, shrinking suites, slower tests.

Used by what needs attention; each row leads to its page, which says the same in full.
Promise: two statements where nothing was concluded, and a bounded number else (`tests/dashboard/test_conclusions.py`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.urls import reverse

from dashboard.filters import Filters
from dashboard.queries.concerns import Concern, count_of, link_run
from dashboard.queries.flaky import Family, Member, group_families, read_members
from dashboard.queries.scope import Scope, read_scope
from dashboard.queries.shrinking import Shrinking, read_shrinking
from dashboard.queries.slow import Speed, read_speeds
from dashboard.queries.sql import fetch_rows
from dashboard.queries.vanished import Lost, Suspicion, read_lost
from dashboard.queries.verdicts import Verdict
from dashboard.templatetags.display import duration, plain, shorten
from health.models import Project
from health.rules import outcomes as codes

# The rank of what stopped running, whether the newest run shows it or it is a conclusion already.
VANISHED: Final = 4
_MOST_READ: Final = 500
_N_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class _Found:
    """How many cases of the lane each conclusion is about; `n_lost` without those that look renamed."""

    n_flaky: int
    n_lost: int
    n_slower: int


def list_conclusions(project: Project, *, lane: str) -> list[Concern]:
    """The rows about a lane, in no order."""
    scope = read_scope(project, Filters(branch=lane))
    if not scope.series:
        return []
    values = {"project": project.pk, "series": scope.numbers, "renamed": Suspicion.RENAMED, "flaky": Verdict.FLAKY}
    found = _Found(*fetch_rows(_FOUND_SQL, values)[0])
    told: list[Concern] = []
    if found.n_flaky:
        told += _tell_flaky(project, scope, found.n_flaky)
    if found.n_lost:
        told += _tell_lost(project, scope, found.n_lost)
    told += _tell_shrinking(project, read_shrinking(project, scope))
    if found.n_slower:
        told += _tell_slower(project, scope, found.n_slower)
    return told


def _tell_flaky(project: Project, scope: Scope, n: int) -> Iterator[Concern]:
    members = read_members(project, scope, state=Verdict.FLAKY, limit=_MOST_READ)
    families = sorted(group_families(members), key=lambda family: (-family.n_evident, -family.n_bad, family.case.ord))
    first, since = families[0], _find_first_broken(project, scope, members)
    cases = list({member.case.ord: member.case for family in families for member in family.members}.values())
    is_family = len(families) == 1 and n > 1
    whose = f"{n:,} cases of {plain(shorten(first.case.family, 60))}" if is_family else count_of(n, "test")
    yield Concern(
        rank=7,
        mark="flaky",
        word="flaky",
        subject=f"{'One test' if n == 1 else whose} {'is' if n == 1 else 'are'} flaky",
        cases=tuple(cases[:_N_NAMED]),
        n_unnamed=n - len(cases[:_N_NAMED]),
        told=_give_reason(families),
        since=since[1] if since else None,
        since_url=link_run(project, since[0]) if since else "",
        evidence=first.rate if len(families) == 1 else f"{first.rate} for the first",
        url=f"{_link(project, 'flaky')}?state=flaky",
        action="See the evidence",
    )


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
        "bad": sorted(codes.BROKEN | {codes.PASS_ON_RETRY}),
    }
    rows = fetch_rows(_FIRST_SQL, values)
    return (rows[0][0], rows[0][1]) if rows else None


def _tell_lost(project: Project, scope: Scope, n: int) -> Iterator[Concern]:
    rows = [row for row in read_lost(project, scope, limit=_MOST_READ) if row.suspicion != Suspicion.RENAMED]
    if not rows:
        return
    newest = rows[0]
    cases = list({row.case.ord: row.case for row in rows}.values())[:_N_NAMED]
    yield Concern(
        rank=VANISHED,
        mark="absent",
        word=f"{n:,} vanished",
        subject="One test stopped running" if n == 1 else f"{n:,} tests stopped running",
        cases=tuple(cases),
        n_unnamed=n - len(cases),
        told=_suspect(rows),
        since=newest.gone.ran_at,
        since_url=link_run(project, newest.gone.run),
        evidence=f"last seen in run {newest.last.run}",
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
    return "Deselected or removed; others beside them still run." if suspicions == {Suspicion.DESELECTED} else ""


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
        told=f"{first.told[0].upper()}{first.told[1:]}.{more}",
        since=first.most.ran_at,
        since_url=link_run(project, first.most.run),
        evidence=f"runs {first.most.run} and {run.run}" if first.newest else f"run {first.most.run}",
        url=f"{_link(project, 'vanished')}#shrinking",
        action="See how it slid",
    )


def _tell_slower(project: Project, scope: Scope, n: int) -> Iterator[Concern]:
    speeds = read_speeds(project, scope, limit=_MOST_READ, is_slower=True)
    speeds.sort(key=lambda speed: speed.seconds_before - speed.seconds)
    first = speeds[0]
    cases = list({speed.case.ord: speed.case for speed in speeds}.values())[:_N_NAMED]
    yield Concern(
        rank=11,
        mark="stale",
        word="slower",
        subject="One test became slower" if n == 1 else f"{n:,} tests became slower",
        cases=tuple(cases),
        n_unnamed=n - len(cases),
        told=_tell_times(first, is_only=n == 1),
        since=None,
        since_url="",
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


_FOUND_SQL: Final = """
SELECT
    (SELECT count(DISTINCT ord) FROM health_caseverdict
     WHERE project_id = %(project)s AND series = ANY(%(series)s) AND verdict = %(flaky)s),
    (SELECT count(DISTINCT ord) FROM health_vanishedcase
     WHERE project_id = %(project)s AND series = ANY(%(series)s) AND suspicion <> %(renamed)s),
    (SELECT count(DISTINCT v.ord) FROM health_casespeed v
     WHERE v.project_id = %(project)s AND v.series = ANY(%(series)s) AND v.is_slower AND v.n > 0
       AND NOT EXISTS (SELECT 1 FROM health_vanishedcase x
                       WHERE x.project_id = v.project_id AND x.series = v.series AND x.ord = v.ord))
"""

_FIRST_SQL: Final = """
SELECT r.number, r.ran_at FROM health_failure f
JOIN health_serieswindow w ON w.project_id = f.project_id AND w.series = f.series
JOIN health_run b ON b.project_id = w.project_id AND b.number = w.first_run
JOIN health_run r ON r.project_id = f.project_id AND r.number = f.run
WHERE f.project_id = %(project)s AND f.ord = ANY(%(ords)s) AND f.series = ANY(%(series)s) AND f.outcome = ANY(%(bad)s)
  AND (r.ordered_at, r.ran_at, r.number) >= (b.ordered_at, b.ran_at, b.number)
ORDER BY r.ordered_at, r.ran_at, r.number LIMIT 1
"""
