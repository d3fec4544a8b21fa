"""Causes, and one of them. Called by `dashboard.api.operations` (`tests/dashboard/test_api_figures.py`)."""

from datetime import datetime
from typing import Any

from django.http import Http404
from django.urls import reverse
from ninja import Router
from pydantic import AliasPath, Field

from dashboard.api.answers import CaseFacts, CauseNameFacts, Facts, SaidFacts, WindowFacts, frame, take
from dashboard.api.door import ApiRequest
from dashboard.queries.cause import find_newest, read_cause_page
from dashboard.queries.causes import read_causes_page

router = Router(tags=["Health"])


class BrokenCountFacts(Facts):
    """Broken results."""

    broken: int = Field(description="All of them.")
    failed: int = Field(description="Of these, failures.")
    errored: int = Field(description="Of these, errors; never counted as failures.")


class RunPointFacts(Facts):
    """A run."""

    number: int = Field(description="Its number.")
    ran_at: datetime = Field(description="When it ran.")


class CauseLineFacts(Facts):
    """One cause of the list."""

    cause: CauseNameFacts = Field(validation_alias="fact", description="The cause.")
    state: str = Field(description="new, returned, ongoing, quiet or claimed fixed.")
    count: BrokenCountFacts = Field(description="What it broke.")
    n_of: int = Field(description="All broken results; the share is count.broken ÷ n_of.")
    n_cases: int = Field(description="Cases it broke.")
    is_at_least: bool = Field(description="Whether there are more cases than could be counted.")
    n_runs: int = Field(description="Runs it broke something in.")
    n_runs_of: int = Field(description="Of so many runs.")
    first: RunPointFacts | None = Field(description="The first run of the branch it was seen in.")
    last: RunPointFacts | None = Field(description="The newest run it was seen in.")


class CategoryFacts(Facts):
    """A category."""

    name: str = Field(description="Its name.")
    n_causes: int = Field(description="Causes of it.")
    count: BrokenCountFacts = Field(description="What they broke.")
    n_of: int = Field(description="All broken results.")


class CausesPage(Facts):
    """What breaks cases, ranked."""

    branch: str = Field(validation_alias=AliasPath("scope", "lane"), description="The branch.")
    sentence: str = Field(description="The page in one sentence.")
    windows: WindowFacts = Field(description="What the states stand on.")
    run: RunPointFacts | None = Field(description="The one run the counts are of; null when of the window.")
    counted: tuple[RunPointFacts, ...] = Field(description="The runs the counts are of, oldest first.")
    total: BrokenCountFacts = Field(description="All broken results.")
    n_causes: int = Field(description="All causes.")
    n_fitting: int = Field(description="Of those ranked, how many fit category and state.")
    lines: tuple[CauseLineFacts, ...] = Field(description="Those that fit, the largest first.")
    categories: tuple[CategoryFacts, ...] = Field(
        description="The categories of the causes that are ranked, the 300 largest; the largest first."
    )
    n_unranked: int = Field(description="Smaller causes: in `total` and `n_causes`, in no category.")
    n_unranked_broken: int = Field(description="What those broke.")


@router.get(
    **take(
        "causes",
        data=CausesPage,
        takes=("branch", "job", "variant", "suite", "level", "run", "category", "state"),
    ),
    summary="Causes",
)
def list_all(request: ApiRequest, slug: str) -> dict[str, Any]:
    """What breaks cases, each cause with its share, its category and how it stands. `state` is a state of a cause."""
    found = read_causes_page(request.project, request.filters, for_owner=request.is_owner)
    if found is None:
        raise Http404
    newest = found.newest
    return frame(request, found, as_of=(newest.number, newest.ran_at) if newest else None)


class CauseCaseFacts(Facts):
    """A case that the cause broke."""

    case: CaseFacts = Field(description="The case.")
    broke: BrokenCountFacts = Field(description="How often.")
    last: int = Field(description="The newest run in which it did.")
    owners: tuple[str, ...] = Field(description="Who owns it.")


class CauseRunFacts(Facts):
    """A run that the cause broke something in."""

    run: RunPointFacts = Field(description="The run.")
    broke: BrokenCountFacts = Field(description="What it broke there.")
    n_of: int = Field(description="All broken results of the run.")


class SampleFacts(Facts):
    """What a failure said."""

    run: RunPointFacts = Field(description="The run it is of.")
    said: SaidFacts = Field(description="Its words.")


class CauseEvidenceFacts(Facts):
    """What a cause broke."""

    n_cases: int = Field(description="How many cases.")
    is_at_least: bool = Field(description="Whether there are more than could be counted.")
    cases: tuple[CauseCaseFacts, ...] = Field(description="The first of them, those broken most often first.")
    n_runs: int = Field(description="How many runs.")
    runs: tuple[CauseRunFacts, ...] = Field(description="The newest of them.")
    samples: tuple[SampleFacts, ...] = Field(description="What the newest failure said, and the oldest.")


class CauseClaimFacts(Facts):
    """Somebody said that a commit fixed it."""

    commit: str = Field(description="The commit.")
    note: str = Field(description="What they added; may be empty.")
    claimed_at: datetime = Field(description="When they said so.")
    claimed_by: str = Field(description="Who said so.")
    run: RunPointFacts | None = Field(description="The first run of that commit; null while none is known.")


class CausePage(Facts):
    """One cause on one branch."""

    cause: CauseNameFacts = Field(validation_alias="fact", description="The cause.")
    branch: str = Field(validation_alias=AliasPath("scope", "lane"), description="The branch.")
    windows: WindowFacts = Field(description="What its state stands on.")
    state: str = Field(description="new, returned, ongoing, quiet or claimed fixed.")
    meaning: str = Field(description="What that state means.")
    total: BrokenCountFacts = Field(description="What it broke.")
    n_of: int = Field(description="All broken results of the window.")
    n_runs_of: int = Field(description="Runs of the window.")
    first: RunPointFacts | None = Field(description="The first run of the branch it was seen in.")
    last: RunPointFacts | None = Field(description="The newest run it was seen in.")
    evidence: CauseEvidenceFacts = Field(description="Which cases and runs it broke, and what it said.")
    merged: tuple[CauseNameFacts, ...] = Field(description="Causes that are read as this one.")
    claims: tuple[CauseClaimFacts, ...] = Field(description="Claimed fixes.")


@router.get(**take("cause", data=CausePage, takes=("branch", "job", "variant")), summary="One cause")
def read(request: ApiRequest, slug: str, fingerprint: int) -> dict[str, Any]:
    """One cause: how it stands, what it broke, what it said. A merged one answers as the one it was merged into."""
    project = request.project
    newest = find_newest(project, fingerprint=fingerprint)
    if newest is None:
        raise Http404
    found = read_cause_page(project, fingerprint=newest, filters=request.filters, for_owner=request.is_owner)
    page = reverse("dashboard:cause", kwargs={"slug": slug, "fingerprint": newest})
    return frame(request, found, as_of=(found.windows.run, found.windows.ran_at), page=page)
