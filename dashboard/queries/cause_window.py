"""The newest runs of a branch and what broke in them, cause by cause: what the pages of causes are counted from.

Used by the queries of causes and cause. Promise: each broken result is counted once, by its last attempt, as
`health.causes` counts it (`tests/dashboard/test_causes_views.py`).
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from dashboard.queries.cases import read_aliases
from dashboard.queries.scope import Scope
from dashboard.queries.shown_suites import write_shown_suite
from dashboard.queries.sql import fetch_rows
from health.baselines import JobKey
from health.causes import BrokenResult, fetch_last_failures, keep_broken
from health.models import Project
from health.rules import outcomes as codes
from health.sql import format_array, open_cursor
from health.windows import N_JOBS

# Beyond, results are not read case by case: what is counted of jobs behind each upload serves.
MOST_READ: Final = 5_000
_N_SAMPLED: Final = 20


class CauseJob(NamedTuple):
    """One job of the window."""

    run: int
    series: int
    ordered_at: datetime
    ran_at: datetime
    n_failed: int
    n_errored: int

    @property
    def key(self) -> JobKey:
        """As the tables name it."""
        return JobKey(self.run, self.series)

    @property
    def n_broken(self) -> int:
        """Failed and errored."""
        return self.n_failed + self.n_errored


class RunPoint(NamedTuple):
    """A run in time; sorts as runs do."""

    ordered_at: datetime
    ran_at: datetime
    number: int


class Count(NamedTuple):
    """Broken results, errors apart."""

    failed: int = 0
    errored: int = 0

    @property
    def broken(self) -> int:
        """Both."""
        return self.failed + self.errored

    def plus(self, other: "Count") -> "Count":
        """The sum."""
        return Count(self.failed + other.failed, self.errored + other.errored)


def sum_counts(counts: Iterable[Count]) -> Count:
    """All of them together."""
    failed, errored = 0, 0
    for count in counts:
        failed, errored = failed + count.failed, errored + count.errored
    return Count(failed, errored)


@dataclass(slots=True)
class Tally:
    """What one cause broke: results by run, in which series, and which cases where they were read."""

    of_run: dict[int, Count] = field(default_factory=dict)
    series: set[int] = field(default_factory=set)
    ords: set[int] = field(default_factory=set)
    n_most: int = 0  # in one job: so many cases at least

    @property
    def total(self) -> Count:
        """Over all runs."""
        return sum_counts(self.of_run.values())

    def add(self, *, run: int, series: int, count: Count) -> None:
        """Add results of one job."""
        self.of_run[run] = self.of_run.get(run, Count()).plus(count)
        self.series.add(series)
        self.n_most = max(self.n_most, count.broken)


class Largest(NamedTuple):
    """The causes that broke most, the first one first, and what all of them come to."""

    counts: dict[int, Count]
    n_causes: int
    total: Count


@dataclass(frozen=True, slots=True)
class Window:
    """The newest runs of a scope, oldest first, with their jobs."""

    runs: tuple[RunPoint, ...]
    jobs: tuple[CauseJob, ...]

    @property
    def ran(self) -> dict[int, set[int]]:
        """The series that ran in each run."""
        found: dict[int, set[int]] = defaultdict(set)
        for job in self.jobs:
            found[job.run].add(job.series)
        return found


def read_window(project: Project, scope: Scope) -> Window:
    """The newest runs in which any job of the scope ran."""
    rows = fetch_rows(_WINDOW_SQL, {"project": project.pk, "series": scope.numbers, "limit": N_JOBS})
    return make_window([CauseJob(*row) for row in rows])


def read_jobs_of_run(project: Project, scope: Scope, *, run: int) -> Window:
    """One run as a window of its own."""
    rows = fetch_rows(_RUN_SQL, {"project": project.pk, "series": scope.numbers, "run": run})
    return make_window([CauseJob(*row) for row in rows])


def make_window(jobs: Iterable[CauseJob], *, limit: int = N_JOBS) -> Window:
    """The newest runs of these jobs."""
    listed = list(jobs)
    runs = sorted({RunPoint(job.ordered_at, job.ran_at, job.run) for job in listed})[-limit:]
    numbers = {run.number for run in runs}
    return Window(tuple(runs), tuple(job for job in listed if job.run in numbers))


def trim_window(window: Window) -> Window:
    """The newest runs whose broken results can be read one by one; the newest of all in any case."""
    of_run: dict[int, int] = defaultdict(int)
    for job in window.jobs:
        of_run[job.run] += job.n_broken
    kept: set[int] = set()
    n_read = 0
    for run in reversed(window.runs):
        n_read += of_run[run.number]
        if kept and n_read > MOST_READ:
            break
        kept.add(run.number)
    return make_window(job for job in window.jobs if job.run in kept)


def can_be_read(window: Window) -> bool:
    """Whether its broken results are few enough to be read one by one."""
    return sum(job.n_broken for job in window.jobs) <= MOST_READ


def read_broken(
    project: Project,
    jobs: Collection[CauseJob],
    *,
    suites: Sequence[int] | None = None,
    fingerprints: Collection[int] = (),
) -> list[BrokenResult]:
    """The broken results of these jobs, each with its last failure; those of some suites where told.

    Where they are very many and it is told which fingerprints matter, only the cases that ever had one of these.
    """
    broken_jobs = [job for job in jobs if job.n_broken]
    if not broken_jobs:
        return []
    cursor, aliases = open_cursor(), read_aliases(project)
    # A renamed case may have broken under its other name last.
    wanted = fingerprints if sum(job.n_broken for job in broken_jobs) > MOST_READ and not aliases else ()
    keys = [job.key for job in broken_jobs]
    last = fetch_last_failures(cursor, project.pk, jobs=keys, aliases=aliases, fingerprints=wanted)
    of_job: dict[tuple[int, int], list[BrokenResult]] = defaultdict(list)
    for result in last:
        of_job[result.run, result.series].append(result)
    found: list[BrokenResult] = []
    doubted: list[BrokenResult] = []
    for job in broken_jobs:
        results = of_job[job.run, job.series]
        # Where the failures are as many as the job's broken results, no case passed after its failure.
        (found if _agrees(job, results) else doubted).extend(results)
    if doubted:
        found += keep_broken(cursor, project.pk, last=doubted, aliases=aliases)
    return found if suites is None else _choose_suites(project, found, suites)


def _agrees(job: CauseJob, results: Sequence[BrokenResult]) -> bool:
    n_errored = sum(result.outcome == codes.ERROR for result in results)
    return (len(results) - n_errored, n_errored) == (job.n_failed, job.n_errored)


def _choose_suites(project: Project, results: Sequence[BrokenResult], suites: Sequence[int]) -> list[BrokenResult]:
    """Those whose cases were shown under one of these suites in their run."""
    values = {
        "project": project.pk,
        "suites": list(suites),
        "runs": format_array(result.run for result in results),
        "series": format_array(result.series for result in results),
        "ords": format_array(result.ord for result in results),
    }
    shown = {tuple(row) for row in fetch_rows(_SHOWN_SQL, values)}
    return [result for result in results if (result.run, result.series, result.ord) in shown]


def read_largest(project: Project, window: Window, *, heads: Mapping[int, int], limit: int) -> Largest:
    """What broke most, of all that was counted behind each upload: somebody's messages may all be different."""
    values = _take_jobs(project, window) | {"merged": list(heads), "heads": list(heads.values()), "limit": limit}
    rows = fetch_rows(_LARGEST_SQL, values)
    n, failed, errored = rows[0][3:] if rows else (0, 0, 0)
    return Largest({head: Count(*count) for head, *count in (row[:3] for row in rows)}, n, Count(failed, errored))


def read_counts(
    project: Project, window: Window, *, fingerprints: Collection[int]
) -> list[tuple[int, int, int, Count]]:
    """Run, series, fingerprint and count of these, as counted behind each upload."""
    if not fingerprints:
        return []
    values = _take_jobs(project, window) | {"fingerprints": format_array(fingerprints)}
    rows = fetch_rows(_COUNTS_SQL, values)
    return [(run, series, fingerprint, Count(failed, errored)) for run, series, fingerprint, failed, errored in rows]


def _take_jobs(project: Project, window: Window) -> dict[str, object]:
    return {
        "project": project.pk,
        "runs": format_array(job.run for job in window.jobs),
        "series": format_array(job.series for job in window.jobs),
    }


def tally_results(results: Iterable[BrokenResult], heads: Mapping[int, int]) -> dict[int, Tally]:
    """Results read one by one, by the cause that stands for their fingerprint."""
    counted: dict[tuple[int, int, int], Count] = {}
    ords: dict[int, set[int]] = defaultdict(set)
    for result in results:
        head = heads.get(result.fingerprint, result.fingerprint)
        key = (result.run, result.series, head)
        is_error = result.outcome == codes.ERROR
        counted[key] = counted.get(key, Count()).plus(Count(not is_error, is_error))
        ords[head].add(result.ord)
    tallies = tally_counts(((*key, count) for key, count in counted.items()), {})
    for head, of_head in ords.items():
        tallies[head].ords = of_head
    return tallies


def choose_largest(tallies: Mapping[int, Tally], *, limit: int) -> Largest:
    """The causes that broke most of results that were read one by one."""
    totals = {head: tally.total for head, tally in tallies.items()}
    ranked = sorted(totals, key=lambda head: (-totals[head].broken, head))[:limit]
    return Largest({head: totals[head] for head in ranked}, len(totals), sum_counts(totals.values()))


def tally_counts(counts: Iterable[tuple[int, int, int, Count]], heads: Mapping[int, int]) -> dict[int, Tally]:
    """Counts of jobs, by the cause that stands for their fingerprint."""
    tallies: dict[int, Tally] = defaultdict(Tally)
    for run, series, fingerprint, count in counts:
        tallies[heads.get(fingerprint, fingerprint)].add(run=run, series=series, count=count)
    return tallies


def read_first_seen(project: Project, scope: Scope, *, members: Mapping[int, Sequence[int]]) -> dict[int, RunPoint]:
    """The first run that each cause broke on these series, however long ago.

    Looked for among its first and last runs by number, which is the order of arrival: histories are imported oldest or
    newest first.
    """
    heads = [(head, one) for head, ones in members.items() for one in ones]
    if not heads:
        return {}
    values = {
        "project": project.pk,
        "series": scope.numbers,
        "heads": [head for head, _ in heads],
        "fingerprints": [one for _, one in heads],
        "limit": _N_SAMPLED,
    }
    return {head: RunPoint(*point) for head, *point in fetch_rows(_FIRST_SQL, values)}


_JOB: Final = "j.run, j.series, j.ordered_at, j.ran_at, j.n_failed, j.n_errored"

_WINDOW_SQL: Final = f"""
SELECT {_JOB} FROM unnest(%(series)s::int[]) AS wanted(series)
CROSS JOIN LATERAL (
    SELECT * FROM health_job WHERE project_id = %(project)s AND series = wanted.series
    ORDER BY ordered_at DESC, ran_at DESC, run DESC LIMIT %(limit)s) j
"""  # noqa: S608 - the columns are constants

_RUN_SQL: Final = f"""
SELECT {_JOB} FROM health_job j WHERE j.project_id = %(project)s AND j.run = %(run)s AND j.series = ANY(%(series)s)
"""  # noqa: S608 - the columns are constants

_COUNTS_SQL: Final = """
SELECT c.run, c.series, c.fingerprint, c.n_failed, c.n_errored
FROM unnest(%(runs)s::int[], %(series)s::int[]) AS wanted(run, series)
JOIN health_causecount c ON c.project_id = %(project)s AND c.run = wanted.run AND c.series = wanted.series
    AND c.fingerprint = ANY(%(fingerprints)s::bigint[])
"""

_LARGEST_SQL: Final = """
SELECT head, failed, errored, count(*) OVER ()::int, (sum(failed) OVER ())::int, (sum(errored) OVER ())::int
FROM (
    SELECT coalesce(merged.head, c.fingerprint) AS head,
        sum(c.n_failed)::int AS failed, sum(c.n_errored)::int AS errored
    FROM unnest(%(runs)s::int[], %(series)s::int[]) AS wanted(run, series)
    JOIN health_causecount c ON c.project_id = %(project)s AND c.run = wanted.run AND c.series = wanted.series
    LEFT JOIN unnest(%(merged)s::bigint[], %(heads)s::bigint[]) AS merged(one, head) ON merged.one = c.fingerprint
    GROUP BY 1) causes
ORDER BY failed + errored DESC, head LIMIT %(limit)s
"""

_SHOWN_SQL: Final = f"""
SELECT v.run, v.series, v.ord FROM (
    SELECT %(project)s::bigint AS project_id, *
    FROM unnest(%(runs)s::int[], %(series)s::int[], %(ords)s::int[]) AS wanted(run, series, ord)) v
JOIN health_case c ON c.project_id = v.project_id AND c.ord = v.ord
WHERE {write_shown_suite(run="v.run")} = ANY(%(suites)s)
"""  # noqa: S608 - constants

_EARLY: Final = """
(SELECT c.run FROM health_causecount c WHERE c.project_id = %(project)s AND c.fingerprint = wanted.fingerprint
 AND c.series = ANY(%(series)s) ORDER BY c.run {} LIMIT %(limit)s)
"""

_FIRST_SQL: Final = f"""
SELECT DISTINCT ON (wanted.head) wanted.head, r.ordered_at, r.ran_at, r.number
FROM unnest(%(heads)s::bigint[], %(fingerprints)s::bigint[]) AS wanted(head, fingerprint)
CROSS JOIN LATERAL ({_EARLY.format("ASC")} UNION ALL {_EARLY.format("DESC")}) early
JOIN health_run r ON r.project_id = %(project)s AND r.number = early.run
ORDER BY wanted.head, r.ordered_at, r.ran_at, r.number
"""  # noqa: S608 - constants
