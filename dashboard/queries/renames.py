"""Renames of a project: what is proposed, with its evidence in words, what was merged, what was found to be none.

Called by `dashboard.views.renames`, and by the queries of overview and run for what is open.
Promise: five statements, however many proposals there are; a proposal whose former name was reported again, or whose
run was deleted, is not open any more (`tests/dashboard/test_renames_queries.py`).
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import numpy as np

from dashboard.queries.cases import CaseName, read_case_names
from dashboard.queries.sql import fetch_rows
from dashboard.templatetags.display import duration, in_words
from health.models import Project, RenameProposal
from health.rules import outcomes as codes
from health.rules.durations import UNITS_PER_SECOND
from health.rules.renames import MOVED, REPARAMETRISED
from health.sql import open_cursor
from health.tiles import BLOCK_SIZE, fetch_tiles_of_jobs, merge_tiles

State = RenameProposal.State

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
    evidence: dict[str, Any]
    decided_at: datetime | None
    decided_by: str
    has_both: bool = False

    @property
    def key(self) -> str:
        """What a decision about it is asked for by."""
        return f"{self.old}-{self.new}"

    @property
    def group(self) -> str:
        """The same for all that one change explains."""
        return str(self.evidence.get("group", self.key))


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


def list_proposals(project: Project, *, states: Sequence[str] = State.values) -> list[Proposal]:
    """Those in these states, the newest run first, without those that time has answered: the former name is back."""
    rows = fetch_rows(_PROPOSALS_SQL, {"project": project.pk, "states": list(states), "limit": _MOST_READ})
    proposals = [Proposal(*(*row[:8], json.loads(row[8]), *row[9:])) for row in rows]
    return _look_at_newest(project, proposals)


def count_open(project: Project, *, lane: str = "", run: int | None = None) -> dict[int, int]:
    """How many cases look renamed, by run; of one lane or run, where asked."""
    return dict(
        Counter(
            proposal.run
            for proposal in list_proposals(project, states=[State.PROPOSED])
            if (not lane or proposal.lane == lane) and (run is None or proposal.run == run)
        )
    )


def write_renames(renames: Renames) -> str:
    """How many cases look renamed, where, and how many were merged."""
    n, runs = renames.n_proposed, renames.runs
    merged = f"{_cases(renames.n_merged)} {'goes' if renames.n_merged == 1 else 'go'} on under a new name"
    if not n:
        return f"No rename is waiting; {merged}." if renames.n_merged else "No rename is waiting to be looked at."
    where = f"in run {runs[0]}" if len(runs) == 1 else f"in {in_words(len(runs))} runs"
    said = f"{_cases(n)} {'looks' if n == 1 else 'look'} renamed {where}"
    said = f"{said[0].upper()}{said[1:]}"
    return f"{said}; {merged} already." if renames.n_merged else f"{said}."


def _cases(n: int) -> str:
    return f"{in_words(n)} case{'' if n == 1 else 's'}"


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
    return Group(
        pairs=tuple(NamedPair(p, names[p.old], names[p.new]) for p in group[:_MOST_NAMED]),
        n=len(group),
        low=min(scores),
        high=max(scores),
        n_both=sum(proposal.has_both for proposal in group),
    )


def _look_at_newest(project: Project, proposals: list[Proposal]) -> list[Proposal]:
    """Compare with what the newest jobs since then report: a former name that is back, or both names of a merge."""
    waiting = [proposal for proposal in proposals if proposal.state != State.DISMISSED]
    if not waiting:
        return proposals
    jobs = fetch_rows(_NEWEST_SQL, {"project": project.pk, "lanes": sorted({proposal.lane for proposal in waiting})})
    reported = _read_reported(project, [(run, series) for run, series, *_ in jobs], _room_for(waiting))
    kept = []
    for proposal in proposals:
        since = [
            reported[run, series]
            for run, series, lane, ordered_at in jobs
            if lane == proposal.lane and (run == proposal.run or _is_later(ordered_at, proposal))
        ]
        is_back = any(here[proposal.old] for here in since)
        if proposal.state == State.PROPOSED and is_back:
            continue
        has_both = proposal.state == State.MERGED and any(here[proposal.old] and here[proposal.new] for here in since)
        kept.append(replace(proposal, has_both=has_both) if has_both else proposal)
    return kept


def _is_later(ordered_at: datetime, proposal: Proposal) -> bool:
    return proposal.ordered_at is None or ordered_at > proposal.ordered_at


def _room_for(proposals: Iterable[Proposal]) -> int:
    """How many cases arrays must hold: whole blocks, up to the highest number asked for."""
    highest = max(max(proposal.old, proposal.new) for proposal in proposals)
    return (highest // BLOCK_SIZE + 1) * BLOCK_SIZE


def _read_reported(
    project: Project, jobs: Sequence[tuple[int, int]], n_cases: int
) -> dict[tuple[int, int], "np.ndarray[Any, np.dtype[np.bool_]]"]:
    """For each job which cases it reported, each under its own name."""
    tiles = fetch_tiles_of_jobs(open_cursor(), project.pk, jobs=jobs, n_cases=n_cases)
    return {
        job: merge_tiles((tile for tile in tiles if (tile.run, tile.series) == job), n_cases=n_cases).outcomes > 0
        for job in jobs
    }


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
    """Rounded down, and never all of it: what is alike to the last sign is said to be the same."""
    return f"{min(int(float(evidence.get(name, 0)) * 100), 99)} %"


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
SELECT p.old, p.new, p.run, coalesce(r.lane, ''), coalesce(r.commit, ''), r.ordered_at, p.state, p.score, p.evidence,
    p.decided_at, p.decided_by
FROM health_renameproposal p
LEFT JOIN health_run r ON r.project_id = p.project_id AND r.number = p.run
WHERE p.project_id = %(project)s AND p.state = ANY(%(states)s) AND (r.number IS NOT NULL OR p.state = 'merged')
ORDER BY r.ordered_at DESC NULLS LAST, p.run DESC, p.score DESC, p.old
LIMIT %(limit)s
"""

_NEWEST_SQL: Final = """
SELECT j.run, j.series, s.lane, j.ordered_at FROM health_series s
CROSS JOIN LATERAL (
    SELECT run, series, ordered_at FROM health_job
    WHERE project_id = s.project_id AND series = s.number
    ORDER BY ordered_at DESC, ran_at DESC, run DESC LIMIT 1) j
WHERE s.project_id = %(project)s AND s.lane = ANY(%(lanes)s)
"""
