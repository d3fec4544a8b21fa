"""How a project moved. Called by `dashboard.api.operations` (`tests/dashboard/test_api_figures.py`)."""

from datetime import date
from typing import Any

from ninja import Router
from pydantic import Field

from dashboard.api.answers import Facts, frame, take
from dashboard.api.door import ApiRequest
from dashboard.queries.as_of import read_as_of
from dashboard.queries.trends import read_trends

router = Router(tags=["Project"])


class DayFacts(Facts):
    """A day, or a week named by its Monday."""

    day: date = Field(description="The day, in the project's time zone.")
    n_jobs: int = Field(description="Jobs that ran; the counts are sums over them.")
    declared: int = Field(description="Cases that the reports list, skipped ones included.")
    executed: int = Field(description="Of the declared, those that ran.")
    as_expected: int = Field(description="Of the executed, those that passed or failed as expected.")
    passed: int = Field(description="Of the executed, those that passed.")
    xfailed: int = Field(description="Of the executed, those that failed as expected.")
    failed: int = Field(description="Of the executed, those that failed.")
    errored: int = Field(description="Of the executed, those that stopped with an error.")
    skipped: int = Field(description="Of the declared, those that did not run.")
    deferred: int = Field(description="Of the declared, those put off: skipped, or expected to fail and executed.")
    passed_on_retry: int = Field(
        validation_alias="flaky", description="Of the passed, those that passed only on a retry; no verdict."
    )
    seconds: float = Field(description="Time in cases, added up over the jobs.")
    declared_once: float | None = Field(description="Declared cases of one run; null while no whole run is known.")
    seconds_once: float | None = Field(description="Time in cases of one run.")


class GroupFacts(Facts):
    """One line."""

    name: str = Field(description="What it stands for, by `by`.")
    points: tuple[DayFacts, ...] = Field(description="Its days, oldest first.")


class TrendsPage(Facts):
    """The lines over days."""

    branch: str = Field(description="The branch; empty when there is a line for each.")
    is_weekly: bool = Field(description="Whether a point is a week.")
    groups: tuple[GroupFacts, ...] = Field(description="The lines, the largest first.")
    n_more_groups: int = Field(description="How many lines are left out because they are smaller.")


@router.get(
    **take("trends", data=TrendsPage, takes=("branch", "job", "variant", "suite", "level", "by", "span")),
    summary="Trends",
)
def read(request: ApiRequest, slug: str) -> dict[str, Any]:
    """Passed, executed, declared, failed and time by day, whole or in groups."""
    found = read_trends(request.project, request.filters)
    return frame(request, found, as_of=read_as_of(request.project, lane=found.branch))
