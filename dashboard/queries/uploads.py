"""Every delivery of a project, newest first, a page at a time; with what tells a browser that the page has changed.

Called by `dashboard.views.uploads`. Promise: one statement for any page (two behind the first), and no receipt leaves
the database: they are counted there. Narrowed to some, only the newest N_SEARCHED deliveries are looked at, on every
page; with a reason, those of the days that the table of reasons counts (`tests/dashboard/test_uploads_queries.py`).
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from django.utils.text import capfirst

from dashboard.filters import Filters
from dashboard.queries.deliveries import find_first_moment
from dashboard.queries.facts import name_job
from dashboard.queries.receipt import tell_mistakes
from dashboard.queries.sql import Row, fetch_rows
from dashboard.templatetags.display import count_of, in_words, size
from health.models import Project, Upload

N_ROWS: Final = 50
N_SEARCHED: Final = 5_000
_NO_BREAK: Final = "\u00a0"

State = Upload.State
# What the filter's words stand for.
GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "trouble": (State.FAILED, State.DEAD, State.PARTIAL),
    "waiting": (State.RECEIVED, State.PROCESSING, State.RETRY),
    **{state: (state,) for state in State.values},
    # What the reader means by it: nothing of it was stored.
    State.FAILED: (State.FAILED, State.DEAD),
}
MARKS: Final[dict[str, str]] = {
    State.RECEIVED: "open",
    State.PROCESSING: "open",
    State.RETRY: "stale",
    State.STORED: "pass",
    State.PARTIAL: "stale",
    State.FAILED: "fail",
    State.DEAD: "error",
    State.CANCELLED: "absent",
}


@dataclass(frozen=True, slots=True)
class UploadLine:
    """One delivery in the list, with the names of its first files. `message` is its error, or a file's."""

    public_id: UUID
    state: str
    received_at: datetime
    run: int | None
    n_bytes: int
    percent: int
    attempts: int
    job: str
    branch: str
    files: tuple[str, ...]
    n_files: int
    n_tests: int | None
    n_coverage: int  # files of it that are coverage reports
    n_remarks: int
    n_mistakes: int
    mistaken: tuple[str, ...]  # the files of the configuration that have mistakes
    message: str

    @property
    def mark(self) -> str:
        """The mark's name."""
        return MARKS[self.state]

    @property
    def word(self) -> str:
        """The state in words."""
        return str(State(self.state).label)

    @property
    def is_reading(self) -> bool:
        """Whether a worker is at it."""
        return self.state == State.PROCESSING

    @property
    def told_progress(self) -> str:
        """How far the worker is."""
        return write_progress(self.percent, n_bytes=self.n_bytes)

    @property
    def n_more_files(self) -> int:
        """How many files are not named."""
        return max(self.n_files - len(self.files), 0)

    @property
    def told_mistakes(self) -> str:
        """How many mistakes there are in the configuration that came with it."""
        told = tell_mistakes(self.n_mistakes, files=self.mistaken)
        return capfirst(told)

    @property
    def told_contents(self) -> str:
        """Why it failed, or what is in it beside tests."""
        if self.message:
            return self.message
        told = ["coverage"] if self.n_coverage else []
        told += [count_of(self.n_remarks, "remark")] if self.n_remarks else []
        return ", ".join(told)

    @property
    def told(self) -> str:
        """What is worth knowing of it, on one line."""
        return " · ".join(filter(None, (self.told_mistakes, self.told_contents)))


@dataclass(frozen=True, slots=True)
class UploadList:
    """One page of deliveries. `next_before` is where the next page starts, empty on the last one."""

    lines: tuple[UploadLine, ...]
    next_before: str
    is_searched: bool  # whether older ones than those looked at may fit as well

    @property
    def n_trouble(self) -> int:
        """How many of those shown failed, or were stored in part only."""
        return sum(line.state in GROUPS["trouble"] for line in self.lines)

    @property
    def n_waiting(self) -> int:
        """How many of those shown are still to be read."""
        return sum(line.state in GROUPS["waiting"] for line in self.lines)

    @property
    def n_whole(self) -> int:
        """How many of those shown were stored, all of them."""
        return sum(line.state == State.STORED for line in self.lines)


def list_uploads(project: Project, filters: Filters, *, today: date) -> UploadList:
    """The deliveries behind `filters.before`, of `filters.state` where that is a known word, with `filters.reason`."""
    states = GROUPS.get(filters.state)
    values: dict[str, Any] = {"project": project.pk, "limit": N_ROWS + 1, "n_searched": N_SEARCHED}
    last = _find_last(project, filters.before)
    before = "" if last is None else " AND u.id < %(last)s"
    values["last"] = last
    narrowed = []
    if states:
        narrowed.append(" AND u.state = ANY(%(states)s)")
        values["states"] = list(states)
    if filters.reason:
        narrowed.append(_WITH_REASON)
        values |= {"reason": filters.reason, "since": find_first_moment(project, today=today)}
    if narrowed:
        looked_at, chosen, bound = "", before + "".join(narrowed), "n_searched"
    else:
        looked_at, chosen, bound = before, "", "limit"
    found = fetch_rows(_LINES_SQL.format(looked_at=looked_at, chosen=chosen, bound=f"%({bound})s"), values)
    lines = [_read_line(row) for row in found]
    return UploadList(
        lines=tuple(lines[:N_ROWS]),
        next_before=str(lines[N_ROWS - 1].public_id) if len(lines) > N_ROWS else "",
        is_searched=bool(narrowed),
    )


def write_uploads(uploads: UploadList, *, state: str) -> str:
    """What became of the deliveries shown; `state` is what was asked for."""
    n = len(uploads.lines)
    if not n:
        nothing = {"trouble": "Everything was stored whole.", "waiting": "Nothing waits."}
        return nothing.get(state, "No delivery fits this choice.")
    if uploads.n_trouble == n > 1:
        return f"None of the {n} deliveries shown was wholly stored."
    if uploads.n_trouble:
        return f"{_count_shown(uploads.n_trouble, n)} {'was' if uploads.n_trouble == 1 else 'were'} not wholly stored."
    if uploads.n_waiting:
        return f"{_count_shown(uploads.n_waiting, n)} {'waits' if uploads.n_waiting == 1 else 'wait'} to be read."
    return f"{_count_shown(uploads.n_whole, n)} {'is' if uploads.n_whole == 1 else 'are'} whole."


def write_progress(percent: int, *, n_bytes: int) -> str:
    """How far a worker is, with what that is a part of."""
    if percent <= 0:
        return f"begins to read {size(n_bytes)}"
    if percent >= 100:
        return f"all of {size(n_bytes)} is read and being stored"
    return f"{percent}{_NO_BREAK}% of {size(n_bytes)} read"


def read_pulse(project: Project, *, now: datetime) -> str:
    """What changes before a project's facts do: the newest deliveries with their states, progress and refusals.

    And the time, as finely as a page tells it: what waits does so for minutes, a silence lasts for hours.
    """
    ((newest, reading, refused, is_waiting),) = fetch_rows(_PULSE_SQL, {"project": project.pk, "limit": N_ROWS})
    return f"{newest}/{reading}/{refused}/{now:%dT%H:%M}" if is_waiting else f"{newest}/{refused}/{now:%dT%H}"


def _count_shown(part: int, whole: int) -> str:
    if part == whole:
        return "The one delivery shown" if whole == 1 else f"All {in_words(whole)} deliveries shown"
    return f"{in_words(part).capitalize() if part else 'None'} of {whole} deliveries shown"


def _find_last(project: Project, before: str) -> int | None:
    try:
        public_id = UUID(before)
    except ValueError:
        return None
    return Upload.objects.filter(project=project, public_id=public_id).values_list("id", flat=True).first()


def _read_line(row: Row) -> UploadLine:
    *facts, job, variant, branch, files, n_files, n_tests, n_coverage, n_remarks, n_mistakes, mistaken, message = row
    public_id, state, received_at, run, n_bytes, percent, attempts = facts
    return UploadLine(
        public_id=public_id,
        state=state,
        received_at=received_at,
        run=run,
        n_bytes=n_bytes,
        percent=percent or 0,
        attempts=attempts,
        job=name_job(job, variant) if job or variant else "",
        branch=branch,
        files=tuple(name or "" for name in files or ()),
        n_files=n_files,
        n_tests=n_tests if run is not None else None,
        n_coverage=n_coverage,
        n_remarks=n_remarks,
        n_mistakes=n_mistakes,
        mistaken=tuple(name or "" for name in mistaken or ()),
        message=message,
    )


# Receipts may be large: their figures are taken inside the database. An old receipt may lack any of its fields.
_LINES_SQL: Final = """
SELECT u.public_id, u.state, u.received_at, u.run, coalesce(kept.n_bytes, u.n_bytes_plain)::bigint,
    u.progress, u.attempts,
    coalesce(u.metadata->>'job', ''), coalesce(u.metadata->>'variant', ''), coalesce(u.metadata->>'branch', ''),
    coalesce(kept.names, receipts.names), greatest(kept.n, receipts.n)::int,
    receipts.n_tests, receipts.n_coverage, (receipts.n_remarks + remarks.n)::int, mistakes.n::int, mistakes.files,
    coalesce(u.error->>'message', receipts.message, '')
FROM (
    SELECT u.id FROM (
        SELECT u.id, u.state, u.received_at, u.error, u.receipt FROM health_upload u
        WHERE u.project_id = %(project)s{looked_at} ORDER BY u.id DESC LIMIT {bound}
    ) u WHERE true{chosen} ORDER BY u.id DESC LIMIT %(limit)s
) shown
JOIN health_upload u ON u.id = shown.id
CROSS JOIN LATERAL jsonb_to_record(coalesce(u.receipt, '{{}}'))
    AS told (files jsonb, warnings jsonb, configuration jsonb)
CROSS JOIN LATERAL (
    SELECT count(*) AS n, (array_agg(f.name ORDER BY f.position))[1:2] AS names, sum(f.n_bytes_plain) AS n_bytes
    FROM health_uploadfile f WHERE f.upload_id = u.id AND f.role = 'report'
) kept
CROSS JOIN LATERAL (
    SELECT count(*) AS n, (array_agg(file->>'name' ORDER BY at))[1:2] AS names,
        sum((file->>'tests')::int)::int AS n_tests, count(*) FILTER (WHERE file->>'kind' = 'coverage') AS n_coverage,
        coalesce(sum(jsonb_array_length(coalesce(nullif(file->'warnings', 'null'), '[]'))), 0) AS n_remarks,
        (array_agg(file->'error'->>'message' ORDER BY at) FILTER (WHERE file->'error'->>'message' <> ''))[1] AS message
    FROM jsonb_array_elements(coalesce(nullif(told.files, 'null'), '[]')) WITH ORDINALITY AS listed (file, at)
) receipts
CROSS JOIN LATERAL (SELECT jsonb_array_length(coalesce(nullif(told.warnings, 'null'), '[]')) AS n) remarks
CROSS JOIN LATERAL (
    SELECT count(*) AS n, array_agg(DISTINCT coalesce(w->>'file', '')) AS files
    FROM jsonb_array_elements(coalesce(nullif(told.configuration->'warnings', 'null'), '[]')) w
) mistakes
ORDER BY u.id DESC
"""
_WITH_REASON: Final = """ AND u.received_at >= %(since)s AND (
    (u.state IN ('failed', 'dead') AND u.error->>'code' = %(reason)s)
    OR (u.state = 'partial' AND jsonb_path_exists(
        u.receipt, '$.files[*].error ? (@.code == $code)', jsonb_build_object('code', %(reason)s::text))))"""
# The lease's number tells a delivery that was tried in the meantime and waits again. A refusal that comes again within
# its minute is counted in a line that need not be the newest.
_PULSE_SQL: Final = """
SELECT
    (SELECT string_agg(id || state || lease_epoch, ',' ORDER BY id) FROM (
        SELECT id, state, lease_epoch FROM health_upload WHERE project_id = %(project)s
        ORDER BY id DESC LIMIT %(limit)s) newest),
    (SELECT string_agg(id || ':' || coalesce(progress, 0), ',' ORDER BY id) FROM health_upload
     WHERE state = 'processing' AND project_id = %(project)s),
    (SELECT max(id) || ':' || sum(n) FROM health_refusal WHERE project_id = %(project)s),
    EXISTS (SELECT 1 FROM health_upload WHERE state IN ('received', 'retry') AND project_id = %(project)s)
    OR EXISTS (SELECT 1 FROM health_upload WHERE state = 'processing' AND project_id = %(project)s)
"""
