"""The cases behind one cell of a comparison, a page at a time, with both times and what they said.

Used by `dashboard.queries.compare`. A cell is a pair of outcomes (`failed-passed`), or what became of cases: `broke`,
`still`, `fixed`, `gone`, `added`. Promise: four statements a page, however many cases are in the cell; with an owner,
the first N_OWNED of them are looked at (`tests/dashboard/test_compare_queries.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from dashboard.queries.cases import WANTED, CaseName, read_case_names, spread_names
from dashboard.queries.changes import JobChange
from dashboard.queries.facts import OUTCOME_MARKS, JobFact, JobKey
from dashboard.queries.outcome_pairs import SPELLED
from dashboard.queries.owners import read_owners
from dashboard.queries.sql import fetch_rows
from dashboard.queries.texts import Failed, TextPlace, read_first_lines
from health.models import Project
from health.rules import outcomes as codes
from health.rules.durations import UNITS_PER_SECOND

N_ROWS: Final = 50
N_OWNED: Final = 5_000
_GROUPS: Final = {
    "broke": "broke",
    "still": "broken on both sides",
    "fixed": "fixed",
    "gone": "gone",
    "added": "only there now",
}
# Outcomes with a text of their own.
_TELLING: Final = codes.BROKEN | codes.DEFERRED | {codes.PASS_ON_RETRY, codes.XPASS}

Ords = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Picked:
    """All results of a cell: case numbers, and each one's job by its place; in the order they are listed."""

    key: str
    ords: Ords
    places: Ords


@dataclass(frozen=True, slots=True)
class CellCase:
    """One case of the cell. Times in seconds; None where that side does not have it."""

    case: CaseName
    job: JobFact  # now; its baseline is the job before
    before: int
    now: int
    seconds_before: float | None
    seconds: float | None
    said: str
    owners: tuple[str, ...]

    @property
    def mark(self) -> str:
        """The mark of how it ended now."""
        return OUTCOME_MARKS[self.now]

    @property
    def mark_before(self) -> str:
        """The mark of how it ended before."""
        return OUTCOME_MARKS[self.before]

    @property
    def word(self) -> str:
        """How it ended now."""
        return codes.WORDS[self.now]

    @property
    def word_before(self) -> str:
        """How it ended before."""
        return codes.WORDS[self.before]


@dataclass(frozen=True, slots=True)
class CellList:
    """One page of the cell. `n` counts all results in it; `next_start` is where the next page starts."""

    key: str
    n: int
    cases: tuple[CellCase, ...]
    next_start: str
    is_searched: bool = False  # only the first N_OWNED were looked at for an owner

    @property
    def title(self) -> str:
        """The cell in words: "failed before, passed now"; or what became of its cases."""
        if self.key in _GROUPS:
            return _GROUPS[self.key]
        before, now = (codes.WORDS[SPELLED.index(word)] for word in self.key.split("-"))
        return f"{before} before, {now} now"


def pick_cell(changes: Sequence[JobChange], *, asked: str) -> Picked | None:
    """The results of the cell asked for; of what broke where none is, as far as anything did."""
    key = asked if asked in _GROUPS or _read_pair(asked) else "broke"
    masks = [_mask(change, key) for change in changes]
    n = sum(int(np.count_nonzero(mask)) for mask in masks)
    if not n and key != asked:
        return None
    ords = np.concatenate([np.flatnonzero(mask) for mask in masks]) if masks else np.zeros(0, np.int64)
    places = np.repeat(np.arange(len(masks)), [int(np.count_nonzero(mask)) for mask in masks])
    order = np.lexsort((places, ords))
    return Picked(key, ords[order], places[order])


def read_cell(
    project: Project, changes: Sequence[JobChange], picked: Picked, *, start: str = "", owner: str = ""
) -> CellList:
    """The page of the cell behind `start`."""
    entries = list(zip(picked.ords.tolist(), picked.places.tolist(), strict=True))
    if owner:
        entries = _keep_owned(project, entries[:N_OWNED], owner)
    begin = _find_start(entries, start)
    shown = entries[begin : begin + N_ROWS]
    names = read_case_names(project.pk, project.slug, ords=sorted({ord_ for ord_, _ in shown}))
    owners = read_owners(project, cases=list(names.values()))
    said = _read_said(project, changes, shown)
    cases = tuple(_describe(changes[place], names[ord_], said, owners) for ord_, place in shown if ord_ in names)
    has_more = begin + N_ROWS < len(entries)
    next_start = f"{shown[-1][0]}-{shown[-1][1]}" if has_more else ""
    n = len(entries)
    return CellList(picked.key, n, cases, next_start, is_searched=bool(owner) and len(picked.ords) > N_OWNED)


def _read_pair(key: str) -> tuple[int, int] | None:
    before, _, now = key.partition("-")
    return (SPELLED.index(before), SPELLED.index(now)) if before in SPELLED and now in SPELLED else None


def _mask(change: JobChange, key: str) -> npt.NDArray[np.bool_]:
    before, now = change.before.outcomes, change.now.outcomes
    if pair := _read_pair(key):
        # Absent on both sides are all other cases of the project.
        return np.asarray((before == pair[0]) & (now == pair[1]) & any(pair), np.bool_)
    if key == "added":
        return np.asarray((before == codes.ABSENT) & (now != codes.ABSENT), np.bool_)
    masks = change.transitions
    return {"broke": masks.new, "still": masks.still, "fixed": masks.fixed, "gone": masks.gone}[key]


def _keep_owned(project: Project, entries: list[tuple[int, int]], owner: str) -> list[tuple[int, int]]:
    names = read_case_names(project.pk, project.slug, ords=sorted({ord_ for ord_, _ in entries}))
    owners = read_owners(project, cases=list(names.values()))
    return [entry for entry in entries if owner in owners.get(entry[0], ())]


def _find_start(entries: Sequence[tuple[int, int]], start: str) -> int:
    """The place behind the entry that `start` names; the beginning where it names none."""
    ord_, _, place = start.partition("-")
    if not (ord_.isascii() and ord_.isdigit() and place.isascii() and place.isdigit()):
        return 0
    last = (int(ord_), int(place))
    return next((at for at, entry in enumerate(entries) if entry > last), len(entries))


def _describe(
    change: JobChange,
    case: CaseName,
    said: dict[tuple[JobKey, int], str],
    owners: dict[int, tuple[str, ...]],
) -> CellCase:
    before, now = int(change.before.outcomes[case.ord]), int(change.now.outcomes[case.ord])
    words = said.get((change.job.key, case.ord), "")
    if not words and change.job.baseline:
        words = said.get((change.job.baseline, case.ord), "")
    return CellCase(
        case=case,
        job=change.job,
        before=before,
        now=now,
        seconds_before=int(change.before.units[case.ord]) / UNITS_PER_SECOND if before else None,
        seconds=int(change.now.units[case.ord]) / UNITS_PER_SECOND if now else None,
        said=words,
        owners=owners.get(case.ord, ()),
    )


def _read_said(
    project: Project, changes: Sequence[JobChange], shown: Sequence[tuple[int, int]]
) -> dict[tuple[JobKey, int], str]:
    """What each result that did not plainly pass said, on either side: of its last attempt, as it ended."""
    ended: dict[tuple[JobKey, int], int] = {}
    for ord_, place in shown:
        change = changes[place]
        ended[change.job.key, ord_] = int(change.now.outcomes[ord_])
        if change.job.baseline:
            ended[change.job.baseline, ord_] = int(change.before.outcomes[ord_])
    telling = [key for key, outcome in ended.items() if outcome in _TELLING]
    if not telling:
        return {}
    wanted = spread_names(project, ((ord_, key.run, key.series) for key, ord_ in telling))
    rows = fetch_rows(_DETAILS_SQL, {"project": project.pk, **wanted})
    details: dict[tuple[JobKey, int], Failed] = {}
    for run, series, ord_, outcome, kind, message, *where in rows:
        key = (JobKey(run, series), ord_)
        if _is_of(outcome, ended.get(key, codes.ABSENT)):
            details[key] = Failed(kind, message, TextPlace(*where))
    return read_first_lines(project.pk, failures=details)


def _is_of(outcome: int, ended: int) -> bool:
    """Whether a failure of an attempt tells of how the case ended: a retry that passed, of what broke before."""
    return outcome == ended or (ended == codes.PASS_ON_RETRY and outcome in codes.BROKEN)


_DETAILS_SQL: Final = f"""
SELECT DISTINCT ON (f.run, f.series, wanted.ord, f.outcome) f.run, f.series, wanted.ord, f.outcome, p.kind, p.message,
       f.upload, f.text_offset, f.message_length, f.text_length
FROM {WANTED}
JOIN health_failure f ON f.project_id = %(project)s AND f.ord = wanted.name AND f.run = wanted.run
    AND f.series = wanted.series
JOIN health_fingerprint p ON p.project_id = f.project_id AND p.fingerprint = f.fingerprint
JOIN health_upload u ON u.id = f.upload
ORDER BY f.run, f.series, wanted.ord, f.outcome, u.attempt DESC, f.attempt DESC,
    f.outcome DESC, f.sequence, f.fingerprint, f.upload DESC
"""  # noqa: S608 - a constant
