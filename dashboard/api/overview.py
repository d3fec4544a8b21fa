"""How a project is. Called by `dashboard.api.operations` (`tests/dashboard/test_api_figures.py`)."""

from datetime import datetime
from typing import Any

from django.utils import timezone
from ninja import Router
from pydantic import Field

from dashboard.api.answers import CaseFacts, CountFacts, Facts, JobFacts, RunFacts, VerdictFacts, frame, take
from dashboard.api.door import ApiRequest
from dashboard.queries.overview import read_overview

router = Router(tags=["Project"])


class RunNameFacts(Facts):
    """A run by its number."""

    number: int = Field(description="Its number in the project.")
    ran_at: datetime = Field(description="When it ran.")


class PointFacts(Facts):
    """The branch after one run: the newest word of every job that still reports."""

    run: RunNameFacts = Field(description="The run after which it stood so.")
    counts: CountFacts = Field(description="Cases of all these jobs.")
    is_complete: bool = Field(description="Whether all of them came whole.")
    n_jobs: int = Field(description="How many jobs that are.")


class StandingFacts(Facts):
    """How the branch stands that the project is judged by."""

    lane: str = Field(description="The branch.")
    verdict: VerdictFacts = Field(description="What it is called.")
    head: PointFacts | None = Field(description="How it stands now; null without test results.")
    red_since: PointFacts | None = Field(description="Where the red time began that lasts until now; null when green.")
    points: tuple[PointFacts, ...] = Field(description="How it stood after each of its newest runs, oldest first.")
    jobs: tuple[JobFacts, ...] = Field(description="The jobs it now consists of.")
    silent: tuple[JobFacts, ...] = Field(description="Jobs that stopped reporting while their sisters go on.")


class ConcernFacts(Facts):
    """Something that needs somebody."""

    word: str = Field(description="What it is, in a word or two.")
    subject: str = Field(description="What it is about.")
    told: str = Field(description="What more there is to say; may be empty.")
    quoted: str = Field(description="The report's own words; may be empty.")
    evidence: str = Field(description="On what it is said, with its denominator.")
    since: datetime | None = Field(description="Since when.")
    cases: tuple[CaseFacts, ...] = Field(description="The first of the cases.")
    n_unnamed: int = Field(description="How many more cases there are.")
    url: str = Field(description="Path of the page where one acts on it.")


class AttentionFacts(Facts):
    """What needs somebody, worst first."""

    rows: tuple[ConcernFacts, ...] = Field(description="The most pressing, seven at most.")
    more: tuple[ConcernFacts, ...] = Field(description="The rest.")


class NumberFacts(Facts):
    """One of the page's large numbers, in the words of the page."""

    title: str = Field(description="What it is.")
    figure: str = Field(description="The figure.")
    unit: str = Field(description="Its unit; may be empty.")
    whole: str = Field(description="What it is a part of.")
    rest: str = Field(description="What more there is to say.")


class RecentFacts(Facts):
    """A run of the branch."""

    run: RunFacts = Field(description="The run.")
    what: str = Field(description="Its jobs in words.")
    backed: int | None = Field(description="Of the deferred, those whose backing holds; null where nobody knows.")
    change: int | None = Field(description="Declared cases more than in the run before of the same jobs.")


class OverviewPage(Facts):
    """What the overview says."""

    sentence: str = Field(description="How the project is, in one sentence.")
    line: str = Field(description="Executed of declared and backed of deferred, in one line.")
    backed: int | None = Field(description="Of the deferred, those whose backing holds; null where nobody knows.")
    standing: StandingFacts = Field(description="How the branch stands that the project is judged by.")
    attention: AttentionFacts = Field(description="What needs somebody.")
    numbers: tuple[NumberFacts, ...] = Field(description="The page's numbers, each with its denominator.")
    recent: tuple[RecentFacts, ...] = Field(description="The newest runs of the branch, newest first.")


@router.get(**take("overview", data=OverviewPage, takes=("branch",)), summary="Overview")
def read(request: ApiRequest, slug: str) -> dict[str, Any]:
    """How the project is, or one of its branches: a sentence, what needs attention, the numbers, run after run."""
    found = read_overview(request.project, now=timezone.now(), lane=request.filters.branch)
    newest = found.standing.runs[-1] if found.standing.runs else None
    return frame(request, found, as_of=(newest.number, newest.ran_at) if newest else (None, None))
