"""Slow cases and suites. Called by `dashboard.api.operations` (`tests/dashboard/test_api_figures.py`)."""

from typing import Any

from ninja import Router
from pydantic import AliasPath, Field

from dashboard.api.answers import CaseFacts, Facts, WindowFacts, frame, take
from dashboard.api.door import ApiRequest
from dashboard.queries.slow import read_slow

router = Router(tags=["Health"])


class SinceFacts(Facts):
    """A run."""

    run: int = Field(description="Number of the run.")
    commit: str = Field(description="Its commit.")


class SpeedFacts(Facts):
    """How long a case takes in one job; only passing results count."""

    case: CaseFacts = Field(description="The case.")
    job: str = Field(description="The job.")
    suite: str = Field(description="Its suite.")
    seconds: float = Field(description="The median of the newest results.")
    n: int = Field(description="Of how many results.")
    seconds_before: float = Field(description="The median of the results before; 0 where there are none.")
    n_before: int = Field(description="Of how many results.")
    is_slower: bool = Field(description="Whether it became slower, by the page's rule.")
    since: SinceFacts | None = Field(description="The first run it was slower in; null when it is not slower.")
    owners: tuple[str, ...] = Field(description="Who owns it.")


class SuiteTimeFacts(Facts):
    """How long a suite takes in one job."""

    suite: str = Field(description="The suite.")
    level: str = Field(description="Its test level; may be empty.")
    series: str = Field(description="The job.")
    run: int = Field(validation_alias=AliasPath("now", "run"), description="The newest complete run that holds it.")
    seconds: float = Field(validation_alias=AliasPath("now", "seconds"), description="Time in its cases there.")
    n_executed: int = Field(validation_alias=AliasPath("now", "n_executed"), description="Cases executed there.")
    usual: float | None = Field(description="The median of the complete runs before, in seconds.")
    n_before: int = Field(description="Of how many runs, ten at most.")
    is_slower: bool = Field(description="Whether it is slower than usual, by the page's rule.")
    target: int | None = Field(description="Seconds it may take, as `.suitewatch.yml` says; null without a target.")
    word: str = Field(description="within its target, over its target, or no target.")


class BranchTimeFacts(Facts):
    """The time in the branch's tests as it stands, against the usual one."""

    run: int = Field(validation_alias=AliasPath("run", "number"), description="The newest run.")
    seconds: float = Field(description="Time in its cases, added up over all jobs.")
    usual: float = Field(
        validation_alias=AliasPath("usual", "seconds"), description="The median of the complete runs before."
    )
    n_before: int = Field(validation_alias=AliasPath("usual", "n"), description="Of how many runs, ten at most.")
    is_slower: bool = Field(description="Whether it is slower than usual, by the page's rule.")
    since: int = Field(
        validation_alias=AliasPath("since", "number"), description="The run from which on it takes so long."
    )


class SlowPage(Facts):
    """The slowest cases and suites."""

    branch: str = Field(validation_alias=AliasPath("scope", "lane"), description="The branch.")
    windows: WindowFacts = Field(description="What this stands on.")
    slowest: tuple[SpeedFacts, ...] = Field(description="The slowest cases, the slowest first.")
    slower: tuple[SpeedFacts, ...] = Field(description="Cases that became slower, those that gained most first.")
    n_slower: int = Field(description="How many became slower.")
    suites: tuple[SuiteTimeFacts, ...] = Field(
        description="Suites: over their target first, then slower than usual, then the longest."
    )
    branch_time: BranchTimeFacts | None = Field(
        description="The branch as a whole; null where a part of it was asked for, or nothing ran before."
    )


@router.get(
    **take("slow", data=SlowPage, takes=("branch", "job", "variant", "suite", "level", "owner")), summary="Slow cases"
)
def read(request: ApiRequest, slug: str) -> dict[str, Any]:
    """What takes longest, and what takes longer than before."""
    found = read_slow(request.project, request.filters)
    return frame(request, found, as_of=(found.windows.run, found.windows.ran_at))
