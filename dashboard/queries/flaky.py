"""Which cases are flaky, broken, not clear or sound again, family by family, each with its rate and its evidence.

Called by `dashboard.views.flaky`, and by what needs attention for the flaky ones. Only cases that did not always
plainly pass in their window have a row to be read.
Promise: a bounded number of statements, and at most MOST_READ cases (`tests/dashboard/test_flaky_queries.py`).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from dashboard.filters import Filters
from dashboard.queries.cases import CaseName, make_name
from dashboard.queries.claimed_fixes import Claim, read_claims
from dashboard.queries.entry_marks import EntryMark, read_marks
from dashboard.queries.owners import read_owners
from dashboard.queries.scope import Scope, read_scope
from dashboard.queries.shown_suites import write_shown_suite
from dashboard.queries.sql import EACH_CASE, fetch_rows
from dashboard.queries.verdict_evidence import Evidence, read_evidence
from dashboard.queries.verdicts import (
    COLUMNS,
    JOIN_GONE,
    MARKS,
    RANK,
    Gone,
    Judged,
    Verdict,
    write_interval,
    write_rate,
)
from dashboard.queries.windows import JobMoment, Windows, read_jobs_of_windows, read_windows
from dashboard.templatetags.display import in_words
from health.models import Project, VanishedCase

N_PAGE: Final = 50
MOST_READ: Final = 2_000
MOST_IN_FILE: Final = 20_000
_MOST_LISTED: Final = 40  # cases of a family
_MOST_EXCLUDED: Final = 20


@dataclass(frozen=True, slots=True)
class Member:
    """One case in one series. `gone` is None while it still runs there."""

    case: CaseName
    judged: Judged
    series: str
    gone: Gone | None = None

    @property
    def interval(self) -> str:
        """Where its rate may lie."""
        return write_interval(self.judged.n_bad, self.judged.n_ran)


@dataclass(frozen=True, slots=True)
class Family:
    """Cases of one function in one place, those that broke most first; a case without parameters is alone in its.

    Those that still run and those that vanished are two families.
    """

    members: tuple[Member, ...]
    evidence: Evidence = field(default_factory=Evidence)
    owners: tuple[str, ...] = ()
    claims: tuple[Claim, ...] = ()
    suite: str = ""
    quarantines: tuple[EntryMark, ...] = ()  # of those of its cases that are quarantined

    @property
    def first(self) -> Member:
        """The one that broke most."""
        return self.members[0]

    @property
    def case(self) -> CaseName:
        """The case it is named by."""
        return self.first.case

    @property
    def name(self) -> str:
        """What its cases have in common: the function without parameters, of a single case all of its name."""
        return self.case.family if self.n_cases > 1 else self.case.name

    @property
    def gone(self) -> Gone | None:
        """How its cases stopped running, of the one that ran last; None while they run."""
        found = [member.gone for member in self.members if member.gone]
        return max(found, key=lambda gone: gone.last_run) if found else None

    @property
    def renamed(self) -> str:
        """Whether they vanished because they were renamed, by the looks of it, in words."""
        like = {m.case.ord for m in self.members if m.gone and m.gone.suspicion == VanishedCase.Suspicion.RENAMED}
        if not like:
            return ""
        if len(like) == self.n_cases:
            return "looks renamed" if self.n_cases == 1 else "look renamed"
        return f"{in_words(len(like))} of them {'looks' if len(like) == 1 else 'look'} renamed"

    @property
    def n_cases(self) -> int:
        """Different cases; one may have been judged in several series."""
        return len({member.case.ord for member in self.members})

    @property
    def verdict(self) -> str:
        """The verdict of the family: the first in the page's order that one of its cases has."""
        return min((member.judged.verdict for member in self.members), key=lambda verdict: RANK[Verdict(verdict)])

    @property
    def mark(self) -> str:
        """The mark's name."""
        return MARKS[Verdict(self.verdict)]

    @property
    def word(self) -> str:
        """The verdict in words."""
        return str(Verdict(self.verdict).label)

    @property
    def n_bad(self) -> int:
        """Results that did not plainly pass, over all its cases and series."""
        return sum(member.judged.n_bad for member in self.members)

    @property
    def n_ran(self) -> int:
        """Executed results, over all its cases and series."""
        return sum(member.judged.n_ran for member in self.members)

    @property
    def rate(self) -> str:
        """How often, with its denominator: of one case in one series runs, else results."""
        return write_rate(self.n_bad, self.n_ran, noun="run" if len(self.members) == 1 else "result")

    @property
    def made_of(self) -> str:
        """How many of its cases have which verdict, where they do not all have one."""
        ords: dict[str, set[int]] = {}
        for member in self.members:
            ords.setdefault(member.judged.verdict, set()).add(member.case.ord)
        if len(ords) < 2:
            return ""
        ranked = sorted(ords, key=lambda verdict: RANK[Verdict(verdict)])
        return ", ".join(f"{len(ords[verdict])} {Verdict(verdict).label}" for verdict in ranked)

    @property
    def listed(self) -> tuple[Member, ...]:
        """Those named one by one."""
        return self.members[:_MOST_LISTED]

    @property
    def n_unlisted(self) -> int:
        """How many more there are."""
        return len(self.members) - len(self.listed)

    @property
    def n_evident(self) -> int:
        """How much speaks for its verdict."""
        return sum(m.judged.n_retried + m.judged.n_disagreed + m.judged.n_flips for m in self.members)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A run that says nothing of single cases, because so many broke at once."""

    job: JobMoment
    series: str


@dataclass(frozen=True, slots=True)
class FlakyPage:
    """All the page shows. `counts` are cases by verdict, whatever verdict is chosen; `counts_gone` are those of them
    that stopped running.
    """

    scope: Scope
    windows: Windows
    families: tuple[Family, ...]
    counts: Mapping[str, int]
    counts_gone: Mapping[str, int]
    flaky_until: int | None  # the newest run that holds a flaky case that vanished since
    is_one_end: bool  # whether that is so of all of them
    n_families: int
    n_before: int  # families on the pages before
    left_out: tuple[LeftOut, ...]
    n_left_out: int
    owners: tuple[str, ...]  # that can be chosen
    is_cut: bool  # more cases than were read

    @property
    def next_before(self) -> int:
        """Where the next page begins; 0 on the last one."""
        end = self.n_before + len(self.families)
        return end if end < self.n_families else 0

    def count_running(self, verdict: Verdict) -> int:
        """How many cases with this verdict still run."""
        return self.counts.get(verdict, 0) - self.counts_gone.get(verdict, 0)


def read_flaky(project: Project, filters: Filters) -> FlakyPage:
    """The families of one page, the flaky ones first, those that vanished last."""
    scope = read_scope(project, filters)
    members = read_members(project, scope, state=filters.state, limit=MOST_READ + 1)
    owners = read_owners(project, cases={member.case.ord: member.case for member in members}.values())
    families = [
        replace(family, owners=owners.get(family.case.ord, ()), suite=_name_suite(family, scope))
        for family in group_families(members[:MOST_READ])
    ]
    offered = sorted({name for names in owners.values() for name in names})
    if filters.owner:
        families = [family for family in families if filters.owner in family.owners]
    families.sort(key=_rank_by_rate if filters.rank == "rate" else _rank_by_evidence)
    n_before = filters.n_before
    shown = families[n_before : n_before + N_PAGE]
    jobs = read_jobs_of_windows(project, series=scope.numbers)
    left_out = _list_left_out(scope, jobs)
    counts, counts_gone, flaky_until, n_ends = _count_verdicts(project, scope)
    return FlakyPage(
        scope=scope,
        windows=read_windows(project, scope),
        families=_add_quarantines(project, _add_evidence(project, shown, jobs)),
        counts=counts,
        counts_gone=counts_gone,
        flaky_until=flaky_until,
        is_one_end=n_ends == 1,
        n_families=len(families),
        n_before=n_before,
        left_out=tuple(left_out[:_MOST_EXCLUDED]),
        n_left_out=len(left_out),
        owners=tuple(offered),
        is_cut=len(members) > MOST_READ,
    )


def _add_quarantines(project: Project, families: Sequence[Family]) -> tuple[Family, ...]:
    """With what the register says of their cases: whose failures are tolerated."""
    marks = read_marks(project, ords={member.case.ord for family in families for member in family.members})
    return tuple(
        replace(
            family,
            quarantines=tuple(
                marks[ord_]
                for ord_ in sorted({member.case.ord for member in family.members})
                if ord_ in marks and marks[ord_].is_quarantined
            ),
        )
        for family in families
    )


def _name_suite(family: Family, scope: Scope) -> str:
    suite = scope.suites.get(family.case.suite)
    return suite.name if suite else ""


def read_members(
    project: Project, scope: Scope, *, state: str = "", limit: int, gone_in: Sequence[int] | None = None
) -> list[Member]:
    """The cases of a scope that did not always plainly pass, with their verdicts; where told, of those that vanished
    only what was gone in one of these runs.
    """
    values = _take_values(project, scope) | {"state": state, "limit": limit, "gone_in": gone_in}
    # The suite of the run is looked up where it decides something: who owns a case, or whether it is meant.
    is_asked = scope.is_narrowed or bool(project.configuration or project.code_owners)
    statement = _write_members(is_narrowed=scope.is_narrowed, suite=_SUITE if is_asked else "c.suite")
    titles = scope.titles
    n = len(COLUMNS.split(","))
    return [
        Member(
            case=make_name(row[n + 3 :], project.slug),
            judged=Judged(*row[:n]),
            series=titles[row[0]],
            gone=Gone(*row[n : n + 3]) if row[n] is not None else None,
        )
        for row in fetch_rows(statement, values)
    ]


def group_families(members: Iterable[Member]) -> list[Family]:
    """Cases of one function in one place together, apart from those of it that vanished."""
    groups: dict[tuple[object, ...], list[Member]] = {}
    for member in members:
        case = member.case
        name = case.family if case.is_parametrised else (case.name, case.occurrence)
        key = (case.namespace, case.suite_path, case.class_name, name, member.gone is not None)
        groups.setdefault(key, []).append(member)
    return [
        Family(tuple(sorted(group, key=lambda member: (-member.judged.n_bad, member.case.ord, member.judged.series))))
        for group in groups.values()
    ]


def _rank_by_evidence(family: Family) -> tuple[bool, int, int, int, int]:
    return (family.gone is not None, RANK[Verdict(family.verdict)], -family.n_evident, -family.n_bad, family.case.ord)


def _rank_by_rate(family: Family) -> tuple[bool, float, int]:
    return (family.gone is not None, -family.n_bad / max(family.n_ran, 1), family.case.ord)


def _add_evidence(
    project: Project, families: Sequence[Family], jobs: Mapping[int, Sequence[JobMoment]]
) -> tuple[Family, ...]:
    found = read_evidence(project, [[member.judged for member in family.members] for family in families], jobs)
    ords = {member.case.ord for family in families for member in family.members}
    claims = read_claims(project, ords=ords) if ords else {}
    return tuple(
        replace(family, evidence=evidence, claims=_find_claims(family, claims))
        for family, evidence in zip(families, found, strict=True)
    )


def _find_claims(family: Family, claims: Mapping[int, Sequence[Claim]]) -> tuple[Claim, ...]:
    """The newest claim of each of its cases, each commit once."""
    ords = dict.fromkeys(member.case.ord for member in family.members)
    newest = {claims[ord_][-1].commit: claims[ord_][-1] for ord_ in ords if claims.get(ord_)}
    return tuple(newest.values())


def _list_left_out(scope: Scope, jobs: Mapping[int, Sequence[JobMoment]]) -> list[LeftOut]:
    titles = scope.titles
    found = [LeftOut(job, titles[job.series]) for line in jobs.values() for job in line if job.is_mass_failure]
    return sorted(found, key=lambda left: left.job.place, reverse=True)


def _count_verdicts(project: Project, scope: Scope) -> tuple[dict[str, int], dict[str, int], int | None, int]:
    """How many cases have which verdict in any series of the scope, and how many of them stopped running; one of
    several series counts once. Then the newest run that holds a flaky one of those, and how many such runs there are.
    """
    counts: dict[str, int] = defaultdict(int)
    counts_gone: dict[str, int] = defaultdict(int)
    ends: list[int] = []
    statement = _write_counts(is_narrowed=scope.is_narrowed)
    for rank, last_run, n in fetch_rows(statement, _take_values(project, scope)):
        verdict, is_gone = _VERDICTS[rank // 2 - 1], rank % 2
        counts[verdict] += n
        if is_gone:
            counts_gone[verdict] += n
        if is_gone and verdict == Verdict.FLAKY:
            ends.append(last_run)
    return dict(counts), dict(counts_gone), ends[0] if ends else None, len(ends)


def _take_values(project: Project, scope: Scope) -> dict[str, object]:
    return {"project": project.pk, "series": scope.numbers, "suites": scope.suite_numbers}


def _write_members(*, is_narrowed: bool, suite: str) -> str:
    """First which cases, from narrow rows; then the names of those alone."""
    return f"""
WITH chosen AS (
    SELECT v.*, x.last_run AS gone_last, x.gone_run, x.suspicion {_NARROWED if is_narrowed else _ALL}
      AND (%(state)s::text = '' OR v.verdict = %(state)s)
      AND (%(gone_in)s::int[] IS NULL OR x.ord IS NULL OR x.gone_run = ANY(%(gone_in)s))
    ORDER BY x.gone_run IS NOT NULL, {_ORDER} LIMIT %(limit)s)
SELECT {COLUMNS}, v.gone_last, v.gone_run, v.suspicion,
    c.ord, c.name, c.class_name, c.suite_path, c.namespace, c.occurrence, {suite}
FROM chosen v {EACH_CASE}
ORDER BY v.gone_run IS NOT NULL, {_ORDER}
"""  # noqa: S608 - constants


def _write_counts(*, is_narrowed: bool) -> str:
    """The worst verdict of a case counts where its series differ, and of those where it still runs."""
    return f"""
SELECT g.rank, g.last_run, g.n FROM (
    SELECT rank, CASE WHEN rank %% 2 = 1 THEN last_run END AS last_run, count(*) AS n FROM (
        SELECT v.ord, min(2 * {_RANK} + (x.ord IS NOT NULL)::int) AS rank, max(x.last_run) AS last_run
        {_NARROWED if is_narrowed else _ALL} GROUP BY v.ord) cases
    GROUP BY 1, 2) g
LEFT JOIN health_run r ON r.project_id = %(project)s AND r.number = g.last_run
ORDER BY g.rank, r.ordered_at DESC NULLS LAST, g.last_run DESC
"""  # noqa: S608 - constants


_VERDICTS: Final = tuple(RANK)
_SUITE: Final = write_shown_suite(run="v.last_run")
_IN_SCOPE: Final = "WHERE v.project_id = %(project)s AND v.series = ANY(%(series)s)"
_ALL: Final = f"FROM health_caseverdict v {JOIN_GONE} {_IN_SCOPE}"
_NARROWED: Final = f"""
FROM health_caseverdict v JOIN health_case c ON c.project_id = v.project_id AND c.ord = v.ord {JOIN_GONE} {_IN_SCOPE}
  AND {_SUITE} = ANY(%(suites)s)
"""
_RANK: Final = "array_position(ARRAY['flaky', 'broken', 'unclear', 'sound'], v.verdict::text)"
_ORDER: Final = f"{_RANK}, v.n_retried + v.n_disagreed + v.n_flips DESC, v.n_broken DESC, v.ord, v.series"
