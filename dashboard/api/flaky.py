"""Cases that do not always pass. Called by `dashboard.api.operations` (`tests/dashboard/test_api_figures.py`)."""

from datetime import datetime
from typing import Any

from ninja import Router
from pydantic import AliasPath, Field

from dashboard.api.answers import CaseFacts, EvidenceFacts, Facts, JudgedFacts, WindowFacts, frame, take
from dashboard.api.door import ApiRequest
from dashboard.queries.flaky import read_flaky

router = Router(tags=["Health"])


class GoneFacts(Facts):
    """That a case stopped running."""

    last_run: int = Field(description="The newest run that holds it.")
    gone_run: int = Field(description="The first run after that without it.")
    suspicion: str = Field(description="What may have happened, as in `vanished`.")


class MemberFacts(Facts):
    """One case in one job."""

    case: CaseFacts = Field(description="The case.")
    series: str = Field(description="The job.")
    judged: JudgedFacts = Field(description="What was concluded of it there.")
    gone: GoneFacts | None = Field(description="That it stopped running there; null while it runs.")


class ClaimFacts(Facts):
    """Somebody said that a commit fixed it."""

    commit: str = Field(description="The commit.")
    note: str = Field(description="What they added; may be empty.")
    claimed_at: datetime = Field(description="When they said so.")
    claimed_by: str = Field(description="Who said so.")
    run: int | None = Field(description="The first run of that commit; null while none is known.")


class FamilyFacts(Facts):
    """Cases of one function in one place; a case without parameters is alone in its."""

    name: str = Field(description="What its cases have in common: the function; of a single case all of its name.")
    gone: GoneFacts | None = Field(description="That its cases stopped running; null while they run.")
    suite: str = Field(description="Its suite, as pages show it.")
    case: CaseFacts = Field(description="The case that broke most.")
    verdict: str = Field(description="The first verdict, in the page's order, that one of its cases has.")
    word: str = Field(description="The verdict in words.")
    n_cases: int = Field(description="Different cases.")
    n_ran: int = Field(description="Executed results, over all its cases and jobs.")
    n_bad: int = Field(description="Of these, those that did not plainly pass.")
    rate: str = Field(description="The rate in words, with its denominator and 95 % interval.")
    members: tuple[MemberFacts, ...] = Field(description="Case by case and job by job, those that broke most first.")
    evidence: EvidenceFacts = Field(description="What speaks for the verdict.")
    owners: tuple[str, ...] = Field(description="Who owns it, by CODEOWNERS or `.suitewatch.yml`.")
    claims: tuple[ClaimFacts, ...] = Field(description="Claimed fixes.")


class ExcludedJobFacts(Facts):
    """A run in which so many cases broke at once that it says nothing of single ones."""

    run: int = Field(validation_alias=AliasPath("job", "run"), description="Number of the run.")
    series: str = Field(description="The job.")
    n_broken: int = Field(validation_alias=AliasPath("job", "n_broken"), description="Cases that broke.")
    n_executed: int = Field(validation_alias=AliasPath("job", "n_executed"), description="Of so many executed.")


class FlakyPage(Facts):
    """Cases that do not always pass, family by family."""

    branch: str = Field(validation_alias=AliasPath("scope", "lane"), description="The branch.")
    windows: WindowFacts = Field(description="What the verdicts stand on.")
    counts: dict[str, int] = Field(description="Cases by verdict, whatever verdict was asked for.")
    counts_gone: dict[str, int] = Field(description="Of these, those that stopped running, by verdict.")
    n_families: int = Field(description="Families that fit, on all parts of the list.")
    families: tuple[FamilyFacts, ...] = Field(description="A part of them, in the order asked for.")
    left_out: tuple[ExcludedJobFacts, ...] = Field(description="Runs that were left out; the newest of them.")
    n_left_out: int = Field(description="How many runs were left out.")


@router.get(
    **take(
        "flaky",
        data=FlakyPage,
        takes=("branch", "job", "variant", "suite", "level", "owner", "state", "rank", "before"),
    ),
    summary="Flaky and broken cases",
)
def read(request: ApiRequest, slug: str) -> dict[str, Any]:
    """Which cases are flaky, broken, unclear or sound again, with rate and evidence. `state` is a verdict."""
    found = read_flaky(request.project, request.filters)
    windows = found.windows
    return frame(request, found, as_of=(windows.run, windows.ran_at), next_before=found.next_before)
