"""What needs somebody in the register: backings that broke or weakened, entries that came back, overdue reviews, what
may be released, what was put off just now.

Used by `attention`, for the branch the register is about. Tests that share a backing share its row.
Promise: three statements, and one more where a backing does not hold, however large the register is
(`tests/dashboard/test_attention_deferred.py`).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.utils.text import capfirst

from dashboard.queries.attention_concern import Concern, link_run
from dashboard.queries.cases import CaseName, read_case_names
from dashboard.queries.deferral_facts import find_entry_address
from dashboard.queries.deferred_numbers import N_TESTS
from dashboard.queries.entry_marks import find_today
from dashboard.queries.sql import fetch_rows
from dashboard.queries.standing import Standing
from dashboard.templatetags.display import count_in_words, count_of, in_words, plain, shorten, write_day
from health.models import Project
from health.policies import fetch_policy
from health.rules.backings import Finding
from health.rules.deferral_policy import DeferralPolicy
from health.rules.lanes import CHANGES
from health.sql import open_cursor

_MOST_BACKINGS: Final = 5  # with a row of their own; each says how many there are
_N_NAMED: Final = 3
_N_NEW: Final = 2
_LONGEST: Final = 300
_BROKEN: Final = "broken"


@dataclass(frozen=True, slots=True)
class _Fallen:
    """A backing that does not hold, with the put-off tests it is named for."""

    state: str
    run: int | None
    at: datetime
    finding: Finding
    n: int
    ords: tuple[int, ...]  # the first of these tests
    entry: int
    n_backings: int  # in this state

    @classmethod
    def read(cls, state: str, run: int | None, at: datetime, found: str, *rest: Any) -> "_Fallen":
        n, ords, entry, n_backings = rest
        return cls(state, run, at, Finding.from_json(json.loads(found)), n, tuple(ords[:_N_NAMED]), entry, n_backings)


@dataclass(frozen=True, slots=True)
class _Counted:
    """How many open entries are in each such state."""

    n_overdue: int
    oldest_review: date | None  # of those that name one
    oldest_opening: datetime | None  # of the others
    n_back: int
    n_releasable: int
    n_new: int
    new_since: datetime | None
    new: list[int] | None  # the first of these cases
    newest_entry: int | None  # the first of these entries


def list_deferred(project: Project, standing: Standing, *, now: datetime) -> Iterator[Concern]:
    """The rows about a lane, in no order; none for a lane the register is not about."""
    head = standing.head
    if head is None:
        return
    policy, today = fetch_policy(open_cursor(), project.pk), find_today(project, now=now)
    values = {
        "project": project.pk,
        "lane": standing.lane,
        "today": today,
        "opened_before": _find_oldest_opening(project, policy, today),
        "passes": policy.passes_to_release,
        "run": head.run.number,
        "changes": CHANGES,
    }
    is_of_lane, *counts = fetch_rows(_COUNTS_SQL, values)[0]
    if not is_of_lane:
        return
    fallen = [_Fallen.read(*row) for row in fetch_rows(_FALLEN_SQL, values | {"most": _MOST_BACKINGS})]
    counted = _Counted(*counts)
    new = (counted.new or [])[:_N_NEW]
    ords = sorted({ord_ for one in fallen for ord_ in one.ords} | set(new))
    names = read_case_names(project.pk, project.slug, ords=ords) if ords else {}
    for one in fallen:
        yield _tell_fallen(project, one, names)
    cases = tuple(names[ord_] for ord_ in new if ord_ in names)
    yield from _tell_counted(project, standing, counted, policy, cases)


def _find_oldest_opening(project: Project, policy: DeferralPolicy, today: date) -> datetime | None:
    """Entries that name no review day and were opened before are overdue; None where the policy sets no days."""
    if policy.review_after_days is None:
        return None
    return datetime.combine(today - timedelta(days=policy.review_after_days), time.min, ZoneInfo(project.time_zone))


def _tell_fallen(project: Project, fallen: _Fallen, names: dict[int, CaseName]) -> Concern:
    is_broken = fallen.state == _BROKEN
    cases = tuple(names[ord_] for ord_ in fallen.ords if ord_ in names)
    is_one = fallen.n == 1 and bool(cases)
    whose = plain(shorten(cases[0].name, 80)) if is_one else count_of(fallen.n, "put-off test")
    verb = "broke" if is_broken else "weakened"
    run = f" in run {fallen.run}" if fallen.run else ""
    found = plain(shorten(fallen.finding.tell(), _LONGEST))
    address = find_entry_address(project.slug)
    return Concern(
        rank=2 if is_broken else 4,
        mark="fail" if is_broken else "stale",
        word=f"backing {fallen.state}",
        subject=f"The backing of {whose} {verb}{run}",
        cases=() if is_one else cases,
        n_unnamed=0 if is_one or not cases else fallen.n - len(cases),
        told=f"{found}." if found else "",
        since=fallen.at,
        since_url=link_run(project, fallen.run) if fallen.run else address,
        evidence=f"one of {fallen.n_backings} that are {fallen.state}" if fallen.n_backings > 1 else "",
        url=f"{address}{fallen.entry}/",
        action="See the entry" if fallen.n == 1 else "See the first entry",
    )


def _tell_counted(
    project: Project,
    standing: Standing,
    counted: _Counted,
    policy: DeferralPolicy,
    new: tuple[CaseName, ...],
) -> Iterator[Concern]:
    head, address = standing.head, find_entry_address(project.slug)
    if n := counted.n_back:
        yield _make(
            address,
            rank=6,
            mark="deferred",
            word="came back",
            subject=f"{_count(n)} put off for a second time or more",
            told="Somebody has to accept that, or mend it.",
            state="back",
        )
    if n := counted.n_overdue:
        yield _make(
            address,
            rank=7,
            mark="stale",
            word="overdue",
            subject=f"{capfirst(count_in_words(n, 'review'))} of put-off tests {'is' if n == 1 else 'are'} overdue",
            told=f"The oldest was due on {write_day(_find_oldest_review(project, counted, policy))}.",
            state="overdue",
        )
    if (n := counted.n_new) and head and len(standing.points) > 1:
        run = link_run(project, head.run.number)
        yield Concern(
            rank=8,
            mark="deferred",
            word="newly put off",
            subject=f"{_count(n)} newly put off in run {head.run.number}",
            cases=new,
            n_unnamed=n - len(new),
            told="",
            since=counted.new_since,
            since_url=run,
            evidence="",
            url=f"{address}{counted.newest_entry}/" if n == 1 else f"{run}#put-off",
            action="See the entry" if n == 1 else "List them",
        )
    if n := counted.n_releasable:
        yield _make(
            address,
            rank=12,
            mark="xpass",
            word="release?",
            subject=f"{capfirst(count_in_words(n, 'put-off test'))} can be released",
            told=f"{'It' if n == 1 else 'They'} passed on {in_words(policy.passes_to_release)} commits in a row"
            " or more.",
            state="release",
        )


def _find_oldest_review(project: Project, counted: _Counted, policy: DeferralPolicy) -> date | None:
    """The day the first of them fell due."""
    days = [counted.oldest_review] if counted.oldest_review else []
    if counted.oldest_opening and policy.review_after_days is not None:
        days.append(find_today(project, now=counted.oldest_opening) + timedelta(days=policy.review_after_days))
    return min(days, default=None)


def _count(n: int) -> str:
    return f"{capfirst(count_in_words(n, 'test'))} {'was' if n == 1 else 'were'}"


def _make(
    address: str,
    *,
    rank: int,
    mark: str,
    word: str,
    subject: str,
    told: str,
    state: str,
) -> Concern:
    """A row that leads to the register; `state` narrows it to what is meant."""
    url = f"{address}?state={state}#register"
    return Concern(rank, mark, word, subject, told, None, "", "", url, "Open the register")


_NEW: Final = "ord IS NOT NULL AND is_put_off AND opened_run = %(run)s AND n_openings = 1"
_OPEN: Final = "project_id = %(project)s AND closed_at IS NULL"

# Of a pattern its cases count, each an entry of its own; the pattern itself only for those that have none.
_COUNTS_SQL: Final = f"""
WITH lane AS (
    SELECT coalesce(
        nullif(p.default_branch, ''),
        (SELECT n.lane FROM health_run n WHERE n.project_id = p.id AND n.lane <> %(changes)s
         ORDER BY n.ordered_at DESC, n.number DESC LIMIT 1)) AS name
    FROM health_project p WHERE p.id = %(project)s
)
SELECT coalesce((SELECT name FROM lane) = %(lane)s, false),
    count(*) FILTER (WHERE review_on < %(today)s OR (review_on IS NULL AND opened_at < %(opened_before)s)),
    min(review_on) FILTER (WHERE review_on < %(today)s),
    min(opened_at) FILTER (WHERE review_on IS NULL AND opened_at < %(opened_before)s),
    count(*) FILTER (WHERE n_openings > n_accepted),
    count(*) FILTER (WHERE kind IN ('xfail', 'quarantine') AND n_passes >= %(passes)s),
    count(*) FILTER (WHERE {_NEW}),
    min(opened_at) FILTER (WHERE {_NEW}),
    (array_agg(ord ORDER BY id) FILTER (WHERE {_NEW}))[1:{_N_NEW}],
    min(id) FILTER (WHERE {_NEW})
FROM health_deferral d WHERE {_OPEN} AND (ord IS NOT NULL OR n_cases = 0 OR {N_TESTS} > 0)
"""  # noqa: S608 - constants

_FALLEN_SQL: Final = f"""
SELECT b.state, b.changed_run, coalesce(r.ran_at, b.changed_at), b.found::text, named.n,
    ARRAY(SELECT ord FROM health_deferral WHERE backing_id = b.id AND closed_at IS NULL AND ord IS NOT NULL
          ORDER BY id LIMIT {_N_NAMED}),
    named.entry, (count(*) OVER (PARTITION BY b.state))::int
FROM (
    SELECT backing_id, sum({N_TESTS})::int AS n, min(id) AS entry
    FROM health_deferral d WHERE {_OPEN} AND (ord IS NOT NULL OR {N_TESTS} > 0)
      AND backing_id IN (SELECT id FROM health_backing
                         WHERE project_id = %(project)s AND state IN ('broken', 'weakened'))
    GROUP BY backing_id
) named JOIN health_backing b ON b.id = named.backing_id
LEFT JOIN health_run r ON r.project_id = b.project_id AND r.number = b.changed_run
ORDER BY b.state = 'broken' DESC, named.n DESC, b.id LIMIT %(most)s
"""  # noqa: S608 - constants
