"""The failures of a run: every broken case with what it said, grouped by cause.

Used by the run page. A cause is the fingerprint: the message with its changing parts masked; merged ones are one.
Promise: seven statements, however many cases are broken, and one each for owners and for rules of the project's own
(`tests/dashboard/test_run_queries.py`).
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple
from urllib.parse import urlencode

import numpy as np
from django.urls import reverse

from dashboard.queries.cases import WANTED, CaseName, read_aliases, spread_names
from dashboard.queries.cause_facts import CauseFact, Known, read_causes
from dashboard.queries.changes import JobChange
from dashboard.queries.entry_marks import EntryMark
from dashboard.queries.facts import JobFact, JobKey
from dashboard.queries.history import Moment, read_moments_until
from dashboard.queries.owners import find_owners
from dashboard.queries.sql import fetch_rows
from dashboard.queries.streaks import find_streak
from dashboard.queries.texts import Said, TextPlace, read_texts
from dashboard.queries.verdicts import RANK, Judged, Verdict, read_verdicts, write_interval
from dashboard.templatetags.display import count_of
from health.models import Project
from health.rules import outcomes as codes
from health.rules.causes import OTHER
from health.rules.durations import UNITS_PER_SECOND
from health.rules.lanes import CHANGES
from health.sql import open_cursor
from health.windows import fetch_grid

MOST_CASES: Final = 200  # shown with name and cause; what is beyond is counted
MOST_GROUPS: Final = 40
_MOST_STRIPS: Final = 60
_N_LATELY: Final = 20
_ROLLED_UP: Final = 3  # so many of a family stand in one row


@dataclass(frozen=True, slots=True)
class BrokenCase:
    """One broken result of the run."""

    case: CaseName
    job: JobFact
    outcome: int
    kind: str  # new, still, or empty where there is nothing to compare with
    seconds: float
    fingerprint: int | None
    place: TextPlace | None
    lately: tuple[str, ...]  # strip marks of the runs up to this one, oldest first
    n_lately_broken: int
    owners: tuple[str, ...] = ()
    judged: Judged | None = None  # what is concluded of it now; None where it always plainly passed, or nothing was yet
    broken_since: str = ""  # where that is "broken", and this its newest run: "run 12"
    judged_on: str = ""  # the branch that is said of, where it is not the default one
    entry: EntryMark | None = None  # in the register, where it has an open one

    @property
    def is_quarantined(self) -> bool:
        """Whether its failures are known and tolerated for now; they count all the same."""
        return self.entry is not None and self.entry.is_quarantined

    @property
    def mark(self) -> str:
        """The mark's name."""
        return "error" if self.outcome == codes.ERROR else "fail"

    @property
    def word(self) -> str:
        """What the state says: new or still, and error where it is one."""
        if self.kind == "still":
            return "still an error" if self.outcome == codes.ERROR else "still failing"
        noun = "error" if self.outcome == codes.ERROR else "failure"
        return f"{self.kind} {noun}".strip()

    @property
    def lately_label(self) -> str:
        """The strip in words."""
        return f"broken in {self.n_lately_broken} of {len(self.lately)} runs"


@dataclass(frozen=True, slots=True)
class BrokenFamily:
    """Broken results of one cause in one job that are alike but for their parameters; most are alone."""

    cases: tuple[BrokenCase, ...]

    @property
    def first(self) -> BrokenCase:
        """The one whose state and place stand for all."""
        return self.cases[0]

    @property
    def seconds(self) -> float:
        """How long they took together."""
        return sum(broken.seconds for broken in self.cases)

    @property
    def verdict(self) -> str:
        """Whether it is real: what is concluded of it now, with the rate of all its cases; empty where nothing is."""
        judged = [broken.judged for broken in self.cases if broken.judged]
        verdicts = Counter(Verdict(one.verdict) for one in judged)
        if not verdicts:
            return ""
        if len(verdicts) > 1 or len(judged) < len(self.cases):
            ranked = sorted(verdicts, key=lambda verdict: RANK[verdict])
            return ", ".join(f"{verdicts[verdict]} {verdict.label}" for verdict in ranked)
        since = {broken.broken_since for broken in self.cases}
        if len(since) == 1 and "" not in since:
            return f"broken since {since.pop()}"
        n_bad, n_ran = sum(one.n_bad for one in judged), sum(one.n_ran for one in judged)
        rate = f"{n_bad:,} of {count_of(n_ran, 'result')}, {write_interval(n_bad, n_ran)}"
        return f"{next(iter(verdicts)).label}: {rate}"

    @property
    def quarantine(self) -> str:
        """Whether it is quarantined: how many of several are."""
        n = sum(broken.is_quarantined for broken in self.cases)
        return "quarantined" if n == len(self.cases) else f"{n:,} quarantined" if n else ""

    @property
    def quarantine_url(self) -> str:
        """The entry of the first that is."""
        return next((broken.entry.url for broken in self.cases if broken.entry and broken.is_quarantined), "")

    @property
    def verdict_url(self) -> str:
        """Where the verdict is proved: on the case's page, of several on the page of verdicts."""
        query = f"?{urlencode({'branch': self.first.judged_on})}" if self.first.judged_on else ""
        if len(self.cases) == 1:
            return f"{self.first.case.url}{query}#verdict"
        return f"{reverse('dashboard:flaky', kwargs={'slug': self.first.case.slug})}{query}"


@dataclass(frozen=True, slots=True)
class Cause:
    """Failures of one cause, and what the first of them said. `fact` is None where no text came with them."""

    title: str
    cases: tuple[BrokenCase, ...]
    said: Said | None
    fact: CauseFact | None = None

    @property
    def n_errors(self) -> int:
        """How many of them are errors."""
        return sum(broken.outcome == codes.ERROR for broken in self.cases)

    @property
    def families(self) -> tuple[BrokenFamily, ...]:
        """The cases in their order, those of one family rolled up where there are several."""
        found: dict[tuple[object, ...], list[BrokenCase]] = defaultdict(list)
        for broken in self.cases:
            case = broken.case
            alike = (case.place, case.family, case.suite_path, broken.job.key, broken.word, broken.owners)
            found[alike if case.is_parametrised else (case.ord, broken.job.key)].append(broken)
        return tuple(
            family
            for cases in found.values()
            for family in ([BrokenFamily(tuple(cases))] if len(cases) >= _ROLLED_UP else map(_alone, cases))
        )


def _alone(broken: BrokenCase) -> BrokenFamily:
    return BrokenFamily((broken,))


class CategoryShare(NamedTuple):
    """How many of the broken results shown are of a category."""

    name: str
    n_causes: int
    n: int
    n_errors: int

    @property
    def n_failures(self) -> int:
        """Those that are no errors."""
        return self.n - self.n_errors


@dataclass(frozen=True, slots=True)
class Failures:
    """The causes, largest first; `n_shown` of `n_broken` results are in them."""

    causes: tuple[Cause, ...]
    n_shown: int
    n_broken: int
    is_owned: bool = True  # whether anything says who owns what

    @property
    def has_owners(self) -> bool:
        """Whether anybody owns one of the cases."""
        return any(case.owners for cause in self.causes for case in cause.cases)

    @property
    def categories(self) -> tuple[CategoryShare, ...]:
        """What is shown by category, the largest first."""
        cases: dict[str, list[BrokenCase]] = defaultdict(list)
        n_causes: Counter[str] = Counter()
        for cause in self.causes:
            name = cause.fact.category.name if cause.fact else OTHER
            cases[name] += cause.cases
            n_causes[name] += 1
        shares = (
            CategoryShare(name, n_causes[name], len(found), sum(one.outcome == codes.ERROR for one in found))
            for name, found in cases.items()
        )
        return tuple(sorted(shares, key=lambda share: (-share.n, share.name)))


def pick_broken(changes: Sequence[JobChange]) -> list[tuple[JobChange, int]]:
    """The broken results that are shown: new ones first, then errors, then by number of the case."""
    picked = []
    for change in changes:
        for ord_ in np.flatnonzero(np.isin(change.now.outcomes, sorted(codes.BROKEN))).tolist():
            is_still, is_error = bool(change.transitions.still[ord_]), change.now.outcomes[ord_] == codes.ERROR
            picked.append((is_still, not is_error, ord_, change))
    picked.sort(key=lambda entry: entry[:3])
    return [(change, ord_) for _, _, ord_, change in picked]


def read_failures(
    project: Project,
    *,
    broken: Sequence[tuple[JobChange, int]],
    names: Mapping[int, CaseName],
    entries: Mapping[int, EntryMark],
    for_owner: bool = False,
) -> Failures:
    """Group the picked results by cause and read what each cause says; `entries` are those of the register."""
    shown = broken[:MOST_CASES]
    if not shown:
        return Failures((), 0, 0)
    keys = [(change.job.key, ord_) for change, ord_ in shown]
    details = _read_details(project, keys)
    lately = _read_lately(project, shown[:_MOST_STRIPS])
    owners, is_owned = find_owners(project, cases=[names[ord_] for _, ord_ in shown if ord_ in names])
    cases = [_describe(change, ord_, names[ord_], details, lately, owners) for change, ord_ in shown if ord_ in names]
    cases = [replace(case, entry=entries.get(case.case.ord)) for case in cases]
    cases = _add_verdicts(project, cases, lately)
    known = read_causes(project, fingerprints={case.fingerprint for case in cases if case.fingerprint is not None})
    groups: dict[int | None, list[BrokenCase]] = defaultdict(list)
    for case in cases:
        groups[None if case.fingerprint is None else known.heads.get(case.fingerprint)].append(case)
    ranked = sorted(groups.values(), key=lambda group: (group[0].kind == "still", -len(group)))[:MOST_GROUPS]
    samples = [group[0].place for group in ranked if group[0].place]
    said = read_texts(project.pk, places=samples, for_owner=for_owner)
    causes = tuple(_describe_cause(group, said, known) for group in ranked)
    return Failures(causes, sum(len(cause.cases) for cause in causes), len(broken), is_owned)


def _add_verdicts(
    project: Project, cases: Sequence[BrokenCase], lately: Mapping[tuple[JobKey, int], "_Lately"]
) -> list[BrokenCase]:
    """What is concluded of each case in its series; where that is nothing, in the one it is compared with."""
    series = {one.job.key.series for one in cases} | {one.job.baseline.series for one in cases if one.job.baseline}
    found = read_verdicts(project, series=series, ords=sorted({one.case.ord for one in cases}))
    verdicts = {(judged.series, judged.ord): judged for judged in found}
    told = []
    for one in cases:
        judged = verdicts.get((one.job.key.series, one.case.ord))
        lane = one.job.lane
        if judged is None and one.job.baseline:
            judged, lane = verdicts.get((one.job.baseline.series, one.case.ord)), ""
        streak = lately.get((one.job.key, one.case.ord)) if lane != CHANGES else None
        is_newest = judged is not None and (judged.verdict, judged.last_run) == (Verdict.BROKEN, one.job.key.run)
        told.append(
            replace(
                one,
                judged=judged,
                broken_since=streak.since if streak and is_newest else "",
                judged_on="" if lane == project.default_branch else lane,
            )
        )
    return told


def _describe_cause(group: Sequence[BrokenCase], said: Mapping[TextPlace, Said], known: Known) -> Cause:
    first = group[0]
    own = said.get(first.place) if first.place else None
    fact = known.find(first.fingerprint) if first.fingerprint is not None else None
    return Cause(title=_name_cause(own, fact.masked if fact else None), cases=tuple(group), said=own, fact=fact)


def _describe(
    change: JobChange,
    ord_: int,
    name: CaseName,
    details: Mapping[tuple[JobKey, int], tuple[int, TextPlace]],
    lately: Mapping[tuple[JobKey, int], "_Lately"],
    owners: Mapping[int, tuple[str, ...]],
) -> BrokenCase:
    key = (change.job.key, ord_)
    fingerprint, place = details.get(key, (None, None))
    strip = lately[key].marks if key in lately else ()
    kind = ""
    if change.is_comparable:
        kind = "still" if change.transitions.still[ord_] else "new"
    return BrokenCase(
        case=name,
        job=change.job,
        outcome=int(change.now.outcomes[ord_]),
        kind=kind,
        seconds=int(change.now.units[ord_]) / UNITS_PER_SECOND,
        fingerprint=fingerprint,
        place=place,
        lately=strip,
        n_lately_broken=sum(mark in ("fail", "error") for mark in strip),
        owners=owners.get(name.ord, ()),
    )


def _read_details(
    project: Project, keys: Sequence[tuple[JobKey, int]]
) -> dict[tuple[JobKey, int], tuple[int, TextPlace]]:
    """Fingerprint and text of each broken result: of its last attempt in CI, and of the last one in there."""
    wanted = spread_names(project, ((ord_, key.run, key.series) for key, ord_ in keys))
    rows = fetch_rows(_DETAILS_SQL, {"project": project.pk, "broken": sorted(codes.BROKEN), **wanted})
    return {
        (JobKey(run, series), ord_): (fingerprint, TextPlace(*place)) for run, series, ord_, fingerprint, *place in rows
    }


def _name_cause(said: Said | None, title: str | None) -> str:
    """What the first of the cause's failures said in this run; the masked message where its text is not at hand."""
    return said.message.strip().partition("\n")[0] if said and said.message.strip() else title or ""


class _Lately(NamedTuple):
    """How a case fared in the runs up to this one, as strip marks, and since which run it is broken, in words."""

    marks: tuple[str, ...]
    since: str


def _read_lately(project: Project, shown: Sequence[tuple[JobChange, int]]) -> dict[tuple[JobKey, int], _Lately]:
    """How each case fared in the runs up to this one."""
    jobs = {change.job.key: change.job for change, _ in shown}
    moments = read_moments_until(project, jobs=jobs.values(), limit=_N_LATELY)
    pairs = [(moment.run, series) for series, line in moments.items() for moment in line]
    ords = np.array(sorted({ord_ for _, ord_ in shown}), np.int32)
    grid = fetch_grid(open_cursor(), project.pk, jobs=pairs, ords=ords, aliases=read_aliases(project))
    rows = dict(zip(pairs, grid.outcomes.tolist(), strict=True))
    columns = {ord_: column for column, ord_ in enumerate(ords.tolist())}
    strips = {}
    for change, ord_ in shown:
        series = change.job.key.series
        line: Sequence[Moment] = moments.get(series, ())
        own = {moment.run: rows[moment.run, series][columns[ord_]] for moment in line}
        marks = tuple(_mark(own[moment.run]) for moment in reversed(line))
        strips[change.job.key, ord_] = _Lately(marks, _tell_since(line, own))
    return strips


def _tell_since(line: Sequence[Moment], outcomes: dict[int, int]) -> str:
    """The first run of the streak that this run is in: "run 12", "run 12 or before"; empty where it is in none."""
    streak = find_streak(line, outcomes, limit=_N_LATELY)
    if streak is None:
        return ""
    return f"run {streak.first.run}{'' if streak.is_whole else ' or before'}"


def _mark(outcome: int) -> str:
    if outcome in codes.BROKEN:
        return "error" if outcome == codes.ERROR else "fail"
    return "" if outcome in codes.EXECUTED else "none"


_DETAILS_SQL: Final = f"""
SELECT DISTINCT ON (f.run, f.series, wanted.ord) f.run, f.series, wanted.ord, f.fingerprint,
       f.upload, f.text_offset, f.message_length, f.text_length
FROM {WANTED}
JOIN health_failure f ON f.project_id = %(project)s AND f.ord = wanted.name AND f.run = wanted.run
    AND f.series = wanted.series AND f.outcome = ANY(%(broken)s)
JOIN health_upload u ON u.id = f.upload
ORDER BY f.run, f.series, wanted.ord, u.attempt DESC, f.attempt DESC,
    f.outcome DESC, f.sequence, f.fingerprint, f.upload DESC
"""  # noqa: S608 - a constant
