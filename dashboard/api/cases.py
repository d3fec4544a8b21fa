"""One case. Called by `dashboard.api.operations` (`tests/dashboard/test_api_figures.py`)."""

from datetime import date, datetime
from typing import Any

from django.http import Http404
from django.urls import reverse
from ninja import Router
from pydantic import AliasPath, Field

from dashboard.api.answers import CaseFacts, EvidenceFacts, Facts, JudgedFacts, Outcome, SaidFacts, frame, take
from dashboard.api.door import ApiRequest
from dashboard.queries.case import read_case_page
from dashboard.queries.cases import read_aliases

router = Router(tags=["Cases"])


class MomentFacts(Facts):
    """A run of a branch."""

    run: int = Field(description="Its number.")
    ran_at: datetime = Field(description="When it ran.")
    is_complete: bool = Field(description="Whether all of it came.")


class CellFacts(Facts):
    """How the case ended in one run."""

    run: int = Field(description="Number of the run.")
    outcome: Outcome | None = Field(description="How it ended; null where the job did not run.")


class RowFacts(Facts):
    """One job × variant."""

    title: str = Field(description="Its name.")
    n_seen: int = Field(description="In how many of the runs the case was there.")
    n_broken: int = Field(description="Of these, how many it was broken in.")
    cells: tuple[CellFacts, ...] = Field(description="Run by run, oldest first.")


class HistoryFacts(Facts):
    """A branch."""

    lane: str = Field(description="The branch; `changes` for pull requests and all other branches.")
    runs: tuple[MomentFacts, ...] = Field(description="Its runs, oldest first.")
    rows: tuple[RowFacts, ...] = Field(description="Its jobs.")


class StreakFacts(Facts):
    """Broken runs without a break up to the newest."""

    first: MomentFacts = Field(description="The first of them that is known.")
    n_broken: int = Field(description="How many they are.")
    is_whole: bool = Field(description="Whether a run before it is known in which the case was not broken.")


class BrokenRunFacts(Facts):
    """A run the case was broken in."""

    run: int = Field(description="Number of the run.")
    ran_at: datetime = Field(description="When it ran.")
    job: str = Field(description="The job.")
    outcome: Outcome = Field(description="failed or error.")
    message: str = Field(description="The first line of what it said.")


class TimingFacts(Facts):
    """How long the case took in a run."""

    run: int = Field(description="Number of the run.")
    ran_at: datetime = Field(description="When it ran.")
    seconds: float = Field(description="How long it took.")
    is_broken: bool = Field(description="Whether it was broken.")


class FormerFacts(Facts):
    """A name the case had before a rename."""

    case: CaseFacts = Field(description="The name.")


class SeriesVerdictFacts(Facts):
    """What one job's newest runs say of the case."""

    series: str = Field(description="The job.")
    word: str = Field(description="The verdict in words.")
    rate: str = Field(description="The rate in words, with its denominator and 95 % interval.")
    judged: JudgedFacts | None = Field(description="The figures; null where it always plainly passed.")
    evidence: EvidenceFacts = Field(description="What speaks for it.")


class EpochFacts(Facts):
    """The results between two claimed fixes."""

    commit: str | None = Field(
        default=None, validation_alias=AliasPath("claim", "commit"), description="The fix it begins with."
    )
    n_ran: int = Field(description="Executed results.")
    n_bad: int = Field(description="Of these, those that did not plainly pass.")
    rate: str = Field(description="The rate in words.")
    told: str = Field(description="What that says of the fix.")


class LostInFacts(Facts):
    """A job in which the case stopped running."""

    series: str = Field(description="The job.")
    suspicion: str = Field(description="renamed, suite_silent, shard_missing, file_gone or deselected.")
    last_run: int = Field(description="The last run it was in.")
    gone_run: int = Field(description="The first run it was missing from.")


class SlowerInFacts(Facts):
    """A job in which the case takes longer than before."""

    series: str = Field(description="The job.")
    told: str = Field(description="How much longer, in words.")


class JudgementFacts(Facts):
    """What was concluded of the case on its main branch."""

    verdicts: tuple[SeriesVerdictFacts, ...] = Field(description="Job by job.")
    epochs: tuple[EpochFacts, ...] = Field(description="Its results between claimed fixes; empty without a claim.")
    lost: tuple[LostInFacts, ...] = Field(description="Jobs in which it stopped running.")
    slower: tuple[SlowerInFacts, ...] = Field(description="Jobs in which it became slower.")
    n_window: int = Field(description="Runs of the largest window.")


class RelativeFacts(Facts):
    """Another case of the family."""

    case: CaseFacts = Field(description="The case.")
    outcome: Outcome = Field(description="How it ended in that run.")


class RelativesFacts(Facts):
    """The cases of the same function in the same place."""

    name: str = Field(description="The function.")
    run: int = Field(description="The run this is of.")
    n: int = Field(description="Cases of the family that were in that run.")
    n_more: int = Field(description="Cases of the family that were not.")
    others: tuple[RelativeFacts, ...] = Field(description="The others, the worst first.")
    n_unlisted: int = Field(description="How many others are not listed.")


class CaseEntryFacts(Facts):
    """What the register says of the case."""

    kind: str = Field(description="skip, xfail, quarantine or planned.")
    is_open: bool = Field(description="Whether it is put off now.")
    opened_at: datetime = Field(description="Since when.")
    opened_run: int | None = Field(description="The run that put it off first; null where none did.")
    days: int = Field(description="For how many days.")
    runs: int | None = Field(description="For how many runs of its branch; null where nobody knows.")
    closed_at: datetime | None = Field(description="When that ended; null while it is open.")
    reason: str = Field(description="Why; empty where nobody says.")
    owner: str = Field(description="Who answers for it; empty where nobody does.")
    review_day: date | None = Field(description="When it is to be looked at; null where nobody says.")
    is_overdue: bool = Field(description="Whether that day is over.")
    backing: str = Field(description="backed, weakened, broken or unproven; empty where none is named.")
    url: str = Field(description="Path of its page on this server.")


class CasePage(Facts):
    """One case."""

    case: CaseFacts = Field(description="Its name in its parts.")
    suite: str = Field(description="The suite it is shown under.")
    level: str = Field(description="Its test level; may be empty.")
    word: str = Field(description="How it ended last, in words.")
    owners: tuple[str, ...] = Field(description="Who owns it, by CODEOWNERS or `.suitewatch.yml`.")
    reason: str = Field(description="Why it was put off; empty when it was not.")
    entry: CaseEntryFacts | None = Field(description="Its entry in the register, open or closed; null without one.")
    passes_unexpectedly: bool = Field(description="Whether it passes though its entry says that it should fail.")
    latest: CellFacts | None = Field(description="The worst of what the newest jobs of the main branch say.")
    judgement: JudgementFacts = Field(description="What was concluded of it.")
    streak: StreakFacts | None = Field(description="Since when it is broken; null when it is not.")
    histories: tuple[HistoryFacts, ...] = Field(description="How it fared, branch by branch, the main one first.")
    n_more_series: int = Field(description="How many more jobs had it, longer ago.")
    broken: tuple[BrokenRunFacts, ...] = Field(description="The newest runs it was broken in.")
    said: SaidFacts | None = Field(description="What the newest failure said; null when nothing is kept.")
    timings: tuple[TimingFacts, ...] = Field(description="How long it took in one job, oldest first.")
    timed_series: str = Field(description="The job these times are of.")
    family: RelativesFacts | None = Field(description="Its relatives; null for a case without parameters.")
    formers: tuple[FormerFacts, ...] = Field(description="The names it had before.")


@router.get(**take("case", data=CasePage, takes=("branch", "variant")), summary="One case")
def read(request: ApiRequest, slug: str, number: int) -> dict[str, Any]:
    """How a case fared, since when it is broken, and what it said. A merged case answers under its newest name."""
    newest = read_aliases(request.project).canonical(number)
    filters = request.filters
    found = read_case_page(
        request.project, number=newest, for_owner=request.is_owner, branch=filters.branch, variant=filters.variant
    )
    if found is None:
        raise Http404
    latest = found.latest
    page = reverse("dashboard:case", kwargs={"slug": slug, "number": newest})
    return frame(request, found, as_of=(latest.run, latest.ran_at) if latest else None, page=page)
