"""Entries of the register with all a page says of one: whose word it is, how old, what backs it, what it lacks.

Used by the register's page, an entry's own and what needs attention. Reasons are masked like everything a report said.
Promise: four statements for any number of entries, none for none (`tests/dashboard/test_deferral_facts.py`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Final

from django.urls import reverse
from django.utils import timezone

from dashboard.queries.cases import CaseName, make_name
from dashboard.queries.shown_suites import write_suite_of_run
from dashboard.queries.sql import fetch_rows
from health.models import Backing, Deferral, Project
from health.rules.deferral_policy import DeferralPolicy
from health.rules.secrets import mask_reason, mask_secrets

Kind = Deferral.Kind
Origin = Deferral.Origin

# The mark of each kind, and of each state of a backing with its meaning, worst first; "" is: none named.
KINDS: Final[dict[str, tuple[str, str]]] = {
    Kind.SKIP: ("deferred", "skipped"),
    Kind.XFAIL: ("xfail", "expected to fail"),
    Kind.QUARANTINE: ("open", "quarantined"),
    Kind.PLANNED: ("absent", "planned, not there"),
}
BACKINGS: Final[dict[str, tuple[str, str]]] = {
    Backing.State.BROKEN: ("fail", "broken"),
    Backing.State.WEAKENED: ("stale", "weakened"),
    Backing.State.UNPROVEN: ("open", "never proven"),
    Backing.State.BACKED: ("holds", "backed"),
    "": ("absent", "none named"),
}
ENDINGS: Final[dict[str, str]] = {
    Deferral.Ending.RAN: "runs again",
    Deferral.Ending.GONE: "stopped reporting",
    Deferral.Ending.RELEASED: "released",
    Deferral.Ending.UNNAMED: "named by nobody any more",
}
ORIGINS: Final[dict[str, str]] = {Origin.CI: "CI results", Origin.FILE: "a file", Origin.PERSON: "a person"}
_BY_CI: Final = (Kind.SKIP, Kind.XFAIL)  # what runs themselves say
FIELD_WORDS: Final[dict[str, str]] = {
    "reason": "reason",
    "owner": "owner",
    "review": "review date",
    "issue": "issue",
    "backing": "backing",
}


@dataclass(frozen=True, slots=True)
class EntryFact:
    """One entry: a case, or what a file or person names by a pattern. What nobody says is "" or None."""

    id: int
    kind: str
    case: CaseName | None  # None for a pattern
    pattern: str
    suite: str
    reason: str  # masked, as issue and precedent are
    owner: str
    review_day: date | None
    is_overdue: bool
    issue: str
    precedent: str
    phase: str
    backing_id: int | None
    backing: str  # a state of Backing, or "" where none is named
    sources: tuple[str, ...]  # of Origin
    missing: tuple[str, ...]  # fields that the policy asks for
    opened_at: datetime
    opened_run: int | None
    days: int
    runs: int | None  # of its branch, since it was put off; None where no run put it off, or its first one is gone
    is_put_off: bool
    n_put_off: int
    n_running: int
    n_cases: int
    n_promised: int | None
    n_openings: int
    needs_person: bool
    n_passes: int
    is_releasable: bool
    closed_at: datetime | None
    ending: str
    version: int
    url: str

    @property
    def name(self) -> str:
        """What it is called: the case's name, else the pattern."""
        return self.case.name if self.case else self.pattern

    @property
    def is_open(self) -> bool:
        """Whether it still stands."""
        return self.closed_at is None

    @property
    def is_single_source(self) -> bool:
        """Whether only one source knows of it."""
        return len(self.sources) == 1

    @property
    def mark(self) -> str:
        """The kind's mark."""
        return KINDS[self.kind][0]

    @property
    def word(self) -> str:
        """The kind in words."""
        return KINDS[self.kind][1]

    @property
    def backing_mark(self) -> str:
        """The mark of its backing's state."""
        return BACKINGS[self.backing][0]

    @property
    def backing_word(self) -> str:
        """The state of its backing in words."""
        return BACKINGS[self.backing][1]

    @property
    def ending_word(self) -> str:
        """How it ended; "" while it stands."""
        return ENDINGS.get(self.ending, "")

    @property
    def missing_words(self) -> tuple[str, ...]:
        """What it lacks of what the policy asks for."""
        return tuple(FIELD_WORDS[name] for name in self.missing)

    @property
    def source_word(self) -> str:
        """Who speaks of it; where that is one alone, what the others do not say."""
        return write_sources(self.sources, is_put_off=self.is_put_off or self.kind not in _BY_CI)


def read_entries(
    project: Project, rows: Iterable[Deferral], *, policy: DeferralPolicy, today: date
) -> tuple[EntryFact, ...]:
    """These entries in their order; `today` is the day in the project's time zone."""
    entries = list(rows)
    if not entries:
        return ()
    names = _read_names(project, entries)
    backings = _read_backings(project, entries)
    patterns = _read_patterns(project, entries)
    places = count_runs_since(project, runs=_list_runs(entries))
    reads = _Reads(names, backings, patterns, places, {})
    return tuple(_describe(project, entry, reads, policy=policy, today=today) for entry in entries)


def count_runs_since(project: Project, *, runs: Iterable[int]) -> dict[int, int]:
    """How many runs each of these runs' branch has had since, with the run itself; of deleted ones nothing."""
    wanted = sorted(set(runs))
    if not wanted:
        return {}
    return dict(fetch_rows(_PLACES_SQL, {"project": project.pk, "runs": wanted}))


def write_sources(sources: Sequence[str], *, is_put_off: bool) -> str:
    """Whose word it is, in words."""
    if len(sources) != 1:
        return ", ".join(ORIGINS[source] for source in sources)
    if sources[0] == Origin.CI:
        return "CI only"
    word = "file only" if sources[0] == Origin.FILE else "a person only"
    return word if is_put_off else f"{word}: no run puts it off"


def list_sources(*, origin: str, is_seen: bool, is_written: bool, named_by: str) -> tuple[str, ...]:
    """Who speaks of an entry: `is_seen` by CI, `is_written` by hand, or named by a pattern of that origin."""
    found = {origin, named_by} - {""}
    if is_seen:
        found.add(Origin.CI)
    if is_written and origin != Origin.FILE:
        found.add(Origin.PERSON)
    return tuple(str(source) for source in ORIGINS if source in found)


@lru_cache(maxsize=1_000)
def find_entry_address(slug: str) -> str:
    """The address of a project's register; an entry lies below it, by its number."""
    return reverse("dashboard:deferred", kwargs={"slug": slug})


@dataclass(frozen=True, slots=True)
class _Reads:
    names: Mapping[int, tuple[CaseName, str]]
    backings: Mapping[int, str]
    patterns: Mapping[int, str]
    places: Mapping[int, int]
    masked: dict[tuple[str, Callable[[str], str]], str]  # there are thousands in a file, and many say the same

    def mask(self, text: str, mask: Callable[[str], str]) -> str:
        """A text as it is shown."""
        if (text, mask) not in self.masked:
            self.masked[text, mask] = mask(text)
        return self.masked[text, mask]


def _describe(project: Project, entry: Deferral, reads: _Reads, *, policy: DeferralPolicy, today: date) -> EntryFact:
    case, suite = reads.names.get(entry.ord, (None, "")) if entry.ord is not None else (None, "")
    opened_on, ended = _find_days(entry, today)
    review_day = policy.find_review_day(review_on=entry.review_on, opened_on=opened_on)
    is_seen = entry.is_put_off or entry.n_put_off > 0 or _is_seen_before(entry)
    is_written = bool(entry.written) and entry.ord is not None
    named_by = reads.patterns.get(entry.named_by_id or 0, "")
    is_open = entry.closed_at is None
    return EntryFact(
        id=entry.pk,
        kind=entry.kind,
        case=case,
        pattern=entry.pattern,
        suite=suite,
        reason=reads.mask(entry.reason, mask_reason),
        owner=entry.owner,
        review_day=review_day,
        is_overdue=is_open and review_day is not None and review_day < today,
        issue=reads.mask(entry.issue, mask_secrets),
        precedent=reads.mask(entry.precedent, mask_secrets),
        phase=entry.phase,
        backing_id=entry.backing_id,
        backing=reads.backings.get(entry.backing_id or 0, ""),
        sources=list_sources(origin=entry.origin, is_seen=is_seen, is_written=is_written, named_by=named_by),
        missing=find_missing(entry, policy=policy, review_day=review_day) if is_open else (),
        opened_at=entry.opened_at,
        opened_run=entry.opened_run,
        days=max((ended - opened_on).days, 0),
        runs=_count_runs(entry, reads.places),
        is_put_off=is_open and (entry.is_put_off or entry.n_put_off > 0),
        n_put_off=entry.n_put_off,
        n_running=entry.n_running,
        n_cases=entry.n_cases,
        n_promised=entry.n_promised,
        n_openings=entry.n_openings,
        needs_person=is_open and entry.n_openings > entry.n_accepted,
        n_passes=entry.n_passes,
        is_releasable=is_open and is_releasable(entry.kind, entry.n_passes, policy=policy),
        closed_at=entry.closed_at,
        ending=entry.ending,
        version=entry.version,
        url=f"{find_entry_address(project.slug)}{entry.pk}/",
    )


def _is_seen_before(entry: Deferral) -> bool:
    """Whether a run ever put it off; of what a pattern names, whether one does now: it is no run's word by itself."""
    if entry.ord is None:
        return entry.kind in _BY_CI and entry.n_cases > 0
    return entry.opened_run is not None


def find_missing(entry: Deferral, *, policy: DeferralPolicy, review_day: date | None) -> tuple[str, ...]:
    """What the policy asks for and the entry does not say."""
    said = {
        "reason": entry.reason,
        "owner": entry.owner,
        "review": review_day,
        "issue": entry.issue,
        "backing": entry.backing_id,
    }
    return tuple(name for name in policy.required if not said[name])


def is_releasable(kind: str, n_passes: int, *, policy: DeferralPolicy) -> bool:
    """Whether what was expected to fail passes for long enough."""
    return kind in (Kind.XFAIL, Kind.QUARANTINE) and n_passes >= policy.passes_to_release


def _find_days(entry: Deferral, today: date) -> tuple[date, date]:
    """The day it was opened on, and the one it ended on: today while it stands."""
    ended = timezone.localdate(entry.closed_at) if entry.closed_at else today
    return timezone.localdate(entry.opened_at), ended


def _list_runs(entries: Iterable[Deferral]) -> set[int]:
    return {run for entry in entries for run in (entry.opened_run, entry.closed_run) if run is not None}


def _count_runs(entry: Deferral, places: Mapping[int, int]) -> int | None:
    """From the first run that put it off to the newest, or to the one before that which closed it."""
    first = places.get(entry.opened_run or 0)
    if first is None or entry.closed_at is None:
        return first
    closed = places.get(entry.closed_run or 0)
    return None if closed is None else max(first - closed, 0)


def _read_names(project: Project, entries: Iterable[Deferral]) -> dict[int, tuple[CaseName, str]]:
    """The cases, each with the suite it is shown under in the run that first put it off."""
    seen = {entry.ord: entry.opened_run for entry in entries if entry.ord is not None}
    if not seen:
        return {}
    values = {"project": project.pk, "ords": list(seen), "runs": list(seen.values())}
    rows = fetch_rows(_NAMES_SQL, values)
    return {row[0]: (make_name(row[:-1], project.slug), row[-1] or "") for row in rows}


def _read_backings(project: Project, entries: Iterable[Deferral]) -> dict[int, str]:
    wanted = {entry.backing_id for entry in entries if entry.backing_id is not None}
    if not wanted:
        return {}
    return dict(Backing.objects.filter(project=project, pk__in=wanted).values_list("pk", "state"))


def _read_patterns(project: Project, entries: Iterable[Deferral]) -> dict[int, str]:
    """Whose word the patterns are that name these entries."""
    wanted = {entry.named_by_id for entry in entries if entry.named_by_id is not None}
    if not wanted:
        return {}
    return dict(Deferral.objects.filter(project=project, pk__in=wanted).values_list("pk", "origin"))


_NAMES_SQL: Final = f"""
SELECT c.ord, c.name, c.class_name, c.suite_path, c.namespace, c.occurrence, c.suite, s.name
FROM (SELECT %(project)s::bigint AS project_id, * FROM unnest(%(ords)s::int[], %(runs)s::int[]) AS seen(ord, run)) v
JOIN health_case c ON c.project_id = v.project_id AND c.ord = v.ord
LEFT JOIN health_suite s ON s.project_id = c.project_id AND s.number = {write_suite_of_run(run="v.run")}
"""  # noqa: S608 - constants

_PLACES_SQL: Final = """
SELECT number, place FROM (
    SELECT number, row_number() OVER (PARTITION BY lane ORDER BY ordered_at DESC, ran_at DESC, number DESC) AS place
    FROM health_run WHERE project_id = %(project)s AND lane IN (
        SELECT lane FROM health_run WHERE project_id = %(project)s AND number = ANY(%(runs)s))) placed
WHERE number = ANY(%(runs)s)
"""
