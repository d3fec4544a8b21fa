"""Cases that stopped running, by class and change, each with its last run, since when, and what may have happened.

Called by `dashboard.views.vanished`, and by what needs attention. Only long-lived branches have them: a pull request
may leave out what it likes. Promise: a bounded number of statements, and at most MOST_READ rows
(`tests/dashboard/test_vanished_queries.py`).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from dashboard.filters import Filters
from dashboard.queries.cases import CaseName, make_name, read_case_names
from dashboard.queries.owners import read_owners
from dashboard.queries.scope import Scope, Windows, read_scope, read_windows
from dashboard.queries.shown_suites import write_shown_suite
from dashboard.queries.shrinking import Shrinking, read_shrinking
from dashboard.queries.sql import Row, fetch_rows
from dashboard.templatetags.display import in_words, plain
from health.models import Project, VanishedCase
from health.rules.lanes import CHANGES

Suspicion = VanishedCase.Suspicion

MOST_READ: Final = 2_000
MOST_IN_FILE: Final = 50_000
N_PAGE: Final = 100
_MOST_LISTED: Final = 40  # cases of a group
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
            Suspicion.FILE_GONE: f"Nothing of {place} runs any more.",
            Suspicion.DESELECTED: f"Others of {place} still run.",
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

    @property
    def lane(self) -> str:
        """The branch in words."""
        return "changes and other branches" if self.scope.lane == CHANGES else self.scope.lane


def read_vanished(project: Project, filters: Filters) -> VanishedPage:
    """What stopped running, the newest loss first; and the suites that shrink."""
    scope = read_scope(project, filters)
    lost = read_lost(project, scope, state=filters.state, limit=MOST_READ + 1)
    owners = read_owners(project, cases={found.case.ord: found.case for found in lost}.values())
    groups = _group(lost[:MOST_READ], scope)
    groups = [replace(group, owners=owners.get(group.case.ord, ())) for group in groups]
    if filters.owner:
        groups = [group for group in groups if filters.owner in group.owners]
    n_before = int(filters.before) if filters.before.isascii() and filters.before.isdecimal() else 0
    shown = groups[n_before : n_before + N_PAGE]
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
    return [_read_row(row, project.slug, scope) for row in fetch_rows(_LOST_SQL, values)]


def count_lost(project: Project, scope: Scope) -> dict[str, int]:
    """How many cases stopped running, by what may have happened to them."""
    return dict(Counter(suspicion for _, suspicion in fetch_rows(_COUNTS_SQL, _take_values(project, scope))))


def write_vanished(page: VanishedPage) -> str:
    """How many tests stopped running, and how many suites shrink."""
    if page.windows.run is None:
        return "No run has been judged yet."
    lane, n, n_suites = plain(page.lane), page.n_cases, len({found.suite for found in page.shrinking})
    lost = f"{in_words(n)} test{'' if n == 1 else 's'} stopped running on {lane}" if n else ""
    suites = f"{in_words(n_suites)} suite{' shrinks' if n_suites == 1 else 's shrink'}" if n_suites else ""
    if not n and not n_suites:
        return f"Every test that ran on {lane} still runs, and no suite shrinks."
    n_renamed = page.counts.get(Suspicion.RENAMED, 0)
    if n_renamed and n > 1:
        lost += f", {in_words(n_renamed) if n_renamed < n else 'all'} of them renamed by the looks of it"
    said = f"{lost}, and {suites}" if lost and suites else lost or f"no test vanished from {lane}, but {suites}"
    return f"{said[0].upper()}{said[1:]}."


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


_FROM: Final = """
FROM health_vanishedcase v JOIN health_case c ON c.project_id = v.project_id AND c.ord = v.ord
"""
_SUITE: Final = write_shown_suite(run="v.last_run")
_WHERE: Final = f"""
WHERE v.project_id = %(project)s AND v.series = ANY(%(series)s)
  AND (%(suites)s::int[] IS NULL OR {_SUITE} = ANY(%(suites)s))
"""

_LOST_SQL: Final = f"""
SELECT v.series, v.suspicion, v.other, v.last_run, l.ran_at, v.gone_run, g.ran_at,
    c.ord, c.name, c.class_name, c.suite_path, c.namespace, c.occurrence, {_SUITE}
{_FROM}
LEFT JOIN health_run l ON l.project_id = v.project_id AND l.number = v.last_run
LEFT JOIN health_run g ON g.project_id = v.project_id AND g.number = v.gone_run
{_WHERE} AND (%(state)s::text = '' OR v.suspicion = %(state)s)
ORDER BY g.ordered_at DESC NULLS LAST, v.gone_run DESC, v.ord, v.series
LIMIT %(limit)s
"""

# Lost in several series, a case counts once, for what is suspected in the first of them.
_COUNTS_SQL: Final = f"""
SELECT DISTINCT ON (v.ord) v.ord, v.suspicion {_FROM} {_WHERE} ORDER BY v.ord, v.series
"""
