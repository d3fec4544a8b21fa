"""What the register says of the tests that a run puts off or breaks: tolerated, without backing, or long due.

Called by `health.gate`. An entry is read as it was at the run: one that closed behind it still counts, and a backing
has the state it had then (`BackingChange`). A quarantine counts as soon as somebody made it: asking again then helps.
Promise: what becomes overdue, closes or breaks later changes nothing of this run (`tests/health/test_gate.py`).
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from health.models import Backing, Deferral
from health.policies import fetch_policy
from health.rules import outcomes as codes
from health.rules.case_patterns import read_pattern
from health.rules.deferral_policy import DeferralPolicy
from health.rules.gate import (
    MOST_NAMED,
    OVERDUE,
    QUARANTINED,
    UNBACKED,
    UNEXPECTED_PASSES,
    Named,
    Reason,
    count_tests,
)
from health.rules.selectors import take_parts
from health.sql import Cursor
from health.tiles import Outcomes

Ords = npt.NDArray[np.int32]

_QUARANTINE: Final = Deferral.Kind.QUARANTINE
_FIRST, _NONE, _HERE = "first", "none", "here"
# How a put-off test lacks backing: what a list of several says, and what stands behind the name of one.
_LACKS: Final[dict[str, tuple[str, str]]] = {
    _FIRST: ("{} put off here for the first time", "put off here for the first time"),
    _NONE: ("{} without any named", "no backing named"),
    Backing.State.BROKEN: ("{} with broken backing", "its backing is broken"),
    Backing.State.WEAKENED: ("{} with weakened backing", "its backing is weakened"),
    Backing.State.UNPROVEN: ("{} whose backing was never proven", "its backing was never proven"),
    _HERE: ("{} whose backing does not hold in this run", "its backing does not hold in this run"),
}


@dataclass(frozen=True, slots=True)
class Observed:
    """What a run shows: outcomes of its jobs and of their baselines, [jobs, cases]; when and where it stands."""

    run: int
    ordered_at: datetime
    ran_at: datetime
    day: date
    now: Outcomes
    before: Outcomes

    def find(self, outcomes: Collection[int]) -> Ords:
        """The cases that ended so in any of its jobs."""
        return np.flatnonzero(np.isin(self.now, list(outcomes)).any(axis=0)).astype(np.int32)


@dataclass(frozen=True, slots=True)
class Weighed:
    """What comes of it for the run's verdict."""

    reasons: tuple[Reason, ...]
    tolerated: tuple[Reason, ...]
    quarantined: Ords  # those that are broken here


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry of the register. `stood`: it was open at the run; `is_new_here`: that run opened it."""

    pk: int
    ord: int | None
    pattern: str
    kind: str
    review_on: date | None
    opened_on: date
    is_new_here: bool
    is_open: bool
    stood: bool
    backing: int | None


def weigh_register(cursor: Cursor, project_id: int, observed: Observed) -> Weighed:
    """What is tolerated in the run, and what it puts off without backing or beyond its review."""
    put_off, broken = observed.find(codes.DEFERRED), observed.find(codes.BROKEN)
    entries = _fetch_entries(cursor, project_id, observed, ords=np.union1d(put_off, broken))
    by_ord = {entry.ord: entry for entry in entries if entry.ord is not None and entry.stood}
    sheltered = _find_sheltered(cursor, project_id, observed, entries=entries, broken=broken)
    unbacked = _find_unbacked(cursor, project_id, observed, put_off=put_off, entries=by_ord)
    put_off_by = [by_ord[ord_] for ord_ in put_off.tolist() if ord_ in by_ord]
    concerned = {entry.pk: entry for entry in (*put_off_by, *sheltered.values())}
    overdue = _find_overdue(concerned.values(), fetch_policy(cursor, project_id), day=observed.day)
    tolerated = (_tell_quarantined(sheltered), _tell_passes(observed, entries))
    return Weighed(
        reasons=tuple(reason for reason in (unbacked, overdue) if reason),
        tolerated=tuple(reason for reason in tolerated if reason),
        quarantined=np.array(sorted(sheltered), np.int32),
    )


# --- what is tolerated -----------------------------------------------------------------------------------------


def _find_sheltered(
    cursor: Cursor, project_id: int, observed: Observed, *, entries: Iterable[_Entry], broken: Ords
) -> dict[int, _Entry]:
    """The broken cases that a quarantine names, each with the entry that does."""
    quarantines = {entry.pk: entry for entry in entries if entry.kind == _QUARANTINE and (entry.is_open or entry.stood)}
    rows = cursor.execute(
        """
        SELECT ord, deferral_id FROM health_deferredcase
        WHERE project_id = %s AND deferral_id = ANY(%s) AND ord = ANY(%s) ORDER BY deferral_id DESC
        """,
        (project_id, [pk for pk, entry in quarantines.items() if entry.ord is None], broken.tolist()),
    ).fetchall()
    sheltered = _find_unknown_yet(cursor, project_id, observed, quarantines.values(), broken)
    sheltered |= {ord_: quarantines[pk] for ord_, pk in rows}
    own = {entry.ord: entry for entry in quarantines.values() if entry.ord is not None}
    return sheltered | {ord_: own[ord_] for ord_ in broken.tolist() if ord_ in own}


def _find_unknown_yet(
    cursor: Cursor, project_id: int, observed: Observed, quarantines: Iterable[_Entry], broken: Ords
) -> dict[int, _Entry]:
    """Those that are new on this branch: the register knows which cases a pattern names only of its own."""
    patterns = [(entry, read_pattern(entry.pattern)) for entry in quarantines if entry.ord is None]
    ords = broken[~observed.before[:, broken].any(axis=0)] if patterns else broken[:0]
    if not len(ords):
        return {}
    rows = cursor.execute(
        """
        SELECT c.ord, c.namespace, c.suite_path, c.class_name, c.name, s.name, s.level FROM health_case c
        LEFT JOIN health_suite s ON s.project_id = c.project_id AND s.number = c.suite
        WHERE c.project_id = %s AND c.ord = ANY(%s)
        """,
        (project_id, ords.tolist()),
    ).fetchall()
    found = {}
    for ord_, namespace, suite_path, class_name, name, suite, level in rows:
        parts = take_parts(namespace, suite_path=suite_path, class_name=class_name, name=name, suite=suite or "")
        entry = next((one for one, pattern in patterns if pattern and pattern.fits(parts, level=level or "")), None)
        if entry:
            found[ord_] = entry
    return found


def _tell_quarantined(sheltered: Mapping[int, _Entry]) -> Reason | None:
    if not sheltered:
        return None
    n = len(sheltered)
    told = f"{count_tests(n)} fail{'s' if n == 1 else ''} and {'is' if n == 1 else 'are'} quarantined."
    named = tuple(Named("", ord_) for ord_ in sorted(sheltered)[:MOST_NAMED])
    return Reason(QUARANTINED, n, told, named)


def _tell_passes(observed: Observed, entries: Iterable[_Entry]) -> Reason | None:
    """Expected failures that passed: pytest writes them as plain passes unless it is strict."""
    passed = set(observed.find(codes.PASSED).tolist()) - set(observed.find(codes.DEFERRED | codes.BROKEN).tolist())
    expected = {entry.ord for entry in entries if entry.kind == Deferral.Kind.XFAIL and entry.stood}
    ords = sorted(ord_ for ord_ in expected if ord_ in passed and ord_ is not None)
    if not ords:
        return None
    n = len(ords)
    told = f"{count_tests(n)} pass{'es' if n == 1 else ''} although expected to fail."
    return Reason(UNEXPECTED_PASSES, n, told, tuple(Named("", ord_) for ord_ in ords[:MOST_NAMED]))


# --- without backing -------------------------------------------------------------------------------------------


def _find_unbacked(
    cursor: Cursor, project_id: int, observed: Observed, *, put_off: Ords, entries: Mapping[int, _Entry]
) -> Reason | None:
    """What is put off while nothing that holds covers it; what nobody knew of before is told apart."""
    wanted = {entry.backing for entry in entries.values() if entry.backing is not None}
    states = _fetch_states(cursor, project_id, observed, wanted) if wanted else {}
    held = [pk for pk, state in states.items() if state == Backing.State.BACKED]
    failing = _find_failing(cursor, project_id, observed, held) if held else set()
    lacks = {}
    for ord_ in put_off.tolist():
        lack = _find_lack(entries.get(ord_), states, failing)
        if lack:
            lacks[ord_] = lack
    if not lacks:
        return None
    counts = Counter(lacks.values())
    parts = [words.format(f"{counts[lack]:,}") for lack, (words, _) in _LACKS.items() if counts[lack]]
    n, order = len(lacks), list(_LACKS)
    told = f"{count_tests(n)} {'is' if n == 1 else 'are'} put off without backing that holds: {', '.join(parts)}."
    ranked = sorted(lacks, key=lambda ord_: (order.index(lacks[ord_]), ord_))
    named = tuple(Named("", ord_, _LACKS[lacks[ord_]][1]) for ord_ in ranked[:MOST_NAMED])
    return Reason(UNBACKED, n, told, named)


def _find_lack(entry: _Entry | None, states: Mapping[int, str], failing: Collection[int]) -> str:
    """How a put-off test lacks backing; empty when it does not."""
    if entry is None:
        return _FIRST
    state = _NONE if entry.backing is None else states.get(entry.backing, _NONE)
    if state == Backing.State.BACKED:
        return _HERE if entry.backing in failing else ""
    return _FIRST if entry.is_new_here else state


def _fetch_states(cursor: Cursor, project_id: int, observed: Observed, backings: Collection[int]) -> dict[int, str]:
    """The state each backing had at the run: what a check found later is not held against it."""
    rows = cursor.execute(_STATES_SQL, {**_name_place(project_id, observed), "backings": sorted(backings)}).fetchall()
    return dict(rows)


def _find_failing(cursor: Cursor, project_id: int, observed: Observed, backings: Sequence[int]) -> set[int]:
    """The backings of which a case fails, is put off or is gone in this very run: that of a change, not of the lane."""
    rows = cursor.execute(
        """
        SELECT b.ord, b.backing_id, c.suite IN (
            SELECT suite FROM health_runsuite WHERE project_id = %(project)s AND run = %(run)s)
        FROM health_backingcase b JOIN health_case c ON c.project_id = b.project_id AND c.ord = b.ord
        WHERE b.project_id = %(project)s AND b.backing_id = ANY(%(backings)s)
        """,
        {"project": project_id, "run": observed.run, "backings": list(backings)},
    ).fetchall()
    n_cases = observed.now.shape[1]
    return {
        backing
        for ord_, backing, has_reported in rows
        if ord_ < n_cases and _fails_here(observed.now[:, ord_], observed.before[:, ord_], has_reported=has_reported)
    }


def _fails_here(now: Outcomes, before: Outcomes, *, has_reported: bool) -> bool:
    """Whether a case that backs others does not do so in these jobs; where its suite did not run, nobody knows."""
    said = set(now.tolist()) - {codes.ABSENT}
    if not said:
        return has_reported and bool(before.any())
    return bool(said & codes.BROKEN) or said <= codes.DEFERRED


# --- long due --------------------------------------------------------------------------------------------------


def _find_overdue(entries: Iterable[_Entry], policy: DeferralPolicy, *, day: date) -> Reason | None:
    """The entries whose review lay before the day of the run's commit."""
    due = []
    for entry in entries:
        review = policy.find_review_day(review_on=entry.review_on, opened_on=entry.opened_on)
        if review is not None and review < day:
            due.append((review, entry))
    if not due:
        return None
    n = len(due)
    due.sort(key=lambda pair: (pair[0], pair[1].pk))
    told = f"{n:,} review{' was' if n == 1 else 's were'} due before the day of its commit, {day.isoformat()}."
    named = tuple(
        Named(entry.pattern, entry.ord, f"review was due on {review.isoformat()}") for review, entry in due[:MOST_NAMED]
    )
    return Reason(OVERDUE, n, told, named)


# --- the register as it was ------------------------------------------------------------------------------------


def _fetch_entries(cursor: Cursor, project_id: int, observed: Observed, *, ords: Ords) -> list[_Entry]:
    """The entries of these cases, and all that let something fail."""
    rows = cursor.execute(_ENTRIES_SQL, {**_name_place(project_id, observed), "ords": ords.tolist()}).fetchall()
    return [_Entry(*row) for row in rows]


def _name_place(project_id: int, observed: Observed) -> dict[str, object]:
    return {
        "project": project_id,
        "run": observed.run,
        "ordered_at": observed.ordered_at,
        "ran_at": observed.ran_at,
    }


# An entry that ended with a run stood at each run before that one; one that a person ended, at each that ran before.
# One that a later run opened was not there yet; where it was opened before, too, nobody knows how long that lasted.
_ENTRIES_SQL: Final = """
SELECT d.id, d.ord, d.pattern, d.kind, d.review_on, (d.opened_at AT TIME ZONE p.time_zone)::date,
    d.n_openings = 1 AND d.opened_run IS NOT DISTINCT FROM %(run)s,
    d.closed_at IS NULL,
    (d.n_openings > 1 OR opened.number IS NULL
        OR (opened.ordered_at, opened.ran_at, opened.number) <= (%(ordered_at)s, %(ran_at)s, %(run)s))
    AND (d.closed_at IS NULL OR CASE WHEN closed.number IS NULL OR d.ending = 'released' THEN d.closed_at > %(ran_at)s
        ELSE (closed.ordered_at, closed.ran_at, closed.number) > (%(ordered_at)s, %(ran_at)s, %(run)s) END),
    d.backing_id
FROM health_deferral d
JOIN health_project p ON p.id = d.project_id
LEFT JOIN health_run opened ON opened.project_id = d.project_id AND opened.number = d.opened_run
LEFT JOIN health_run closed ON closed.project_id = d.project_id AND closed.number = d.closed_run
WHERE d.project_id = %(project)s
  AND (d.ord = ANY(%(ords)s) OR d.kind IN ('quarantine', 'xfail'))
ORDER BY d.id
"""

# A backing that was checked for the first time behind the run had no other state before.
_STATES_SQL: Final = """
SELECT b.id, coalesce(
    (SELECT c.after FROM health_backingchange c
     JOIN health_run r ON r.project_id = c.project_id AND r.number = c.run
     WHERE c.backing_id = b.id AND (r.ordered_at, r.ran_at, r.number) <= (%(ordered_at)s, %(ran_at)s, %(run)s)
     ORDER BY r.ordered_at DESC, r.ran_at DESC, r.number DESC, c.id DESC LIMIT 1),
    (SELECT CASE WHEN c.before IN ('', 'unproven') THEN c.after ELSE c.before END FROM health_backingchange c
     JOIN health_run r ON r.project_id = c.project_id AND r.number = c.run
     WHERE c.backing_id = b.id AND (r.ordered_at, r.ran_at, r.number) > (%(ordered_at)s, %(ran_at)s, %(run)s)
     ORDER BY r.ordered_at, r.ran_at, r.number, c.id LIMIT 1),
    b.state)
FROM health_backing b WHERE b.project_id = %(project)s AND b.id = ANY(%(backings)s)
"""
