"""Claims that a case is fixed, and what ran before and since: rates per epoch, and whether silence could be luck.

Used by the queries of flaky and of one case. A claim names a commit; what ran since is the evidence.
Promise: one statement; an epoch's rate has its denominator (`tests/dashboard/test_claimed_fixes.py`).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from dashboard.queries.sql import fetch_rows
from dashboard.queries.verdicts import BAD, write_rate
from dashboard.templatetags.display import count_of
from health.models import Project
from health.rules.flakiness import chance_of_silence

Place = tuple[datetime, datetime, int]


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody's word that a case is fixed. `place`: of the commit's first run, None while none is known."""

    pk: int
    ord: int
    commit: str
    note: str
    claimed_at: datetime
    claimed_by: str
    run: int | None
    place: Place | None

    def covers(self, result: "Outcome") -> bool:
        """Whether a result came after the claimed fix."""
        return result.place >= self.place if self.place else result.place[1] > self.claimed_at


class Outcome(NamedTuple):
    """One executed result of the case, and where its run stands among the others."""

    place: Place
    outcome: int


@dataclass(frozen=True, slots=True)
class Epoch:
    """The results between two claims; `claim` is the one it began with, None for the time before the first."""

    claim: Claim | None
    n_ran: int
    n_bad: int
    told: str  # what follows from it for the claim

    @property
    def rate(self) -> str:
        """How often it did not plainly pass."""
        return write_rate(self.n_bad, self.n_ran, noun="run")


def read_claims(project: Project, *, ords: Iterable[int]) -> dict[int, list[Claim]]:
    """The claims that nobody withdrew, by case, the oldest first."""
    found: dict[int, list[Claim]] = defaultdict(list)
    rows = fetch_rows(_CLAIMS_SQL, {"project": project.pk, "ords": sorted(set(ords))})
    for pk, ord_, commit, note, claimed_at, claimed_by, run, ordered_at, ran_at in rows:
        place = (ordered_at, ran_at, run) if run is not None else None
        found[ord_].append(Claim(pk, ord_, commit, note, claimed_at, claimed_by, run, place))
    return dict(found)


def lay_out_epochs(claims: Sequence[Claim], results: Iterable[Outcome]) -> tuple[Epoch, ...]:
    """How often the case broke before the first claim and since each; nothing where nobody claimed anything."""
    if not claims:
        return ()
    ran, bad = [0] * (len(claims) + 1), [0] * (len(claims) + 1)
    for result in results:
        at = max((number for number, claim in enumerate(claims, 1) if claim.covers(result)), default=0)
        ran[at] += 1
        bad[at] += result.outcome in BAD
    epochs = [Epoch(None, ran[0], bad[0], "")]
    for number, claim in enumerate(claims, 1):
        told = tell_since(n_ran=ran[number], n_bad=bad[number], before=(bad[number - 1], ran[number - 1]))
        epochs.append(Epoch(claim, ran[number], bad[number], told))
    return tuple(epochs)


def tell_since(*, n_ran: int, n_bad: int, before: tuple[int, int]) -> str:
    """What the results since a claim say of it; `before`: broken and executed results of the epoch before."""
    if not n_ran:
        return "No run since, so nothing is known yet."
    if n_bad:
        return f"It broke again in {n_bad:,} of {count_of(n_ran, 'run')} since: not fixed."
    n_bad_before, n_before = before
    if not n_bad_before:
        return "It did not break before the claim in the runs that are kept, so its silence says nothing."
    luck = chance_of_silence(n_bad_before / n_before, n_ran)
    return f"If nothing had changed, {_count_silent(n_ran)} would happen by luck in {_write_chance(luck)}."


def _count_silent(n: int) -> str:
    return "one silent run" if n == 1 else f"{n:,} silent runs"


def _write_chance(chance: float) -> str:
    """In so many of 100 cases, or finer where that says nothing."""
    if chance >= 0.995:
        return "all of 100 cases"
    if chance >= 0.01:
        return f"{round(chance * 100)} of 100 cases"
    return f"{round(chance * 1000)} of 1,000 cases" if chance >= 0.0015 else "at most 1 of 1,000 cases"


_CLAIMS_SQL: Final = """
SELECT f.id, f.ord, f.commit, f.note, f.claimed_at, f.claimed_by, r.number, r.ordered_at, r.ran_at
FROM health_fixclaim f LEFT JOIN health_run r ON r.project_id = f.project_id AND r.number = f.run
WHERE f.project_id = %(project)s AND f.ord = ANY(%(ords)s) AND f.withdrawn_at IS NULL
ORDER BY f.claimed_at, f.id
"""
