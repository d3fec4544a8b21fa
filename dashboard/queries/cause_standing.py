"""How causes stand on a branch: since when, whether lately, and whether a claimed fix holds.

Used by the queries of causes and cause. Promise: three statements, however many causes
(`tests/dashboard/test_causes_views.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from dashboard.queries.cause_window import Count, RunPoint, Tally, Window
from dashboard.queries.sql import fetch_rows
from health.models import Project
from health.rules.cause_states import CLAIMED, NEW, ONGOING, QUIET, RETURNED, tell_state
from health.rules.causes import find_head

N_STRIP: Final = 20
MARKS: Final = {NEW: "fail", RETURNED: "fail", ONGOING: "stale", QUIET: "absent", CLAIMED: "holds"}


class Claim(NamedTuple):
    """A claimed fix of a cause: of which commit, and where that stands among the runs once one of it is known."""

    fingerprint: int
    pk: int
    commit: str
    note: str
    claimed_at: datetime
    claimed_by: str
    run: RunPoint | None

    def find_place(self, runs: Sequence[RunPoint]) -> int:
        """The place of the first of these runs that counts after it; their number where none does."""
        after = (run >= self.run if self.run else run.ran_at > self.claimed_at for run in runs)
        return next((place for place, is_after in enumerate(after) if is_after), len(runs))


@dataclass(frozen=True, slots=True)
class Standing:
    """What the state of each cause follows from."""

    window: Window
    tallies: Mapping[int, Tally]  # of the window
    first: Mapping[int, RunPoint]
    claims: Mapping[int, Claim]  # the last one of each cause

    def tell(self, head: int) -> str:
        """The state of a cause."""
        return tell_state(
            self.list_broke(head), was_before=self._was_before(head), since=self._find_place_of_claim(head)
        )

    def list_broke(self, head: int) -> list[bool | None]:
        """Whether it broke each run of the window; None where nothing ran that it ever broke there."""
        tally, ran = self.tallies.get(head), self.window.ran
        if tally is None:
            return [False] * len(self.window.runs)
        return [run.number in tally.of_run if ran[run.number] & tally.series else None for run in self.window.runs]

    def draw(self, head: int) -> tuple[str, ...]:
        """The newest runs as strip marks, oldest first."""
        tally = self.tallies.get(head)
        marks = []
        for run, broke in zip(self.window.runs, self.list_broke(head), strict=True):
            count = tally.of_run.get(run.number, Count()) if tally else Count()
            marks.append(("error" if count.errored else "fail") if broke else "none" if broke is None else "")
        return tuple(marks[-N_STRIP:])

    def find_last(self, head: int) -> RunPoint | None:
        """The newest run of the window that it broke."""
        tally = self.tallies.get(head)
        return next((run for run in reversed(self.window.runs) if tally and run.number in tally.of_run), None)

    def find_first(self, head: int) -> RunPoint | None:
        """The first run on these series that it broke, however long ago."""
        tally = self.tallies.get(head)
        lately = next((run for run in self.window.runs if tally and run.number in tally.of_run), None)
        return min((run for run in (self.first.get(head), lately) if run), default=None)

    def _was_before(self, head: int) -> bool:
        first = self.first.get(head)
        return bool(first and self.window.runs and first < self.window.runs[0])

    def _find_place_of_claim(self, head: int) -> int | None:
        claim = self.claims.get(head)
        return claim.find_place(self.window.runs) if claim else None


def list_members(merged: Mapping[int, int], *, heads: Iterable[int]) -> dict[int, list[int]]:
    """All fingerprints each of these causes stands for: also those that broke nothing lately."""
    members = {head: [head] for head in heads}
    for fingerprint in merged:
        head = find_head(merged, fingerprint)
        if head in members and head != fingerprint:
            members[head].append(fingerprint)
    return members


def read_claims(project: Project, *, members: Mapping[int, Sequence[int]]) -> dict[int, list[Claim]]:
    """The claimed fixes of each cause that were not withdrawn, the last one last."""
    head_of = {one: head for head, ones in members.items() for one in ones}
    rows = fetch_rows(_CLAIMS_SQL, {"project": project.pk, "fingerprints": list(head_of)})
    claims: dict[int, list[Claim]] = {}
    for fingerprint, pk, commit, note, claimed_at, claimed_by, *run in rows:
        point = RunPoint(*run) if run[-1] is not None else None
        claim = Claim(fingerprint, pk, commit, note, claimed_at, claimed_by, point)
        claims.setdefault(head_of[fingerprint], []).append(claim)
    return claims


_CLAIMS_SQL: Final = """
SELECT c.fingerprint, c.id, c.commit, c.note, c.claimed_at, c.claimed_by, r.ordered_at, r.ran_at, r.number
FROM health_fixclaim c LEFT JOIN health_run r ON r.project_id = c.project_id AND r.number = c.run
WHERE c.project_id = %(project)s AND c.fingerprint = ANY(%(fingerprints)s) AND c.withdrawn_at IS NULL
ORDER BY c.claimed_at, c.id
"""
