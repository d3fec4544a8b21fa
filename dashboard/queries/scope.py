"""What a page is about: the branch and the series its filters choose, and what else could be chosen.

Used by the queries of every page that narrows by branch, job, variant, suite and level.
Promise: two statements (`tests/dashboard/test_scope.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from dashboard.filters import Filters
from dashboard.queries.facts import name_job, name_lane
from health.models import Project, Series, Suite
from health.rules.lanes import CHANGES


@dataclass(frozen=True, slots=True)
class SeriesFact:
    """A job × variant on a lane."""

    number: int
    job: str
    variant: str
    lane: str

    @property
    def title(self) -> str:
        """Job and variant in one line."""
        return name_job(self.job, self.variant)


@dataclass(frozen=True, slots=True)
class SuiteFact:
    """A suite with its level."""

    number: int
    name: str
    level: str


@dataclass(frozen=True, slots=True)
class Offer:
    """What can be chosen: the names that occur in the project."""

    branches: tuple[str, ...]
    jobs: tuple[str, ...]
    variants: tuple[str, ...]
    suites: tuple[str, ...]
    levels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Scope:
    """The lane shown, its series and the suites that fit; `is_narrowed` when a suite or level is chosen."""

    lane: str
    series: tuple[SeriesFact, ...]
    suites: Mapping[int, SuiteFact]  # those that fit
    offer: Offer
    is_narrowed: bool

    @property
    def title(self) -> str:
        """The lane in words."""
        return name_lane(self.lane)

    @property
    def numbers(self) -> list[int]:
        """The series by number, for SQL."""
        return [series.number for series in self.series]

    @property
    def titles(self) -> dict[int, str]:
        """What each series is called."""
        return {series.number: series.title for series in self.series}

    @property
    def suite_numbers(self) -> list[int] | None:
        """The suites by number, for SQL; None when all fit."""
        return sorted(self.suites) if self.is_narrowed else None


def read_scope(project: Project, filters: Filters, *, is_any_branch: bool = False) -> Scope:
    """The branch the filters name, else the default branch, else the first there is; and what fits the rest.

    With `is_any_branch` the series of all branches fit as long as the filters name none.
    """
    series = [SeriesFact(*row) for row in Series.objects.filter(project=project).values_list(*_SERIES)]
    suites = [SuiteFact(*row) for row in Suite.objects.filter(project=project).values_list(*_SUITE)]
    offer = _list_offer(project, series, suites)
    lane = filters.branch or (offer.branches[0] if offer.branches else "")
    lanes = set(offer.branches) if is_any_branch and not filters.branch else {lane}
    fitting = (found for found in series if found.lane in lanes and _fits_series(found, filters))
    return Scope(
        lane=lane,
        series=tuple(sorted(fitting, key=lambda found: (found.job, found.variant))),
        suites={found.number: found for found in suites if _fits_suite(found, filters)},
        offer=offer,
        is_narrowed=bool(filters.suite or filters.level),
    )


def _list_offer(project: Project, series: Sequence[SeriesFact], suites: Sequence[SuiteFact]) -> Offer:
    """All names that occur, the default branch first and `changes` last."""
    lanes = {found.lane for found in series}
    ranked = sorted(lanes, key=lambda lane: (lane != project.default_branch, lane == CHANGES, lane))
    return Offer(
        branches=tuple(ranked),
        jobs=tuple(sorted({found.job for found in series} - {""})),
        variants=tuple(sorted({found.variant for found in series} - {""})),
        suites=tuple(sorted({found.name for found in suites})),
        levels=tuple(sorted({found.level for found in suites} - {""})),
    )


def _fits_series(series: SeriesFact, filters: Filters) -> bool:
    """Whether its job and variant are the chosen ones."""
    return filters.job in ("", series.job) and filters.variant in ("", series.variant)


def _fits_suite(suite: SuiteFact, filters: Filters) -> bool:
    """Whether its name and level are the chosen ones."""
    return filters.suite in ("", suite.name) and filters.level in ("", suite.level)


_SERIES: Final = ("number", "job", "variant", "lane")
_SUITE: Final = ("number", "name", "level")
