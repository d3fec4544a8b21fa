"""When a job and a run are whole, and what they still lack, in words.

`health.rollups` asks in SQL while it writes, pages and the API ask `fetch_missing`; the rule is in
docs/decisions/0011-when-a-run-is-over.md. A job is whole when no report of its newest attempt broke off and all its
shards are there; a run when all its jobs are, as many as expected, and nothing that was sent for it is unread or came
to nothing. `finish` stands for what never came, never for a report that broke off or could not be read.
Promise: a run is whole exactly when nothing is missing (`tests/health/test_completeness.py`).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from health.sql import Cursor

# Coverage that broke off leaves the results whole; of a file that could not be told from results nobody knows.
_BROKEN: Final = '$.files[*] ? (@.state != "stored" && !(@.kind == "coverage"))'

# Deliveries, the newest attempt of each shard marked; for those of one job, since a window looks at them together.
DELIVERIES: Final = f"""
    SELECT u.project_id, u.run, CASE WHEN u.state = 'partial' AND NOT (u.receipt @? '{_BROKEN}') THEN 'stored'
            ELSE u.state END AS state, u.attempt, u.ran_at, u.n_suite_errors,
        split_part(u.metadata ->> 'shard', '/', 1) AS shard,
        split_part(u.metadata ->> 'shard', '/', 2)::int AS n_shards,
        u.attempt = max(u.attempt) OVER (PARTITION BY u.metadata ->> 'shard') AS is_newest
    FROM health_upload u
"""  # noqa: S608 - a constant
# Over those deliveries `d` and their run `r`.
JOB_IS_WHOLE: Final = """
    bool_and(d.state <> 'partial' OR NOT d.is_newest)
    AND (r.closed = 'finish' OR count(DISTINCT d.shard) >= coalesce(max(d.n_shards), 0))
"""

# What a delivery says of its place in its run.
_JOB: Final = "coalesce({0}.metadata ->> 'job', ''), coalesce({0}.metadata ->> 'variant', '')"
_SHARD: Final = "coalesce({0}.metadata ->> 'shard', '')"
_ATTEMPT: Final = "coalesce(({0}.metadata ->> 'attempt')::int, 1)"

# Of the run `r`. A delivery of coverage alone is a job that reported, though it has no results to compare.
_JOBS_THERE: Final = f"""
    SELECT s.job, s.variant FROM health_job j
    JOIN health_series s ON s.project_id = j.project_id AND s.number = j.series
    WHERE j.project_id = r.project_id AND j.run = r.number
    UNION
    SELECT {_JOB.format("u")} FROM health_upload u
    WHERE u.project_id = r.project_id AND u.run = r.number AND u.series IS NULL
"""  # noqa: S608 - constants
# The shards of such jobs, where some did not come.
_COVERAGE_GAPS: Final = f"""
    SELECT {_JOB.format("u")}, max(split_part(u.metadata ->> 'shard', '/', 2)::int),
        array_agg(DISTINCT split_part(u.metadata ->> 'shard', '/', 1)::int)
    FROM health_upload u
    WHERE u.project_id = r.project_id AND u.run = r.number AND u.series IS NULL AND u.metadata ? 'shard'
    GROUP BY 1, 2 HAVING count(DISTINCT split_part(u.metadata ->> 'shard', '/', 1))
        < max(split_part(u.metadata ->> 'shard', '/', 2)::int)
"""  # noqa: S608 - constants
_JOBS_ABSENT: Final = f"""
    SELECT name #>> '{{}}' FROM health_upload u
    JOIN health_configuration c ON c.project_id = u.project_id AND c.number = u.configuration
    CROSS JOIN LATERAL jsonb_path_query(c.content, '$.expected_jobs[*]') name
    WHERE u.project_id = r.project_id AND u.run = r.number
    EXCEPT SELECT job FROM ({_JOBS_THERE}) named
"""  # noqa: S608 - constants
N_JOBS_EXPECTED: Final = """
    (SELECT max((u.metadata ->> 'expected_jobs')::int) FROM health_upload u
     WHERE u.project_id = r.project_id AND u.run = r.number)
"""

# The upload `u` says that it belongs to the run `r`.
NAMES_RUN: Final = """
    u.project_id = r.project_id AND u.metadata ->> 'run_id' = r.external_id
    AND coalesce(u.metadata ->> 'provider', '') = r.provider
"""
# Such uploads that are not read to their end yet.
_UNREAD_STATES: Final = "('received', 'retry', 'processing')"
UNREAD: Final = f"""
    SELECT 1 FROM health_upload u WHERE {NAMES_RUN} AND u.state IN {_UNREAD_STATES}
"""  # noqa: S608 - constants
# What was sent for it in vain, until a later delivery of the same job and shard stands for it; one of coverage alone
# only for coverage. Results that broke beside good coverage came to nothing as well.
_UNSETTLED: Final = f"""
    FROM (
        SELECT u.* FROM health_upload u
        WHERE {NAMES_RUN} AND u.state IN ('received', 'retry', 'processing', 'failed', 'dead')
        UNION ALL
        SELECT u.* FROM health_upload u
        WHERE u.project_id = r.project_id AND u.run = r.number AND u.series IS NULL AND u.state = 'partial'
          AND u.receipt @? '{_BROKEN}') u
    WHERE NOT EXISTS (
        SELECT 1 FROM health_upload later
        WHERE later.project_id = r.project_id AND later.run = r.number
          AND ({_JOB.format("later")}, {_SHARD.format("later")}) = ({_JOB.format("u")}, {_SHARD.format("u")})
          AND ({_ATTEMPT.format("later")}, later.id) > ({_ATTEMPT.format("u")}, u.id)
          AND (later.series IS NOT NULL OR {_ATTEMPT.format("later")} > {_ATTEMPT.format("u")}
               OR NOT coalesce(u.receipt @? '{_BROKEN}', false)))
"""  # noqa: S608 - constants
# What a run needs beside that its jobs with results are whole.
HAS_ALL: Final = f"""
    (r.closed = 'finish' OR (
        (SELECT count(*) FROM ({_JOBS_THERE}) there) >= coalesce({N_JOBS_EXPECTED}, 0)
        AND NOT EXISTS ({_JOBS_ABSENT}) AND NOT EXISTS ({_COVERAGE_GAPS})))
    AND NOT EXISTS (SELECT 1 {_UNSETTLED})
"""  # noqa: S608 - constants

_MOST_NAMED: Final = 3


def settle_closing(cursor: Cursor, project_id: int, run: int) -> bool:
    """Note on the run what was said of its end; True when that makes its jobs whole, or no longer does.

    `finish` holds once nothing of the run is left unread: what waits in the queue came as well.
    """
    row = cursor.execute(
        f"""
        UPDATE health_run r SET closed = said.now
        FROM (SELECT r.closed AS before, coalesce((
                  SELECT CASE WHEN c.reason = 'finish' AND EXISTS ({UNREAD}) THEN '' ELSE c.reason END
                  FROM health_runclosing c
                  WHERE c.project_id = r.project_id AND c.provider = r.provider AND c.external_id = r.external_id),
                  '') AS now
              FROM health_run r WHERE r.project_id = %(project)s AND r.number = %(run)s) said
        WHERE r.project_id = %(project)s AND r.number = %(run)s AND said.before <> said.now
        RETURNING 'finish' IN (said.before, said.now)
        """,  # noqa: S608 - a constant
        {"project": project_id, "run": run},
    ).fetchone()
    return bool(row and row[0])


@dataclass(frozen=True, slots=True)
class JobGap:
    """What one job lacks: shards that did not come, or the end of a report. Its coverage may have come by itself."""

    title: str
    shards: tuple[int, ...]
    n_shards: int
    is_cut: bool
    is_coverage: bool = False


@dataclass(frozen=True, slots=True)
class Unsettled:
    """A delivery that is no part of its run: still unread, or it could not be read. `shard` is `2/3`, or empty."""

    job: str
    title: str
    shard: str
    is_unread: bool


@dataclass(frozen=True, slots=True)
class Missing:
    """What an incomplete run lacks. `closed_after` are the seconds it waited in vain, None while it still waits."""

    jobs: tuple[JobGap, ...]
    names: tuple[str, ...]
    n_jobs: int
    n_jobs_expected: int
    closed_after: int | None
    unsettled: tuple[Unsettled, ...] = ()

    @property
    def awaited(self) -> tuple[str, ...]:
        """What did not come, each thing as a noun: "shard 3 of 5 of job test", "1 of 3 jobs"."""
        shards = [_name_shards(job) for job in self.jobs if job.shards]
        return (*_shorten(shards), *self._name_jobs())

    @property
    def cut(self) -> tuple[str, ...]:
        """Whose report broke off."""
        return tuple(_shorten(list(dict.fromkeys(_name_job(job.title) for job in self.jobs if job.is_cut))))

    @property
    def unreadable(self) -> tuple[str, ...]:
        """Whose report came and could not be read."""
        names = dict.fromkeys(_name_unsettled(item) for item in self.unsettled if not item.is_unread)
        return tuple(_shorten(list(names)))

    @property
    def n_unread(self) -> int:
        """How many uploads of it are still to be read."""
        return sum(item.is_unread for item in self.unsettled)

    @property
    def listed(self) -> tuple[str, ...]:
        """Each thing that is missing, as a noun."""
        return (
            *self.awaited,
            *([f"{self.n_unread:,} unread upload{'' if self.n_unread == 1 else 's'}"] if self.n_unread else []),
            *(f"the report of {name}, which could not be read" for name in self.unreadable),
            *(f"the end of the report of {name}" for name in self.cut),
        )

    def _name_jobs(self) -> list[str]:
        n_missing = max(self.n_jobs_expected - self.n_jobs, len(self.names))
        if n_missing > len(self.names):
            return [f"{n_missing:,} of {self.n_jobs_expected:,} jobs{_among(self.names)}"]
        if not self.names:
            return []
        return [f"job{'' if len(self.names) == 1 else 's'} {_join(_shorten(list(self.names)))}"]

    def narrow(self, title: str) -> "Missing":
        """What one of its jobs lacks."""
        jobs = tuple(job for job in self.jobs if job.title == title)
        unsettled = tuple(item for item in self.unsettled if item.title == title)
        return Missing(jobs, (), 0, 0, self.closed_after, unsettled)

    def tell(self, subject: str = "it") -> str:
        """What is missing, as a clause about the run: "it waits for shard 3 of 5 of job test"."""
        said = []
        if self.awaited and self.closed_after is None:
            said.append(f"{subject} waits for {_join(self.awaited, again='for')}")
        elif self.awaited:
            span = write_span(self.closed_after or 0)
            said.append(f"{subject} was closed after {span} without {_join(self.awaited, again='without')}")
        if self.n_unread:
            said.append(f"{self.n_unread:,} upload{' is' if self.n_unread == 1 else 's are'} still unread")
        if self.unreadable:
            said.append(f"the report of {_join(self.unreadable)} could not be read")
        if self.cut:
            said.append(f"the report of {_join(self.cut)} broke off")
        return "; ".join(said) or "what is missing is unknown"


def write_span(seconds: int) -> str:
    """A time of waiting in words: "6 hours", "90 minutes", "3 days"."""
    minutes = max(round(seconds / 60), 1)
    for unit, length in (("day", 1440), ("hour", 60), ("minute", 1)):
        if minutes >= 2 * length or minutes == length:
            n = round(minutes / length)
            return f"{n:,} {unit}{'' if n == 1 else 's'}"
    return f"{minutes} minutes"


def _name_shards(job: JobGap) -> str:
    name = f"the coverage of {_name_job(job.title)}" if job.is_coverage else _name_job(job.title)
    of = f"of {job.n_shards:,} of {name}"
    if len(job.shards) == 1:
        return f"shard {job.shards[0]} {of}"
    if len(job.shards) <= _MOST_NAMED:
        return f"shards {_join([str(shard) for shard in job.shards])} {of}"
    return f"{len(job.shards):,} of {job.n_shards:,} shards of {name}"


def _name_unsettled(item: Unsettled) -> str:
    shard = "shard {} of {} of ".format(*item.shard.split("/")) if item.shard else ""
    return f"{shard}{_name_job(item.title)}"


def _name_job(title: str) -> str:
    return f"job {title}" if title else "the unnamed job"


def _among(names: Sequence[str]) -> str:
    return f", {_join(_shorten(list(names)))} among them" if names else ""


def _shorten(items: list[str]) -> list[str]:
    """At most a handful, and how many more."""
    if len(items) <= _MOST_NAMED + 1:
        return items
    return [*items[:_MOST_NAMED], f"{len(items) - _MOST_NAMED:,} more"]


def _join(items: Sequence[str], *, again: str = "") -> str:
    """ "a, b and c", or with the preposition said `again`: "a, for b, and for c"."""
    if len(items) == 1:
        return items[0]
    if again:
        return f", {again} ".join(items[:-1]) + f", and {again} {items[-1]}"
    return f"{', '.join(items[:-1])} and {items[-1]}"


def fetch_missing(cursor: Cursor, project_id: int, *, runs: Sequence[int]) -> dict[int, Missing]:
    """What each of these runs lacks, by its number; whole ones are left out. One statement."""
    rows = cursor.execute(_MISSING_SQL, {"project": project_id, "runs": list(runs)}).fetchall() if runs else []
    return {number: _read_missing(*facts) for number, *facts in rows}


def _read_missing(
    n_expected: int | None, closed_after: int | None, n_jobs: int, names: list[str], gaps: Any, unsettled: Any
) -> Missing:
    came = tuple(
        Unsettled(item["job"], _entitle(item), item["shard"], item["is_unread"]) for item in _read_json(unsettled)
    )
    shards = {(item.title, item.shard) for item in came}
    jobs = tuple(_read_gap(gap, shards) for gap in _read_json(gaps))
    absent = tuple(sorted(set(names) - {item.job for item in came}))
    return Missing(jobs, absent, n_jobs, n_expected or 0, closed_after, came)


def _read_gap(gap: dict[str, Any], came: set[tuple[str, str]]) -> JobGap:
    """What a job lacks, without the shards that came and were not read, or could not be."""
    title, n_shards = _entitle(gap), gap["n_shards"] or 0
    absent = set(range(1, n_shards + 1)) - set(gap["shards"])
    shards = tuple(n for n in sorted(absent) if (title, f"{n}/{n_shards}") not in came)
    return JobGap(title, shards, n_shards, gap["is_cut"], gap["is_coverage"])


def _entitle(job: dict[str, Any]) -> str:
    return ", ".join(part for part in (job["job"], job["variant"]) if part)


def _read_json(found: Any) -> list[dict[str, Any]]:
    """A list as JSON, which Django's connections hand over as text."""
    return (json.loads(found) if isinstance(found, str) else found) or []


_MISSING_SQL: Final = f"""
SELECT r.number, CASE WHEN r.closed <> 'finish' THEN r.n_jobs_expected END,
    CASE WHEN r.closed = 'timer' THEN (
        SELECT extract(epoch FROM c.closed_at - coalesce(
            max(u.received_at) FILTER (WHERE u.received_at <= c.closed_at), c.closed_at))::int
        FROM health_runclosing c
        LEFT JOIN health_upload u ON u.project_id = r.project_id AND u.run = r.number
        WHERE c.project_id = r.project_id AND c.provider = r.provider AND c.external_id = r.external_id
        GROUP BY c.closed_at) END,
    (SELECT count(*) FROM ({_JOBS_THERE} UNION SELECT {_JOB.format("u")} {_UNSETTLED}) there),
    CASE WHEN r.closed = 'finish' THEN '{{}}' ELSE ARRAY({_JOBS_ABSENT}) END,
    (SELECT jsonb_agg(to_jsonb(gap) ORDER BY gap.job, gap.variant, gap.is_coverage) FROM (
        SELECT s.job, s.variant, CASE WHEN r.closed <> 'finish' THEN max(d.n_shards) END AS n_shards,
            array_agg(DISTINCT nullif(d.shard, '')::int) AS shards,
            bool_or(d.state = 'partial' AND d.is_newest) AS is_cut, false AS is_coverage
        FROM health_job j
        JOIN health_series s ON s.project_id = j.project_id AND s.number = j.series
        CROSS JOIN LATERAL (
            {DELIVERIES} WHERE u.project_id = j.project_id AND u.run = j.run AND u.series = j.series) d
        WHERE j.project_id = r.project_id AND j.run = r.number AND NOT j.is_complete
        GROUP BY s.job, s.variant
        UNION ALL
        SELECT absent.*, false, true FROM ({_COVERAGE_GAPS}) absent WHERE r.closed <> 'finish') gap),
    (SELECT jsonb_agg(to_jsonb(came) ORDER BY came.id) FROM (
        SELECT u.id, coalesce(u.metadata ->> 'job', '') AS job, coalesce(u.metadata ->> 'variant', '') AS variant,
            {_SHARD.format("u")} AS shard, u.state IN {_UNREAD_STATES} AS is_unread {_UNSETTLED}) came)
FROM health_run r
WHERE r.project_id = %(project)s AND r.number = ANY(%(runs)s) AND NOT r.is_complete
"""  # noqa: S608 - constants
