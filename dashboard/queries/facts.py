"""What pages say of runs and jobs: their counts with denominators, and what they are called because of them.

Used by the queries of overview, trends, runs and run.
Promise: a run is called passed only when it is whole, something ran, and nothing broke
(`tests/dashboard/test_facts.py`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from operator import attrgetter
from typing import Any, Final, NamedTuple

from dashboard.templatetags.display import count_of
from health.rules.durations import UNITS_PER_SECOND
from health.rules.lanes import CHANGES

# The marks of outcomes, by code.
OUTCOME_MARKS: Final = ("absent", "pass", "fail", "error", "deferred", "xfail", "xpass", "flaky")
# In the order `read_run` and `read_job` take them; `{0}` is the run or job, `{1}` the job's series.
_COUNTS: Final = (
    "{0}.n_declared, {0}.n_passed, {0}.n_failed, {0}.n_errored, {0}.n_skipped, {0}.n_xfailed, {0}.n_flaky,"
    " {0}.duration, {0}.n_suite_errors"
)
_CHANGES: Final = "{0}.n_new, {0}.n_still, {0}.n_fixed, {0}.n_gone"
RUN_COLUMNS: Final = (
    "{0}.number, {0}.commit, {0}.branch, {0}.lane, {0}.pull_request, {0}.build_url, {0}.ran_at, {0}.ordered_at,"
    f" {{0}}.committed_at, {{0}}.n_attempts, {_COUNTS}, {_CHANGES}, {{0}}.is_complete"
)
JOB_COLUMNS: Final = (
    "{0}.run, {0}.series, {0}.branch, {0}.ran_at, {0}.ordered_at, {0}.is_complete, {0}.n_attempts,"
    f" {{0}}.baseline_run, {{0}}.baseline_series, {_COUNTS}, {_CHANGES}, {{1}}.job, {{1}}.variant, {{1}}.lane"
)


class JobKey(NamedTuple):
    """One job: a series' share of a run."""

    run: int
    series: int


class Verdict(NamedTuple):
    """What a run, or a lane, is called: the mark's name and its word."""

    mark: str
    word: str


@dataclass(frozen=True, slots=True)
class Counts:
    """How many cases, by how they ended, and how long they took in units of 10 µs."""

    declared: int = 0
    passed: int = 0
    failed: int = 0
    errored: int = 0
    skipped: int = 0
    xfailed: int = 0
    flaky: int = 0
    units: int = 0
    suite_errors: int = 0

    @property
    def executed(self) -> int:
        """Declared less skipped; an expected failure ran."""
        return self.declared - self.skipped

    @property
    def as_expected(self) -> int:
        """Passed, or failed as it should: nobody has to act."""
        return self.passed + self.xfailed

    @property
    def deferred(self) -> int:
        """Put off: skipped, or expected to fail."""
        return self.skipped + self.xfailed

    @property
    def broken(self) -> int:
        """Failed or errored cases."""
        return self.failed + self.errored

    @property
    def is_red(self) -> bool:
        """Whether anything failed or could not run, a suite as a whole included."""
        return bool(self.failed or self.errored or self.suite_errors)

    @property
    def seconds(self) -> float:
        """The time in cases."""
        return self.units / UNITS_PER_SECOND


_COUNT_NAMES: Final = tuple(field.name for field in fields(Counts))
_take_counts = attrgetter(*_COUNT_NAMES)


@dataclass(frozen=True, slots=True)
class Changes:
    """What became of cases since the baseline."""

    new: int = 0
    still: int = 0
    fixed: int = 0
    gone: int = 0


@dataclass(frozen=True, slots=True)
class RunFact:
    """One run as lists show it. `is_complete` is false when any of its jobs lacks something."""

    number: int
    commit: str
    branch: str
    lane: str
    pull_request: str
    build_url: str
    ran_at: datetime
    ordered_at: datetime
    committed_at: datetime | None
    n_attempts: int
    counts: Counts
    changes: Changes
    is_complete: bool

    @property
    def verdict(self) -> Verdict:
        """Mark and word."""
        return judge(self.counts, is_complete=self.is_complete)

    @property
    def strip_mark(self) -> str:
        """What a strip of runs draws: nothing for a green run."""
        return take_strip_mark(self.counts, is_complete=self.is_complete)


@dataclass(frozen=True, slots=True)
class JobFact:
    """One job: what it counts, and what it is compared with."""

    key: JobKey
    job: str
    variant: str
    lane: str
    branch: str
    ran_at: datetime
    ordered_at: datetime
    is_complete: bool
    n_attempts: int
    baseline: JobKey | None
    counts: Counts
    changes: Changes

    @property
    def verdict(self) -> Verdict:
        """Mark and word."""
        return judge(self.counts, is_complete=self.is_complete)

    @property
    def title(self) -> str:
        """Job and variant in one line; both may be missing."""
        return name_job(self.job, self.variant)


def tell_as_expected(counts: Counts) -> tuple[str, str]:
    """The pass rate's fraction, and where some failed as expected, what it adds up: the words of every page."""
    of = f"{counts.as_expected:,} of {counts.executed:,} executed"
    if not counts.xfailed:
        return f"{of} tests passed", ""
    return f"{of} ended as expected", f"{counts.passed:,} passed, {counts.xfailed:,} failed as expected"


def name_job(job: str, variant: str) -> str:
    """A job as one line: "tests, python 3.12"."""
    return ", ".join(part for part in (job, variant) if part) or "unnamed job"


def name_lane(lane: str) -> str:
    """A lane as people say it: a long-lived branch by its name, else what all others are together."""
    return "changes and other branches" if lane == CHANGES else lane


def name_jobs(jobs: Sequence[tuple[str, str]]) -> str:
    """Several jobs (name, variant) as one line: "tests, python 3.12", "tests, 4 variants", "3 jobs"."""
    if len(jobs) == 1:
        return name_job(*jobs[0])
    names = {job for job, _ in jobs}
    return f"{next(iter(names))}, {len(jobs)} variants" if len(names) == 1 and names != {""} else f"{len(jobs)} jobs"


def judge(counts: Counts, *, is_complete: bool) -> Verdict:
    """Mark and word for one run or job."""
    told = []
    if counts.errored:
        told.append(count_of(counts.errored, "error"))
    if counts.suite_errors:
        told.append(count_of(counts.suite_errors, "suite error"))
    if counts.failed:
        told.append(f"{counts.failed:,} failed")
    if not is_complete:
        told.append("incomplete")
    if counts.errored or counts.suite_errors:
        return Verdict("error", ", ".join(told))
    if counts.failed:
        return Verdict("fail", ", ".join(told))
    if not is_complete:
        return Verdict("stale", "incomplete")
    if not counts.declared:
        return Verdict("absent", "no tests")
    if not counts.executed:
        return Verdict("absent", "none ran")
    return Verdict("pass", "passed")


def take_strip_mark(counts: Counts, *, is_complete: bool) -> str:
    """The name of a strip's mark: fail, error, none for nothing that ran, empty for green."""
    if counts.errored or counts.suite_errors:
        return "error"
    if counts.failed:
        return "fail"
    return "" if counts.executed and is_complete else "none"


def sum_counts(many: Iterable[Counts]) -> Counts:
    """The sum, field by field."""
    rows = [_take_counts(counts) for counts in many]
    return Counts(*(sum(column) for column in zip(*rows, strict=True))) if rows else Counts()


def sum_changes(many: Iterable[Changes]) -> Changes:
    """The sum, field by field."""
    rows = [(changes.new, changes.still, changes.fixed, changes.gone) for changes in many]
    return Changes(*(sum(column) for column in zip(*rows, strict=True))) if rows else Changes()


def read_run(row: Sequence[Any]) -> RunFact:
    """A run from RUN_COLUMNS; it is complete when all its jobs are."""
    number, commit, branch, lane, pull_request, build_url, ran_at, ordered_at, committed_at, n_attempts = row[:10]
    return RunFact(
        number=number,
        commit=commit,
        branch=branch,
        lane=lane,
        pull_request=pull_request,
        build_url=build_url,
        ran_at=ran_at,
        ordered_at=ordered_at,
        committed_at=committed_at,
        n_attempts=n_attempts,
        counts=Counts(*row[10:19]),
        changes=Changes(*row[19:23]),
        is_complete=row[23],
    )


def read_job(row: Sequence[Any]) -> JobFact:
    """A job from JOB_COLUMNS."""
    run, series, branch, ran_at, ordered_at, is_complete, n_attempts, base_run, base_series = row[:9]
    job, variant, lane = row[22:25]
    return JobFact(
        key=JobKey(run, series),
        job=job,
        variant=variant,
        lane=lane,
        branch=branch,
        ran_at=ran_at,
        ordered_at=ordered_at,
        is_complete=is_complete,
        n_attempts=n_attempts,
        baseline=JobKey(base_run, base_series) if base_run is not None else None,
        counts=Counts(*row[9:18]),
        changes=Changes(*row[18:22]),
    )
