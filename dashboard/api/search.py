"""Finding cases. Called by `dashboard.api.operations` (`tests/dashboard/test_api_figures.py`)."""

from datetime import datetime
from typing import Any

from ninja import Router
from pydantic import Field

from dashboard.api.answers import CaseFacts, Facts, JudgedFacts, Outcome, frame, take
from dashboard.api.door import ApiRequest
from dashboard.queries.search import search_cases

router = Router(tags=["Cases"])


class HitFacts(Facts):
    """A case that was found."""

    case: CaseFacts = Field(description="The case, under its newest name.")
    former: CaseFacts | None = Field(description="The name that was found, where it was renamed.")
    outcome: Outcome = Field(description="The worst that the newest jobs of the branch say.")
    verdict: JudgedFacts | None = Field(description="What was concluded of it; null when it always plainly passed.")
    owners: tuple[str, ...] = Field(description="Who owns it.")


class HitRowFacts(Facts):
    """A case, or several of one family."""

    hits: tuple[HitFacts, ...] = Field(description="The cases.")
    word: str = Field(description="How they ended, in words.")
    told_verdict: str = Field(description="Their first verdict, in words: of several cases, how many have it.")


class JumpFacts(Facts):
    """A run or a branch that the words fit."""

    kind: str = Field(description="run or branch.")
    name: str = Field(description="Name of the branch.")
    run: int = Field(description="The run, or the branch's newest one.")
    commit: str = Field(description="Its commit; may be empty.")
    ran_at: datetime = Field(description="When it ran.")


class SearchPage(Facts):
    """What was found."""

    branch: str = Field(validation_alias="lane", description="The branch that outcomes and verdicts are of.")
    n: int = Field(description="All cases that fit.")
    rows: tuple[HitRowFacts, ...] = Field(description="A part of them, the best first.")
    jumps: tuple[JumpFacts, ...] = Field(description="Runs and branches that fit.")


@router.get(
    **take(
        "search",
        data=SearchPage,
        takes=("search", "branch", "job", "variant", "suite", "level", "owner", "before"),
    ),
    summary="Search",
)
def read(request: ApiRequest, slug: str) -> dict[str, Any]:
    """The cases whose class, name or suites hold the words of `search`. Without words nothing is found."""
    found = search_cases(request.project, request.filters)
    head = found.standing.head if found.standing else None
    as_of = (head.run.number, head.run.ran_at) if head else None
    return frame(request, found, as_of=as_of, next_before=found.next_before)
