"""Renames of a project: what is proposed, with its evidence in words, what was merged, what was found to be none.

Called by `dashboard.views.renames`, and by the queries of overview and run for what is open.
Promise: four statements, however many proposals there are; a proposal whose former name was reported again, or whose
run was deleted, is not open any more (`tests/dashboard/test_renames_queries.py`).
"""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from django.utils.text import capfirst

from dashboard.queries.cases import CaseName, read_case_names
from dashboard.queries.sql import fetch_rows
from dashboard.templatetags.display import count_in_words, duration, in_words
from health.models import Project, RenameProposal
from health.rules import outcomes as codes
from health.rules.durations import UNITS_PER_SECOND
from health.rules.renames import MOVED, REPARAMETRISED
from health.sql import open_cursor
from health.tiles import BLOCK_SIZE, fetch_ords_of_jobs

State = RenameProposal.State
Mask = npt.NDArray[np.bool_]

_MOST_READ: Final = 20_000
_MOST_GROUPS: Final = 60  # of each state
_MOST_NAMED: Final = 40  # pairs of a group


@dataclass(frozen=True, slots=True)
class Proposal:
    """One pair as it was proposed, by number; `has_both`: both names ran in the newest job of the branch."""

    old: int
    new: int
    run: int
    lane: str
    commit: str
    ordered_at: datetime | None
    state: str
    score: float
    group: str  # the same for all that one change explains
    written_evidence: str
    decided_at: datetime | None
    decided_by: str
    has_both: bool = False

    @property
    def key(self) -> str:
        """What a decision about it is asked for by."""
        return f"{self.old}-{self.new}"

    @property
    def evidence(self) -> dict[str, Any]:
        """What the score is made of; read only when asked for, since most proposals are only counted."""
        return dict(json.loads(self.written_evidence))


@dataclass(frozen=True, slots=True)
class NamedPair:
    """One pair with its names, and what speaks for it."""

    proposal: Proposal
    old: CaseName
    new: CaseName

    @property
    def told(self) -> str:
        """The evidence in words."""
        return write_evidence(self)


@dataclass(frozen=True, slots=True)
class Group:
    """What one change explains: a moved file, a renamed family, or a single case. `pairs` are the first of `n`."""

    pairs: tuple[NamedPair, ...]
    n: int
    low: float
    high: float
    n_both: int
    alike: str  # how much their names are, or their places where the names stayed: "83 %", "75 to 91 %"

    @property
    def first(self) -> NamedPair:
        """The pair with the lowest number: it stands for all of them."""
        return self.pairs[0]

    @property
    def proposal(self) -> Proposal:
        """What all of them have in common: run, state, who decided."""
        return self.first.proposal

    @property
    def kind(self) -> str:
        """How they were renamed."""
        return str(self.proposal.evidence.get("kind", ""))

    @property
    def is_moved(self) -> bool:
        """Whether the names stayed and their place changed."""
        return self.kind == MOVED

    @property
    def about(self) -> str:
        """What a decision on all of them is about, for those who hear the page."""
        return self.first.old.name if self.n == 1 else f"all {self.n:,} cases of {self.first.old.family}"

    @property
    def told(self) -> str:
        """What speaks for all of them."""
        place = "class" if self.first.old.class_name else "suite"
        if self.is_moved:
            return f"{place} {self.alike} alike"
        if self.kind == REPARAMETRISED:
            return f"same {place} and name, parameters {self.alike} alike"
        return f"same {place}, name {self.alike} alike"

    @property
    def score(self) -> str:
        """From the least to the most likely of its pairs."""
        return f"{self.high:.2f}" if self.low == self.high else f"{self.low:.2f} to {self.high:.2f}"


@dataclass(frozen=True, slots=True)
class Renames:
    """Groups by what became of them, the newest run first; `n_…` count cases."""

    proposed: tuple[Group, ...]
    merged: tuple[Group, ...]
    dismissed: tuple[Group, ...]
    n_proposed: int
    n_merged: int
    n_dismissed: int
    n_unlisted: int  # groups beyond what is shown

    @property
    def runs(self) -> tuple[int, ...]:
        """The runs in which something open was seen, the newest first."""
        return tuple(dict.fromkeys(group.proposal.run for group in self.proposed))


def read_renames(project: Project) -> Renames:
    """All of a project's renames, as far as they are still to be decided or undone."""
    proposals = list_proposals(project)
    by_state: dict[str, dict[str, list[Proposal]]] = defaultdict(lambda: defaultdict(list))
    for proposal in proposals:
        by_state[proposal.state][proposal.group].append(proposal)
    shown = {
        state: [sorted(group, key=lambda proposal: proposal.old) for group in list(groups.values())[:_MOST_GROUPS]]
        for state, groups in by_state.items()
    }
    ords = {
        ord_
        for groups in shown.values()
        for group in groups
        for proposal in group[:_MOST_NAMED]
        for ord_ in (proposal.old, proposal.new)
    }
    names = read_case_names(project.pk, project.slug, ords=sorted(ords))
    groups = {state: tuple(_describe(group, names) for group in found) for state, found in shown.items()}
    counted = Counter(proposal.state for proposal in proposals)
    return Renames(
        proposed=groups.get(State.PROPOSED, ()),
        merged=groups.get(State.MERGED, ()),
        dismissed=groups.get(State.DISMISSED, ()),
        n_proposed=counted[State.PROPOSED],
        n_merged=counted[State.MERGED],
        n_dismissed=counted[State.DISMISSED],
        n_unlisted=sum(len(found) - len(shown[state]) for state, found in by_state.items()),
    )


def list_proposals(
    project: Project, *, states: Sequence[str] = State.values, lane: str = "", run: int | None = None
) -> list[Proposal]:
    """Those in these states, the newest run first, without those that time has answered: the former name is back."""
    values = {"project": project.pk, "states": list(states), "lane": lane, "run": run, "limit": _MOST_READ}
    return _look_at_newest(project, [Proposal(*row) for row in fetch_rows(_PROPOSALS_SQL, values)])


def find_renamed(project: Project, *, ords: Sequence[int]) -> list[int]:
    """Which of these cases look renamed, or were merged into another name."""
    if not ords:
        return []
    values = {"project": project.pk, "ords": list(ords), "states": [State.PROPOSED, State.MERGED]}
    return [old for (old,) in fetch_rows(_RENAMED_SQL, values)]


def count_open(project: Project, *, lane: str = "", run: int | None = None) -> dict[int, int]:
    """How many cases look renamed, by run; of one lane or run, where asked."""
    found = list_proposals(project, states=[State.PROPOSED], lane=lane, run=run)
    return dict(Counter(proposal.run for proposal in found))


def write_renames(renames: Renames) -> str:
    """How many cases look renamed, where, and how many were merged."""
    n, runs = renames.n_proposed, renames.runs
    merged = (
        f"{count_in_words(renames.n_merged, 'case')} {'goes' if renames.n_merged == 1 else 'go'} on under a new name"
    )
    if not n:
        return f"No rename is waiting; {merged}." if renames.n_merged else "No rename is waiting to be looked at."
    where = f"in run {runs[0]}" if len(runs) == 1 else f"in {in_words(len(runs))} runs"
    said = f"{count_in_words(n, 'case')} {'looks' if n == 1 else 'look'} renamed {where}"
    said = capfirst(said)
    return f"{said}; {merged} already." if renames.n_merged else f"{said}."


def tell_renamed(n: int, n_gone: int) -> str:
    """What is said behind "148 tests are gone" where some of them look renamed: ", 113 of them look renamed"."""
    if not n:
        return ""
    if n_gone == 1:
        return " and looks renamed"
    which = "all of them" if n >= n_gone else f"{in_words(n)} of them"
    return f", {which} {'looks' if n == 1 else 'look'} renamed"


def name_pairs(project: Project, proposals: Sequence[Proposal]) -> list[NamedPair]:
    """The proposals with their names."""
    ords = {ord_ for proposal in proposals for ord_ in (proposal.old, proposal.new)}
    names = read_case_names(project.pk, project.slug, ords=sorted(ords))
    return [
        NamedPair(proposal, names[proposal.old], names[proposal.new])
        for proposal in proposals
        if proposal.old in names and proposal.new in names
    ]


def _describe(group: Sequence[Proposal], names: dict[int, CaseName]) -> Group:
    scores = [proposal.score for proposal in group]
    measure = "place_alike" if group[0].evidence.get("kind") == MOVED else "name_alike"
    shares = sorted({_take_percent(proposal.evidence, measure) for proposal in group})
    return Group(
        pairs=tuple(NamedPair(p, names[p.old], names[p.new]) for p in group[:_MOST_NAMED]),
        n=len(group),
        low=min(scores),
        high=max(scores),
        n_both=sum(proposal.has_both for proposal in group),
        alike=f"{shares[0]} to {shares[-1]} %" if len(shares) > 1 else f"{shares[0]} %",
    )


def _look_at_newest(project: Project, proposals: list[Proposal]) -> list[Proposal]:
    """Compare with what the newest jobs since then report: a former name that is back, or both names of a merge."""
    if all(proposal.state == State.DISMISSED for proposal in proposals):
        return proposals
    is_back, has_both = _compare(project, proposals)
    return [
        replace(proposal, has_both=True) if proposal.state == State.MERGED and both else proposal
        for proposal, back, both in zip(proposals, is_back.tolist(), has_both.tolist(), strict=True)
        if not (proposal.state == State.PROPOSED and back)
    ]


def _compare(project: Project, proposals: Sequence[Proposal]) -> tuple[Mask, Mask]:
    """Of each proposal: whether a job since then reports the former name, and whether one reports both names."""
    numbers = {lane: number for number, lane in enumerate({proposal.lane for proposal in proposals})}
    jobs = fetch_rows(_NEWEST_SQL, {"project": project.pk, "lanes": sorted(numbers)})
    olds, news, runs, lanes = np.array([(p.old, p.new, p.run, numbers[p.lane]) for p in proposals], np.int64).T
    seen_at = np.array([p.ordered_at.timestamp() if p.ordered_at else -math.inf for p in proposals])
    reported = _read_reported(project, [(run, series) for run, series, *_ in jobs], np.concatenate([olds, news]))
    is_back, has_both = np.zeros((2, len(proposals)), np.bool_)
    for run, series, lane, ordered_at in jobs:
        here = reported[run, series]
        has_old = (lanes == numbers[lane]) & ((runs == run) | (seen_at < ordered_at.timestamp())) & here[olds]
        is_back |= has_old
        has_both |= has_old & here[news]
    return is_back, has_both


def _read_reported(
    project: Project, jobs: Sequence[tuple[int, int]], ords: npt.NDArray[np.int64]
) -> dict[tuple[int, int], Mask]:
    """For each job which of these cases it reported, each under its own name, as an array over all numbers."""
    blocks = np.unique(ords // BLOCK_SIZE).tolist()
    reported = {job: np.zeros((blocks[-1] + 1) * BLOCK_SIZE, np.bool_) for job in jobs}
    for run, series, found in fetch_ords_of_jobs(open_cursor(), project.pk, jobs=jobs, blocks=blocks):
        reported[run, series][found] = True
    return reported


def write_evidence(pair: NamedPair) -> str:
    """What speaks for a pair: "same class, name 83 % alike, both passed, 1.2 s and 1.1 s"."""
    evidence, place = pair.proposal.evidence, "class" if pair.old.class_name else "suite"
    names, places = _percent(evidence, "name_alike"), _percent(evidence, "place_alike")
    if evidence.get("kind") == MOVED:
        said = [f"same name, {place} {places} alike"]
    elif evidence.get("kind") == REPARAMETRISED:
        said = [f"same {place} and name, parameters {names} alike"]
    else:
        said = [f"same {place}, name {names} alike"]
        if pair.old.is_parametrised:
            said.append("same parameters")
    said += [*_tell_outcomes(evidence), *_tell_times(evidence)]
    return ", ".join(said)


def _percent(evidence: dict[str, Any], name: str) -> str:
    return f"{_take_percent(evidence, name)} %"


def _take_percent(evidence: dict[str, Any], name: str) -> int:
    """Rounded down, and never all of it: what is alike to the last sign is said to be the same."""
    return min(int(float(evidence.get(name, 0)) * 100), 99)


def _tell_outcomes(evidence: dict[str, Any]) -> list[str]:
    before, after = evidence.get("outcomes", (0, 0))
    if not before or not after:
        return []
    if before == after:
        return [f"both {'ended in an error' if before == codes.ERROR else codes.WORDS[before]}"]
    return [f"{codes.WORDS[before]} before, {codes.WORDS[after]} after"]


def _tell_times(evidence: dict[str, Any]) -> list[str]:
    units = evidence.get("units", (0, 0))
    if not any(units):
        return []
    before, after = (duration(n / UNITS_PER_SECOND) for n in units)
    return [f"{before} each" if before == after else f"{before} and {after}"]


_PROPOSALS_SQL: Final = """
SELECT p.old, p.new, p.run, coalesce(r.lane, ''), coalesce(r.commit, ''), r.ordered_at, p.state, p.score,
    coalesce(p.evidence ->> 'group', p.old || '-' || p.new), p.evidence::text, p.decided_at, p.decided_by
FROM health_renameproposal p
LEFT JOIN health_run r ON r.project_id = p.project_id AND r.number = p.run
WHERE p.project_id = %(project)s AND p.state = ANY(%(states)s) AND (r.number IS NOT NULL OR p.state = 'merged')
  AND (%(lane)s::text = '' OR r.lane = %(lane)s) AND (%(run)s::int IS NULL OR p.run = %(run)s)
ORDER BY r.ordered_at DESC NULLS LAST, p.run DESC, p.score DESC, p.old
LIMIT %(limit)s
"""

_RENAMED_SQL: Final = """
SELECT DISTINCT old FROM health_renameproposal
WHERE project_id = %(project)s AND old = ANY(%(ords)s) AND state = ANY(%(states)s)
"""

_NEWEST_SQL: Final = """
SELECT j.run, j.series, s.lane, j.ordered_at FROM health_series s
CROSS JOIN LATERAL (
    SELECT run, series, ordered_at FROM health_job
    WHERE project_id = s.project_id AND series = s.number
    ORDER BY ordered_at DESC, ran_at DESC, run DESC LIMIT 1) j
WHERE s.project_id = %(project)s AND s.lane = ANY(%(lanes)s)
"""
