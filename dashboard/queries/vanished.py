"""Cases that stopped running, by class and change, each with its last run, since when, and what may have happened.

Called by `dashboard.views.vanished`, and by what needs attention. Only long-lived branches have them: a pull request
may leave out what it likes. Promise: a bounded number of statements, and at most MOST_READ rows
(`tests/dashboard/test_vanished_queries.py`).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from django.utils.text import capfirst

from dashboard.filters import Filters
from dashboard.queries.cases import CaseName, make_name, read_case_names
from dashboard.queries.owners import read_owners
from dashboard.queries.scope import Scope, read_scope
from dashboard.queries.shown_suites import write_shown_suite
from dashboard.queries.shrinking import Shrinking, read_shrinking
from dashboard.queries.sql import EACH_CASE, Row, fetch_rows
from dashboard.queries.windows import Windows, read_windows
from dashboard.templatetags.display import count_in_words, in_words, plain
from health.models import Project, VanishedCase

Suspicion = VanishedCase.Suspicion

MOST_READ: Final = 2_000
MOST_IN_FILE: Final = 20_000
N_PAGE: Final = 100
_MOST_LISTED: Final = 40  # cases of a group
_MOST_NAMED: Final = 500  # on a page
_N_COLUMNS: Final = 7  # before the case's own in the statement

# The mark and the short word of each suspicion, in the order they are shown in.
STATES: Final[dict[str, tuple[str, str]]] = {
    Suspicion.DESELECTED: ("absent", "deselected or removed"),
    Suspicion.FILE_GONE: ("absent", "class or file gone"),
    Suspicion.SUITE_SILENT: ("absent", "suite silent"),
    Suspicion.SHARD_MISSING: ("stale", "part of the run missing"),
    Suspicion.RENAMED: ("open", "renamed"),
}


@dataclass(frozen=True, slots=True)
class Sighting:
    """A run, and when it was; nothing is known of one that was deleted."""

    run: int
    ran_at: datetime | None


@dataclass(frozen=True, slots=True)
class Lost:
    """A case that stopped running in one series."""

    case: CaseName
    series: int
    suite: str
    suspicion: str
    last: Sighting
    gone: Sighting
    other: int | None


@dataclass(frozen=True, slots=True)
class LostGroup:
    """Cases of one place that stopped running together, for one reason."""

    cases: tuple[CaseName, ...]
    n: int
    suite: str
    suspicion: str
    last: Sighting
    gone: Sighting
    series: tuple[str, ...]
    other: CaseName | None  # the case a single renamed one may be now
    owners: tuple[str, ...] = ()

    @property
    def case(self) -> CaseName:
        """The first of them."""
        return self.cases[0]

    @property
    def mark(self) -> str:
        """The mark's name."""
        return STATES[self.suspicion][0]

    @property
    def word(self) -> str:
        """What may have happened, in short."""
        return STATES[self.suspicion][1]

    @property
    def is_family(self) -> bool:
        """Whether they are parameters of one function."""
        names = {case.family for case in self.cases}
        return self.n == len(self.cases) and len(names) == 1 and self.case.is_parametrised and self.n > 1

    @property
    def n_unlisted(self) -> int:
        """How many are not named."""
        return self.n - len(self.cases)

    @property
    def told(self) -> str:
        """What may have happened, in a sentence."""
        one = self.n == 1
        place = plain(self.case.place) or "its place"
        return {
            Suspicion.RENAMED: f"{'A similar one' if one else 'Similar ones'} appeared when {_it(one)} vanished.",
            Suspicion.FILE_GONE: f"No test directly in {place} runs any more.",
            Suspicion.DESELECTED: f"Others of {place} ran on.",
            Suspicion.SUITE_SILENT: f"The whole suite {plain(self.suite)} has not reported since.",
            Suspicion.SHARD_MISSING: f"Newer runs are incomplete, so {_it(one)} may come back.",
        }[Suspicion(self.suspicion)]


@dataclass(frozen=True, slots=True)
class VanishedPage:
    """All the page shows. `counts` are cases by suspicion, whatever is chosen."""

    scope: Scope
    windows: Windows
    groups: tuple[LostGroup, ...]
    counts: Mapping[str, int]
    n_groups: int
    n_before: int
    shrinking: tuple[Shrinking, ...]
    owners: tuple[str, ...]
    is_cut: bool

    @property
    def next_before(self) -> int:
        """Where the next page begins; 0 on the last one."""
        end = self.n_before + len(self.groups)
        return end if end < self.n_groups else 0

    @property
    def n_cases(self) -> int:
        """How many cases stopped running."""
        return sum(self.counts.values())


def read_vanished(project: Project, filters: Filters) -> VanishedPage:
    """What stopped running, the newest loss first; and the suites that shrink."""
    scope = read_scope(project, filters)
    lost = read_lost(project, scope, state=filters.state, limit=MOST_READ + 1)
    owners = read_owners(project, cases={found.case.ord: found.case for found in lost}.values())
    groups = _group(lost[:MOST_READ], scope)
    groups = [replace(group, owners=owners.get(group.case.ord, ())) for group in groups]
    if filters.owner:
        groups = [group for group in groups if filters.owner in group.owners]
    n_before = filters.n_before
    shown = _shorten(groups[n_before : n_before + N_PAGE])
    return VanishedPage(
        scope=scope,
        windows=read_windows(project, scope),
        groups=_name_others(project, shown, lost),
        counts=count_lost(project, scope),
        n_groups=len(groups),
        n_before=n_before,
        shrinking=read_shrinking(project, scope),
        owners=tuple(sorted({name for names in owners.values() for name in names})),
        is_cut=len(lost) > MOST_READ,
    )


def read_lost(project: Project, scope: Scope, *, state: str = "", limit: int) -> list[Lost]:
    """The cases of a scope that stopped running, the newest loss first."""
    values = _take_values(project, scope) | {"state": state, "limit": limit}
    statement = _write_lost(is_narrowed=scope.is_narrowed, suite=_SUITE)
    return [_read_row(row, project.slug, scope) for row in fetch_rows(statement, values)]


def count_lost(project: Project, scope: Scope) -> dict[str, int]:
    """How many cases stopped running, by what may have happened to them."""
    return dict(fetch_rows(_write_counts(is_narrowed=scope.is_narrowed), _take_values(project, scope)))


def write_vanished(page: VanishedPage) -> str:
    """How many tests stopped running, and how many suites shrink."""
    if page.windows.run is None:
        return "No run has been judged yet."
    lane, n, n_suites = plain(page.scope.title), page.n_cases, len({found.suite for found in page.shrinking})
    lost = f"{count_in_words(n, 'test')} stopped running on {lane}" if n else ""
    suites = f"{in_words(n_suites)} suite{' shrinks' if n_suites == 1 else 's shrink'}" if n_suites else ""
    if not n and not n_suites:
        return f"Every test that ran on {lane} still runs, and no suite shrinks."
    n_renamed = page.counts.get(Suspicion.RENAMED, 0)
    if n_renamed and n > 1:
        lost += f", {in_words(n_renamed) if n_renamed < n else 'all'} of them renamed by the looks of it"
    said = f"{lost}, and {suites}" if lost and suites else lost or f"no test vanished from {lane}, but {suites}"
    return f"{capfirst(said)}."


def _it(is_one: bool) -> str:
    return "it" if is_one else "they"


def _read_row(row: Row, slug: str, scope: Scope) -> Lost:
    series, suspicion, other, last_run, last_at, gone_run, gone_at = row[:_N_COLUMNS]
    last, gone = Sighting(last_run, last_at), Sighting(gone_run, gone_at)
    case = make_name(row[_N_COLUMNS:], slug)
    suite = scope.suites.get(case.suite)
    return Lost(case, series, suite.name if suite else "", suspicion, last, gone, other)


def _group(lost: Sequence[Lost], scope: Scope) -> list[LostGroup]:
    """Cases of one place that were lost for one reason, in the same run of the same series."""
    by_case: dict[int, list[Lost]] = defaultdict(list)
    for found in lost:
        by_case[found.case.ord].append(found)
    groups: dict[tuple[object, ...], list[list[Lost]]] = defaultdict(list)
    for rows in by_case.values():
        case = rows[0].case
        where = (case.namespace, case.suite_path, case.class_name)
        when = tuple(sorted((row.series, row.gone.run, row.suspicion) for row in rows))
        groups[where, when].append(rows)
    return [_describe(rows, scope) for rows in groups.values()]


def _describe(group: Sequence[Sequence[Lost]], scope: Scope) -> LostGroup:
    titles, rows = scope.titles, [row for rows in group for row in rows]
    cases = [rows[0].case for rows in group]
    first = rows[0]
    return LostGroup(
        cases=tuple(cases[:_MOST_LISTED]),
        n=len(cases),
        suite=first.suite,
        suspicion=first.suspicion,
        last=max((row.last for row in rows), key=lambda seen: seen.run),
        gone=min((row.gone for row in rows), key=lambda seen: seen.run),
        series=tuple(sorted({titles[row.series] for row in rows})),
        other=None,
    )


def _shorten(groups: Sequence[LostGroup]) -> Sequence[LostGroup]:
    """Where the groups of a page are many and large, fewer cases of each are named."""
    if sum(len(group.cases) for group in groups) <= _MOST_NAMED:
        return groups
    most = max(_MOST_NAMED // len(groups), 1)
    return [replace(group, cases=group.cases[:most]) for group in groups]


def _name_others(project: Project, groups: Sequence[LostGroup], lost: Iterable[Lost]) -> tuple[LostGroup, ...]:
    """Name what a single renamed case may be called now."""
    other = {found.case.ord: found.other for found in lost if found.other is not None}
    single = [group for group in groups if group.n == 1 and group.case.ord in other]
    wanted = {ord_ for group in single if (ord_ := other[group.case.ord]) is not None}
    names = read_case_names(project.pk, project.slug, ords=sorted(wanted)) if wanted else {}
    return tuple(
        replace(group, other=names.get(other.get(group.case.ord) or -1)) if group.n == 1 else group for group in groups
    )


def _take_values(project: Project, scope: Scope) -> dict[str, object]:
    return {"project": project.pk, "series": scope.numbers, "suites": scope.suite_numbers}


def _write_lost(*, is_narrowed: bool, suite: str) -> str:
    """First which cases, from narrow rows; then the names of those alone."""
    return f"""
WITH chosen AS (
    SELECT v.*, g.ordered_at AS gone_ordered_at, g.ran_at AS gone_at
    {_NARROWED if is_narrowed else _ALL}
      AND (%(state)s::text = '' OR v.suspicion = %(state)s)
    ORDER BY g.ordered_at DESC NULLS LAST, v.gone_run DESC, v.ord, v.series LIMIT %(limit)s)
SELECT v.series, v.suspicion, v.other, v.last_run, l.ran_at, v.gone_run, v.gone_at,
    c.ord, c.name, c.class_name, c.suite_path, c.namespace, c.occurrence, {suite}
FROM chosen v {EACH_CASE}
LEFT JOIN health_run l ON l.project_id = v.project_id AND l.number = v.last_run
ORDER BY v.gone_ordered_at DESC NULLS LAST, v.gone_run DESC, v.ord, v.series
"""  # noqa: S608 - constants


def _write_counts(*, is_narrowed: bool) -> str:
    """Lost in several series, a case counts once, for what is suspected in the first of them."""
    return f"""
SELECT suspicion, count(*) FROM (
    SELECT DISTINCT ON (v.ord) v.suspicion {_NARROWED if is_narrowed else _ALL} ORDER BY v.ord, v.series) cases
GROUP BY 1
"""  # noqa: S608 - constants


_SUITE: Final = write_shown_suite(run="v.last_run")
_GONE: Final = "LEFT JOIN health_run g ON g.project_id = v.project_id AND g.number = v.gone_run"
_IN_SCOPE: Final = "WHERE v.project_id = %(project)s AND v.series = ANY(%(series)s)"
_ALL: Final = f"FROM health_vanishedcase v {_GONE} {_IN_SCOPE}"
_NARROWED: Final = f"""
FROM health_vanishedcase v JOIN health_case c ON c.project_id = v.project_id AND c.ord = v.ord {_GONE} {_IN_SCOPE}
  AND {_SUITE} = ANY(%(suites)s)
"""
