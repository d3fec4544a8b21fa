"""What became of a project's deliveries: day by day, by reason, and what still waits.

Called by `dashboard.views.uploads`. Promise: one statement each, and none looks at more than the last N_DAYS days or
at what is not finished (`tests/dashboard/test_uploads_days.py`).
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from dashboard.queries.reasons import name_reason
from dashboard.queries.sql import fetch_rows
from dashboard.templatetags.display import how_often, in_words
from health.models import Project, Upload

State = Upload.State
N_DAYS: Final = 30
_N_PARTIAL: Final = 1_000  # the newest ones whose receipts, which may be large, are searched for reasons
DOOR: Final = "door"
_NO_WORKER_AFTER: Final = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class DeliveryDay:
    """One day in the project's time zone: how many deliveries came, by what became of them."""

    day: date
    whole: int = 0
    partial: int = 0
    failed: int = 0  # or given up
    refused: int = 0  # at the door: nothing of them was kept
    open: int = 0

    @property
    def n_kept(self) -> int:
        """All that came in, but for those that were cancelled: they are neither stored nor to be read."""
        return self.whole + self.partial + self.failed + self.open


@dataclass(frozen=True, slots=True)
class Reason:
    """Deliveries of one kind of end with one code. `kind` is partial, failed or door; only failed can be read again."""

    kind: str
    code: str
    n: int
    newest_at: datetime
    message: str
    public_id: UUID | None
    n_again: int
    is_bounded: bool  # whether more deliveries ended like this than were looked at

    @property
    def word(self) -> str:
        """The code in words."""
        return name_reason(self.code)

    @property
    def ended(self) -> tuple[str, str]:
        """Mark and word of what became of them."""
        return {
            "partial": ("stale", "partly stored"),
            "failed": ("fail", "failed"),
            DOOR: ("absent", "refused"),
        }[self.kind]

    @property
    def told_bound(self) -> str:
        """Of which deliveries `n` is a part, where they are not all of these days."""
        return f"of the newest {_N_PARTIAL:,} partly stored" if self.is_bounded else ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is not finished: due and not taken, being read, or to be tried again later."""

    n_due: int
    oldest_at: datetime | None
    n_reading: int
    n_later: int
    next_at: datetime | None
    is_nothing_read: bool  # of no project

    @property
    def n(self) -> int:
        """All of them."""
        return self.n_due + self.n_reading + self.n_later

    @property
    def polls(self) -> str:
        """How often the page should ask again: while something moves, and not otherwise."""
        return "every 1s" if self.n_reading else "every 3s" if self.n_due else ""

    def write(self, *, now: datetime) -> tuple[str, ...]:
        """The sentences."""
        said = []
        if self.oldest_at is not None:
            waited = write_span(now - self.oldest_at)
            of = f"The oldest of {in_words(self.n_due)} waiting uploads" if self.n_due > 1 else "One upload"
            said.append(f"{of} has waited {waited}.")
            if self.is_nothing_read and now - self.oldest_at > _NO_WORKER_AFTER:
                said.append("Nothing is being read: does a worker run?")
        if self.n_reading:
            said.append(f"{_count(self.n_reading)} being read.")
        return tuple(said)


def list_days(project: Project, *, today: date) -> tuple[DeliveryDay, ...]:
    """The last N_DAYS days, oldest first; empty ones too."""
    first = _find_first_day(today)
    values = _bound(project, today, _FIELD_OF_STATE) | {"zone": project.time_zone}
    counts: dict[date, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for day, state, n in fetch_rows(_DAYS_SQL, values):
        counts[day][_FIELD_OF_STATE[state]] += n
    return tuple(DeliveryDay(day, **counts[day]) for day in (first + timedelta(days=step) for step in range(N_DAYS)))


def list_reasons(project: Project, *, today: date) -> tuple[Reason, ...]:
    """Why deliveries of the last N_DAYS days failed or were stored in part only, the most frequent first."""
    trouble = (State.FAILED, State.DEAD, State.PARTIAL)
    values = _bound(project, today, trouble) | {"n_partial": _N_PARTIAL}
    reasons = [Reason(*row) for row in fetch_rows(_REASONS_SQL, values)]
    return tuple(sorted(reasons, key=lambda reason: (-reason.n, reason.kind, reason.code)))


def find_first_moment(project: Project, *, today: date) -> datetime:
    """When the first of the last N_DAYS days began."""
    return datetime.combine(_find_first_day(today), time(), tzinfo=ZoneInfo(project.time_zone))


def read_waiting(project: Project) -> Waiting:
    """What of the project is not finished."""
    ((n_due, oldest_at, n_reading, n_later, next_at, is_any_read),) = fetch_rows(_WAITING_SQL, {"project": project.pk})
    return Waiting(n_due, oldest_at, n_reading, n_later, next_at, is_nothing_read=not is_any_read)


def write_days(days: tuple[DeliveryDay, ...]) -> str:
    """What became of the deliveries of these days."""
    n = sum(day.n_kept for day in days)
    failed, partial = sum(day.failed for day in days), sum(day.partial for day in days)
    refused = sum(day.refused for day in days)
    told_refused = f"CI was refused {how_often(refused)}" if refused else ""
    if not n:
        said = f"Nothing came in the last {len(days)} days"
        return f"{said}, but {told_refused}." if refused else f"{said}."
    parts = [f"{in_words(failed)} failed"] if failed else []
    parts += [f"{in_words(partial)} {'was' if partial == 1 else 'were'} partly stored"] if partial else []
    if not parts and not refused:
        return _say_all_whole(days)
    told = " and ".join(parts) or "none was lost"
    return f"Of {n:,} {'delivery' if n == 1 else 'deliveries'} in {len(days)} days {told}" + (
        f"; {told_refused}." if refused else "."
    )


def write_span(span: timedelta) -> str:
    """A time of waiting: "a moment", "4 minutes", "3 hours", "2 days"."""
    minutes = int(span.total_seconds() // 60)
    for unit, size in (("day", 24 * 60), ("hour", 60), ("minute", 1)):
        if minutes >= size:
            n = minutes // size
            return f"{n:,} {unit}{'' if n == 1 else 's'}"
    return "a moment"


def _say_all_whole(days: tuple[DeliveryDay, ...]) -> str:
    n, n_open = sum(day.n_kept for day in days), sum(day.open for day in days)
    if n_open == n:
        return "The first delivery is still to be read." if n == 1 else f"{n:,} deliveries are still to be read."
    n_whole = n - n_open
    if n_whole == 1:
        return f"The one delivery of the last {len(days)} days was stored whole."
    return f"All {in_words(n_whole)} deliveries of the last {len(days)} days were stored whole."


def _count(n: int) -> str:
    return f"{in_words(n).capitalize()} {'is' if n == 1 else 'are'}"


def _find_first_day(today: date) -> date:
    return today - timedelta(days=N_DAYS - 1)


def _bound(project: Project, today: date, states: Iterable[str]) -> dict[str, Any]:
    since = find_first_moment(project, today=today)
    return {"project": project.pk, "since": since, "states": list(states)}


_FIELD_OF_STATE: Final[dict[str, str]] = {
    State.STORED: "whole",
    State.PARTIAL: "partial",
    State.FAILED: "failed",
    State.DEAD: "failed",
    State.RECEIVED: "open",
    State.PROCESSING: "open",
    State.RETRY: "open",
    DOOR: "refused",
}

# Rows come in the order they arrived, so the newest one that is too old says where to begin.
_RECENT_SQL: Final = """
recent AS (
    SELECT id, public_id, state, received_at, error, receipt FROM health_upload u
    WHERE u.project_id = %(project)s AND u.received_at >= %(since)s AND u.state = ANY(%(states)s) AND u.id > coalesce((
        SELECT o.id FROM health_upload o WHERE o.project_id = %(project)s AND o.received_at < %(since)s
        ORDER BY o.id DESC LIMIT 1), 0)
)
"""
_DAYS_SQL: Final = f"""
WITH {_RECENT_SQL}
SELECT (received_at AT TIME ZONE %(zone)s)::date, state, count(*) FROM recent GROUP BY 1, 2
UNION ALL
SELECT (at AT TIME ZONE %(zone)s)::date, '{DOOR}', sum(n)::int FROM health_refusal
WHERE project_id = %(project)s AND at >= %(since)s GROUP BY 1
"""  # noqa: S608 - the parts are constants

_REASONS_SQL: Final = f"""
WITH {_RECENT_SQL}, told AS (
    SELECT 'failed' AS kind, id, public_id, received_at AS at, 1 AS n, error FROM recent
    WHERE state IN ('failed', 'dead')
    UNION ALL
    SELECT 'partial', id, public_id, received_at, 1, found.error
    FROM (SELECT * FROM recent WHERE state = 'partial' ORDER BY id DESC LIMIT %(n_partial)s) partial
    CROSS JOIN LATERAL (
        SELECT DISTINCT ON (e->>'code') e AS error
        FROM jsonb_path_query(partial.receipt, '$.files[*].error ? (exists (@.code))') e ORDER BY e->>'code'
    ) found
    UNION ALL
    SELECT '{DOOR}', id, NULL, at, n, error FROM health_refusal
    WHERE project_id = %(project)s AND at >= %(since)s
)
SELECT kind, coalesce(error->>'code', '') AS code, sum(n)::int, max(at),
    coalesce((array_agg(error->>'message' ORDER BY at DESC, id DESC))[1], ''),
    (array_agg(public_id ORDER BY at DESC, id DESC))[1],
    count(*) FILTER (WHERE kind = 'failed' AND error->>'code' <> '')::int,
    kind = 'partial' AND (SELECT count(*) FROM recent WHERE state = 'partial') > %(n_partial)s
FROM told GROUP BY 1, 2
"""  # noqa: S608 - the parts are constants

# Each half asks for what one of the two small partial indexes holds.
_WAITING_SQL: Final = """
SELECT count(*) FILTER (WHERE is_due)::int, min(next_attempt_at) FILTER (WHERE is_due),
    count(*) FILTER (WHERE is_reading)::int,
    count(*) FILTER (WHERE NOT is_due AND NOT is_reading)::int,
    min(next_attempt_at) FILTER (WHERE NOT is_due AND NOT is_reading),
    EXISTS (SELECT 1 FROM health_upload WHERE state = 'processing')
FROM (
    SELECT next_attempt_at, next_attempt_at <= now() AS is_due, false AS is_reading
    FROM health_upload WHERE state IN ('received', 'retry') AND project_id = %(project)s
    UNION ALL
    SELECT next_attempt_at, false, true FROM health_upload WHERE state = 'processing' AND project_id = %(project)s
) unfinished
"""
