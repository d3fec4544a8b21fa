"""All projects of one person, worst first: a line each, and one sentence for all of them.

Called by `dashboard.views.projects`. A line says what the project's overview says, by the same rules.
Promise: seven queries, however many projects and runs there are (`tests/dashboard/test_projects_queries.py`).
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import IntEnum
from functools import reduce
from typing import Final, NamedTuple

from django.contrib.auth.models import User
from django.utils import timezone
from django.utils.text import capfirst

from dashboard.queries.attention_conclusions import N_RECENT
from dashboard.queries.backed import read_put_off_now
from dashboard.queries.facts import JOB_COLUMNS, RUN_COLUMNS, Counts, JobFact, RunFact, read_job, read_run
from dashboard.queries.rhythm import Silence, find_silent
from dashboard.queries.sql import fetch_rows
from dashboard.queries.standing import DEPTH, N_RUNS, Point, fold_jobs, write_newest
from dashboard.queries.two_axes import is_backed, tell_backed, tell_put_off
from dashboard.queries.verdicts import JOIN_GONE
from dashboard.templatetags.display import count_in_words, count_of, in_words, write_day
from health.models import Project, Upload
from health.rules.lanes import CHANGES


class Severity(IntEnum):
    """The order of the page: what cannot run, what fails, what is unsure, silent, calm, and what is empty."""

    ERROR = 0
    FAIL = 1
    REFUSED = 2
    INCOMPLETE = 3
    SILENT = 4
    UNSTEADY = 5
    CALM = 6
    WAITING = 7


class Judgement(NamedTuple):
    """What is said of a project: its place in the order, mark, word and sentence."""

    severity: Severity
    mark: str
    word: str
    sentence: str


class Found(NamedTuple):
    """What was concluded of a calm project's cases: how many are flaky, and how many stopped running lately."""

    n_flaky: int = 0
    n_vanished: int = 0
    n_unbacked: int = 0  # put off, and nothing backs it

    def plus(self, other: "Found") -> "Found":
        """Both together."""
        return Found(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    @property
    def words(self) -> list[str]:
        """For the state: "11 flaky"."""
        counted = ((self.n_flaky, "flaky"), (self.n_vanished, "vanished"), (self.n_unbacked, "unbacked"))
        return [f"{n:,} {word}" for n, word in counted if n]

    @property
    def exception(self) -> str:
        """For the sentence: " but for 11 flaky tests"; empty where there is nothing."""
        nouns = ("flaky test", "vanished test", "unbacked put-off test")
        said = [count_in_words(n, noun) for n, noun in zip(self, nouns, strict=True) if n]
        first = f"{', '.join(said[:-1])} and " if len(said) > 1 else ""
        return f" but for {first}{said[-1]}" if said else ""


NOTHING_FOUND: Final = Found()


@dataclass(frozen=True, slots=True)
class ProjectLine:
    """One project: what is said of it, and the runs that was computed from."""

    slug: str
    name: str
    time_zone: str
    judgement: Judgement
    head: Point | None
    runs: tuple[RunFact, ...]  # those with test results, oldest first
    last_run_at: datetime | None = None  # with or without them
    found: Found = NOTHING_FOUND  # beside what its newest runs say, of a calm project
    backed: int | None = None  # how many of the deferred tests are; None without test results

    @property
    def severity(self) -> Severity:
        """Its place in the order of the page."""
        return self.judgement.severity

    @property
    def counts(self) -> Counts | None:
        """How its main lane stands: the newest word of every job."""
        return self.head.counts if self.head else None

    @property
    def is_untested(self) -> bool:
        """Whether runs came, and no test results with them."""
        return self.last_run_at is not None and not self.runs

    @property
    def marks(self) -> tuple[str, ...]:
        """The strip, oldest first."""
        return tuple(run.strip_mark for run in self.runs)

    @property
    def strip_label(self) -> str:
        """The strip in words."""
        n_red = sum(run.counts.is_red for run in self.runs)
        n_unsure = sum(mark == "none" for mark in self.marks)
        told = [f"{n_red} red"] if n_red else []
        told += [f"{n_unsure} incomplete or empty"] if n_unsure else []
        return ", ".join([count_of(len(self.runs), "run"), *(told or ["none red"])])

    @property
    def told_backed(self) -> str:
        """What follows the number of deferred tests."""
        return tell_backed(self.counts, backed=self.backed) if self.counts else ""


def read_lines(user: User) -> tuple[ProjectLine, ...]:
    """Every project this person is a member of, worst first, then by name."""
    return read_lines_of(list(Project.objects.filter(memberships__user=user).order_by("name")))


def read_lines_of(projects: Sequence[Project]) -> tuple[ProjectLine, ...]:
    """These projects, worst first, then by name."""
    runs = _read_runs([project.pk for project in projects])
    jobs = _read_jobs(runs)
    refused = _read_refused([project.pk for project in projects if project.pk not in runs])
    silent = find_silent([project.pk for project in projects], now=timezone.now())
    put_off = read_put_off_now([project.pk for project in projects if project.pk in runs])
    lines = []
    for project in projects:
        found = runs.get(project.pk, [])
        points, _, _ = fold_jobs(found, jobs[project.pk])
        with timezone.override(project.time_zone):
            judgement = judge_project(project, points[-N_RUNS:], is_refused=project.pk in refused, has_runs=bool(found))
            head = points[-1] if points else None
            backed = put_off[project.pk].find_backed(head.counts, lane=head.run.lane) if head else None
            judgement = _add_put_off(judgement, head, backed)
            judgement = _add_silence(judgement, silent.get(project.pk))
        tested = tuple(point.run for point in points[-N_RUNS:])
        last = found[-1].ran_at if found else None
        line = ProjectLine(project.slug, project.name, project.time_zone, judgement, head, tested, last, backed=backed)
        lines.append(line)
    told = _add_found(projects, lines)
    return tuple(sorted(told, key=lambda line: (line.severity, not line.last_run_at, line.name.casefold())))


def _add_found(projects: Sequence[Project], lines: Sequence[ProjectLine]) -> list[ProjectLine]:
    """Say of calm projects what is flaky in them or vanished from them lately: their runs are green all the same."""
    calm = {project.pk: line for project, line in zip(projects, lines, strict=True) if line.severity == Severity.CALM}
    if not calm:
        return list(lines)
    recent = [(project_id, run) for project_id, line in calm.items() for run in line.runs[-N_RECENT:]]
    values = {
        "projects": [project_id for project_id, _ in recent],
        "runs": [run.number for _, run in recent],
        "lanes": [run.lane for _, run in recent],
    }
    found = {project_id: Found(*counts) for project_id, *counts in fetch_rows(_FOUND_SQL, values)}
    pairs = zip(projects, lines, strict=True)
    return [
        _add_words(line, found.get(project.pk, NOTHING_FOUND)) if project.pk in calm else line
        for project, line in pairs
    ]


def _add_words(line: ProjectLine, found: Found) -> ProjectLine:
    if line.counts and line.backed is not None:
        found = found._replace(n_unbacked=line.counts.deferred - line.backed)
    word = ", ".join([line.judgement.word, *found.words])
    return replace(line, judgement=line.judgement._replace(word=word), found=found)


def write_sentence(lines: tuple[ProjectLine, ...]) -> str:
    """What a colleague would say about all of them."""
    if not lines:
        return "No project yet. Add the first one, and send it a report."
    broken = [line for line in lines if line.severity <= Severity.FAIL]
    refused = [line for line in lines if line.severity == Severity.REFUSED]
    waiting = [line for line in lines if line.severity == Severity.WAITING]
    untested = [line for line in waiting if line.is_untested]
    unread = [line for line in waiting if not line.is_untested]
    unsure = [line for line in lines if line.severity == Severity.INCOMPLETE]
    silent = [line for line in lines if line.severity == Severity.SILENT]
    unsteady = [line for line in lines if line.severity == Severity.UNSTEADY]
    calm = [line for line in lines if line.severity == Severity.CALM]
    n_calm, but = len(calm), reduce(Found.plus, (line.found for line in calm), NOTHING_FOUND).exception
    if n_calm == len(lines):
        few = {1: f"{lines[0].name} is calm{but}.", 2: f"Both projects are calm{but}."}
        return few.get(n_calm, f"All {in_words(n_calm)} projects are calm{but}.")
    # Without trouble, what is calm stands first.
    is_calm_first = len(calm) + len(waiting) == len(lines)
    said = [
        (broken, "is failing", "are failing"),
        (refused, "waits for a first readable report", "wait for a first readable report"),
        (unsure, "did not wholly run", "did not wholly run"),
        (silent, "fell silent", "fell silent"),
        (unsteady, "is green but not steady", "are green but not steady"),
        (calm if is_calm_first else [], f"is calm{but}", f"are calm{but}"),
        (untested, "waits for its first test results", "wait for their first test results"),
        (unread, "waits for a first report", "wait for a first report"),
    ]
    parts: list[str] = []
    for group, one, many in said:
        if len(group) == 1:
            parts.append(f"{group[0].name} {one}")
        elif group:
            noun = "" if parts else "projects "
            parts.append(f"{in_words(len(group))} {noun}{many}")
    if n_calm and not is_calm_first:
        parts.append(f"the rest is calm{but}")
    text = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])}, and {parts[-1]}"
    # A name keeps its own first letter.
    is_named = len(next(group for group, _, _ in said if group)) == 1
    return f"{text}." if is_named else f"{capfirst(text)}."


def judge_project(project: Project, points: Sequence[Point], *, is_refused: bool, has_runs: bool = False) -> Judgement:
    """What to say, from how the main lane stands now and how it stood before. Runs without points are of coverage."""
    if not points and has_runs:
        return Judgement(Severity.WAITING, "open", "no test results", "Coverage came, and no test results yet.")
    if not points:
        if is_refused:
            return Judgement(Severity.REFUSED, "fail", "failed", "Reports came, but none could be read.")
        branch = project.default_branch
        sentence = f"No run on {branch} yet." if branch else "Waiting for the first report."
        return Judgement(Severity.WAITING, "open", "no run yet", sentence)
    head = points[-1]
    lane = head.run.lane
    where = "on a branch" if lane == CHANGES else f"on {lane}"
    if head.is_red:
        return _judge_red(head.counts, where, _since(points))
    if not head.is_complete:
        sentence = f"A run {where} is incomplete; what arrived passed."
        return Judgement(Severity.INCOMPLETE, "stale", "incomplete", sentence)
    if not head.counts.executed:
        declared = count_of(head.counts.declared, "declared test")
        return Judgement(Severity.INCOMPLETE, "absent", "none ran", f"Nothing ran {where}, of {declared}.")
    return _judge_green(points, where)


def _add_put_off(judgement: Judgement, head: Point | None, backed: int | None) -> Judgement:
    """What is put off and not backed, said beside what is green."""
    if head is None or head.is_red or not head.counts.executed or is_backed(head.counts, backed=backed):
        return judgement
    put_off = tell_put_off(head.counts, backed=backed, noun="test")
    return judgement._replace(sentence=f"{judgement.sentence} {put_off}.")


def _add_silence(judgement: Judgement, silence: Silence | None) -> Judgement:
    """What was said may no longer hold when nothing came for long; trouble stays trouble."""
    if silence is None:
        return judgement
    sentence = f"{judgement.sentence} {silence.sentence}"
    if judgement.severity < Severity.SILENT:
        return judgement._replace(sentence=sentence)
    return Judgement(Severity.SILENT, "stale", "silent", sentence)


def _judge_red(counts: Counts, where: str, since: str) -> Judgement:
    parts = []
    if counts.suite_errors:
        parts.append(f"{count_of(counts.suite_errors, 'suite')} cannot be set up {where}")
    if counts.errored:
        verb = "stops" if counts.errored == 1 else "stop"
        parts.append(f"{counts.errored:,} of {counts.executed:,} tests {verb} with an error {where}")
    if counts.failed:
        verb = "fails" if counts.failed == 1 else "fail"
        whole = (
            f"{counts.failed:,} {verb}" if parts else f"{counts.failed:,} of {counts.executed:,} tests {verb} {where}"
        )
        parts.append(whole)
    sentence = f"{', '.join(parts)}{since}."
    n_errors = counts.errored + counts.suite_errors
    if n_errors:
        return Judgement(Severity.ERROR, "error", count_of(n_errors, "error"), sentence)
    return Judgement(Severity.FAIL, "fail", f"{counts.failed:,} failed", sentence)


def _judge_green(points: Sequence[Point], where: str) -> Judgement:
    """How steady a green project is."""
    n_flaky = points[-1].counts.flaky
    if n_flaky:
        sentence = f"Green {where}, but {count_of(n_flaky, 'test')} passed only on a retry."
        return Judgement(Severity.UNSTEADY, "flaky", "flaky", sentence)
    n_red = sum(point.run.counts.is_red for point in points)
    if n_red:
        verb = "was" if n_red == 1 else "were"
        sentence = f"Green {where}; {n_red} of the last {len(points)} runs {verb} red."
        return Judgement(Severity.UNSTEADY, "pass", "green", sentence)
    n_unsure = sum(not point.is_green for point in points)
    if n_unsure:
        verb = "was" if n_unsure == 1 else "were"
        sentence = f"Green {where}; {n_unsure} of the last {len(points)} runs {verb} incomplete or empty."
        return Judgement(Severity.UNSTEADY, "pass", "green", sentence)
    sentence = f"Green for {count_of(len(points), 'run')}." if len(points) > 1 else "Green in its one run."
    return Judgement(Severity.CALM, "pass", "calm", sentence)


def _since(points: Sequence[Point]) -> str:
    """How long it has been red: ", since 3 Aug 2026, 3 runs in a row"."""
    streak = 0
    for point in reversed(points):
        if not point.is_red:
            break
        streak += 1
    # A run that is green itself ends nothing while another job on the branch is still broken.
    n_red = sum(point.run.counts.is_red for point in points[len(points) - streak :])
    if streak == len(points):
        every = {1: "", 2: ", in both runs"}.get(streak, f", in all of the last {streak} runs")
        return every if n_red == streak else f", in {n_red} of the last {streak} runs"
    in_a_row = f", {streak} runs in a row" if n_red == streak else f", in {n_red} of {streak} runs"
    return f", since {write_day(points[-streak].run.ran_at)}{in_a_row if streak > 1 else ''}"


def _read_runs(project_ids: list[int]) -> dict[int, list[RunFact]]:
    """The newest runs of each project's main lane, oldest first, by one index scan a project."""
    values = {"projects": project_ids, "changes": CHANGES, "depth": DEPTH, "shown": N_RUNS}
    runs: dict[int, list[RunFact]] = defaultdict(list)
    for project_id, *facts in fetch_rows(_RUNS_SQL, values):
        runs[project_id].append(read_run(facts))
    return {project_id: found[::-1] for project_id, found in runs.items()}


def _read_jobs(runs: dict[int, list[RunFact]]) -> dict[int, dict[int, list[JobFact]]]:
    """The jobs of these runs, by project and run."""
    keys = [(project_id, run.number) for project_id, found in runs.items() for run in found]
    values = {"projects": [project_id for project_id, _ in keys], "runs": [number for _, number in keys]}
    jobs: dict[int, dict[int, list[JobFact]]] = defaultdict(lambda: defaultdict(list))
    for project_id, *facts in fetch_rows(_JOBS_SQL, values):
        job = read_job(facts)
        jobs[project_id][job.key.run].append(job)
    return jobs


def _read_refused(project_ids: list[int]) -> frozenset[int]:
    """Which of these got deliveries that came to nothing."""
    failed = [Upload.State.FAILED, Upload.State.DEAD]
    uploads = Upload.objects.filter(project__in=project_ids, state__in=failed)
    return frozenset(uploads.values_list("project_id", flat=True).distinct())


# As the overview counts them: a case once, whatever series it is in; flaky ones that still run, and what was lost in
# one of the newest runs and is no rename by the looks of it.
_FOUND_SQL: Final = f"""
WITH recent AS (
    SELECT * FROM unnest(%(projects)s::bigint[], %(runs)s::int[], %(lanes)s::text[]) AS r(project, run, lane)
)
SELECT chosen.project,
    (SELECT count(DISTINCT v.ord) FROM health_series s
     JOIN health_caseverdict v ON v.project_id = s.project_id AND v.series = s.number AND v.verdict = 'flaky'
     {JOIN_GONE}
     WHERE s.project_id = chosen.project AND s.lane = chosen.lane AND x.ord IS NULL),
    (SELECT count(DISTINCT v.ord) FROM health_series s
     JOIN health_vanishedcase v ON v.project_id = s.project_id AND v.series = s.number AND v.suspicion <> 'renamed'
     WHERE s.project_id = chosen.project AND s.lane = chosen.lane
       AND v.gone_run IN (SELECT run FROM recent WHERE project = chosen.project))
FROM (SELECT DISTINCT project, lane FROM recent) AS chosen
"""  # noqa: S608 - the join is a constant

# The lane a project is judged by: its default branch, else the long-lived lane that ran last.
_RUNS_SQL: Final = f"""
SELECT p.id, {RUN_COLUMNS.format("r")}
FROM health_project p
CROSS JOIN LATERAL (
    SELECT coalesce(
        nullif(p.default_branch, ''),
        (SELECT n.lane FROM health_run n WHERE n.project_id = p.id AND n.lane <> %(changes)s
         ORDER BY n.ordered_at DESC, n.number DESC LIMIT 1),
        %(changes)s) AS name
) lane
CROSS JOIN LATERAL ({write_newest(project="p.id", lane="lane.name")}) r
WHERE p.id = ANY(%(projects)s)
ORDER BY p.id, r.ordered_at DESC, r.ran_at DESC, r.number DESC
"""  # noqa: S608 - the columns are constants

_JOBS_SQL: Final = f"""
SELECT j.project_id, {JOB_COLUMNS.format("j", "s")}
FROM unnest(%(projects)s::bigint[], %(runs)s::int[]) AS shown(project_id, run)
JOIN health_job j ON j.project_id = shown.project_id AND j.run = shown.run
JOIN health_series s ON s.project_id = j.project_id AND s.number = j.series
ORDER BY j.project_id, j.run, j.series
"""  # noqa: S608 - the columns are constants
