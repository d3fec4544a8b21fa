"""One entry of the register. Called by `dashboard.api.operations` (`tests/dashboard/test_deferral_views.py`)."""

from datetime import date, datetime
from typing import Any

from django.http import Http404
from django.utils import timezone
from ninja import Router
from pydantic import Field

from dashboard.api.answers import CaseFacts, Facts, frame, take
from dashboard.api.door import ApiRequest
from dashboard.queries.deferral import read_deferral

router = Router(tags=["Health"])


class EntryRefFacts(Facts):
    """Another entry."""

    id: int = Field(description="Its number.")
    name: str = Field(description="The name of its case, or its pattern.")
    kind: str = Field(description="skip, xfail, quarantine or planned.")
    is_open: bool = Field(description="Whether it still stands.")
    url: str = Field(description="Path of its page on this server.")


class StoryEntryFacts(Facts):
    """An entry as it stands."""

    id: int = Field(description="Its number.")
    case: CaseFacts | None = Field(description="The case; null for a pattern.")
    pattern: str = Field(description="The pattern; empty for a case.")
    suite: str = Field(description="The suite of the case; empty for a pattern.")
    kind: str = Field(description="skip, xfail, quarantine or planned.")
    reason: str = Field(description="Why; what looks like a secret is masked.")
    owner: str = Field(description="Who sees to it; may be empty.")
    review_day: date | None = Field(description="When it is looked at again.")
    is_overdue: bool = Field(description="Whether that day is over.")
    issue: str = Field(description="Its issue; may be empty.")
    precedent: str = Field(description="What was put off like it before; may be empty.")
    phase: str = Field(description="The phase it belongs to; may be empty.")
    sources: tuple[str, ...] = Field(description="Who speaks of it: ci, file, person.")
    missing: tuple[str, ...] = Field(description="What the project's policy asks for and nobody says.")
    opened_at: datetime = Field(description="When it was put off.")
    opened_run: int | None = Field(description="The first run that put it off; null where none did.")
    days: int = Field(description="For how many days.")
    runs: int | None = Field(description="For how many runs; null where that is not known.")
    n_openings: int = Field(description="How often it was put off.")
    needs_person: bool = Field(description="Whether it came back and nobody has accepted that.")
    n_passes: int = Field(description="Distinct commits in a row it passed on, up to the newest.")
    is_releasable: bool = Field(description="Whether these are enough to release it.")
    closed_at: datetime | None = Field(description="When it was closed; null while it is open.")
    ending: str = Field(description="ran, gone, released or unnamed; empty while it is open.")
    version: int = Field(description="Grows with each change by a person.")


class BackingCaseFacts(Facts):
    """A case that backs the entry."""

    case: CaseFacts = Field(description="The case.")
    status: str = Field(description="failed, absent, deferred, flaky or passed, as of the newest check.")
    outcome: str = Field(validation_alias="outcome_word", description="How it ended last; empty where it did not run.")
    run: int | None = Field(description="The run of that.")


class NamedTextFacts(Facts):
    """A text that names backing cases."""

    text: str = Field(description="As it was written.")
    is_read: bool = Field(description="Whether it names something that can be looked up.")
    n_promised: int | None = Field(description="How many cases it promises; null where it does not say.")
    n_found: int = Field(description="Cases of it that are there.")
    n_passed: int = Field(description="Of these, those that passed and are steady.")
    n_gone: int = Field(description="Cases of it that are gone.")
    lines: tuple[BackingCaseFacts, ...] = Field(description="The first of them, the worst first.")


class BackingTurnFacts(Facts):
    """A check that ended otherwise than the one before."""

    at: datetime = Field(description="When.")
    run: int | None = Field(description="The newest run that was looked at.")
    before: str = Field(description="The state until then.")
    after: str = Field(description="The state since then.")
    told: str = Field(description="What was found, in words.")


class BackingStoryFacts(Facts):
    """What is said to back the entry."""

    state: str = Field(description="backed, weakened, broken or unproven.")
    changed_run: int | None = Field(description="The run since which it is so.")
    told: str = Field(description="What the newest check found, in words.")
    n_cases: int = Field(description="Cases it knows.")
    texts: tuple[NamedTextFacts, ...] = Field(description="What names them.")
    code: tuple[str, ...] = Field(description="Code that they should execute.")
    changes: tuple[BackingTurnFacts, ...] = Field(description="How its state changed, newest first.")


class ChangedFieldFacts(Facts):
    """One field of a change."""

    label: str = Field(description="What it is called.")
    before: str = Field(description="What it said.")
    after: str = Field(description="What it says since then.")


class EntryChangeFacts(Facts):
    """One line of the history."""

    at: datetime = Field(description="When.")
    run: int | None = Field(description="The run of it; null where there is none.")
    actor: str = Field(description="Who did it; empty for CI and files.")
    what: str = Field(description="What was done.")
    fields: tuple[ChangedFieldFacts, ...] = Field(description="What it changed.")


class PutOffSpanFacts(Facts):
    """A time in which a job put the case off."""

    series: int = Field(description="Number of the series.")
    first_run: int = Field(description="The first run that put it off.")
    ended_run: int | None = Field(description="The first run that executed it again; null while none has.")
    word: str = Field(description="How it was put off, in words.")


class DeferralPage(Facts):
    """One entry of the register."""

    entry: StoryEntryFacts = Field(validation_alias="fact", description="As it stands.")
    sentence: str = Field(description="The page in one sentence.")
    came_back: str = Field(description="How often it was put off, in words; empty for the first time.")
    branch: str = Field(validation_alias="lane", description="The branch the register is of.")
    backing: BackingStoryFacts | None = Field(description="What is said to back it; null where nothing is.")
    spans: tuple[PutOffSpanFacts, ...] = Field(description="When it was put off, newest first.")
    cites: tuple[EntryRefFacts, ...] = Field(description="Entries that its precedent names.")
    cited_by: tuple[EntryRefFacts, ...] = Field(description="Entries whose precedent names it.")
    named: tuple[CaseFacts, ...] = Field(
        validation_alias="named_cases", description="The first of the cases that a pattern names."
    )
    changes: tuple[EntryChangeFacts, ...] = Field(description="What became of it, newest first.")


@router.get(**take("deferral", data=DeferralPage), summary="One entry of the register")
def read(request: ApiRequest, slug: str, pk: int) -> dict[str, Any]:
    """Why a test is put off, since when, what covers it meanwhile, and what became of it."""
    found = read_deferral(request.project, pk=pk, today=timezone.localdate())
    if found is None:
        raise Http404
    as_of = (found.as_of.number, found.as_of.at) if found.as_of else None
    return frame(request, found, as_of=as_of)
