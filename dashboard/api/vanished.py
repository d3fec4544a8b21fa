"""Cases that stopped running. Called by `dashboard.api.operations` (`tests/dashboard/test_api_figures.py`)."""

from datetime import datetime
from typing import Any

from ninja import Router
from pydantic import AliasPath, Field

from dashboard.api.answers import CaseFacts, Facts, WindowFacts, frame, take
from dashboard.api.door import ApiRequest
from dashboard.queries.vanished import read_vanished

router = Router(tags=["Health"])


class SightingFacts(Facts):
    """A run."""

    run: int = Field(description="Its number.")
    ran_at: datetime | None = Field(description="When it ran; null where it was deleted.")


class LostFacts(Facts):
    """Cases of one place that stopped running together."""

    n: int = Field(description="How many cases.")
    cases: tuple[CaseFacts, ...] = Field(description="The first of them.")
    suite: str = Field(description="Their suite.")
    series: tuple[str, ...] = Field(description="The jobs in which they stopped.")
    suspicion: str = Field(description="renamed, suite_silent, shard_missing, file_gone or deselected.")
    word: str = Field(description="What may have happened, in short.")
    told: str = Field(description="What may have happened, in a sentence.")
    last: SightingFacts = Field(description="The last run they were in.")
    gone: SightingFacts = Field(description="The first run they were missing from.")
    other: CaseFacts | None = Field(description="The case that a single renamed one may be now.")
    owners: tuple[str, ...] = Field(description="Who owns them.")


class ShrinkingFacts(Facts):
    """A suite in one job that declares fewer cases than it did."""

    suite: str = Field(description="The suite.")
    level: str = Field(description="Its test level; may be empty.")
    series: str = Field(description="The job.")
    now: int = Field(description="Cases it declares in the newest complete run.")
    usual: float = Field(description="The median of the runs before.")
    most: int = Field(validation_alias=AliasPath("most", "n_declared"), description="The most it declared.")
    most_in_run: int = Field(validation_alias=AliasPath("most", "run"), description="The run in which it did.")
    n_fewer: int = Field(description="How many fewer than the most.")
    n_renamed: int = Field(description="Of these, those that look renamed.")
    line: tuple[int, ...] = Field(description="Declared in each complete run that held it, oldest first, and now.")


class VanishedPage(Facts):
    """Cases that stopped running, and suites that shrink."""

    branch: str = Field(validation_alias=AliasPath("scope", "lane"), description="The branch.")
    windows: WindowFacts = Field(description="What this stands on.")
    n_cases: int = Field(description="Cases that stopped running.")
    counts: dict[str, int] = Field(description="These by what may have happened, whatever was asked for.")
    n_groups: int = Field(description="Groups that fit, on all parts of the list.")
    groups: tuple[LostFacts, ...] = Field(description="A part of them, the newest first.")
    shrinking: tuple[ShrinkingFacts, ...] = Field(description="Suites that shrink, the largest loss first.")


@router.get(
    **take(
        "vanished",
        data=VanishedPage,
        takes=("branch", "job", "variant", "suite", "level", "owner", "state", "before"),
    ),
    summary="Vanished cases",
)
def read(request: ApiRequest, slug: str) -> dict[str, Any]:
    """What stopped running and why that may be, and which suites slide. `state` is a suspicion."""
    found = read_vanished(request.project, request.filters)
    windows = found.windows
    return frame(request, found, as_of=(windows.run, windows.ran_at), next_before=found.next_before)
