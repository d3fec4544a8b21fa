"""One entry of the register with its whole story: reason, outcomes, backing, history, and what else speaks of it.

Called by `dashboard.views.deferral` and the API. Promise: a bounded number of statements, however large the project and
the backing (`tests/dashboard/test_deferral_queries.py`).
"""

from dataclasses import dataclass
from datetime import date
from typing import Final
from urllib.parse import urlsplit

from django.db.models import Q
from django.utils.text import capfirst

from dashboard.queries.as_of import AsOf, read_as_of
from dashboard.queries.case_history import LaneHistory
from dashboard.queries.cases import CaseName, read_case_names
from dashboard.queries.deferral_backing import BackingStory, read_backing
from dashboard.queries.deferral_facts import EntryFact, read_entries
from dashboard.queries.deferral_form import OF_CASE, OF_PATTERN
from dashboard.queries.deferral_past import (
    Change,
    Span,
    find_runs_between,
    read_changes,
    read_outcomes,
    read_spans,
)
from dashboard.queries.deferral_reason import Reason, describe_reason
from dashboard.queries.sql import fetch_rows
from dashboard.templatetags.display import count_in_words, write_day
from health.deferral_acts import MOST_ALSO, may_change, may_release
from health.models import Deferral, DeferredCase, Project, Run
from health.policies import fetch_policy
from health.rules.families import split_family
from health.sql import open_cursor
from health.standing import fetch_standing

MOST_NAMED: Final = 200
_MOST_RELATED: Final = 20
_TIMES: Final = ("", "first", "second", "third", "fourth", "fifth", "sixth")


@dataclass(frozen=True, slots=True)
class Source:
    """Who speaks of the entry, in words; `entry_url` leads to the pattern that names it."""

    told: str
    entry_url: str = ""
    pattern: str = ""


@dataclass(frozen=True, slots=True)
class NamedCase:
    """A case that a pattern names, and its own entry where it has one."""

    case: CaseName
    entry: EntryFact | None


@dataclass(frozen=True, slots=True)
class Others:
    """Open entries that a change may be meant for too: of the same family, and with the same reason."""

    family: tuple[int, ...] = ()
    family_name: str = ""
    reason: tuple[int, ...] = ()

    @property
    def is_cut(self) -> bool:
        """Whether there are more with this reason than are changed at once."""
        return len(self.reason) >= MOST_ALSO


@dataclass(frozen=True, slots=True)
class DeferralPage:
    """All the page shows."""

    fact: EntryFact
    reason: Reason
    commit: str
    sources: tuple[Source, ...]
    issue_url: str
    cites: tuple[EntryFact, ...]  # what its precedent names
    cited_by: tuple[EntryFact, ...]
    between: tuple[Span, Span] | None  # it ran between these
    outcomes: LaneHistory | None
    spans: tuple[Span, ...]
    backing: BackingStory | None
    changes: tuple[Change, ...]
    named: tuple[NamedCase, ...]
    others: Others
    passes_to_release: int
    lane: str
    as_of: AsOf | None
    may_change: bool
    may_release: bool
    entry: Deferral

    @property
    def field_names(self) -> tuple[str, ...]:
        """The fields of its form."""
        return OF_CASE if self.fact.case else OF_PATTERN

    @property
    def named_cases(self) -> tuple[CaseName, ...]:
        """The cases that a pattern names, of those that are listed."""
        return tuple(one.case for one in self.named)

    @property
    def sentence(self) -> str:
        """How it stands, in one sentence or two."""
        fact = self.fact
        if not fact.is_open:
            return f"{self._what} {self._was} put off for {self._how_long}; {self._ended}."
        if not fact.case and not self._n:
            return f"No test of this pattern {self._is_so} now. It has stood since {write_day(fact.opened_at)}."
        return f"{self._stands}: {self._how_long}, {self._backed}."

    @property
    def came_back(self) -> str:
        """How often it was put off, and when it ran in between; empty for the first time."""
        n = self.fact.n_openings
        if n < 2:
            return ""
        time = _TIMES[n] if n < len(_TIMES) else f"{n}th"
        told = f"Put off for the {time} time"
        if self.between is None:
            return told
        before, last = self.between
        return f"{told}: it ran in between, from run {before.ended_run} until run {last.first_run}"

    @property
    def _n(self) -> int:
        """How many tests it is about; of planned ones those that are missing, once it is over all there were."""
        fact = self.fact
        if fact.kind != Deferral.Kind.PLANNED or not fact.is_open:
            return 1 if fact.case else fact.n_cases
        return max((fact.n_promised or 1) - fact.n_cases, 0)

    @property
    def _stands(self) -> str:
        """What is put off, how and since when."""
        fact, day = self.fact, write_day(self.fact.opened_at)
        if fact.kind == Deferral.Kind.PLANNED:
            return f"{self._what} planned since {day} {'is' if self._n == 1 else 'are'} not there yet"
        return f"{self._what} {'has' if self._n == 1 else 'have'} been {fact.word} since {day}"

    @property
    def _is_so(self) -> str:
        """What is true of none of the tests that a pattern names."""
        kind = self.fact.kind
        said = {Deferral.Kind.PLANNED: "is missing", Deferral.Kind.QUARANTINE: "reports"}
        return said.get(Deferral.Kind(kind), f"is {self.fact.word}")

    @property
    def _what(self) -> str:
        return "This test" if self.fact.case else capfirst(count_in_words(self._n, "test"))

    @property
    def _them(self) -> str:
        return "it" if self._n == 1 else "them"

    @property
    def _was(self) -> str:
        return "was" if self._n == 1 else "were"

    @property
    def _how_long(self) -> str:
        days = count_in_words(self.fact.days, "day")
        return days if self.fact.runs is None else f"{days} and {count_in_words(self.fact.runs, 'run')}"

    @property
    def _backed(self) -> str:
        return {
            "": f"and nothing is said to cover {self._them} meanwhile",
            "backed": f"and what covers {self._them} meanwhile holds",
            "weakened": f"and what covers {self._them} meanwhile is weakened",
            "broken": f"and what covers {self._them} meanwhile is broken",
            "unproven": f"and what is said to cover {self._them} was never proven",
        }[self.fact.backing]

    @property
    def _ended(self) -> str:
        run = "" if self.entry.closed_run is None else f" since run {self.entry.closed_run}"
        return {
            "ran": f"it runs again{run}",
            "gone": f"it stopped reporting{run}",
            "released": "it was released",
            "unnamed": "nobody names it any more",
        }.get(self.fact.ending, "that is over")


def read_deferral(project: Project, *, pk: int, today: date, for_forms: bool = False) -> DeferralPage | None:
    """The entry of that number; None when there is none. `for_forms` looks for what else may be meant by a change."""
    entry = Deferral.objects.filter(project=project, pk=pk).select_related("backing", "named_by").first()
    if entry is None:
        return None
    cursor = open_cursor()
    policy, standing = fetch_policy(cursor, project.pk), fetch_standing(cursor, project.pk)
    related = _find_related(project, entry)
    named = _list_named(entry)
    rows = {one.pk: one for one in (entry, *related.rows, *named.rows)}
    facts = {fact.id: fact for fact in read_entries(project, rows.values(), policy=policy, today=today)}
    spans = read_spans(project, ord_=entry.ord, standing=standing) if entry.ord is not None else ()
    fact = facts[entry.pk]
    return DeferralPage(
        fact=fact,
        reason=describe_reason(entry),
        commit=_find_commit(entry),
        sources=_list_sources(entry, fact, url=fact.url.removesuffix(f"{entry.pk}/")),
        issue_url=find_link(entry.issue) if fact.issue == entry.issue else "",  # an address may hold a secret
        cites=tuple(facts[pk] for pk in related.cited),
        cited_by=tuple(facts[pk] for pk in related.citing),
        between=find_runs_between(spans),
        outcomes=read_outcomes(project, ord_=entry.ord, standing=standing) if entry.ord is not None else None,
        spans=spans,
        backing=read_backing(project, entry.backing, standing=standing) if entry.backing else None,
        changes=read_changes(entry),
        named=_describe_named(project, named, facts),
        others=find_others(entry, fact.case) if for_forms else Others(),
        passes_to_release=policy.passes_to_release,
        lane=standing.lane,
        as_of=read_as_of(project, lane=standing.lane),
        may_change=may_change(entry),
        may_release=may_release(entry),
        entry=entry,
    )


def find_link(issue: str) -> str:
    """The address an issue is; empty where it is a number or anything that is no web address."""
    try:
        parts = urlsplit(issue)
    except ValueError:
        return ""
    return issue if parts.scheme in ("http", "https") and parts.netloc and issue.isprintable() else ""


def find_others(entry: Deferral, case: CaseName | None) -> Others:
    """What else a change of this entry may be meant for; nothing for a pattern."""
    if case is None:
        return Others()
    values = {
        "project": entry.project_id,
        "id": entry.pk,
        "place": case.class_name,
        "family": case.family,
        "reason": entry.reason,
        "limit": MOST_ALSO,
    }
    relatives = fetch_rows(_FAMILY_SQL, values) if case.is_parametrised else []
    return Others(
        family=tuple(pk for pk, name in relatives if split_family(name).name == case.family),
        family_name=case.family,
        reason=tuple(pk for (pk,) in fetch_rows(_REASON_SQL, values)) if entry.reason else (),
    )


@dataclass(frozen=True, slots=True)
class _Related:
    rows: tuple[Deferral, ...] = ()
    cited: tuple[int, ...] = ()
    citing: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Named:
    ords: tuple[int, ...] = ()
    rows: tuple[Deferral, ...] = ()


def _find_related(project: Project, entry: Deferral) -> _Related:
    """Entries that its precedent names, and those whose precedent names it: by issue, pattern or the test's name."""
    entries = Deferral.objects.filter(project=project).exclude(pk=entry.pk)
    own = [text for text in (entry.issue, entry.pattern) if text]
    if entry.ord is not None:
        own += [text for row in fetch_rows(_NAMES_SQL, {"project": project.pk, "ord": entry.ord}) for text in row]
    citing = list(entries.filter(precedent__in=own).order_by("opened_at", "pk")[:_MOST_RELATED]) if own else []
    cited: list[Deferral] = []
    if entry.precedent:
        ords = [ord_ for (ord_,) in fetch_rows(_CITED_SQL, {"project": project.pk, "text": entry.precedent})]
        says = Q(issue=entry.precedent) | Q(pattern=entry.precedent) | Q(ord__in=ords)
        cited = list(entries.filter(says).order_by("opened_at", "pk")[:_MOST_RELATED])
    return _Related((*cited, *citing), tuple(one.pk for one in cited), tuple(one.pk for one in citing))


def _list_named(entry: Deferral) -> _Named:
    """The first of the cases that a pattern names now, and their own entries."""
    if entry.ord is not None:
        return _Named()
    cases = DeferredCase.objects.filter(project_id=entry.project_id, deferral=entry)
    ords = tuple(cases.order_by("ord").values_list("ord", flat=True)[:MOST_NAMED])
    return _Named(ords, tuple(Deferral.objects.filter(project_id=entry.project_id, ord__in=ords)))


def _describe_named(project: Project, named: _Named, facts: dict[int, EntryFact]) -> tuple[NamedCase, ...]:
    if not named.ords:
        return ()
    names = read_case_names(project.pk, project.slug, ords=named.ords)
    entries = {row.ord: facts[row.pk] for row in named.rows}
    return tuple(NamedCase(names[ord_], entries.get(ord_)) for ord_ in named.ords if ord_ in names)


def _find_commit(entry: Deferral) -> str:
    if entry.opened_run is None:
        return ""
    runs = Run.objects.filter(project_id=entry.project_id, number=entry.opened_run)
    return runs.values_list("commit", flat=True).first() or ""


def _list_sources(entry: Deferral, fact: EntryFact, *, url: str) -> tuple[Source, ...]:
    """Each source in its own words: since which run, which line of which file, whose name."""
    found = [Source(_tell_source(entry, source)) for source in fact.sources]
    named_by = entry.named_by
    if named_by is None:
        return tuple(found)
    told = _tell_file(named_by) if named_by.origin == Deferral.Origin.FILE else "named by a person"
    rest = [source for source in found if source.told != _tell_source(entry, named_by.origin)]
    return (*rest, Source(told, f"{url}{named_by.pk}/", named_by.pattern))


def _tell_source(entry: Deferral, source: str) -> str:
    if source == Deferral.Origin.CI:
        return "CI results" if entry.opened_run is None else f"CI results since run {entry.opened_run}"
    return _tell_file(entry) if source == Deferral.Origin.FILE else "a person"


def _tell_file(entry: Deferral) -> str:
    """The file, and the line of it that names the tests."""
    if entry.origin != Deferral.Origin.FILE:
        return "the deferrals file"
    line, name = entry.written.get("line"), entry.written.get("file") or "the deferrals file"
    return f"`{name}` line {line}" if line else str(name)


_NAMES_SQL: Final = """
SELECT name, class_name || '::' || name FROM health_case WHERE project_id = %(project)s AND ord = %(ord)s
"""

# Only cases that have an entry are looked at: there is no index over names.
_CITED_SQL: Final = """
SELECT d.ord FROM health_deferral d JOIN health_case c ON c.project_id = d.project_id AND c.ord = d.ord
WHERE d.project_id = %(project)s AND (c.name = %(text)s OR c.class_name || '::' || c.name = %(text)s) LIMIT 20
"""

_FAMILY_SQL: Final = """
SELECT d.id, c.name FROM health_deferral d
JOIN health_case c ON c.project_id = d.project_id AND c.ord = d.ord
WHERE d.project_id = %(project)s AND d.closed_at IS NULL AND d.id <> %(id)s
  AND c.class_name = %(place)s AND starts_with(c.name, %(family)s)
ORDER BY d.id LIMIT %(limit)s
"""

_REASON_SQL: Final = """
SELECT id FROM health_deferral
WHERE project_id = %(project)s AND closed_at IS NULL AND ord IS NOT NULL AND id <> %(id)s AND reason = %(reason)s
ORDER BY id LIMIT %(limit)s
"""
