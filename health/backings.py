"""What is said to cover put-off cases, looked up and judged anew behind each upload.

Called by `health.register` after it settled the entries, and by `health.deferral_acts` for one of them; what texts name
is found by `health.named_cases`, what is concluded by `health.rules.backings`. A case that a text names is pinned when
it is there, and missed when it goes. A case that is absent while a part of its series' run is missing stays as it was.
Promise: checking twice changes nothing, whatever order texts and cases came in, and where nothing changed nothing is
written (`tests/health/test_backings.py`).
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import numpy as np

from health.executed_code import Contexts, fetch_contexts_of
from health.named_cases import MOST_TEXTS, StandingCases, fetch_standing_cases, find_named, list_marked
from health.pinned_cases import NO_PINS, Codes, Pins, fetch_pins, pin, write_pins
from health.rules import backings as rules
from health.rules.backings import Executed, Finding, Judged, TextFound
from health.rules.case_patterns import LONGEST, CasePattern, read_pattern
from health.sql import Cursor, format_array
from health.standing import Standing, fetch_standing
from health.tiles import Ords
from health.windows import fetch_grid, list_window

_MOST_NAMED: Final = 100
# What names more proves nothing, and each is a row.
_MOST_PINNED: Final = 20_000
_MOST_BACKINGS: Final = 2_000
_PASSED: Final = rules.STATUSES.index(rules.PASSED)
_ABSENT: Final = rules.STATUSES.index(rules.ABSENT)


# --- who names what --------------------------------------------------------------------------------------------


Texts = tuple[str, ...]
Claim = tuple[Texts, Texts]  # what is named, and the code it should execute


def ensure_backings(cursor: Cursor, project_id: int, claims: Iterable[Claim]) -> dict[Claim, int]:
    """The backing of each claim, made if new; none where nothing is named. Texts in another order are the same."""
    digests: dict[Claim, bytes] = {}
    said: dict[bytes, tuple[str, str]] = {}
    for claim in claims:
        texts, places = _clean(claim[0]), _clean(claim[1])
        if texts:
            digest = sha256(json.dumps([sorted(texts), sorted(places)]).encode()).digest()
            digests[claim] = digest
            said.setdefault(digest, (json.dumps(texts), json.dumps(places)))
    if not said:
        return {}
    rows = cursor.execute(
        """
        WITH said AS MATERIALIZED (
            SELECT * FROM unnest(%(digests)s::bytea[], %(named)s::jsonb[], %(code)s::jsonb[]) x(digest, named, code)),
        kept AS MATERIALIZED (
            SELECT b.id, b.digest FROM health_backing b JOIN said USING (digest) WHERE b.project_id = %(project)s),
        made AS (
            INSERT INTO health_backing (project_id, digest, named, code, state, found)
            SELECT %(project)s, digest, named, code, %(state)s, '{}' FROM said
            WHERE digest NOT IN (SELECT digest FROM kept)
            RETURNING id, digest)
        SELECT digest, id FROM made UNION ALL SELECT digest, id FROM kept
        """,
        {
            "project": project_id,
            "digests": list(said),
            "named": [named for named, _ in said.values()],
            "code": [code for _, code in said.values()],
            "state": rules.UNPROVEN,
        },
    ).fetchall()
    numbers = {bytes(digest): number for digest, number in rows}
    return {claim: numbers[digest] for claim, digest in digests.items()}


def _clean(texts: Sequence[str]) -> list[str]:
    """Each text once, as the database can keep it; one that is too long to be looked up is not made longer."""
    cleaned = (text.replace("\0", "").encode("utf-8", "replace").decode().strip()[: LONGEST + 1] for text in texts)
    return list(dict.fromkeys(filter(None, cleaned)))[:_MOST_NAMED]


def fetch_members(
    cursor: Cursor, project_id: int, pattern_texts: Iterable[str], *, standing: Standing | None = None
) -> dict[str, Ords]:
    """The cases each text names that a standing job holds, ascending, by their newest names; none for unread ones."""
    texts = list(dict.fromkeys(pattern_texts))
    members = dict.fromkeys(texts, np.zeros(0, np.int32))
    patterns = _read_patterns(texts)
    if patterns:
        standing = standing or fetch_standing(cursor, project_id)
        cases = fetch_standing_cases(cursor, project_id, standing=standing)
        named = find_named(cursor, project_id, patterns, cases=cases)
        is_there = cases.is_there
        members |= {text: ords[is_there[ords]] for text, ords in named.items()}
    return members


def _read_patterns(texts: Iterable[str]) -> dict[str, CasePattern]:
    """Those that can be looked up; the first of very many."""
    found: dict[str, CasePattern] = {}
    for text in texts:
        if len(found) >= MOST_TEXTS:
            break
        if pattern := read_pattern(text):
            found[text] = pattern
    return found


def forget_gone(cursor: Cursor, project_id: int, backing: int) -> int:
    """Drop the cases that are gone, since a person accepts that; how many. The caller checks the backing anew."""
    return cursor.execute(
        "DELETE FROM health_backingcase WHERE project_id = %s AND backing_id = %s AND status = %s",
        (project_id, backing, rules.ABSENT),
    ).rowcount


# --- one list after another ------------------------------------------------------------------------------------


def hand_on(cursor: Cursor, pairs: Collection[tuple[int, int]]) -> None:
    """Where an entry said one list of texts and says another now (old, new), the new one knows what the old one knew.

    The cases of each text that both say are missed as before; and a new one goes on with the old one's log and state.
    """
    if not pairs:
        return
    values = {"old": format_array(old for old, _ in pairs), "new": format_array(new for _, new in pairs)}
    cursor.execute(_HAND_ON_CASES_SQL, values)
    cursor.execute(_HAND_ON_LOG_SQL, values)


_HAND_ON_CASES_SQL: Final = """
INSERT INTO health_backingcase (project_id, backing_id, ord, part, status)
SELECT c.project_id, b.id, c.ord, said.part - 1, c.status
FROM unnest(%(old)s::bigint[], %(new)s::bigint[]) AS x(old, new)
JOIN health_backing a ON a.id = x.old
JOIN health_backing b ON b.id = x.new AND b.project_id = a.project_id
CROSS JOIN jsonb_array_elements_text(b.named) WITH ORDINALITY AS said(text, part)
JOIN health_backingcase c ON c.project_id = a.project_id AND c.backing_id = a.id AND a.named ->> c.part = said.text
ON CONFLICT (project_id, backing_id, ord) DO NOTHING
"""

# Of many old ones that which changed last.
_HAND_ON_LOG_SQL: Final = """
WITH heirs AS MATERIALIZED (
    SELECT DISTINCT ON (x.new) x.old, x.new, a.state, a.changed_run, a.changed_at
    FROM unnest(%(old)s::bigint[], %(new)s::bigint[]) AS x(old, new) JOIN health_backing a ON a.id = x.old
    WHERE EXISTS (SELECT FROM health_backingchange c WHERE c.backing_id = x.old)
      AND NOT EXISTS (SELECT FROM health_backingchange c WHERE c.backing_id = x.new)
    ORDER BY x.new, a.changed_at DESC, x.old DESC),
log AS (
    INSERT INTO health_backingchange (project_id, backing_id, at, run, before, after, found)
    SELECT c.project_id, h.new, c.at, c.run, c.before, c.after, c.found
    FROM heirs h JOIN health_backingchange c ON c.backing_id = h.old ORDER BY c.id)
UPDATE health_backing b SET state = h.state, changed_run = h.changed_run, changed_at = h.changed_at
FROM heirs h WHERE b.id = h.new
"""


# --- the check -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Backing:
    """A backing as the check before left it."""

    number: int
    named: tuple[str, ...]
    code: tuple[str, ...]
    state: str
    found: Finding
    pins: Pins


@dataclass(frozen=True, slots=True)
class _Checked:
    """What this check says of it."""

    backing: _Backing
    pins: Pins
    wrong: dict[int, str]
    not_run: list[int]
    texts: list[TextFound]
    executed: Executed


def check_backings(
    cursor: Cursor, project_id: int, *, standing: Standing, backings: Collection[int] | None = None
) -> None:
    """Judge the backings of open entries, or these; whatever changed is written, with a change where the state did."""
    kept = _fetch_backings(cursor, project_id, backings)
    if not kept or not standing.jobs:
        return
    check = _Check(cursor, project_id, kept, standing=standing)
    checked = [check.look_at(backing) for backing in kept]
    names = _fetch_names(cursor, project_id, checked)
    for one in checked:
        write_pins(cursor, project_id, one.backing.number, before=one.backing.pins, now=one.pins)
        _write_state(cursor, project_id, one.backing, now=_judge(one, names), run=standing.run)


class _Check:
    """What all backings of a check have in common: the cases of their texts, and what the standing jobs say of them."""

    def __init__(self, cursor: Cursor, project_id: int, kept: Sequence[_Backing], *, standing: Standing) -> None:
        self._cursor, self._project_id = cursor, project_id
        self._patterns = _read_patterns(text for backing in kept for text in backing.named)
        cases = fetch_standing_cases(cursor, project_id, standing=standing)
        named = find_named(cursor, project_id, self._patterns, cases=cases)
        self._named = {text: ords for text, ords in named.items() if len(ords) <= _MOST_PINNED}
        self._masks = {text: cases.mark(ords) for text, ords in self._named.items()}
        self._pins = {
            backing.number: pin(
                cursor, project_id, backing.pins, named=[self._named.get(text) for text in backing.named], cases=cases
            )
            for backing in kept
        }
        ords = list_marked(cases.mark(*(pins.ords for pins in self._pins.values())))
        self._statuses = _judge_cases(cursor, project_id, cases, ords)
        self._contexts: Contexts | None = None
        if any(backing.code for backing in kept):
            self._contexts = fetch_contexts_of(cursor, project_id, standing=standing)

    def look_at(self, backing: _Backing) -> _Checked:
        """What is to say of one of them."""
        pins = self._statuses.settle(self._pins[backing.number])
        is_wrong = pins.status != _PASSED
        words = [rules.STATUSES[code] for code in pins.status[is_wrong].tolist()]
        return _Checked(
            backing,
            pins,
            wrong=dict(zip(pins.ords[is_wrong].tolist(), words, strict=True)),
            not_run=pins.ords[np.isin(pins.ords, self._statuses.not_run) & (pins.status != _ABSENT)].tolist(),
            texts=[self._count(text, pins) for text in backing.named],
            executed=self._look_at_code(backing, pins),
        )

    def _count(self, text: str, pins: Pins) -> TextFound:
        if text not in self._named:
            return TextFound(text, is_read=False)
        of_it = self._masks[text][pins.ords]
        n_found = int((pins.status[of_it] != _ABSENT).sum())
        return TextFound(text, True, n_promised=self._patterns[text].count, n_found=n_found, n_known=int(of_it.sum()))

    def _look_at_code(self, backing: _Backing, pins: Pins) -> Executed:
        """Where no run says anything, what the last one said holds."""
        before = backing.found
        if not backing.code or self._contexts is None:
            return Executed(before.contexts_run, before.contexts_upload, before.uncovered, before.is_unseen)
        is_new = not np.array_equal(pins.ords, backing.pins.ords)
        return self._contexts.look(
            self._cursor, self._project_id, backing.code, pins.ords, before=before, is_new=is_new
        )


def _judge(checked: _Checked, names: Mapping[int, str]) -> Judged:
    return rules.judge_backing(
        checked.wrong,
        n_passed=len(checked.pins.ords) - len(checked.wrong),
        texts=checked.texts,
        names=names,
        not_run=checked.not_run,
        executed=checked.executed,
    )


# --- which cases it is about -----------------------------------------------------------------------------------


def _fetch_backings(cursor: Cursor, project_id: int, wanted: Collection[int] | None) -> list[_Backing]:
    rows = cursor.execute(
        """
        SELECT b.id, b.named::text, b.code::text, b.state, b.found::text FROM health_backing b
        WHERE b.project_id = %(project)s AND CASE WHEN %(all)s
            THEN EXISTS (SELECT FROM health_deferral d WHERE d.backing_id = b.id AND d.closed_at IS NULL)
            ELSE b.id = ANY(%(wanted)s) END
        ORDER BY b.id LIMIT %(most)s
        """,
        {"project": project_id, "all": wanted is None, "wanted": sorted(wanted or ()), "most": _MOST_BACKINGS},
    ).fetchall()
    pins = fetch_pins(cursor, project_id, [row[0] for row in rows])
    return [
        _Backing(
            number,
            named=tuple(json.loads(named)),
            code=tuple(json.loads(code)),
            state=state,
            found=Finding.from_json(json.loads(found)),
            pins=pins.get(number, NO_PINS),
        )
        for number, named, code, state, found in rows
    ]


# --- what they say now -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Statuses:
    """The statuses of all pinned cases over the standing jobs, by their numbers, ascending."""

    ords: Ords
    status: Codes
    not_run: Ords

    def settle(self, pins: Pins) -> Pins:
        """The pins with their statuses of now; those that a missing part of a run may hold keep theirs."""
        status = self.status[np.searchsorted(self.ords, pins.ords)]
        if len(self.not_run):
            status = np.where(np.isin(pins.ords, self.not_run), pins.status, status)
        return pins._replace(status=status)


def _judge_cases(cursor: Cursor, project_id: int, cases: StandingCases, ords: Ords) -> _Statuses:
    is_flaky = cases.mark(_fetch_flaky(cursor, project_id, cases.standing))[ords]
    status = rules.judge_cases(cases.outcomes[:, ords], is_flaky=is_flaky)
    absent = ords[status == _ABSENT]
    return _Statuses(ords, status, _find_not_run(cursor, project_id, cases, absent) if len(absent) else absent)


def _fetch_flaky(cursor: Cursor, project_id: int, standing: Standing) -> Ords:
    rows = cursor.execute(
        "SELECT DISTINCT ord FROM health_caseverdict WHERE project_id = %s AND series = ANY(%s) AND verdict = 'flaky'",
        (project_id, format_array(standing.series)),
    ).fetchall()
    return np.array([ord_ for (ord_,) in rows], np.int32)


def _find_not_run(cursor: Cursor, project_id: int, cases: StandingCases, absent: Ords) -> Ords:
    """Of these the cases that a series held lately whose newest run is not complete: nothing says they are gone."""
    rows = cursor.execute(
        """
        SELECT j.series FROM health_job j JOIN unnest(%s::int[], %s::int[]) AS s(run, series)
            ON j.run = s.run AND j.series = s.series
        WHERE j.project_id = %s AND NOT j.is_complete
        """,
        (
            format_array(job.run for job in cases.standing.jobs),
            format_array(cases.standing.series),
            project_id,
        ),
    ).fetchall()
    was_there = np.zeros(len(absent), np.bool_)
    for (series,) in rows:
        jobs = [(job.run, series) for job in list_window(cursor, project_id, series=series)]
        grid = fetch_grid(cursor, project_id, jobs=jobs, ords=absent, aliases=cases.aliases)
        was_there |= np.any(grid.outcomes, axis=0)
    return absent[was_there]


# --- writing ---------------------------------------------------------------------------------------------------


def _fetch_names(cursor: Cursor, project_id: int, checked: Sequence[_Checked]) -> dict[int, str]:
    wanted = {ord_ for one in checked for ord_ in rules.list_named(one.wrong, not_run=one.not_run)}
    if not wanted:
        return {}
    rows = cursor.execute(
        "SELECT ord, name FROM health_case WHERE project_id = %s AND ord = ANY(%s)",
        (project_id, format_array(sorted(wanted))),
    ).fetchall()
    return dict(rows)


def _write_state(cursor: Cursor, project_id: int, backing: _Backing, *, now: Judged, run: int | None) -> None:
    """Where nothing is otherwise than before, nothing is written."""
    if (backing.state, backing.found) == now:
        return
    values: dict[str, Any] = {
        "project": project_id,
        "backing": backing.number,
        "before": backing.state,
        "after": now.state,
        "found": json.dumps(now.finding.to_json()),
        "run": run,
        "is_other": backing.state != now.state,
    }
    cursor.execute(_UPDATE_SQL, values)
    if backing.state != now.state:
        cursor.execute(_CHANGE_SQL, values)


_UPDATE_SQL: Final = """
UPDATE health_backing SET state = %(after)s, found = %(found)s,
    changed_run = CASE WHEN %(is_other)s THEN %(run)s ELSE changed_run END,
    changed_at = CASE WHEN %(is_other)s THEN clock_timestamp() ELSE changed_at END
WHERE id = %(backing)s
"""

_CHANGE_SQL: Final = """
INSERT INTO health_backingchange (project_id, backing_id, at, run, before, after, found)
VALUES (%(project)s, %(backing)s, clock_timestamp(), %(run)s, %(before)s, %(after)s, %(found)s)
"""
