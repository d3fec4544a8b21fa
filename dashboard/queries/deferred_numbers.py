"""The register as numbers: a row for each entry, from which its page counts, chooses and orders.

Called by `dashboard.queries.deferred_summary` and `dashboard.queries.deferred_lines`. What entries say is a number for
each text here, so that 50,000 of them are 4 MB; texts are read of the lines that are shown. A process keeps the newest
state of a few projects. Promise: a fixed number of statements, none for a state that is kept, and what is kept has a
limit in bytes (`tests/dashboard/test_deferred_numbers.py`).
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from threading import Lock
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from dashboard.queries.shown_suites import NAMED_SUITES
from dashboard.queries.sql import fetch_rows
from health.models import Backing, Deferral, Project
from health.rules.backings import Finding
from health.rules.deferral_policy import DeferralPolicy
from health.sql import copy_numbers, open_cursor
from health.standing import Standing

Numbers = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

KINDS: Final = tuple(map(str, Deferral.Kind.values))
STATES: Final = ("", *map(str, Backing.State.values))
ENDINGS: Final = ("", *map(str, Deferral.Ending.values))
NEVER: Final = 0  # no day
_MOST_BYTES: Final = 16 * 2**20
_MOST_VALUES: Final = 2**62


class Backed(NamedTuple):
    """What the last check of a backing found: cases that are said to stand in, those there, those that passed."""

    n_stand_in: int
    n_found: int
    n_passed: int
    state: str
    n_known: int  # those there and those that are gone
    n_gone: int
    n_failed: int
    n_unread: int  # texts that name nothing that can be looked up


@dataclass(frozen=True, eq=False)
class Register:
    """All entries, closed ones too, in the order of their age. A column is an array with a value for each."""

    columns: dict[str, Numbers]
    owners: tuple[str, ...]
    phases: tuple[str, ...]
    suites: tuple[str, ...]
    backings: tuple[int | None, ...]
    speakers: Numbers  # of each different `words`, an entry that says them: reason, precedent and issue
    backed: dict[int, Backed] = field(repr=False)  # of the backings of open entries
    kept: dict[str, tuple[object, Any]] = field(repr=False)  # what was made of it: orders and sums

    def __getitem__(self, name: str) -> Numbers:
        return self.columns[name]

    def __len__(self) -> int:
        return len(self.columns["id"])

    @property
    def n_bytes(self) -> int:
        """About what it takes in memory."""
        made = (made for _, made in self.kept.values())
        return sum(thing.nbytes for thing in (*self.columns.values(), self.speakers, *made))

    def keep(self, name: str, make: Callable[[], Any], *, asked: object = None) -> Any:
        """What was made of these numbers, made anew only where something else is asked than the last time."""
        known = self.kept.get(name)
        if known is None or known[0] != asked:
            known = self.kept[name] = asked, make()
        return known[1]


class _State(NamedTuple):
    """What a newer answer differs by: each change of the register counts the revision up."""

    revision: int
    zone: str
    jobs: tuple[tuple[int, int], ...]


_registers: OrderedDict[int, tuple[_State, Register]] = OrderedDict()
_lock: Final = Lock()


def read_register(project: Project, *, standing: Standing) -> Register:
    """The register of a project as it is."""
    state = _State(project.revision, project.time_zone, tuple((job.run, job.series) for job in standing.jobs))
    with _lock:
        known = _registers.get(project.pk)
        if known is not None and known[0] == state:
            _registers.move_to_end(project.pk)
            return known[1]
    found = _fetch(project, standing)
    with _lock:
        _registers[project.pk] = (state, found)
        _registers.move_to_end(project.pk)
        while len(_registers) > 1 and sum(kept.n_bytes for _, kept in _registers.values()) > _MOST_BYTES:
            _registers.popitem(last=False)
    return found


def _fetch(project: Project, standing: Standing) -> Register:
    cursor = open_cursor()
    rows = copy_numbers(cursor, _ENTRIES_SQL, {"project": project.pk}, **_COLUMNS)
    rows = rows[np.lexsort((rows["id"], rows["opened"]))]
    said = rows["said"]
    # Copies: a view would keep all of the rows.
    columns = {name: rows[name].copy() for name in ("id", "ord", "review_on", "n_passes", "n_put_off")}
    columns |= {name: (said >> at & 1).astype(np.bool_) for at, name in enumerate(_FLAGS)}
    columns["kind"] = (said >> 16 & 0xFF).astype(np.int8)
    columns["ending"] = (said >> 24 & 0xFF).astype(np.int8)
    columns["day"] = _find_days(rows["opened"], ZoneInfo(project.time_zone))
    _, columns["moment"] = _find_different(rows["opened"])
    _, firsts, words = np.unique(rows["words"], return_index=True, return_inverse=True)
    columns["words"] = words.astype(np.int32)
    columns["n"] = _count_tests(project, rows)
    columns["owner"], columns["phase"], owners, phases = _read_said(rows)
    columns["suite"], suites = _find_suites(project, standing, rows)
    used, columns["backing"] = _find_different(rows["backing"])
    states, backed = _read_backings(used, standing=set(np.unique(columns["backing"][columns["is_open"]]).tolist()))
    columns["state"] = states[columns["backing"]]
    backings = tuple(pk if pk >= 0 else None for pk in used.tolist())
    return Register(columns, owners, phases, suites, backings, rows["id"][firsts], backed, {})


def find_days_open(register: Register, today: date) -> Numbers:
    """For how many days each has been put off by then."""
    return np.maximum(today.toordinal() - register["day"], 0)  # type: ignore[no-any-return]


def find_review_days(register: Register, policy: DeferralPolicy) -> Numbers:
    """The day each is to be looked at, as `DeferralPolicy.find_review_day` says it; NEVER where none is set."""
    if policy.review_after_days is None:
        return register["review_on"]
    own = register["review_on"]
    return np.where(own == NEVER, register["day"] + policy.review_after_days, own)


def find_overdue(register: Register, *, policy: DeferralPolicy, today: date) -> Mask:
    """Which of them were to be looked at before this day."""
    days = find_review_days(register, policy)
    found: Mask = (days != NEVER) & (days < today.toordinal())
    return found


def find_said(register: Register, policy: DeferralPolicy) -> dict[str, Mask]:
    """Which of them say each field that a policy may ask for."""
    return {
        "reason": register["has_reason"],
        "owner": register["owner"] != _find_place(register.owners, ""),
        "review": find_review_days(register, policy) != NEVER,
        "issue": register["has_issue"],
        "backing": register["backing"] != _find_place(register.backings, None),
    }


def find_alike(columns: Sequence[Numbers]) -> tuple[Numbers, Numbers]:
    """Rows that are equal in all columns, none of which is below 0: the first of each kind, and the kind of each."""
    key, n_values = np.zeros(len(columns[0]), np.int64), 1
    for column in columns:
        n = int(column.max(initial=0)) + 1
        if n_values * n >= _MOST_VALUES:
            found, key = np.unique(key, return_inverse=True)
            n_values = len(found)
        key, n_values = key * n + column, n_values * n
    _, firsts, places = np.unique(key, return_index=True, return_inverse=True)
    return firsts, places


def _find_place(values: Sequence[object], wanted: object) -> int:
    return values.index(wanted) if wanted in values else -1


def _find_different(values: Numbers) -> tuple[Numbers, Numbers]:
    """The values there are, and for each the place among them."""
    found, places = np.unique(values, return_inverse=True)
    return found, places.astype(np.int32)


def _find_days(moments: Numbers, zone: ZoneInfo) -> Numbers:
    """The day of each moment there; many are the same, as a run opens many."""
    found, places = _find_different(moments)
    days = [datetime.fromtimestamp(moment / 1e6, UTC).astimezone(zone).toordinal() for moment in found.tolist()]
    return np.array(days, np.int32)[places]


def _count_tests(project: Project, rows: Numbers) -> Numbers:
    """How many tests each stands for: a case for itself; of patterns the database knows."""
    counts = (rows["ord"] >= 0).astype(np.int32)
    of_patterns: dict[int, int] = dict(fetch_rows(_PATTERNS_SQL, {"project": project.pk}))
    where = np.flatnonzero(rows["ord"] < 0)
    counts[where] = [of_patterns.get(pk, 0) for pk in rows["id"][where].tolist()]
    return counts


def _read_said(rows: Numbers) -> tuple[Numbers, Numbers, tuple[str, ...], tuple[str, ...]]:
    """Owner and phase as places in lists of them: of entries that say the same, one is asked what that is."""
    _, owner_at, owners = np.unique(rows["owner"], return_index=True, return_inverse=True)
    _, phase_at, phases = np.unique(rows["phase"], return_index=True, return_inverse=True)
    asked = rows["id"][np.concatenate([owner_at, phase_at])].tolist()
    texts = {pk: said for pk, *said in fetch_rows(_SAID_SQL, {"ids": asked})}
    said = [texts.get(pk, ("", "")) for pk in asked]
    n = len(owner_at)
    return (
        owners.astype(np.int32),
        phases.astype(np.int32),
        tuple(owner for owner, _ in said[:n]),
        tuple(phase for _, phase in said[n:]),
    )


def _find_suites(project: Project, standing: Standing, rows: Numbers) -> tuple[Numbers, tuple[str, ...]]:
    """The suite of each as a place in a list of names: what the standing jobs name, else the case's own."""
    values = {"project": project.pk, "runs": [job.run for job in standing.jobs], "series": standing.series}
    named = copy_numbers(open_cursor(), _NAMED_SQL, values, ord="i4", suite="i4")
    numbers = rows["suite"].copy()
    if len(named):
        at = np.searchsorted(named["ord"], rows["ord"]).clip(max=len(named) - 1)
        numbers = np.where(named["ord"][at] == rows["ord"], named["suite"][at], numbers)
    names: dict[int, str] = dict(fetch_rows(_SUITES_SQL, {"project": project.pk}))
    found, places = _find_different(numbers)
    return places, tuple(names.get(number, "") for number in found.tolist())


def _read_backings(used: Numbers, *, standing: Collection[int]) -> tuple[Numbers, dict[int, Backed]]:
    """The state of each as a place in STATES, and what was found of those at the `standing` places."""
    checks = Backing.objects.filter(pk__in=used.tolist()).values_list("pk", "state", "found")
    known = {pk: (word, found) for pk, word, found in checks}
    states = np.zeros(len(used), np.int8)
    backed: dict[int, Backed] = {}
    for at, pk in enumerate(used.tolist()):
        if pk in known:
            states[at] = STATES.index(known[pk][0])
            check = Finding.from_json(known[pk][1])
            if at in standing:
                backed[pk] = Backed(
                    n_stand_in=max(check.n_promised or 0, check.n_cases),
                    n_found=check.n_found,
                    n_passed=check.n_passed,
                    state=known[pk][0],
                    n_known=check.n_cases,
                    n_gone=check.gone.n,
                    n_failed=check.failed.n,
                    n_unread=len(check.unread),
                )
    return states, backed


# How many tests an entry `d` stands for: a case for itself; planned ones are those not there yet; what is quarantined
# and runs has no entry of its own. What a file says is skipped and is not, is put off nowhere.
N_TESTS: Final = """CASE
    WHEN d.ord IS NOT NULL THEN 1
    WHEN d.kind = 'planned' THEN greatest(coalesce(d.n_promised, 1) - d.n_cases, 0)
    WHEN d.kind = 'quarantine' AND d.closed_at IS NULL THEN greatest(d.n_cases - (
        SELECT count(*) FROM health_deferral own
        WHERE own.named_by_id = d.id AND own.ord IS NOT NULL AND own.closed_at IS NULL), 0)
    ELSE 0 END"""

_FLAGS: Final = {
    "is_open": "d.closed_at IS NULL",
    "has_reason": "d.reason <> ''",
    "has_issue": "d.issue <> ''",
    "has_precedent": "d.precedent <> ''",
    "is_back": "d.n_openings > d.n_accepted",
    "is_put_off": "d.is_put_off AND d.ord IS NOT NULL",
}
_COLUMNS: Final = {
    "id": "i8",
    "ord": "i4",
    "opened": "i8",
    "review_on": "i4",
    "backing": "i8",
    "n_passes": "i2",
    "n_put_off": "i2",
    "owner": "i8",
    "phase": "i8",
    "words": "i8",
    "suite": "i4",
    "said": "i4",
}


def _write_place(column: str, words: Sequence[str]) -> str:
    cases = " ".join(f"WHEN '{word}' THEN {at}" for at, word in enumerate(words))
    return f"CASE {column} {cases} ELSE 0 END"


# Flags and words of few letters are one number: each column more is a value more to be gathered for each entry.
_SAID: Final = " + ".join(
    (
        *(f"(({flag})::int << {at})" for at, flag in enumerate(_FLAGS.values())),
        f"(({_write_place('d.kind', KINDS)}) << 16)",
        f"(({_write_place('d.ending', ENDINGS)}) << 24)",
    )
)
_ENTRIES_SQL: Final = f"""
SELECT d.id, coalesce(d.ord, -1), (date_part('epoch', d.opened_at) * 1000000)::bigint,
    coalesce(d.review_on - date '0001-01-01' + {date(1, 1, 1).toordinal()}, {NEVER}), coalesce(d.backing_id, -1),
    d.n_passes, d.n_put_off, CASE WHEN d.owner = '' THEN 0 ELSE hashtextextended(d.owner, 0) END,
    CASE WHEN d.phase = '' THEN 0 ELSE hashtextextended(d.phase, 0) END,
    hashtextextended(d.reason, hashtextextended(d.precedent, hashtextextended(d.issue, 0))),
    coalesce(c.suite, -1), {_SAID}
FROM health_deferral d LEFT JOIN health_case c ON c.project_id = d.project_id AND c.ord = d.ord
WHERE d.project_id = %(project)s
"""  # noqa: S608 - constants
_PATTERNS_SQL: Final = f"""
SELECT d.id, ({N_TESTS})::int FROM health_deferral d WHERE d.project_id = %(project)s AND d.ord IS NULL
"""  # noqa: S608 - a constant
_SAID_SQL: Final = "SELECT id, owner, phase FROM health_deferral WHERE id = ANY(%(ids)s)"
_NAMED_SQL: Final = f"WITH {NAMED_SUITES} SELECT ord, suite FROM named ORDER BY ord"  # noqa: S608 - a constant
_SUITES_SQL: Final = "SELECT number, name FROM health_suite WHERE project_id = %(project)s"
