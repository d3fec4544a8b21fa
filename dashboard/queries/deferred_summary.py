"""The whole register in figures: how many tests are put off, how, since when, by whom, and what backs them.

Called by `dashboard.queries.deferred`. The register's numbers (`dashboard.queries.deferred_numbers`) are put into
groups of entries that are alike; what is counted on the page is added up from these.
Promise: one statement at most, where precedents are cited; a test counts once, and every sum is what a plain count over
the entries gives (`tests/dashboard/test_deferred_numbers.py`).
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any, Final

import numpy as np

from dashboard.queries.deferral_facts import BACKINGS
from dashboard.queries.deferred_numbers import (
    ENDINGS,
    KINDS,
    NEVER,
    STATES,
    Backed,
    Numbers,
    Register,
    find_alike,
    find_days_open,
    find_overdue,
    find_review_days,
)
from dashboard.queries.sql import fetch_rows
from health.models import Backing, Deferral, Project
from health.rules.deferral_policy import DeferralPolicy
from health.rules.secrets import mask_secrets

# Word in the address, in words, and the first day and the last one that belong to it.
AGES: Final[tuple[tuple[str, str, int, int | None], ...]] = (
    ("week", "under 7 days", 0, 6),
    ("month", "7 to 29 days", 7, 29),
    ("quarter", "30 to 89 days", 30, 89),
    ("half", "90 to 179 days", 90, 179),
    ("year", "180 to 364 days", 180, 364),
    ("older", "a year and more", 365, None),
)
_MOST_NAMED: Final = 12  # owners, suites, phases in a table
_MOST_PRECEDENTS: Final = 30


@dataclass(frozen=True, slots=True)
class EntryGroup:
    """Entries that are alike in all that is counted; `n` tests, `n_entries` lines of the register."""

    kind: str
    owner: str
    phase: str
    backing_id: int | None
    backing: str
    age: str  # a word of AGES
    oldest: int | None  # the days of the oldest test
    ending: str  # "" while they stand
    suite: str
    lacks: tuple[str, ...]  # fields nobody says, asked for or not
    is_missing: bool  # whether the policy asks for one of them
    is_overdue: bool
    is_back: bool
    is_passing: bool
    is_releasable: bool
    n: int
    debt: int  # test-days
    n_entries: int
    n_results: int  # of the standing jobs that put them off

    @property
    def is_backed(self) -> bool:
        """Whether what is said to stand in for them holds."""
        return self.backing == Backing.State.BACKED


@dataclass(frozen=True, slots=True)
class Owed:
    """What is put off in one place: its tests, their days added up, and how many of them are backed."""

    name: str
    n: int
    debt: int
    n_backed: int


@dataclass(frozen=True, slots=True)
class AgeBand:
    """The tests of one age."""

    word: str
    title: str
    n: int
    share: int  # of the fullest band, in per cent, for drawing


@dataclass(frozen=True, slots=True)
class Precedent:
    """A text that entries cite: "as in …". `chain` are the precedents of those it stands for, one after the other."""

    text: str
    n: int
    since: datetime
    n_cited: int  # entries that this text names, by their issue
    chain: tuple[str, ...]


@dataclass(frozen=True)
class Summary:
    """The register, grouped. Groups of closed entries are in it too."""

    groups: tuple[EntryGroup, ...]
    precedents: tuple[Precedent, ...]
    checks: tuple[Backed, ...]  # what was found of each backing of an open entry

    @property
    def nbytes(self) -> int:
        """About what it takes in memory."""
        return _BYTES_OF_GROUP * len(self.groups)

    @cached_property
    def n_stand_in(self) -> int:
        """Cases that are said to stand in, there or not."""
        return sum(check.n_stand_in for check in self.checks)

    @cached_property
    def n_found(self) -> int:
        """Of these, those that are there."""
        return sum(check.n_found for check in self.checks)

    @cached_property
    def n_passed(self) -> int:
        """Of these, those that passed and are steady."""
        return sum(check.n_passed for check in self.checks)

    @cached_property
    def open(self) -> tuple[EntryGroup, ...]:
        """Those that stand."""
        return tuple(group for group in self.groups if not group.ending)

    @cached_property
    def n(self) -> int:
        """How many tests are put off."""
        return sum(group.n for group in self.open)

    @cached_property
    def n_entries(self) -> int:
        """In how many entries."""
        return sum(group.n_entries for group in self.open)

    @cached_property
    def debt(self) -> int:
        """Test-days: the age of each test that is put off, added up."""
        return sum(group.debt for group in self.open)

    @cached_property
    def by_kind(self) -> dict[str, int]:
        """Tests by kind, in the order of the kinds."""
        counts = self.count(lambda group: group.kind)
        return {kind: counts[kind] for kind in KINDS if counts[kind]}

    @cached_property
    def by_backing(self) -> dict[str, int]:
        """Tests by the state of their backing, each state of which there is none too."""
        counts = self.count(lambda group: group.backing)
        return {state: counts[state] for state in BACKINGS}

    @cached_property
    def ages(self) -> tuple[AgeBand, ...]:
        """Tests by age, the youngest first."""
        counts = self.count(lambda group: group.age)
        most = max(counts.values(), default=0) or 1
        return tuple(AgeBand(word, title, counts[word], -(-counts[word] * 100 // most)) for word, title, *_ in AGES)

    @cached_property
    def n_closed(self) -> int:
        """Entries that are closed."""
        return sum(group.n_entries for group in self.groups if group.ending)

    @cached_property
    def endings(self) -> dict[str, int]:
        """Closed entries by how they ended, the most frequent first."""
        counts: Counter[str] = Counter()
        for group in self.groups:
            if group.ending:
                counts[group.ending] += group.n_entries
        return dict(counts.most_common())

    @cached_property
    def by_missing(self) -> dict[str, int]:
        """Tests whose entry does not say a field, by field."""
        counts: Counter[str] = Counter()
        for group in self.open:
            for name in group.lacks:
                counts[name] += group.n
        return dict(counts)

    def count(self, take: Callable[[EntryGroup], str]) -> Counter[str]:
        """Tests that are put off, by what is taken of each group."""
        counts: Counter[str] = Counter()
        for group in self.open:
            counts[take(group)] += group.n
        return counts

    def count_entries(self, is_meant: Callable[[EntryGroup], bool]) -> int:
        """Open entries that are meant."""
        return sum(group.n_entries for group in self.open if is_meant(group))

    def count_tests(self, is_meant: Callable[[EntryGroup], bool]) -> int:
        """Tests of open entries that are meant."""
        return sum(group.n for group in self.open if is_meant(group))

    def add_up(self, take: Callable[[EntryGroup], str]) -> tuple[Owed, ...]:
        """What is put off by what is taken of each group, the largest debt first; what has no name last."""
        sums: dict[str, list[int]] = {}
        for group in self.open:
            line = sums.setdefault(take(group), [0, 0, 0])
            line[0] += group.n
            line[1] += group.debt
            line[2] += group.n if group.is_backed else 0
        owed = [Owed(name, *line) for name, line in sums.items() if line[0]]
        return tuple(sorted(owed, key=lambda found: (not found.name, -found.debt, found.name)))


def read_summary(register: Register, *, project: Project, policy: DeferralPolicy, today: date) -> Summary:
    """The register of a project as it is; today decides about ages and what is overdue."""

    def make() -> Summary:
        return _sum_up(register, project=project, policy=policy, today=today)

    return register.keep("summary", make, asked=(policy, today))  # type: ignore[no-any-return]


def _sum_up(register: Register, *, project: Project, policy: DeferralPolicy, today: date) -> Summary:
    has_precedents = bool(register["has_precedent"].any())
    return Summary(
        groups=_group(register, policy=policy, today=today),
        precedents=_read_precedents({"project": project.pk}) if has_precedents else (),
        checks=tuple(register.backed.values()),
    )


def _group(register: Register, *, policy: DeferralPolicy, today: date) -> tuple[EntryGroup, ...]:
    """Entries that are alike in all that is counted, added up."""
    days = find_days_open(register, today)
    n, n_passes, kinds = register["n"], register["n_passes"], register["kind"]
    can_pass = (kinds == KINDS.index(Deferral.Kind.XFAIL)) | (kinds == KINDS.index(Deferral.Kind.QUARANTINE))
    columns: dict[str, Numbers] = {name: register[name] for name in _AS_THEY_ARE}
    columns |= {
        "age": np.digitize(days, _STARTS),
        "has_review": find_review_days(register, policy) != NEVER,
        "is_overdue": find_overdue(register, policy=policy, today=today),
        "is_passing": can_pass & (n_passes > 0),
        "is_releasable": can_pass & (n_passes >= policy.passes_to_release),
    }
    firsts, places = find_alike([*columns.values()])
    oldest = np.full(len(firsts), -1, np.int64)
    np.maximum.at(oldest, places, np.where(n > 0, days, -1))
    results = np.where(register["is_put_off"], register["n_put_off"], 0)
    sums = [np.bincount(places, weight).astype(np.int64).tolist() for weight in (n, n * days.astype(np.int64), results)]
    counts = [*sums, np.bincount(places).tolist(), oldest.tolist()]
    alike = ({name: column[first] for name, column in columns.items()} for first in firsts.tolist())
    return tuple(_make_group(register, group, policy, *found) for group, *found in zip(alike, *counts, strict=True))


def _make_group(
    register: Register,
    alike: Mapping[str, Any],
    policy: DeferralPolicy,
    n: int,
    debt: int,
    n_results: int,
    n_entries: int,
    oldest: int,
) -> EntryGroup:
    owner, backing_id = register.owners[alike["owner"]], register.backings[alike["backing"]]
    said = {"reason": alike["has_reason"], "owner": owner, "review": alike["has_review"]}
    said |= {"issue": alike["has_issue"], "backing": backing_id}
    return EntryGroup(
        kind=KINDS[alike["kind"]],
        owner=owner,
        phase=register.phases[alike["phase"]],
        backing_id=backing_id,
        backing=STATES[alike["state"]],
        age=AGES[alike["age"]][0],
        oldest=oldest if oldest >= 0 else None,
        ending=ENDINGS[alike["ending"]],
        suite=register.suites[alike["suite"]],
        lacks=tuple(name for name in said if not said[name]),
        is_missing=any(not said[name] for name in policy.required),
        is_overdue=bool(alike["is_overdue"]),
        is_back=bool(alike["is_back"]),
        is_passing=bool(alike["is_passing"]),
        is_releasable=bool(alike["is_releasable"]),
        n=n,
        debt=debt,
        n_entries=n_entries,
        n_results=n_results,
    )


def _read_precedents(values: Mapping[str, object]) -> tuple[Precedent, ...]:
    """What is cited, by how many; and what those cite in turn that it names by their issue."""
    rows = fetch_rows(_PRECEDENTS_SQL, values)
    cites: dict[str, list[str]] = {}
    for precedent, issue, *_ in rows:
        if issue:
            cites.setdefault(issue, []).append(precedent)
    counts: Counter[str] = Counter()
    since: dict[str, datetime] = {}
    cited: dict[str, int] = {}
    for precedent, _, n_open, first_at, n_cited in rows:
        if n_open:
            counts[precedent] += n_open
            since[precedent] = min(since.get(precedent, first_at), first_at)
            cited[precedent] = n_cited
    return tuple(
        Precedent(mask_secrets(text), n, since[text], cited[text], _follow(text, cites))
        for text, n in counts.most_common(_MOST_PRECEDENTS)
    )


def _follow(text: str, cites: Mapping[str, list[str]]) -> tuple[str, ...]:
    """What is behind a precedent, the nearest first; a circle ends where it closes."""
    chain: list[str] = []
    at = text
    while at in cites and (following := cites[at][0]) not in (text, *chain) and len(chain) < _MOST_NAMED:
        chain.append(following)
        at = following
    return tuple(mask_secrets(link) for link in chain)


_BYTES_OF_GROUP: Final = 600
_STARTS: Final = [first for _, _, first, _ in AGES[1:]]
_AS_THEY_ARE: Final = (
    *("kind", "owner", "phase", "backing", "state", "ending", "suite"),
    *("has_reason", "has_issue", "is_back"),
)

_PRECEDENTS_SQL: Final = """
SELECT p.precedent, p.issue, p.n_open, p.first_at, (
    SELECT count(*) FROM health_deferral o WHERE o.project_id = %(project)s AND o.issue = p.precedent)
FROM (
    SELECT precedent, issue, count(*) FILTER (WHERE closed_at IS NULL) AS n_open, min(opened_at) AS first_at
    FROM health_deferral WHERE project_id = %(project)s AND precedent <> '' GROUP BY 1, 2
    ORDER BY 3 DESC, 1, 2 LIMIT 500) p
"""
