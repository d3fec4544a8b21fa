"""One case: its name in its parts, how it fared run by run, since when it fails, what it said, and its family.

Called by `dashboard.views.case`. Promise: a bounded number of statements and of results, however old the project is
(`tests/dashboard/test_case_queries.py`).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dashboard.filters import Filters
from dashboard.queries.case_history import N_MOMENTS, Cell, LaneHistory, SeriesHistory, lay_out, read_series
from dashboard.queries.case_judgement import Judgement, read_judgement
from dashboard.queries.cases import CaseName, make_name, read_aliases, read_case_names
from dashboard.queries.deferral_facts import EntryFact
from dashboard.queries.entry_marks import EXPECTED, read_entry_of_case
from dashboard.queries.facts import OUTCOME_MARKS, JobKey
from dashboard.queries.owners import find_owners
from dashboard.queries.put_off import read_reasons
from dashboard.queries.sql import Row, fetch_rows
from dashboard.queries.standing import Standing, read_standing
from dashboard.queries.streaks import Streak, find_streak
from dashboard.queries.texts import DEEP, Failed, Said, TextPlace, read_first_lines, read_texts
from health.aliases import Aliases
from health.history import fetch_case_results
from health.models import Project
from health.rules import outcomes as codes
from health.rules.durations import UNITS_PER_SECOND
from health.rules.families import split_family
from health.rules.lanes import CHANGES
from health.sql import open_cursor

_MOST_BROKEN: Final = 20
_MOST_FAMILY: Final = 60  # listed by name
_MOST_RELATIVES: Final = 2_000  # counted
# Cases of one report are numbered together; a family is looked for this far around, not in the whole table.
_FAMILY_REACH: Final = 20_000


@dataclass(frozen=True, slots=True)
class BrokenRun:
    """A run the case broke in."""

    run: int
    ran_at: datetime
    job: str
    outcome: int
    message: str

    @property
    def mark(self) -> str:
        """The mark's name."""
        return "error" if self.outcome == codes.ERROR else "fail"

    @property
    def word(self) -> str:
        """The outcome in words."""
        return codes.WORDS[self.outcome]


@dataclass(frozen=True, slots=True)
class Timing:
    """How long the case took in one run."""

    run: int
    ran_at: datetime
    seconds: float
    is_broken: bool


@dataclass(frozen=True, slots=True)
class Relative:
    """Another case of the family, and how it ended in the newest run of the main series."""

    case: CaseName
    outcome: int

    @property
    def mark(self) -> str:
        """The mark's name."""
        return OUTCOME_MARKS[self.outcome]

    @property
    def word(self) -> str:
        """The outcome in words."""
        return codes.WORDS[self.outcome]


@dataclass(frozen=True, slots=True)
class Relatives:
    """How the whole family ended in one run, the case itself among it; `others` are the first of the rest."""

    name: str
    run: int
    n: int  # reported in that run
    n_more: int  # that were reported before
    counts: tuple[tuple[str, int], ...]  # outcomes in words, the worst first, and how many ended so
    others: tuple[Relative, ...]
    n_unlisted: int

    @property
    def told(self) -> str:
        """How it stands, in words."""
        return ", ".join(f"{n:,} {word}" for word, n in self.counts)


@dataclass(frozen=True, slots=True)
class Former:
    """A name the case had before a rename was merged. `pair`: what its undoing is asked for by."""

    case: CaseName
    pair: str


@dataclass(frozen=True, slots=True)
class CasePage:
    """All the page shows. `main` is the lane the sentence is about."""

    case: CaseName
    suite: str
    level: str
    histories: tuple[LaneHistory, ...]
    latest: Cell | None
    streak: Streak | None
    broken: tuple[BrokenRun, ...]
    said: Said | None
    said_in: BrokenRun | None
    timings: tuple[Timing, ...]
    timed_series: str
    family: Relatives | None
    formers: tuple[Former, ...]  # the latest first
    n_more_series: int
    owners: tuple[str, ...]
    is_owned: bool  # whether anything says who owns what
    lanes: tuple[str, ...]  # it could be narrowed to
    variants: tuple[str, ...]
    reason: str  # why the newest result was put off, in the report's words; empty when it was not, or none is given
    judgement: Judgement
    entry: EntryFact | None = None  # in the register: open, or closed before

    @property
    def passes_unexpectedly(self) -> bool:
        """Whether it passes although its entry says that it is expected to fail, or quarantined."""
        is_expected = bool(self.entry and self.entry.is_open and self.entry.kind in EXPECTED)
        return is_expected and bool(self.latest and self.latest.outcome in codes.PASSED)

    @property
    def runs_with_both(self) -> tuple[int, ...]:
        """The runs shown in which two of its names ran in one job: then it is hardly one test."""
        runs = {cell.run for history in self.histories for row in history.rows for cell in row.cells if cell.is_double}
        return tuple(sorted(runs))

    @property
    def is_put_off(self) -> bool:
        """Whether the newest result is a skip or an expected failure."""
        return bool(self.latest and self.latest.outcome in codes.DEFERRED)

    @property
    def main(self) -> LaneHistory | None:
        """The project's default branch, else the lane that ran last."""
        return self.histories[0] if self.histories else None

    @property
    def timed_lane(self) -> str:
        """The lane the times are of."""
        return self.main.title if self.main else ""

    @property
    def matrix_query(self) -> str:
        """What the address of the matrix says to show the row of this case among its neighbours."""
        place = "/".join(part for part in (self.case.namespace, self.case.place) if part)
        lane = self.main.lane if self.main else ""
        return Filters(branch=lane, path=place, search=self.case.name).write()

    @property
    def mark(self) -> str:
        """The newest outcome's mark."""
        return OUTCOME_MARKS[self.latest.outcome or 0] if self.latest else "absent"

    @property
    def word(self) -> str:
        """The newest outcome in words."""
        return self.latest.word if self.latest else "never ran"


def read_case_page(
    project: Project, *, number: int, for_owner: bool = False, branch: str = "", variant: str = ""
) -> CasePage | None:
    """Everything about the case of that number, on one branch or in one variant when asked; None when there is none.

    Only an owner of the project is shown what looks like a secret.
    """
    rows = fetch_rows(_CASE_SQL, {"project": project.pk, "ord": number})
    if not rows:
        return None
    case, suite, level = make_name(rows[0][:7], project.slug), rows[0][7] or "", rows[0][8] or ""
    aliases = read_aliases(project)
    seen, n_more = read_series(project, number=number)
    every = [series for series in seen if branch in ("", series.lane) and variant in ("", series.variant)]
    main_lane = branch or _choose_main(project, every)
    main = [series for series in every if series.lane == main_lane]
    standing = read_standing(project, lane=main_lane)
    counted = {job.key.series for job in standing.jobs}
    judged = [series for series in main if series.number in counted]
    leading = max(judged or main, key=_rank_series, default=None)
    broken = _read_broken(project, aliases.list_members(number), every)
    said_in, place = next(((run, place) for run, place in broken if place), (None, None))
    owned = find_owners(project, cases=[case])
    latest = _find_latest(judged) or _find_absence(main, standing)
    return CasePage(
        case=case,
        suite=suite,
        level=level,
        histories=lay_out(every, main_lane=main_lane),
        latest=latest,
        streak=_find_worst_streak(judged),
        broken=tuple(run for run, _ in broken),
        said=_read_said(project, place, for_owner=for_owner) if place else None,
        said_in=said_in,
        timings=_list_timings(leading) if leading else (),
        timed_series=leading.title if leading else "",
        family=_read_family(project, case, leading, aliases),
        formers=_read_formers(project, number, aliases),
        n_more_series=n_more,
        lanes=tuple(dict.fromkeys(series.lane for series in seen)),
        variants=tuple(sorted({series.variant for series in seen} - {""})),
        owners=owned.owners.get(case.ord, ()),
        is_owned=owned.is_set,
        reason=_read_reason(project, number, latest, judged),
        judgement=read_judgement(project, ords=aliases.list_members(number), main=main),
        entry=read_entry_of_case(project, number),
    )


def _read_said(project: Project, place: TextPlace, *, for_owner: bool) -> Said | None:
    return read_texts(project.pk, places=[place], depth=DEEP, for_owner=for_owner).get(place)


def _read_reason(project: Project, number: int, latest: Cell | None, judged: Sequence[SeriesHistory]) -> str:
    """Why the newest result was put off, as one of the jobs of its run says."""
    if latest is None or latest.outcome not in codes.DEFERRED:
        return ""
    results = [(JobKey(latest.run, series.number), number) for series in judged]
    return next(iter(read_reasons(project, results=results).values()), "")


def _choose_main(project: Project, every: Sequence[SeriesHistory]) -> str:
    lanes = [series.lane for series in every]
    if project.default_branch in lanes:
        return project.default_branch
    return next((lane for lane in lanes if lane != CHANGES), CHANGES)


def _rank_series(series: SeriesHistory) -> tuple[int, datetime]:
    return len(series.results), series.moments[0].ordered_at


def _find_latest(main: Sequence[SeriesHistory]) -> Cell | None:
    """The worst of what the newest jobs of the lane say; a whole job without the case says "absent"."""
    cells = [_find_newest(series) for series in main]
    return max(cells, key=lambda cell: codes.SEVERITY[cell.outcome or 0], default=None)


def _find_newest(series: SeriesHistory) -> Cell:
    """The newest word of a series: a job that is not whole and lacks the case says nothing of it."""
    for moment in series.moments:
        result = series.results.get(moment.run)
        if result or moment.is_complete:
            return Cell(moment.run, moment.ran_at, result.outcome if result else codes.ABSENT)
    return Cell(series.moments[0].run, series.moments[0].ran_at, codes.ABSENT)


def _find_absence(main: Sequence[SeriesHistory], standing: Standing) -> Cell | None:
    """The word "absent", where the case was seen only in jobs that no longer count for the lane."""
    run = standing.head.run if standing.head else None
    return Cell(run.number, run.ran_at, codes.ABSENT) if run and main else None


def _find_worst_streak(main: Sequence[SeriesHistory]) -> Streak | None:
    """The oldest failure streak that lasts until now."""
    found = [
        find_streak(series.moments, {run: r.outcome for run, r in series.results.items()}, limit=N_MOMENTS)
        for series in main
    ]
    return min((streak for streak in found if streak), key=lambda streak: streak.first.ordered_at, default=None)


def _list_timings(series: SeriesHistory) -> tuple[Timing, ...]:
    """Runs in which the case ran, oldest first."""
    return tuple(
        Timing(moment.run, moment.ran_at, result.units / UNITS_PER_SECOND, result.outcome in codes.BROKEN)
        for moment in reversed(series.moments)
        if (result := series.results.get(moment.run)) and result.outcome in codes.EXECUTED
    )


def _read_broken(
    project: Project, numbers: Sequence[int], every: Sequence[SeriesHistory]
) -> list[tuple[BrokenRun, TextPlace | None]]:
    """The newest runs the case broke in, with what it said there."""
    broken = [
        (moment, series, result)
        for series in every
        for moment in series.moments
        if (result := series.results.get(moment.run)) and result.outcome in codes.BROKEN
    ]
    broken.sort(key=lambda entry: (entry[0].ordered_at, entry[0].ran_at, entry[0].run), reverse=True)
    shown = broken[:_MOST_BROKEN]
    details = _read_details(project, numbers, sorted({moment.run for moment, _, _ in shown}))
    messages = read_first_lines(project.pk, failures=details)
    found = []
    for moment, series, result in shown:
        key = (moment.run, series.number)
        told = BrokenRun(moment.run, moment.ran_at, series.title, result.outcome, messages.get(key, ""))
        found.append((told, details[key].place if key in details else None))
    return found


def _read_details(project: Project, numbers: Sequence[int], runs: Sequence[int]) -> dict[tuple[int, int], Failed]:
    """The failure of each broken job, by run and series: of its last attempt in CI, and of the last one in there."""
    if not runs:
        return {}
    values = {"project": project.pk, "ords": list(numbers), "runs": list(runs), "broken": sorted(codes.BROKEN)}
    return {
        (run, series): Failed(kind, message, TextPlace(*place))
        for run, series, kind, message, *place in fetch_rows(_DETAILS_SQL, values)
    }


def _read_family(project: Project, case: CaseName, leading: SeriesHistory | None, aliases: Aliases) -> Relatives | None:
    """How the cases of the same place and function ended in the newest run; None for a case without relatives."""
    if not case.is_parametrised or leading is None:
        return None
    rows: list[Row] = fetch_rows(
        _FAMILY_SQL,
        {
            "project": project.pk,
            "ord": case.ord,
            "reach": _FAMILY_REACH,
            "family": case.family,
            "limit": _MOST_RELATIVES,
        },
    )
    names = [make_name(row, project.slug) for row in rows if split_family(row[1]).name == case.family]
    if len(names) < 2:
        return None
    newest, ords = leading.moments[0].run, [name.ord for name in names]
    jobs = [(newest, leading.number)]
    results = fetch_case_results(open_cursor(), project.pk, ords=ords, jobs=jobs, aliases=aliases)
    outcomes = {result.ord: result.outcome for result in results}
    counted = Counter(outcomes.values())
    others = [Relative(name, outcomes.get(name.ord, codes.ABSENT)) for name in names if name.ord != case.ord]
    others.sort(key=lambda relative: (-codes.SEVERITY[relative.outcome], relative.case.name))
    worst_first = sorted(counted.items(), key=lambda entry: -codes.SEVERITY[entry[0]])
    return Relatives(
        name=case.family,
        run=newest,
        n=len(results),
        n_more=len(names) - len(results),
        counts=tuple((codes.WORDS[outcome], n) for outcome, n in worst_first),
        others=tuple(others[:_MOST_FAMILY]),
        n_unlisted=max(len(others) - _MOST_FAMILY, 0),
    )


def _read_formers(project: Project, number: int, aliases: Aliases) -> tuple[Former, ...]:
    _, *formers = aliases.list_members(number)
    if not formers:
        return ()
    names = read_case_names(project.pk, project.slug, ords=formers)
    return tuple(Former(names[ord_], f"{ord_}-{aliases.next_name[ord_]}") for ord_ in formers if ord_ in names)


_CASE_SQL: Final = """
SELECT c.ord, c.name, c.class_name, c.suite_path, c.namespace, c.occurrence, c.suite, s.name, s.level
FROM health_case c LEFT JOIN health_suite s ON s.project_id = c.project_id AND s.number = c.suite
WHERE c.project_id = %(project)s AND c.ord = %(ord)s
"""

_DETAILS_SQL: Final = """
SELECT DISTINCT ON (f.run, f.series) f.run, f.series, p.kind, p.message,
       f.upload, f.text_offset, f.message_length, f.text_length
FROM health_failure f
JOIN health_fingerprint p ON p.project_id = f.project_id AND p.fingerprint = f.fingerprint
JOIN health_upload u ON u.id = f.upload
WHERE f.project_id = %(project)s AND f.ord = ANY(%(ords)s) AND f.run = ANY(%(runs)s) AND f.outcome = ANY(%(broken)s)
ORDER BY f.run, f.series, u.attempt DESC, f.attempt DESC, f.outcome DESC, f.sequence, f.fingerprint, f.upload DESC
"""

_FAMILY_SQL: Final = """
SELECT c.ord, c.name, c.class_name, c.suite_path, c.namespace, c.occurrence, c.suite
FROM health_case mine JOIN health_case c ON c.project_id = mine.project_id AND c.namespace = mine.namespace
    AND c.suite_path = mine.suite_path AND c.class_name = mine.class_name
WHERE mine.project_id = %(project)s AND mine.ord = %(ord)s
  AND c.ord BETWEEN %(ord)s - %(reach)s AND %(ord)s + %(reach)s
  AND starts_with(c.name, %(family)s) AND c.merged_into IS NULL
ORDER BY c.name, c.ord LIMIT %(limit)s
"""
