"""What speaks for a cause in a window of runs: the cases it broke, with owners, the runs, and what it said.

Used by the query of a cause. Promise: at most nine statements, however much it broke; texts are of the newest and of
the oldest run that could be read (`tests/dashboard/test_cause_views.py`).
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from dashboard.queries.cases import CaseName, read_case_names
from dashboard.queries.cause_window import (
    Count,
    RunPoint,
    Tally,
    Window,
    can_be_read,
    make_window,
    read_broken,
    trim_window,
)
from dashboard.queries.owners import find_owners
from dashboard.queries.sql import fetch_rows
from dashboard.queries.texts import Said, TextPlace, read_texts
from health.causes import BrokenResult
from health.models import Project
from health.rules import outcomes as codes

MOST_CASES: Final = 100
_MOST_RUNS: Final = 12


@dataclass(frozen=True, slots=True)
class CauseCase:
    """A case that the cause broke in these runs."""

    case: CaseName
    broke: Count
    n_runs: int
    last: int  # the newest run of them
    owners: tuple[str, ...]


class CauseRun(NamedTuple):
    """A run that it broke; `n_of` is how many results were broken there in all."""

    run: RunPoint
    broke: Count
    n_of: int


class Sample(NamedTuple):
    """What it said in a run."""

    run: RunPoint
    said: Said


@dataclass(frozen=True, slots=True)
class Evidence:
    """Cases and runs are the first of as many as are counted beside them."""

    cases: tuple[CauseCase, ...]
    n_cases: int
    is_at_least: bool  # more results than could be read
    runs: tuple[CauseRun, ...]  # newest first
    n_runs: int
    samples: tuple[Sample, ...]  # the newest, and the oldest where that is another one
    is_owned: bool = True  # whether anything says who owns what

    @property
    def n_listed(self) -> int:
        """How many cases are listed."""
        return len(self.cases)

    @property
    def owners(self) -> tuple[tuple[str, int], ...]:
        """Who owns how many of the cases listed, the most first."""
        return tuple(Counter(owner for case in self.cases for owner in case.owners).most_common())


def read_evidence(
    project: Project, window: Window, *, tally: Tally, members: Collection[int], for_owner: bool = False
) -> Evidence:
    """What these fingerprints, which are one cause, broke in the runs of a window."""
    concerned = make_window(job for job in window.jobs if job.run in tally.of_run and job.series in tally.series)
    is_read = can_be_read(concerned)
    broken = read_broken(project, trim_window(concerned).jobs, fingerprints=members)
    results = [result for result in broken if result.fingerprint in members]
    cases, is_owned = _name_cases(project, results, window)
    return Evidence(
        cases=cases,
        n_cases=len({result.ord for result in results}) if is_read else tally.n_most,
        is_at_least=not is_read,
        runs=_list_runs(window, tally)[:_MOST_RUNS],
        n_runs=len(tally.of_run),
        samples=_read_samples(project, results, window, for_owner=for_owner),
        is_owned=is_owned,
    )


def _name_cases(
    project: Project, results: Sequence[BrokenResult], window: Window
) -> tuple[tuple[CauseCase, ...], bool]:
    """The cases it broke most often first, and whether anything says who owns what."""
    order = {run.number: place for place, run in enumerate(window.runs)}
    counts: dict[int, Count] = defaultdict(Count)
    runs: dict[int, list[int]] = defaultdict(list)
    for result in sorted(results, key=lambda result: order[result.run]):
        is_error = result.outcome == codes.ERROR
        counts[result.ord] = counts[result.ord].plus(Count(not is_error, is_error))
        runs[result.ord].append(result.run)
    ranked = sorted(counts, key=lambda ord_: (-counts[ord_].broken, ord_))[:MOST_CASES]
    names = read_case_names(project.pk, project.slug, ords=ranked)
    owners, is_owned = find_owners(project, cases=list(names.values()))
    cases = tuple(
        CauseCase(names[ord_], counts[ord_], len(set(runs[ord_])), runs[ord_][-1], owners.get(ord_, ()))
        for ord_ in ranked
        if ord_ in names
    )
    return cases, is_owned


def _list_runs(window: Window, tally: Tally) -> tuple[CauseRun, ...]:
    """Newest first."""
    n_of: Counter[int] = Counter()
    for job in window.jobs:
        n_of[job.run] += job.n_broken
    return tuple(
        CauseRun(run, tally.of_run[run.number], n_of[run.number])
        for run in reversed(window.runs)
        if run.number in tally.of_run
    )


def _read_samples(
    project: Project, results: Sequence[BrokenResult], window: Window, *, for_owner: bool
) -> tuple[Sample, ...]:
    """What the first case of the newest run said, and of the oldest."""
    points = {run.number: run for run in window.runs}
    ordered = sorted(results, key=lambda result: (points[result.run], -result.ord))
    chosen = list(dict.fromkeys([*ordered[-1:], *ordered[:1]]))
    places = _find_places(project, chosen)
    said = read_texts(project.pk, places=places.values(), for_owner=for_owner)
    return tuple(
        Sample(points[result.run], said[places[result]])
        for result in chosen
        if result in places and places[result] in said
    )


def _find_places(project: Project, results: Sequence[BrokenResult]) -> dict[BrokenResult, TextPlace]:
    """Where the failure of each result stands in its upload's texts."""
    values = {
        "project": project.pk,
        "runs": [result.run for result in results],
        "series": [result.series for result in results],
        "uploads": [result.upload for result in results],
        "sequences": [result.sequence for result in results],
    }
    found = {tuple(row[:4]): TextPlace(row[2], *row[4:]) for row in fetch_rows(_PLACES_SQL, values)}
    keys = {result: (result.run, result.series, result.upload, result.sequence) for result in results}
    return {result: found[key] for result, key in keys.items() if key in found}


_PLACES_SQL: Final = """
SELECT f.run, f.series, f.upload, f.sequence, f.text_offset, f.message_length, f.text_length
FROM unnest(%(runs)s::int[], %(series)s::int[], %(uploads)s::bigint[], %(sequences)s::int[])
    AS wanted(run, series, upload, sequence)
JOIN health_failure f ON f.project_id = %(project)s AND f.run = wanted.run AND f.series = wanted.series
    AND f.upload = wanted.upload AND f.sequence = wanted.sequence
"""
