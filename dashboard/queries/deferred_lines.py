"""The lines of the register: entries that fit a choice, those of one family with one reason on one line.

Called by `dashboard.queries.deferred` and for its files. The database chooses and orders; names and texts are read of
those shown alone. Promise: a page holds at most N_LINES lines of at most MOST_READ entries, in a fixed number of
statements, and each entry stands on exactly one page (`tests/dashboard/test_deferred_queries.py`).
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
from django.db.models.expressions import RawSQL

from dashboard.filters import Filters
from dashboard.queries.cases import CaseName, make_name
from dashboard.queries.deferral_facts import EntryFact, read_entries
from dashboard.queries.deferred_numbers import (
    KINDS,
    N_TESTS,
    STATES,
    Mask,
    Numbers,
    Register,
    find_alike,
    find_days_open,
    find_overdue,
    find_said,
)
from dashboard.queries.deferred_summary import AGES
from dashboard.queries.sql import fetch_rows
from health.models import Deferral, Project
from health.rules.deferral_policy import DeferralPolicy
from health.rules.secrets import mask_reason, mask_secrets
from health.sql import copy_numbers, format_array, open_cursor

N_LINES: Final = 100
MOST_READ: Final = 500
MOST_IN_FILE: Final = 100_000
_MOST_LISTED: Final = 40  # cases of a line
_MOST_NAMED: Final = 300  # on a page
_N_CHUNK: Final = 2_000


@dataclass(frozen=True, slots=True)
class DeferredLine:
    """Entries that are alike but for their parameters; most are alone. `entry` speaks for all."""

    entry: EntryFact
    cases: tuple[CaseName, ...]
    n: int  # tests
    n_entries: int

    @property
    def is_family(self) -> bool:
        """Whether several cases stand on it."""
        return self.n_entries > 1

    @property
    def name(self) -> str:
        """What its cases have in common; of a single one all of its name, of a pattern the pattern."""
        case = self.entry.case
        return case.family if case and self.is_family else self.entry.name

    @property
    def n_unlisted(self) -> int:
        """How many are not named one by one."""
        return self.n_entries - len(self.cases)

    @property
    def debt(self) -> int:
        """Test-days."""
        return self.n * self.entry.days


@dataclass(frozen=True, slots=True)
class Lines:
    """A page of lines; `next_before` is how many entries stand before the next one, 0 on the last."""

    lines: tuple[DeferredLine, ...]
    next_before: int
    n_tests: int
    n_entries: int


@dataclass(frozen=True, eq=False)
class Choice:
    """The entries that fit, by number and in their order, and how many tests they are."""

    ids: Numbers
    n_tests: int


def make_choice(
    project: Project, register: Register, filters: Filters, *, policy: DeferralPolicy, today: date
) -> Choice:
    """What these filters choose of the register."""
    chosen = register["is_open"] != (filters.state == "closed")
    for fits in _list_conditions(project, register, filters, policy=policy, today=today):
        chosen &= fits
    places = np.flatnonzero(chosen)
    n_tests = int(register["n"][places].sum())
    return Choice(register["id"][_arrange(project, register, places, filters.arrange, today=today)], n_tests)


def _list_conditions(
    project: Project, register: Register, filters: Filters, *, policy: DeferralPolicy, today: date
) -> Iterator[Mask]:
    """Which entries fit each of the choices."""
    if filters.state in ("passing", "release", "back", "overdue", "missing"):
        yield _find_in_state(register, filters.state, policy=policy, today=today)
    if filters.kind:
        yield register["kind"] == KINDS.index(filters.kind)
    for name, words in (("owner", register.owners), ("phase", register.phases), ("suite", register.suites)):
        if word := getattr(filters, name):
            yield _is_one_of(register[name], words, word)
    if filters.backing == "none":
        yield ~find_said(register, policy)["backing"]
    elif filters.backing:
        yield register["state"] == STATES.index(filters.backing)
    if filters.missing:
        yield ~find_said(register, policy)[filters.missing]
    if filters.age:
        first, last = next((first, last) for word, _, first, last in AGES if word == filters.age)
        days = find_days_open(register, today)
        yield (days >= first) & (days <= (sys.maxsize if last is None else last))
    if filters.search:
        yield _find_searched(project, register, filters.search)


def read_lines(project: Project, choice: Choice, *, n_before: int, policy: DeferralPolicy, today: date) -> Lines:
    """The lines that follow so many entries, and how many entries and tests fit in all."""
    ids = choice.ids[n_before : n_before + MOST_READ].tolist()
    rows = fetch_rows(_NAMES_SQL, {"project": project.pk, "ids": ids})
    groups, n_taken = _group(rows, project.slug)
    leaders = [group[0][0] for group in groups]
    stored = _fetch_stored(leaders)
    entries = read_entries(project, [stored[pk] for pk in leaders if pk in stored], policy=policy, today=today)
    by_id = {entry.id: entry for entry in entries}
    most = max(min(_MOST_LISTED, _MOST_NAMED // max(sum(len(group) > 1 for group in groups), 1)), 1)
    lines = [_make_line(by_id[group[0][0]], group, most) for group in groups if group[0][0] in by_id]
    n_after = len(choice.ids) - n_before - n_taken
    return Lines(
        lines=tuple(lines),
        next_before=n_before + n_taken if n_taken and n_after > 0 else 0,
        n_tests=choice.n_tests,
        n_entries=len(choice.ids),
    )


def read_all_entries(project: Project, choice: Choice, *, policy: DeferralPolicy, today: date) -> Iterator[EntryFact]:
    """Every entry that fits, in order, as many as a file holds."""
    ids = choice.ids[:MOST_IN_FILE].tolist()
    for start in range(0, len(ids), _N_CHUNK):
        chunk = ids[start : start + _N_CHUNK]
        stored = _fetch_stored(chunk)
        yield from read_entries(project, [stored[pk] for pk in chunk if pk in stored], policy=policy, today=today)


def _fetch_stored(ids: Sequence[int]) -> dict[int, Deferral]:
    """These entries by number. As a single value: thousands of them in a statement cost more than what they find."""
    wanted = RawSQL("SELECT unnest(%s::bigint[])", [format_array(ids)])
    return {entry.pk: entry for entry in Deferral.objects.filter(pk__in=wanted).defer("read")}


_Member = tuple[int, int, CaseName | None]  # id, how many tests, its case


def _group(rows: Sequence[tuple[Any, ...]], slug: str) -> tuple[list[list[_Member]], int]:
    """Entries alike but for parameters, where the first of them stands; and how many of the rows fill the page."""
    groups: dict[tuple[object, ...], list[_Member]] = {}
    for taken, row in enumerate(rows):
        pk, n, alike, case = row[0], row[1], row[2], None
        key: tuple[object, ...] = (pk,)
        if row[3] is not None:
            case = make_name(row[3:], slug)
            name = case.family if case.is_parametrised else (case.name, case.occurrence)
            key = (case.namespace, case.suite_path, case.class_name, name, alike)
        if key not in groups and len(groups) == N_LINES:
            return list(groups.values()), taken
        groups.setdefault(key, []).append((pk, n, case))
    return list(groups.values()), len(rows)


def _make_line(entry: EntryFact, group: Sequence[_Member], most: int) -> DeferredLine:
    cases = [case for _, _, case in group if case is not None]
    return DeferredLine(entry, tuple(cases[:most]), sum(n for _, n, _ in group), len(group))


def _find_in_state(register: Register, state: str, *, policy: DeferralPolicy, today: date) -> Mask:
    is_tried = np.isin(register["kind"], [KINDS.index("xfail"), KINDS.index("quarantine")])
    found: Mask
    if state == "passing":
        found = is_tried & (register["n_passes"] > 0)
    elif state == "release":
        found = is_tried & (register["n_passes"] >= policy.passes_to_release)
    elif state == "back":
        found = register["is_back"]
    elif state == "overdue":
        found = find_overdue(register, policy=policy, today=today)
    else:
        said = find_said(register, policy)
        found = ~np.logical_and.reduce([np.ones(len(register), np.bool_), *(said[name] for name in policy.required)])
    return found


def _is_one_of(places: Numbers, words: Sequence[str], word: str) -> Mask:
    """Which of these places in the list hold that word."""
    return np.isin(places, [at for at, said in enumerate(words) if said == word])


def _find_searched(project: Project, register: Register, text: str) -> Mask:
    """Those whose names or texts hold it. What was said is searched as it is shown: what is masked in it cannot be
    found out by searching.
    """
    pattern = f"%{text.replace(chr(92), chr(92) * 2).replace('%', chr(92) + '%').replace('_', chr(92) + '_')}%"
    values = {"project": project.pk, "search": pattern}
    named = copy_numbers(open_cursor(), _NAMED_SO_SQL, values, ord="i4", id="i8")
    low = text.casefold()
    rows = fetch_rows(_SAID_SQL, values | {"ids": format_array(register.speakers.tolist())})
    shown = ((pk, mask_reason(reason), *map(mask_secrets, others)) for pk, reason, *others in rows)
    speakers = [pk for pk, *said in shown if any(low in words.casefold() for words in said)]
    said_so = np.isin(register.speakers, np.array(speakers, np.int64))[register["words"]]
    found: Mask = said_so | np.isin(register["ord"], named["ord"]) | np.isin(register["id"], named["id"])
    return found


def _arrange(project: Project, register: Register, places: Numbers, order: str, *, today: date) -> Numbers:
    """These places of the register in their order; it is in that of age."""
    if order == "age":
        return places
    if order == "name":
        ranks = register.keep("name", lambda: _rank_by_name(project, register))
        return places[np.argsort(ranks[places], kind="stable")]
    families = register.keep("family", lambda: _find_families(project, register))
    weights = register["n"] if order == "count" else register["n"] * find_days_open(register, today)
    sums = np.bincount(families[places], weights[places])
    ranks = np.empty(len(sums), np.int32)
    ranks[np.argsort(-sums, kind="stable")] = np.arange(len(sums), dtype=np.int32)
    return places[np.argsort(ranks[families[places]], kind="stable")]


def _rank_by_name(project: Project, register: Register) -> Numbers:
    ids = copy_numbers(open_cursor(), _BY_NAME_SQL, {"project": project.pk}, id="i8")["id"]
    return _align(register, ids, np.arange(len(ids), dtype=np.int32))


def _find_families(project: Project, register: Register) -> Numbers:
    """Cases of one family whose entries say the same, as one number."""
    rows = copy_numbers(open_cursor(), _FAMILIES_SQL, {"project": project.pk}, id="i8", family="i8")
    _, families = np.unique(rows["family"], return_inverse=True)
    said = (register[name] for name in ("kind", "owner", "words", "backing", "moment"))
    _, found = find_alike([_align(register, rows["id"], families.astype(np.int32)), *said])
    return found.astype(np.int32)


def _align(register: Register, ids: Numbers, values: Numbers) -> Numbers:
    """The value of each entry of the register; of one that is gone meanwhile the first."""
    order = np.argsort(ids)
    if not len(ids):
        return np.zeros(len(register), np.int32)
    found: Numbers = values[order[np.searchsorted(ids, register["id"], sorter=order).clip(max=len(ids) - 1)]]
    return found


_NOBODY: Final = -2  # no case and no entry
_FROM: Final = "FROM health_deferral d LEFT JOIN health_case c ON c.project_id = d.project_id AND c.ord = d.ord"
_NAMES_SQL: Final = f"""
SELECT d.id, ({N_TESTS})::int, hash_record_extended(ROW(d.kind, d.reason, d.owner, d.review_on, d.issue, d.precedent,
        d.phase, d.backing_id, d.named_by_id, d.opened_at, d.opened_run, d.closed_at, d.ending,
        d.n_openings > d.n_accepted, d.n_passes, d.is_put_off, d.n_running > 0, d.written), 0),
    c.ord, c.name, c.class_name, c.suite_path, c.namespace, c.occurrence, c.suite
FROM unnest(%(ids)s::bigint[]) WITH ORDINALITY AS chosen(id, place)
CROSS JOIN LATERAL (SELECT * FROM health_deferral WHERE id = chosen.id LIMIT 1) d
LEFT JOIN LATERAL (SELECT * FROM health_case WHERE project_id = d.project_id AND ord = d.ord LIMIT 1) c ON true
WHERE d.project_id = %(project)s ORDER BY chosen.place
"""  # noqa: S608 - constants
_BY_NAME_SQL: Final = f"""
SELECT d.id {_FROM} WHERE d.project_id = %(project)s
ORDER BY coalesce(c.name, d.pattern) COLLATE "C", c.class_name COLLATE "C", d.id
"""
# About as `health.rules.families` splits names: enough to bring a family together.
_FAMILIES_SQL: Final = f"""
SELECT d.id, hashtextextended(concat_ws(chr(31), c.namespace, c.suite_path, c.class_name, split_part(c.name, '[', 1),
    d.pattern), 0) {_FROM} WHERE d.project_id = %(project)s
"""
# All cases, put off or not: to join those that are costs more than to look through the others.
_NAMED_SO_SQL: Final = f"""
SELECT ord, {_NOBODY} FROM health_case
WHERE project_id = %(project)s AND (name ILIKE %(search)s OR class_name ILIKE %(search)s)
UNION ALL
SELECT {_NOBODY}, id FROM health_deferral
WHERE project_id = %(project)s AND ord IS NULL AND pattern ILIKE %(search)s
"""  # noqa: S608 - a constant
_SAID_SQL: Final = """
SELECT id, reason, precedent, issue FROM health_deferral
WHERE id = ANY(%(ids)s::bigint[]) AND (reason ILIKE %(search)s OR precedent ILIKE %(search)s OR issue ILIKE %(search)s)
"""
