"""Which cases are flaky, broken, not clear or sound again, family by family, each with its rate and its evidence.

Called by `dashboard.views.flaky`, and by what needs attention for the flaky ones. Only cases that did not always
plainly pass in their window have a row to be read.
Promise: a bounded number of statements, and at most MOST_READ cases (`tests/dashboard/test_flaky_queries.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from dashboard.filters import Filters
from dashboard.queries.cases import CaseName, make_name
from dashboard.queries.evidence import Evidence, read_evidence
from dashboard.queries.fixes import Claim, read_claims
from dashboard.queries.owners import read_owners
from dashboard.queries.scope import Scope, Windows, read_scope, read_windows
from dashboard.queries.shown_suites import write_shown_suite
from dashboard.queries.sql import fetch_rows
from dashboard.queries.verdicts import COLUMNS, MARKS, RANK, Judged, Verdict, write_interval, write_rate
from dashboard.queries.windows import JobMoment, read_jobs_of_windows
from dashboard.templatetags.display import in_words, plain, shorten
from health.models import Project
from health.rules.flakiness import MASS_MIN_EXECUTED, MASS_SHARE, MIN_BRANCHES, MIN_FLIPS, MIN_RAN, MOST_LUCK
from health.rules.lanes import CHANGES
from health.windows import N_JOBS

N_PAGE: Final = 50
MOST_READ: Final = 2_000
MOST_IN_FILE: Final = 50_000
_MOST_LISTED: Final = 40  # cases of a family
_MOST_EXCLUDED: Final = 20


@dataclass(frozen=True, slots=True)
class Member:
    """One case in one series."""

    case: CaseName
    judged: Judged
    series: str

    @property
    def interval(self) -> str:
        """Where its rate may lie."""
        return write_interval(self.judged.n_bad, self.judged.n_ran)


@dataclass(frozen=True, slots=True)
class Family:
    """Cases of one function in one place, those that broke most first; a case without parameters is alone in its."""

    members: tuple[Member, ...]
    evidence: Evidence = field(default_factory=Evidence)
    owners: tuple[str, ...] = ()
    claims: tuple[Claim, ...] = ()

    @property
    def first(self) -> Member:
        """The one that broke most."""
        return self.members[0]

    @property
    def case(self) -> CaseName:
        """The case it is named by."""
        return self.first.case

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
    """All the page shows. `counts` are cases by verdict, whatever verdict is chosen."""

    scope: Scope
    windows: Windows
    families: tuple[Family, ...]
    counts: Mapping[str, int]
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

    @property
    def lane(self) -> str:
        """The branch in words."""
        return "changes and other branches" if self.scope.lane == CHANGES else self.scope.lane


def read_flaky(project: Project, filters: Filters) -> FlakyPage:
    """The families of one page, the flaky ones first."""
    scope = read_scope(project, filters)
    members = read_members(project, scope, state=filters.state, limit=MOST_READ + 1)
    owners = read_owners(project, cases={member.case.ord: member.case for member in members}.values())
    families = [
        replace(family, owners=owners.get(family.case.ord, ())) for family in group_families(members[:MOST_READ])
    ]
    offered = sorted({name for names in owners.values() for name in names})
    if filters.owner:
        families = [family for family in families if filters.owner in family.owners]
    families.sort(key=_rank_by_rate if filters.rank == "rate" else _rank_by_evidence)
    n_before = int(filters.before) if filters.before.isascii() and filters.before.isdecimal() else 0
    shown = families[n_before : n_before + N_PAGE]
    jobs = read_jobs_of_windows(project, series=scope.numbers)
    left_out = _list_left_out(scope, jobs)
    return FlakyPage(
        scope=scope,
        windows=read_windows(project, scope),
        families=_add_evidence(project, shown, jobs),
        counts=_count_verdicts(project, scope),
        n_families=len(families),
        n_before=n_before,
        left_out=tuple(left_out[:_MOST_EXCLUDED]),
        n_left_out=len(left_out),
        owners=tuple(offered),
        is_cut=len(members) > MOST_READ,
    )


def read_members(project: Project, scope: Scope, *, state: str = "", limit: int) -> list[Member]:
    """The cases of a scope that did not always plainly pass, with their verdicts."""
    values = _take_values(project, scope) | {"state": state, "limit": limit}
    titles = scope.titles
    n_columns = len(COLUMNS.split(","))
    return [
        Member(make_name(row[n_columns:], project.slug), Judged(*row[:n_columns]), titles[row[0]])
        for row in fetch_rows(_MEMBERS_SQL, values)
    ]


def group_families(members: Iterable[Member]) -> list[Family]:
    """Cases of one function in one place together."""
    groups: dict[tuple[object, ...], list[Member]] = {}
    for member in members:
        case = member.case
        name = case.family if case.is_parametrised else (case.name, case.occurrence)
        groups.setdefault((case.namespace, case.suite_path, case.class_name, name), []).append(member)
    return [
        Family(tuple(sorted(group, key=lambda member: (-member.judged.n_bad, member.case.ord, member.judged.series))))
        for group in groups.values()
    ]


def write_flaky(page: FlakyPage) -> str:
    """What stands on the page, in one sentence."""
    if page.windows.run is None:
        return "No run has been judged yet."
    flaky, broken = page.counts.get(Verdict.FLAKY, 0), page.counts.get(Verdict.BROKEN, 0)
    unclear = page.counts.get(Verdict.UNCLEAR, 0)
    lane = plain(page.lane)
    said = f"No test is flaky on {lane}"
    if flaky:
        said = f"{_count_cases(flaky)} {'is' if flaky == 1 else 'are'} flaky on {lane}{_name_only_family(page, flaky)}"
    if broken:
        said += f"{'; ' if flaky else ', but '}{in_words(broken)} {'is' if broken == 1 else 'are'} simply broken"
    if unclear and not broken:
        said += f"; for {in_words(unclear)} there is not enough data yet"
    return f"{said[0].upper()}{said[1:]}."


def write_rule() -> tuple[str, ...]:
    """How verdicts come about, with their numbers, in sentences."""
    flaky = (
        f"The newest {N_JOBS} runs of each job count, on one branch. A test is flaky when it passed on a retry, when it"
        f" passed and broke on one commit, or when it broke, recovered and broke again: {MIN_FLIPS} times from passed"
        " to broken."
    )
    broken = (
        "It is broken when it breaks in its newest runs, and bad luck would give so many in a row in fewer than"
        f" {MOST_LUCK * 100:.0f} of 100 cases. With fewer than {MIN_RAN} results there is not enough data. What broke"
        " once and recovered is sound again."
    )
    left_out = (
        "Of pull requests and short-lived branches, flips do not count, and a retry or disagreement has to be seen on"
        f" {MIN_BRANCHES} branches: one broken branch makes no test flaky. A run in which {MASS_SHARE * 100:.0f}\u00a0%"
        f" or more of at least {MASS_MIN_EXECUTED} executed tests broke is left out."
    )
    rate = (
        "A rate is of executed results; a skipped test is no evidence. Behind it stands where the true rate lies in 95"
        " of 100 such cases."
    )
    return (flaky, broken, left_out, rate)


def _count_cases(n: int) -> str:
    return f"{in_words(n)} test{'' if n == 1 else 's'}"


def _name_only_family(page: FlakyPage, n_flaky: int) -> str:
    """Where all of them are one family, its name."""
    flaky = [family for family in page.families if family.verdict == Verdict.FLAKY]
    if page.n_before or len(flaky) != 1 or page.n_families > len(page.families):
        return ""
    (family,) = flaky
    if n_flaky == 1 or not family.case.is_parametrised:
        return f": {plain(shorten(family.case.name, 80))}" if n_flaky == 1 else ""
    return f", {'both' if n_flaky == 2 else 'all'} of them cases of {plain(shorten(family.case.family, 80))}"


def _rank_by_evidence(family: Family) -> tuple[int, int, int, int]:
    return (RANK[Verdict(family.verdict)], -family.n_evident, -family.n_bad, family.case.ord)


def _rank_by_rate(family: Family) -> tuple[float, int]:
    return (-family.n_bad / max(family.n_ran, 1), family.case.ord)


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


def _count_verdicts(project: Project, scope: Scope) -> dict[str, int]:
    """How many cases have which verdict in any series of the scope; one of several series counts once."""
    return dict(fetch_rows(_COUNTS_SQL, _take_values(project, scope)))


def _take_values(project: Project, scope: Scope) -> dict[str, object]:
    return {"project": project.pk, "series": scope.numbers, "suites": scope.suite_numbers}


_SUITE: Final = write_shown_suite(run="v.last_run")
_WHERE: Final = f"""
WHERE v.project_id = %(project)s AND v.series = ANY(%(series)s)
  AND (%(suites)s::int[] IS NULL OR {_SUITE} = ANY(%(suites)s))
"""

_MEMBERS_SQL: Final = f"""
SELECT {COLUMNS}, c.ord, c.name, c.class_name, c.suite_path, c.namespace, c.occurrence, {_SUITE}
FROM health_caseverdict v JOIN health_case c ON c.project_id = v.project_id AND c.ord = v.ord {_WHERE}
  AND (%(state)s::text = '' OR v.verdict = %(state)s)
ORDER BY array_position(ARRAY['flaky', 'broken', 'unclear', 'sound'], v.verdict::text),
    v.n_retried + v.n_disagreed + v.n_flips DESC, v.n_broken DESC, v.ord, v.series
LIMIT %(limit)s
"""  # noqa: S608 - the columns are a constant

# The worst verdict of a case counts where its series differ.
_COUNTS_SQL: Final = f"""
SELECT (ARRAY['flaky', 'broken', 'unclear', 'sound'])[rank], count(*) FROM (
    SELECT min(array_position(ARRAY['flaky', 'broken', 'unclear', 'sound'], v.verdict::text)) AS rank
    FROM health_caseverdict v JOIN health_case c ON c.project_id = v.project_id AND c.ord = v.ord {_WHERE}
    GROUP BY v.ord
) ranked GROUP BY rank
"""  # noqa: S608 - constants
