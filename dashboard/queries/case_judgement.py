"""What was concluded of one case: its verdict in each series with rate and evidence, claimed fixes, whether it
vanished, whether it became slower.

Used by the query of the case page. Promise: seven statements at most (`tests/dashboard/test_case_judgement.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dashboard.queries.case_history import SeriesHistory
from dashboard.queries.cases import CaseName, make_name
from dashboard.queries.claimed_fixes import Epoch, Outcome, lay_out_epochs, read_claims
from dashboard.queries.sql import fetch_rows
from dashboard.queries.vanished import STATES
from dashboard.queries.verdict_evidence import Evidence, read_evidence
from dashboard.queries.verdicts import BAD, Judged, read_verdicts, write_rate
from dashboard.queries.windows import JobMoment, read_jobs_of_windows
from dashboard.templatetags.display import duration
from health.models import Project
from health.rules import outcomes as codes
from health.rules.durations import UNITS_PER_SECOND
from health.windows import N_JOBS


@dataclass(frozen=True, slots=True)
class SeriesVerdict:
    """What a series' window says of the case. `judged` is None for a case that always plainly passed there."""

    series: str
    judged: Judged | None
    rate: str
    evidence: Evidence

    @property
    def mark(self) -> str:
        """The mark's name."""
        return self.judged.mark if self.judged else "pass"

    @property
    def word(self) -> str:
        """The verdict in words."""
        return self.judged.word if self.judged else "never broke"


@dataclass(frozen=True, slots=True)
class LostIn:
    """A series in which the case stopped running."""

    series: str
    suspicion: str
    last_run: int
    gone_run: int
    gone_at: datetime | None
    successor: CaseName | None = None  # the case it may be now

    @property
    def mark(self) -> str:
        """The mark's name."""
        return STATES[self.suspicion][0]

    @property
    def word(self) -> str:
        """What may have happened, in short."""
        return STATES[self.suspicion][1]


@dataclass(frozen=True, slots=True)
class SlowerIn:
    """A series in which the case takes longer than before."""

    series: str
    told: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """All that was concluded of the case on its main lane."""

    verdicts: tuple[SeriesVerdict, ...] = ()
    epochs: tuple[Epoch, ...] = ()
    lost: tuple[LostIn, ...] = ()
    slower: tuple[SlowerIn, ...] = ()
    n_window: int = 0  # runs of the largest window

    @property
    def successor(self) -> CaseName | None:
        """The case it may be now, where it vanished and a similar one appeared."""
        return next((lost.successor for lost in self.lost if lost.successor), None)

    @property
    def is_troubled(self) -> bool:
        """Whether it ever did not plainly pass, or somebody said it was fixed: then a fix may be claimed."""
        return bool(self.epochs) or any(verdict.judged for verdict in self.verdicts)


def read_judgement(project: Project, *, ords: Sequence[int], main: Sequence[SeriesHistory]) -> Judgement:
    """What was concluded of the case of these numbers, the newest first, in the series of its main lane."""
    if not main:
        return Judgement()
    titles = {series.number: series.title for series in main}
    verdicts = {judged.series: judged for judged in read_verdicts(project, series=titles, ords=ords[:1])}
    jobs = read_jobs_of_windows(project, series=titles)
    proofs = read_evidence(project, [[judged] for judged in verdicts.values()], jobs)
    evidence = dict(zip(verdicts, proofs, strict=True))
    claims = [claim for found in read_claims(project, ords=ords).values() for claim in found]
    claims.sort(key=lambda claim: (claim.claimed_at, claim.pk))
    told = [_tell_verdict(series, verdicts, evidence, jobs) for series in main]
    return Judgement(
        verdicts=tuple(verdict for verdict in told if verdict),
        epochs=lay_out_epochs(claims, _list_outcomes(main, jobs)) if claims else (),
        lost=_read_lost(project, ords[0], titles),
        slower=_read_slower(project, ords[0], titles),
        n_window=max((len(window) for window in jobs.values()), default=0),
    )


def _tell_verdict(
    series: SeriesHistory,
    verdicts: Mapping[int, Judged],
    evidence: Mapping[int, Evidence],
    jobs: Mapping[int, Sequence[JobMoment]],
) -> SeriesVerdict | None:
    """The verdict of a series; None where it was not judged yet."""
    judged = verdicts.get(series.number)
    if judged:
        return SeriesVerdict(series.title, judged, judged.rate, evidence[series.number])
    outcomes = [outcome.outcome for outcome in _list_outcomes([series], jobs)]
    if not outcomes or any(outcome in BAD for outcome in outcomes[:N_JOBS]):
        return None
    n = len(outcomes[:N_JOBS])
    return SeriesVerdict(series.title, None, write_rate(0, n, noun="run"), Evidence())


def _list_outcomes(main: Sequence[SeriesHistory], jobs: Mapping[int, Sequence[JobMoment]]) -> list[Outcome]:
    """Its executed results, the newest first, without those of mass failures."""
    left_out = {(job.run, job.series) for window in jobs.values() for job in window if job.is_mass_failure}
    return [
        Outcome((moment.ordered_at, moment.ran_at, moment.run), result.outcome)
        for series in main
        for moment in series.moments
        if (result := series.results.get(moment.run))
        and result.outcome in codes.EXECUTED
        and (moment.run, series.number) not in left_out
    ]


def _read_lost(project: Project, ord_: int, titles: Mapping[int, str]) -> tuple[LostIn, ...]:
    rows = fetch_rows(_LOST_SQL, {"project": project.pk, "ord": ord_, "series": sorted(titles)})
    found = []
    for series, suspicion, last_run, gone_run, gone_at, *other in rows:
        successor = make_name(other, project.slug) if other[0] is not None else None
        found.append(LostIn(titles[series], suspicion, last_run, gone_run, gone_at, successor))
    return tuple(found)


def _read_slower(project: Project, ord_: int, titles: Mapping[int, str]) -> tuple[SlowerIn, ...]:
    rows = fetch_rows(_SLOWER_SQL, {"project": project.pk, "ord": ord_, "series": sorted(titles)})
    return tuple(SlowerIn(titles[series], _tell_slower(*row)) for series, *row in rows)


def _tell_slower(median: int, n: int, before: int, n_before: int) -> str:
    now, then = duration(median / UNITS_PER_SECOND), duration(before / UNITS_PER_SECOND)
    return f"It takes {now}, the median of its newest {n} results, after {then} in the {n_before} before."


_LOST_SQL: Final = """
SELECT v.series, v.suspicion, v.last_run, v.gone_run, g.ran_at,
    c.ord, c.name, c.class_name, c.suite_path, c.namespace, c.occurrence, c.suite
FROM health_vanishedcase v
LEFT JOIN health_run g ON g.project_id = v.project_id AND g.number = v.gone_run
LEFT JOIN health_case c ON c.project_id = v.project_id AND c.ord = coalesce(v.other, (
    SELECT p.new FROM health_renameproposal p
    WHERE p.project_id = v.project_id AND p.old = v.ord AND p.state = 'proposed' ORDER BY p.score DESC LIMIT 1))
WHERE v.project_id = %(project)s AND v.ord = %(ord)s AND v.series = ANY(%(series)s) ORDER BY v.series
"""

_SLOWER_SQL: Final = """
SELECT series, median, n, median_before, n_before FROM health_casespeed
WHERE project_id = %(project)s AND ord = %(ord)s AND series = ANY(%(series)s) AND is_slower ORDER BY series
"""
