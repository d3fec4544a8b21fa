"""Why a case is said to be flaky or broken, in words with the runs and commits behind them, and its newest results.

Used by the queries of flaky and case. The counts are those the verdict was drawn from; the runs are looked up.
Promise: two statements, and at most so many results a group as the constants say, whatever the project holds
(`tests/dashboard/test_flaky_queries.py`).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from dashboard.queries.cases import read_aliases
from dashboard.queries.sql import fetch_rows
from dashboard.queries.verdicts import BAD, Judged
from dashboard.queries.windows import JobMoment
from dashboard.templatetags.display import count_in_words, how_often, in_words
from health.aliases import Aliases
from health.history import fetch_exact_results
from health.models import Project
from health.rules import outcomes as codes
from health.sql import open_cursor

N_STRIP: Final = 30  # the newest results drawn
_MOST_MEMBERS: Final = 40  # of a group speak for it: those that broke most
_MOST_RESULTS: Final = 10_000  # that did not pass are looked up for all groups
_MOST_SEEN: Final = 3  # of these say in which runs the group ran at all
_MOST_COMMITS: Final = 3  # named
_SHORT_COMMIT: Final = 8

Results = Mapping[tuple[int, int, int], int]  # (ord, run, series) → outcome
Windows = Mapping[int, Sequence[JobMoment]]


@dataclass(frozen=True, slots=True)
class ProofLink:
    """A run the words are about, by its number or its commit."""

    text: str
    run: int
    is_commit: bool = False
    told: str = ""  # what follows the link


@dataclass(frozen=True, slots=True)
class Proof:
    """One thing that speaks for a verdict."""

    told: str
    links: tuple[ProofLink, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for the verdict of a group of cases, and its newest results, oldest first, as marks of a strip."""

    proofs: tuple[Proof, ...] = ()
    strip: tuple[str, ...] = ()
    strip_label: str = ""
    last_broken: JobMoment | None = None


def read_evidence(project: Project, groups: Sequence[Sequence[Judged]], windows: Windows) -> list[Evidence]:
    """For each group of cases, those that broke most first, what speaks for its verdict."""
    aliases = read_aliases(project)
    shown = [list(group[:_MOST_MEMBERS]) for group in groups]
    looked_at = [_choose_looked_at(group, _MOST_RESULTS // len(shown)) for group in shown]
    failed = _read_failed(project, [member for group in looked_at for member in group], windows, aliases)
    wanted = {key for group in looked_at for key in _list_wanted(group, failed, windows)}
    results = {
        (result.ord, result.run, result.series): result.outcome
        for result in fetch_exact_results(open_cursor(), project.pk, wanted=sorted(wanted), aliases=aliases)
    }
    return [
        _describe(group, results, windows, n_looked_at=len(seen)) for group, seen in zip(shown, looked_at, strict=True)
    ]


def _choose_looked_at(group: Sequence[Judged], limit: int) -> Sequence[Judged]:
    """The first cases of a group, so many that their broken results can be read; its counts are of all of them."""
    for n, member in enumerate(group):
        limit -= member.n_bad
        if n and limit < 0:
            return group[:n]
    return group


def _read_failed(
    project: Project, members: Sequence[Judged], windows: Windows, aliases: Aliases
) -> dict[tuple[int, int], list[int]]:
    """The runs in which some attempt of a case did not plainly pass, by case and series."""
    names = [name for name, _ in aliases.expand((ord_,) for ord_ in sorted({member.ord for member in members}))]
    series = sorted({member.series for member in members})
    runs = sorted({job.run for number in series for job in windows.get(number, ())})
    if not names or not runs:
        return {}
    values = {"project": project.pk, "ords": names, "series": series, "runs": runs, "bad": sorted(BAD)}
    found: dict[tuple[int, int], list[int]] = defaultdict(list)
    for ord_, number, run in fetch_rows(_FAILED_SQL, values):
        found[aliases.canonical(ord_), number].append(run)
    return found


def _list_wanted(
    group: Sequence[Judged], failed: Mapping[tuple[int, int], list[int]], windows: Windows
) -> Iterable[tuple[int, int, int]]:
    """The results that are looked at: those that broke, others of their commits, and the newest."""
    for member in group:
        runs = set(failed.get((member.ord, member.series), ()))
        yield from ((member.ord, run, member.series) for run in runs)
        if member.n_disagreed:
            for jobs in _choose_commits(runs, windows.get(member.series, ())).values():
                yield from ((member.ord, job.run, member.series) for job in jobs)
    leading = _find_leading(group)
    newest = windows.get(leading, ())[:N_STRIP]
    seen = [member for member in group if member.series == leading][:_MOST_SEEN]
    yield from ((member.ord, job.run, leading) for member in seen for job in newest)


def _choose_commits(runs: set[int], jobs: Sequence[JobMoment]) -> dict[str, list[JobMoment]]:
    """The newest commits on which one of these runs broke and which ran more than once."""
    by_commit: dict[str, list[JobMoment]] = defaultdict(list)
    for job in jobs:
        if job.commit and not job.is_mass_failure:
            by_commit[job.commit].append(job)
    found = {
        commit: here for commit, here in by_commit.items() if len(here) > 1 and any(job.run in runs for job in here)
    }
    return dict(list(found.items())[: _MOST_COMMITS + 1])


def _find_leading(group: Sequence[Judged]) -> int:
    """The series in which most of it broke."""
    bad: dict[int, int] = defaultdict(int)
    for member in group:
        bad[member.series] += member.n_bad
    return max(bad, key=lambda number: (bad[number], -number), default=0)


def _describe(group: Sequence[Judged], results: Results, windows: Windows, *, n_looked_at: int) -> Evidence:
    leading = _find_leading(group)
    newest = list(reversed(windows.get(leading, ())[:N_STRIP]))
    ords = {member.ord for member in group[:n_looked_at]}
    strip = tuple(_mark_job(job, ords, results) for job in newest)
    n_broken, n_ran = sum(mark in _BROKEN_MARKS for mark in strip), sum(mark != "none" for mark in strip)
    label = f"broke in {n_broken} of the {n_ran} newest runs in which it ran" if n_ran else "did not run lately"
    if n_looked_at < len(group):
        label += f", by the {in_words(n_looked_at)} of its cases that broke most"
    return Evidence(
        proofs=tuple(_prove(group, results, windows)),
        strip=strip,
        strip_label=label,
        last_broken=_find_last_broken(group, windows),
    )


def _mark_job(job: JobMoment, ords: set[int], results: Results) -> str:
    """The worst of what the group's cases did in one job; "none" where none of them ran."""
    outcomes = [results.get((ord_, job.run, job.series), codes.ABSENT) for ord_ in ords]
    worst = max(outcomes, key=lambda outcome: codes.SEVERITY[outcome], default=codes.ABSENT)
    if worst not in codes.EXECUTED:
        return "none"
    return {codes.ERROR: "error", codes.FAIL: "fail", codes.PASS_ON_RETRY: "retry"}.get(worst, "")


def _find_last_broken(group: Sequence[Judged], windows: Windows) -> JobMoment | None:
    runs = {(member.series, member.last_broken_run) for member in group}
    jobs = (job for series in {member.series for member in group} for job in windows.get(series, ()))
    return max((job for job in jobs if (job.series, job.run) in runs), key=lambda job: job.place, default=None)


def _prove(group: Sequence[Judged], results: Results, windows: Windows) -> Iterable[Proof]:
    n_retried = sum(member.n_retried for member in group)
    if n_retried:
        run = _find_newest_retry(group, results, windows)
        links = (ProofLink(f"run {run}", run),) if run else ()
        yield Proof(f"passed on a retry {how_often(n_retried)}{', last in ' if links else ''}", links)
    if any(member.n_disagreed for member in group):
        yield _prove_disagreement(group, results, windows)
    again = [member for member in group if member.n_flips > 1]
    if again:
        n = sum(member.n_flips - 1 for member in again)
        whose = "" if len(group) == 1 else f", {in_words(len(again))} of its cases"
        yield Proof(f"broke, recovered and broke again {how_often(n)}{whose}")
    n_streak = max((member.n_streak for member in group), default=0)
    if n_streak > 1:
        yield Proof(f"broke in the newest {n_streak} runs in a row")
    if not n_retried and not again and n_streak < 2 and not any(member.n_disagreed for member in group):
        yield Proof(f"broke {how_often(sum(member.n_broken for member in group))}")


def _prove_disagreement(group: Sequence[Judged], results: Results, windows: Windows) -> Proof:
    """On which commits both happened, and of how many runs of them how many broke."""
    jobs_of: dict[str, dict[tuple[int, int], bool]] = defaultdict(dict)  # commit → job → whether any of them broke
    newest: dict[str, JobMoment] = {}
    for member in (member for member in group if member.n_disagreed):
        broken: dict[str, JobMoment] = {}
        passed = set()
        for job in windows.get(member.series, ()):
            outcome = results.get((member.ord, job.run, job.series), codes.ABSENT)
            if not job.commit or job.is_mass_failure or outcome not in codes.EXECUTED:
                continue
            key, is_broken = (job.run, job.series), outcome in codes.BROKEN
            jobs_of[job.commit][key] = jobs_of[job.commit].get(key, False) or is_broken
            if is_broken:
                broken.setdefault(job.commit, job)
            else:
                passed.add(job.commit)
        for commit in passed & set(broken):
            newest[commit] = max(newest.get(commit, broken[commit]), broken[commit], key=lambda job: job.place)
    found = sorted(newest, key=lambda commit: newest[commit].place, reverse=True)
    n = max(len(found), *(member.n_disagreed for member in group))
    links = tuple(
        ProofLink(
            commit[:_SHORT_COMMIT],
            newest[commit].run,
            is_commit=True,
            told=f": {sum(jobs_of[commit].values())} of its {len(jobs_of[commit])} runs broke",
        )
        for commit in found[:_MOST_COMMITS]
    )
    return Proof(f"passed and broke on {count_in_words(n, 'commit')}{', ' if links else ''}", links)


def _find_newest_retry(group: Sequence[Judged], results: Results, windows: Windows) -> int | None:
    found = [
        job
        for member in group
        for job in windows.get(member.series, ())
        if results.get((member.ord, job.run, job.series)) == codes.PASS_ON_RETRY
    ]
    return max(found, key=lambda job: job.place).run if found else None


_BROKEN_MARKS: Final = frozenset({"fail", "error"})

_FAILED_SQL: Final = """
SELECT DISTINCT ord, series, run FROM health_failure
WHERE project_id = %(project)s AND ord = ANY(%(ords)s) AND run = ANY(%(runs)s) AND series = ANY(%(series)s)
  AND outcome = ANY(%(bad)s)
"""
