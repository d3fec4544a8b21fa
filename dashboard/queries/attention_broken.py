"""The broken cases of a lane as it stands, in groups a person can act on: new or still, failed or errored, by family.

Used by what needs attention. Causes that were merged are one. Promise: nine statements at most, however much is broken
(`tests/dashboard/test_attention.py`).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from dashboard.queries.cases import WANTED, CaseName, read_case_names, spread_names
from dashboard.queries.changes import JobChange
from dashboard.queries.entry_marks import read_marks
from dashboard.queries.facts import JobFact
from dashboard.queries.sql import fetch_rows
from dashboard.queries.streaks import Streak, read_streaks
from dashboard.queries.texts import Failed, TextPlace, read_first_lines
from health.causes import fetch_merged
from health.models import Project
from health.rules import outcomes as codes
from health.rules.causes import find_head
from health.sql import open_cursor

_MOST_NAMED: Final = 500  # beyond, names are not read and the groups are not split by family
_MOST_GROUPS: Final = 3  # families that get a line of their own
_MOST_SHOWN: Final = 3
_MOST_COMPARED: Final = 500  # cases of a group whose causes are compared before one of them is quoted for all

NEW: Final = "new"
STILL: Final = "still"
FIRST: Final = "first"  # nothing to compare with


@dataclass(frozen=True, slots=True)
class BrokenGroup:
    """Cases that broke alike: one family, or the rest of a kind."""

    kind: str
    is_error: bool
    n_cases: int
    cases: tuple[CaseName, ...]  # the first few
    family: str  # empty when they are of several
    job: JobFact  # one in which the first of them is broken
    n_jobs: int
    n_newly: int  # of these jobs, those in which a case of the group did not break before
    has_passed: bool  # whether each of them passed in the runs these jobs are compared with
    message: str
    streak: Streak | None
    n_quarantined: int = 0  # of its cases

    @property
    def told_quarantined(self) -> str:
        """How many of them are known to fail, as a sentence; they are failures all the same."""
        n = self.n_quarantined
        if not n:
            return ""
        if n == self.n_cases:
            return "It is quarantined." if n == 1 else "All of them are quarantined."
        return f"{n:,} of them {'is' if n == 1 else 'are'} quarantined."


@dataclass(slots=True)
class _Broken:
    """One case over all jobs."""

    ord: int
    kind: str
    is_error: bool
    jobs: list[JobFact]
    has_passed: bool
    newly: set[int] = field(default_factory=set)  # series in which it did not break before

    @property
    def place(self) -> tuple[int, int]:
        """Number of the case, and the series its streak is read from."""
        return self.ord, self.jobs[0].key.series


def read_broken(project: Project, changes: Sequence[JobChange]) -> tuple[BrokenGroup, ...]:
    """Everything broken in these jobs, grouped."""
    broken = _gather(changes)
    if not broken:
        return ()
    kinds: dict[tuple[str, bool], list[_Broken]] = defaultdict(list)
    for case in broken:
        kinds[case.kind, case.is_error].append(case)
    named = broken if len(broken) <= _MOST_NAMED else [case for group in kinds.values() for case in group[:_MOST_SHOWN]]
    names = read_case_names(project.pk, project.slug, ords=[case.ord for case in named])
    groups = [group for cases in kinds.values() for group in _split(cases, names, is_split=len(named) == len(broken))]
    samples = [group[0] for group in groups]
    details = _read_details(project, [case for group in groups for case in group[:_MOST_COMPARED]])
    quoted = {group[0].ord: details[group[0].ord][1] for group in groups if _is_one_cause(group, details)}
    messages = read_first_lines(project.pk, failures=quoted)
    streaks = read_streaks(project, cases=[case.place for case in samples])
    marks = read_marks(project, ords=[case.ord for case in broken])
    quarantined = {ord_ for ord_, mark in marks.items() if mark.is_quarantined}
    return tuple(
        _describe(group, quarantined, names, messages.get(group[0].ord, ""), streaks.get(group[0].place))
        for group in groups
    )


def _gather(changes: Iterable[JobChange]) -> list[_Broken]:
    """Each broken case once: an error outranks a failure, "still" outranks "new"."""
    found: dict[int, _Broken] = {}
    for change in changes:
        outcomes = change.now.outcomes
        still = change.transitions.still
        for ord_ in np.flatnonzero(np.isin(outcomes, sorted(codes.BROKEN))).tolist():
            kind = FIRST if not change.is_comparable else STILL if still[ord_] else NEW
            is_error = int(outcomes[ord_]) == codes.ERROR
            has_passed = int(change.before.outcomes[ord_]) in codes.PASSED
            known = found.get(ord_)
            if known is None:
                newly = {change.job.key.series} if kind == NEW else set()
                found[ord_] = _Broken(ord_, kind, is_error, [change.job], has_passed, newly)
                continue
            if kind == NEW:
                known.newly.add(change.job.key.series)
            known.is_error |= is_error
            known.has_passed &= has_passed
            if kind == STILL and known.kind != STILL:
                known.kind = STILL
                known.jobs.insert(0, change.job)
            else:
                known.jobs.append(change.job)
    return sorted(found.values(), key=lambda case: case.ord)


def _split(cases: list[_Broken], names: dict[int, CaseName], *, is_split: bool) -> list[list[_Broken]]:
    """By family, the largest first; what is beyond the first few stays together."""
    if not is_split:
        return [cases]
    families: dict[tuple[str, str], list[_Broken]] = defaultdict(list)
    for case in cases:
        name = names.get(case.ord)
        families[(name.place, name.family) if name else ("", "")].append(case)
    ranked = sorted(families.values(), key=len, reverse=True)
    if len(ranked) <= _MOST_GROUPS:
        return ranked
    kept = ranked[: _MOST_GROUPS - 1]
    return [*kept, [case for family in ranked[_MOST_GROUPS - 1 :] for case in family]]


def _is_one_cause(group: Sequence[_Broken], details: Mapping[int, tuple[int, Failed]]) -> bool:
    """Whether all cases of a group say the same, so that the words of one may stand for them."""
    causes = {details[case.ord][0] if case.ord in details else None for case in group[:_MOST_COMPARED]}
    return len(causes) == 1 and None not in causes


def _describe(
    group: list[_Broken], quarantined: set[int], names: dict[int, CaseName], message: str, streak: Streak | None
) -> BrokenGroup:
    first = group[0]
    shown = tuple(names[case.ord] for case in group[:_MOST_SHOWN] if case.ord in names)
    families = {(names[case.ord].place, names[case.ord].family) for case in group if case.ord in names}
    return BrokenGroup(
        kind=first.kind,
        is_error=first.is_error,
        n_cases=len(group),
        cases=shown,
        family=shown[0].family if len(families) == 1 and shown else "",
        job=first.jobs[0],
        n_jobs=len({job.key.series for case in group for job in case.jobs}),
        n_newly=len(set().union(*(case.newly for case in group))),
        has_passed=all(case.has_passed for case in group),
        message=message,
        streak=streak,
        n_quarantined=sum(case.ord in quarantined for case in group),
    )


def _read_details(project: Project, samples: Sequence[_Broken]) -> dict[int, tuple[int, Failed]]:
    """The cause of each sample, after merges, and where its last attempt said what broke."""
    wanted = spread_names(project, ((case.ord, case.jobs[0].key.run, case.jobs[0].key.series) for case in samples))
    rows = fetch_rows(_DETAILS_SQL, {"project": project.pk, "broken": sorted(codes.BROKEN), **wanted})
    merged = fetch_merged(open_cursor(), project.pk)
    return {
        ord_: (find_head(merged, cause), Failed(kind, message, TextPlace(*place)))
        for ord_, cause, kind, message, *place in rows
    }


_DETAILS_SQL: Final = f"""
SELECT DISTINCT ON (wanted.ord) wanted.ord, f.fingerprint, p.kind, p.message,
       f.upload, f.text_offset, f.message_length, f.text_length
FROM {WANTED}
JOIN health_failure f ON f.project_id = %(project)s AND f.ord = wanted.name AND f.run = wanted.run
    AND f.series = wanted.series AND f.outcome = ANY(%(broken)s)
JOIN health_fingerprint p ON p.project_id = f.project_id AND p.fingerprint = f.fingerprint
JOIN health_upload u ON u.id = f.upload
ORDER BY wanted.ord, u.attempt DESC, f.attempt DESC, f.outcome DESC, f.sequence, f.fingerprint, f.upload DESC
"""  # noqa: S608 - a constant
