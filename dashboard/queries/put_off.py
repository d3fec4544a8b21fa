"""What a run put off: its skipped and expected-to-fail cases, grouped by the reason each of them gave.

Used by the pages of runs and cases. Promise: two statements, and at most MOST_CASES results are named; what is beyond
is counted (`tests/dashboard/test_put_off.py`).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from dashboard.queries.cases import WANTED, CaseName, spread_names
from dashboard.queries.changes import JobChange
from dashboard.queries.entry_marks import EntryMark
from dashboard.queries.facts import JobFact, JobKey
from dashboard.queries.sql import fetch_rows
from dashboard.queries.texts import Said, TextPlace, mask_cause, read_texts
from health.models import Project
from health.rules import outcomes as codes

MOST_CASES: Final = 200
# Reasons are short and many; what lies deeper in its delivery's texts is told by its fingerprint.
_DEPTH: Final = 4 * 2**20
_LONGEST: Final = 400


@dataclass(frozen=True, slots=True)
class PutOffCase:
    """One result that was put off."""

    case: CaseName
    job: JobFact
    outcome: int
    entry: EntryMark | None = None  # in the register, where it has an open one

    @property
    def mark(self) -> str:
        """The mark's name."""
        return "xfail" if self.outcome == codes.XFAIL else "deferred"

    @property
    def word(self) -> str:
        """The outcome in words."""
        return codes.WORDS[self.outcome]


@dataclass(frozen=True, slots=True)
class PutOffFamily:
    """Results of one reason in one job that are alike but for their parameters; most are alone."""

    cases: tuple[PutOffCase, ...]

    @property
    def first(self) -> PutOffCase:
        """The one whose state and place stand for all."""
        return self.cases[0]

    @property
    def oldest(self) -> EntryMark | None:
        """The oldest of their entries in the register."""
        return max((one.entry for one in self.cases if one.entry), key=lambda entry: entry.days, default=None)


@dataclass(frozen=True, slots=True)
class Reason:
    """The cases that gave one reason; without `title` they gave none."""

    title: str
    cases: tuple[PutOffCase, ...]

    @property
    def families(self) -> tuple[PutOffFamily, ...]:
        """The cases in their order, those of one family together."""
        found: dict[tuple[object, ...], list[PutOffCase]] = defaultdict(list)
        for entry in self.cases:
            case = entry.case
            name = case.family if case.is_parametrised else case.ord
            found[name, case.place, case.suite_path, entry.job.key, entry.outcome].append(entry)
        return tuple(PutOffFamily(tuple(cases)) for cases in found.values())


@dataclass(frozen=True, slots=True)
class PutOff:
    """The reasons, the most frequent first; `n_shown` of `n` results are in them."""

    reasons: tuple[Reason, ...]
    n_shown: int
    n: int

    @property
    def has_entries(self) -> bool:
        """Whether the register holds any of them."""
        return any(one.entry for reason in self.reasons for one in reason.cases)


def pick_put_off(changes: Sequence[JobChange]) -> list[tuple[JobChange, int]]:
    """Every result that was put off, by number of the case."""
    picked = [
        (change, ord_)
        for change in changes
        for ord_ in np.flatnonzero(np.isin(change.now.outcomes, sorted(codes.DEFERRED))).tolist()
    ]
    return sorted(picked, key=lambda entry: (entry[1], entry[0].job.title))


def read_put_off(
    project: Project,
    *,
    picked: Sequence[tuple[JobChange, int]],
    names: Mapping[int, CaseName],
    entries: Mapping[int, EntryMark],
) -> PutOff:
    """Group the first of the picked results by reason; `entries` are those of the register, by number of the case."""
    shown = [(change, ord_) for change, ord_ in picked[:MOST_CASES] if ord_ in names]
    said = read_reasons(project, results=[(change.job.key, ord_) for change, ord_ in shown])
    groups: dict[str, list[PutOffCase]] = defaultdict(list)
    for change, ord_ in shown:
        case = PutOffCase(names[ord_], change.job, int(change.now.outcomes[ord_]), entries.get(ord_))
        groups[said.get((change.job.key, ord_), "")].append(case)
    ranked = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    return PutOff(tuple(Reason(title, tuple(cases)) for title, cases in ranked), len(shown), len(picked))


def read_reasons(project: Project, *, results: Sequence[tuple[JobKey, int]]) -> dict[tuple[JobKey, int], str]:
    """Why each of these results (job and case) was put off, in the report's own words; those that say nothing lack."""
    if not results:
        return {}
    wanted = spread_names(project, ((ord_, key.run, key.series) for key, ord_ in results))
    rows = fetch_rows(_DETAILS_SQL, {"project": project.pk, "deferred": sorted(codes.DEFERRED), **wanted})
    places = {(JobKey(row[0], row[1]), row[2]): _clip(TextPlace(*row[4:])) for row in rows}
    first = {(JobKey(row[0], row[1]), row[2]): row[3] for row in rows}
    said = read_texts(project.pk, places=set(places.values()), depth=_DEPTH)
    reasons = {key: _take_reason(said.get(place), first[key]) for key, place in places.items()}
    return {key: reason for key, reason in reasons.items() if reason}


def _clip(place: TextPlace) -> TextPlace:
    if place.text_length <= _LONGEST:
        return place
    return place._replace(text_length=_LONGEST, is_cut=True)


def _take_reason(said: Said | None, first_message: str) -> str:
    """The first line of the message, else of the text; without either, what the first of its fingerprint said."""
    words = mask_cause(first_message) if said is None else said.message.strip() or said.text.strip()
    return words.strip().partition("\n")[0].rstrip()


_DETAILS_SQL: Final = f"""
SELECT DISTINCT ON (f.run, f.series, wanted.ord) f.run, f.series, wanted.ord, p.message,
       f.upload, f.text_offset, f.message_length, f.text_length
FROM {WANTED}
JOIN health_failure f ON f.project_id = %(project)s AND f.ord = wanted.name AND f.run = wanted.run
    AND f.series = wanted.series AND f.outcome = ANY(%(deferred)s)
JOIN health_fingerprint p ON p.project_id = f.project_id AND p.fingerprint = f.fingerprint
JOIN health_upload u ON u.id = f.upload
ORDER BY f.run, f.series, wanted.ord, u.attempt DESC, f.attempt DESC,
    f.outcome DESC, f.sequence, f.fingerprint, f.upload DESC
"""  # noqa: S608 - a constant
