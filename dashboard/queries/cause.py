"""One cause: what was masked, which rule gave it its category, how it stands, what it broke, what people said of it.

Called by `dashboard.views.cause`.
Promise: the number of statements does not grow with the project; only an owner of it is shown what looks like a secret
(`tests/dashboard/test_cause_views.py`).
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from dashboard.filters import Filters
from dashboard.queries.cause_evidence import Evidence, read_evidence
from dashboard.queries.cause_facts import CauseFact, Known, Piece, make_fact, read_causes, read_rules
from dashboard.queries.cause_standing import MARKS, Claim, Standing, list_members, read_claims
from dashboard.queries.cause_window import (
    Count,
    RunPoint,
    Tally,
    read_counts,
    read_first_seen,
    read_largest,
    read_window,
    tally_counts,
)
from dashboard.queries.scope import Scope, read_scope
from dashboard.queries.sql import fetch_rows
from dashboard.queries.windows import Windows, read_windows
from dashboard.templatetags.display import count_in_words, in_words, plain
from health.causes import fetch_merged, fetch_parts, fetch_splits
from health.models import Fingerprint, Project
from health.rules.cause_states import CLAIMED, MEANINGS, NEW, ONGOING, QUIET, RETURNED
from health.rules.causes import find_head, list_categories
from health.rules.fingerprints import Splits, follow_splits
from health.sql import open_cursor

_MOST_OTHERS: Final = 40  # causes it can be merged into from the page
_MOST_LISTED: Final = 50  # of those merged into it, and of those it was split into
_MOST_LOOKED_AT: Final = 1_000  # messages that may be of those


@dataclass(frozen=True, slots=True)
class Split:
    """A fingerprint was told apart by a masked word, into so many others."""

    place: int
    parts: tuple[CauseFact, ...]
    n_parts: int

    @property
    def number(self) -> int:
        """The word's number, as people count."""
        return self.place + 1


@dataclass(frozen=True, slots=True)
class CausePage:
    """All the page shows, of one branch."""

    fact: CauseFact
    scope: Scope
    windows: Windows
    n_runs_of: int  # how many runs the window has
    state: str
    marks: tuple[str, ...]
    first: RunPoint | None
    last: RunPoint | None
    total: Count
    n_of: int
    evidence: Evidence
    merged: tuple[CauseFact, ...]  # read as this cause, each by itself
    split: Split | None
    split_from: CauseFact | None
    others: tuple[CauseFact, ...]
    claims: tuple[Claim, ...]
    names: tuple[str, ...]  # all categories there are

    @property
    def sentence(self) -> str:
        """How it stands, in one sentence."""
        if not self.total.broken:
            return f"{self._subject} broke nothing in {_tell_window(self.n_runs_of)}."
        least = "at least " if self.evidence.is_at_least else ""
        cases = f"{least}{count_in_words(self.evidence.n_cases, 'case')}"
        window = _tell_window(self.n_runs_of)
        runs = window if self.n_runs_of == 1 else f"{in_words(self.evidence.n_runs)} of {window}"
        return f"{self._subject} broke {cases} in {runs}{_AND_SO[self.state]}."

    @property
    def _subject(self) -> str:
        """What it says, in quotation marks."""
        return f"“{plain(self.fact.quote)}”" if self.fact.quote else "A failure without a message"

    @property
    def mark(self) -> str:
        """The state's mark."""
        return MARKS[self.state]

    @property
    def meaning(self) -> str:
        """What the state says."""
        return MEANINGS[self.state]

    @property
    def label(self) -> str:
        """The strip in words."""
        n = sum(mark in ("fail", "error") for mark in self.marks)
        return f"broke {n} of the newest {len(self.marks)} runs"

    @property
    def masked(self) -> tuple[Piece, ...]:
        """The words that can tell its failures apart: none where a hidden secret may have moved their places."""
        return () if self.fact.has_secrets else tuple(piece for piece in self.fact.pieces if piece.word)


_AND_SO: Final = {
    NEW: ", for the first time",
    RETURNED: ", and it came back",
    ONGOING: "",
    QUIET: ", and not the last one",
    CLAIMED: ", and none since it is said to be fixed",
}


def _tell_window(n: int) -> str:
    return "the newest run" if n == 1 else f"the newest {in_words(n)} runs"


def find_newest(project: Project, *, fingerprint: int) -> int | None:
    """The fingerprint that stands for this one, after merges; None when the project has no such cause."""
    if not Fingerprint.objects.filter(project=project, fingerprint=fingerprint).exists():
        return None
    return find_head(fetch_merged(open_cursor(), project.pk), fingerprint)


def read_cause_page(project: Project, *, fingerprint: int, filters: Filters, for_owner: bool = False) -> CausePage:
    """A cause that is there and not merged, on the branch the filters name, else on one where it was seen."""
    cursor = open_cursor()
    merged = fetch_merged(cursor, project.pk)
    members = list_members(merged, heads=[fingerprint])
    mine = members[fingerprint]
    scope = _choose_scope(project, filters, mine)
    window = read_window(project, scope)
    heads = {one: find_head(merged, one) for one in merged}
    counts = read_counts(project, window, fingerprints=mine)
    largest = read_largest(project, window, heads=heads, limit=_MOST_OTHERS + 1)
    splits = fetch_splits(cursor, project.pk)
    parts = _read_parts(project, fingerprint, splits) if fingerprint in splits else []
    rules = read_rules(project)
    wanted = {fingerprint, *parts[:_MOST_LISTED], *largest.counts}
    known = read_causes(project, fingerprints=wanted, rules=rules, for_owner=for_owner)
    fact, tallies = known.facts[fingerprint], tally_counts(counts, heads)
    tally, claims = tallies.get(fingerprint, Tally()), read_claims(project, members=members)
    standing = Standing(
        window=window,
        tallies=tallies,
        first=read_first_seen(project, scope, members=members),
        claims={head: ones[-1] for head, ones in claims.items()},
    )
    return CausePage(
        fact=fact,
        scope=scope,
        windows=read_windows(project, scope),
        n_runs_of=len(window.runs),
        state=standing.tell(fingerprint),
        marks=standing.draw(fingerprint),
        first=standing.find_first(fingerprint),
        last=standing.find_last(fingerprint),
        total=tally.total,
        n_of=sum(job.n_broken for job in window.jobs),
        evidence=read_evidence(project, window, tally=tally, members=mine, for_owner=for_owner),
        merged=_read_each(project, mine[1 : _MOST_LISTED + 1], splits=splits, for_owner=for_owner),
        split=_describe_split(parts, known, splits.get(fingerprint)),
        split_from=_find_parent(project, fact, splits=splits, for_owner=for_owner),
        others=_list_others(known, fingerprint, largest.counts),
        claims=tuple(claims.get(fingerprint, ())),
        names=tuple(list_categories(rules)),
    )


def _choose_scope(project: Project, filters: Filters, members: Sequence[int]) -> Scope:
    """Where the filters name no branch: the default one if the cause was ever there, else where it was seen last."""
    if filters.branch:
        return read_scope(project, filters)
    rows = fetch_rows(_LANES_SQL, {"project": project.pk, "fingerprints": list(members)})
    lanes = [lane for (lane,) in rows]
    lane = project.default_branch if project.default_branch in lanes or not lanes else lanes[0]
    return read_scope(project, replace(filters, branch=lane))


def _read_parts(project: Project, fingerprint: int, splits: Splits) -> list[int]:
    """What it was told apart into, of as many messages that begin alike as are looked at for a page."""
    return fetch_parts(open_cursor(), project.pk, fingerprint=fingerprint, splits=splits, limit=_MOST_LOOKED_AT)


def _describe_split(parts: Sequence[int], known: Known, place: int | None) -> Split | None:
    if place is None:
        return None
    found = (known.find(part) for part in parts[:_MOST_LISTED])
    return Split(place, tuple(dict.fromkeys(fact for fact in found if fact)), len(parts))


def _read_each(
    project: Project, fingerprints: Collection[int], *, splits: Splits, for_owner: bool
) -> tuple[CauseFact, ...]:
    """Causes as they are by themselves, whatever they are merged into."""
    if not fingerprints:
        return ()
    rows = Fingerprint.objects.filter(project=project, fingerprint__in=list(fingerprints))
    return tuple(
        make_fact(project, row, rules=(), splits=splits, for_owner=for_owner)
        for row in rows.order_by("message", "fingerprint").values_list("fingerprint", "kind", "message", "category")
    )


def _find_parent(project: Project, fact: CauseFact, *, splits: Splits, for_owner: bool) -> CauseFact | None:
    """The cause it was told apart from."""
    if not fact.kept:
        return None
    path = [one for one, _ in follow_splits(fact.raw_kind, fact.raw_message, splits=splits)]
    parents = path[: path.index(fact.fingerprint)]
    return next(iter(_read_each(project, parents[-1:], splits=splits, for_owner=for_owner)), None)


def _list_others(known: Known, fingerprint: int, largest: Iterable[int]) -> tuple[CauseFact, ...]:
    """The largest other causes of the window."""
    return tuple(known.facts[head] for head in largest if head != fingerprint and head in known.facts)[:_MOST_OTHERS]


_LANES_SQL: Final = """
SELECT s.lane FROM health_causecount c
JOIN health_series s ON s.project_id = c.project_id AND s.number = c.series
WHERE c.project_id = %(project)s AND c.fingerprint = ANY(%(fingerprints)s)
GROUP BY s.lane ORDER BY max(c.run) DESC, s.lane
"""
