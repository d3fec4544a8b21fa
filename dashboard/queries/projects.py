"""All projects of one person, worst first: a line each, and one sentence for all of them.

Called by `dashboard.views.projects`. Promise: three queries, however many projects and runs there are
(`tests/dashboard/test_projects_queries.py`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any, Final

from django.contrib.auth.models import User
from django.db import connection

from dashboard.templatetags.display import in_words, write_day
from health.models import Project, Upload

N_RUNS: Final = 30


class Severity(IntEnum):
    """The order of the page: what cannot run, what fails, what is unsure, what is calm."""

    ERROR = 0
    FAIL = 1
    REFUSED = 2
    INCOMPLETE = 3
    WAITING = 4
    UNSTEADY = 5
    CALM = 6


@dataclass(frozen=True, slots=True)
class RunFact:
    """What a line says about one run."""

    number: int
    ran_at: datetime
    is_complete: bool
    declared: int
    executed: int
    passed: int
    failed: int
    errored: int
    deferred: int
    flaky: int

    @property
    def mark(self) -> str:
        """What the strip draws: nothing for a green run."""
        return "error" if self.errored else "fail" if self.failed else ""

    @property
    def is_red(self) -> bool:
        """Whether anything in it failed or could not run."""
        return bool(self.failed or self.errored)


@dataclass(frozen=True, slots=True)
class ProjectLine:
    """One project: its state, a sentence, and the runs both were computed from."""

    slug: str
    name: str
    severity: Severity
    state: str
    word: str
    sentence: str
    lane: str
    runs: tuple[RunFact, ...]  # oldest first

    @property
    def last(self) -> RunFact | None:
        """The newest run."""
        return self.runs[-1] if self.runs else None

    @property
    def marks(self) -> tuple[str, ...]:
        """The strip, oldest first."""
        return tuple(run.mark for run in self.runs)

    @property
    def strip_label(self) -> str:
        """The strip in words."""
        red = sum(run.is_red for run in self.runs)
        return f"{_count(len(self.runs), 'run')}, {f'{red} red' if red else 'all green'}"


def read_lines(user: User) -> tuple[ProjectLine, ...]:
    """Every project this person is a member of, worst first, then by name."""
    projects = list(Project.objects.filter(memberships__user=user).order_by("name"))
    lanes, runs = _read_runs([project.pk for project in projects])
    refused = _read_refused(project.pk for project in projects if not runs.get(project.pk))
    lines = [
        _describe(
            project,
            lane=lanes.get(project.pk, ""),
            runs=runs.get(project.pk, ()),
            is_refused=project.pk in refused,
        )
        for project in projects
    ]
    return tuple(sorted(lines, key=lambda line: (line.severity, line.name.casefold())))


def write_sentence(lines: tuple[ProjectLine, ...]) -> str:
    """What a colleague would say about all of them."""
    if not lines:
        return "No project yet. Add the first one, and send it a report."
    broken = [line for line in lines if line.severity <= Severity.FAIL]
    waiting = [line for line in lines if line.severity in (Severity.REFUSED, Severity.WAITING)]
    unsteady = [line for line in lines if line.severity in (Severity.INCOMPLETE, Severity.UNSTEADY)]
    calm = len(lines) - len(broken) - len(waiting) - len(unsteady)
    if calm == len(lines):
        return f"{lines[0].name} is calm." if calm == 1 else f"All {in_words(calm)} projects are calm."
    said = [
        _say(broken, "is failing", "are failing"),
        _say(unsteady, "is green but not steady", "are green but not steady"),
        _say(waiting, "waits for a first readable report", "wait for a first readable report"),
        "the rest is calm" if calm else "",
    ]
    parts = [part for part in said if part]
    text = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])}, and {parts[-1]}"
    # A name keeps its own first letter.
    return f"{text}." if len(broken or unsteady or waiting) == 1 else f"{text[0].upper()}{text[1:]}."


def _say(lines: list[ProjectLine], one: str, many: str) -> str:
    """A name when there is one, a count otherwise."""
    if len(lines) == 1:
        return f"{lines[0].name} {one}"
    return f"{in_words(len(lines))} projects {many}" if lines else ""


def _describe(project: Project, *, lane: str, runs: tuple[RunFact, ...], is_refused: bool) -> ProjectLine:
    severity, state, word, sentence = _judge(lane, runs, is_refused=is_refused)
    return ProjectLine(project.slug, project.name, severity, state, word, sentence, lane, runs)


def _judge(lane: str, runs: tuple[RunFact, ...], *, is_refused: bool) -> tuple[Severity, str, str, str]:
    """Severity, mark, its word, and the sentence, from the newest run and the ones before it."""
    if not runs:
        if is_refused:
            return Severity.REFUSED, "fail", "refused", "Reports came, but none could be read."
        return Severity.WAITING, "open", "no run yet", "Waiting for the first report."
    last, where = runs[-1], f" on {lane}" if lane else ""
    if last.errored:
        broken = f"{_verb(last.errored, 'stops', 'stop')} with an error{where}"
        failing = f", {last.failed:,} {_verb(last.failed, 'fails', 'fail')}" if last.failed else ""
        sentence = f"{last.errored:,} of {last.executed:,} tests {broken}{failing}{_since(runs)}."
        return Severity.ERROR, "error", _count(last.errored, "error"), sentence
    if last.failed:
        broken = f"{_verb(last.failed, 'fails', 'fail')}{where}{_since(runs)}"
        sentence = f"{last.failed:,} of {last.executed:,} tests {broken}."
        return Severity.FAIL, "fail", f"{last.failed:,} failed", sentence
    if not last.is_complete:
        sentence = f"The newest run{where} was cut short; what arrived passed."
        return Severity.INCOMPLETE, "stale", "incomplete", sentence
    return _judge_green(runs, last, where)


def _judge_green(runs: tuple[RunFact, ...], last: RunFact, where: str) -> tuple[Severity, str, str, str]:
    """How steady a green project is."""
    if last.flaky:
        sentence = f"Green{where}, but {_count(last.flaky, 'test')} passed only on a retry."
        return Severity.UNSTEADY, "flaky", "flaky", sentence
    n_red = sum(run.is_red for run in runs)
    if n_red:
        verb = _verb(n_red, "was", "were")
        sentence = f"Green{where}; {n_red} of the last {len(runs)} runs {verb} red."
        return Severity.UNSTEADY, "pass", "green", sentence
    sentence = f"Green for {_count(len(runs), 'run')}." if len(runs) > 1 else "Green in its one run."
    return Severity.CALM, "pass", "calm", sentence


def _verb(n: int, one: str, many: str) -> str:
    return one if n == 1 else many


def _since(runs: tuple[RunFact, ...]) -> str:
    """How long it has been red: ", for 3 runs, since 3 Aug 2026"."""
    streak = 0
    for run in reversed(runs):
        if not run.is_red:
            break
        streak += 1
    if streak == len(runs):
        return (
            "" if streak == 1 else ", in both runs" if streak == 2 else f", in all of the last {streak} runs"
        )
    return f", since {write_day(runs[-streak].ran_at)}" + (f", {streak} runs in a row" if streak > 1 else "")


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def _read_runs(project_ids: list[int]) -> tuple[dict[int, str], dict[int, tuple[RunFact, ...]]]:
    """The newest runs of each project's main lane, oldest first, by one index scan a project."""
    with connection.cursor() as cursor:
        cursor.execute(_RUNS_SQL, [N_RUNS, project_ids])
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    lanes: dict[int, str] = {}
    runs: dict[int, list[RunFact]] = {}
    for project_id, lane, *facts in rows:
        lanes[project_id] = lane
        runs.setdefault(project_id, []).append(RunFact(*facts))
    return lanes, {project_id: tuple(reversed(found)) for project_id, found in runs.items()}


def _read_refused(project_ids: Iterable[int]) -> frozenset[int]:
    """Which of these got deliveries that came to nothing."""
    failed = [Upload.State.FAILED, Upload.State.DEAD]
    uploads = Upload.objects.filter(project__in=list(project_ids), state__in=failed)
    return frozenset(uploads.values_list("project_id", flat=True).distinct())


# The lane a project is judged by: its default branch, else the long-lived lane that ran last.
_RUNS_SQL: Final = """
SELECT p.id, lane.name, r.number, r.ran_at, r.is_complete, r.n_declared, r.n_declared - r.n_skipped,
       r.n_passed + r.n_xfailed, r.n_failed, r.n_errored, r.n_skipped + r.n_xfailed, r.n_flaky
FROM health_project p
CROSS JOIN LATERAL (
    SELECT coalesce(
        nullif(p.default_branch, ''),
        (SELECT n.lane FROM health_run n WHERE n.project_id = p.id AND n.lane <> 'changes'
         ORDER BY n.ordered_at DESC, n.number DESC LIMIT 1),
        'changes') AS name
) lane
CROSS JOIN LATERAL (
    SELECT * FROM health_run n WHERE n.project_id = p.id AND n.lane = lane.name
    ORDER BY n.ordered_at DESC, n.number DESC LIMIT %s
) r
WHERE p.id = ANY(%s)
ORDER BY p.id, r.ordered_at DESC, r.number DESC
"""
