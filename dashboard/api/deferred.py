"""The register of put-off tests. Called by `dashboard.api.operations` (`tests/dashboard/test_api_figures.py`)."""

from datetime import date, datetime
from typing import Any

from django.utils import timezone
from ninja import Router
from pydantic import AliasPath, Field

from dashboard.api.answers import CaseFacts, Facts, frame, take
from dashboard.api.door import ApiRequest
from dashboard.queries.deferred import read_deferred

router = Router(tags=["Health"])


class RegisterEntryFacts(Facts):
    """An entry of the register: a case that is put off, or what a file or person names by a pattern."""

    id: int = Field(description="Its number.")
    kind: str = Field(description="skip, xfail, quarantine or planned.")
    word: str = Field(description="The kind in words.")
    case: CaseFacts | None = Field(description="The case; null for a pattern.")
    pattern: str = Field(description="The pattern; empty for a case.")
    suite: str = Field(description="The suite of the case; empty for a pattern.")
    reason: str = Field(description="Why, as it was given; what looks like a secret is masked. Empty: nobody says.")
    owner: str = Field(description="Who answers for it; empty: nobody.")
    review_day: date | None = Field(description="When it is to be looked at; null: no day is set.")
    is_overdue: bool = Field(description="Whether that day is over.")
    issue: str = Field(description="The issue it is linked to.")
    precedent: str = Field(description="What it is put off as.")
    phase: str = Field(description="The phase it belongs to.")
    backing: str = Field(description="backed, weakened, broken, unproven; empty: none is named.")
    sources: tuple[str, ...] = Field(description="Who speaks of it: ci, file, person.")
    missing: tuple[str, ...] = Field(description="What it does not say although the policy asks for it.")
    opened_at: datetime = Field(description="Since when it is put off.")
    opened_run: int | None = Field(description="The run that put it off first; null where none did.")
    days: int = Field(description="For how many days it has been put off, or was.")
    runs: int | None = Field(description="For how many runs of the branch; null where no run put it off.")
    is_put_off: bool = Field(description="Whether the newest runs put it off.")
    n_put_off: int = Field(description="How many jobs put it off.")
    n_running: int = Field(description="How many others run it.")
    n_cases: int = Field(description="How many cases a pattern names now.")
    n_promised: int | None = Field(description="How many there should be, where somebody says.")
    n_openings: int = Field(description="How often it was put off, with this time.")
    needs_person: bool = Field(description="Whether it came back, and nobody has accepted that.")
    n_passes: int = Field(description="On how many commits in a row it passed all the same.")
    is_releasable: bool = Field(description="Whether it passed on so many that it is proposed for release.")
    closed_at: datetime | None = Field(description="When it ended; null while it stands.")
    ending: str = Field(description="How it ended: ran, gone, released, unnamed.")
    version: int = Field(description="Grows with each act of a person.")
    url: str = Field(description="Path of its page on this server.")


class RegisterLineFacts(Facts):
    """Entries alike but for the parameters of their cases."""

    name: str = Field(description="What they have in common.")
    n: int = Field(description="How many tests.")
    n_entries: int = Field(description="How many entries.")
    debt: int = Field(description="Their test-days.")
    entry: RegisterEntryFacts = Field(description="The first of them; all say the same.")
    cases: tuple[CaseFacts, ...] = Field(description="The first of their cases.")


class OwedFacts(Facts):
    """What is put off in one place."""

    name: str = Field(description="The place; empty: nobody says.")
    n: int = Field(description="Tests that are put off.")
    n_backed: int = Field(description="Of these, those whose backing holds.")
    debt: int = Field(description="Test-days: the age of each of them, added up.")


class SuiteShareFacts(Facts):
    """A suite as its newest jobs have it; counts are of results, a test in one job."""

    name: str = Field(description="The suite.")
    told: str = Field(description="In one line.")
    declared: int = Field(validation_alias=AliasPath("counts", "declared"), description="Results that are declared.")
    executed: int = Field(validation_alias=AliasPath("counts", "executed"), description="Of these, executed.")
    deferred: int = Field(validation_alias=AliasPath("counts", "deferred"), description="Put off; xfailed ones ran.")
    n_backed: int = Field(description="Of the deferred, those whose backing holds.")
    owed: OwedFacts = Field(description="The same in tests and test-days.")


class BackingStateFacts(Facts):
    """A state of backing."""

    state: str = Field(description="backed, weakened, broken, unproven or none.")
    word: str = Field(description="In words.")
    meaning: str = Field(description="What it means.")
    n: int = Field(description="Tests whose backing is in this state.")


class AgeFacts(Facts):
    """The tests of one age."""

    word: str = Field(description="The age as the filter `age` has it.")
    title: str = Field(description="In words.")
    n: int = Field(description="Tests.")


class PrecedentFacts(Facts):
    """What entries cite: "as in …"."""

    text: str = Field(description="What is cited.")
    n: int = Field(description="Entries that cite it.")
    since: datetime = Field(description="Since when the first of them is put off.")
    n_cited: int = Field(description="Entries whose issue it is.")
    chain: tuple[str, ...] = Field(description="What those cite in turn, one after the other.")


class DebtFacts(Facts):
    """A day of the trend."""

    day: date = Field(description="The day.")
    n: int = Field(description="Tests that were put off at its end, as runs say.")
    debt: int = Field(description="Their test-days by then.")


class DeferredPage(Facts):
    """The register of put-off tests."""

    branch: str = Field(description="The branch that it is of.")
    n: int = Field(validation_alias=AliasPath("summary", "n"), description="Tests that are put off.")
    n_entries: int = Field(validation_alias=AliasPath("summary", "n_entries"), description="In so many open entries.")
    debt: int = Field(validation_alias=AliasPath("summary", "debt"), description="Their test-days.")
    by_kind: dict[str, int] = Field(validation_alias=AliasPath("summary", "by_kind"), description="Tests by kind.")
    states: dict[str, int] = Field(description="Tests by what is to be looked at; closed counts entries.")
    lines: tuple[RegisterLineFacts, ...] = Field(
        validation_alias=AliasPath("lines", "lines"),
        description="A part of the entries that fit.",
    )
    n_fitting: int = Field(
        validation_alias=AliasPath("lines", "n_entries"), description="Entries that fit, on all parts of the list."
    )
    backings: tuple[BackingStateFacts, ...] = Field(description="Open tests by the state of their backing.")
    ages: tuple[AgeFacts, ...] = Field(validation_alias=AliasPath("summary", "ages"), description="Open tests by age.")
    suites: tuple[SuiteShareFacts, ...] = Field(description="Suites with something put off, the largest debt first.")
    by_owner: tuple[OwedFacts, ...] = Field(description="Debt by owner.")
    by_phase: tuple[OwedFacts, ...] = Field(description="Debt by phase; empty where no entry names one.")
    precedents: tuple[PrecedentFacts, ...] = Field(
        validation_alias=AliasPath("summary", "precedents"), description="What is cited, the most cited first."
    )
    trend: tuple[DebtFacts, ...] = Field(
        validation_alias=AliasPath("trend", "points"), description="Day by day, of a long time week by week."
    )


@router.get(
    **take(
        "deferred",
        data=DeferredPage,
        takes=(
            *("state", "backing", "kind", "missing", "age", "owner", "suite", "phase", "search"),
            *("arrange", "before"),
        ),
    ),
    summary="Deferred cases",
)
def read(request: ApiRequest, slug: str) -> dict[str, Any]:
    """What is put off, since when and why, and whether what stands in holds.

    `state` is passing, release, back, overdue, missing or closed.
    """
    found = read_deferred(request.project, request.filters, today=timezone.localdate())
    return frame(request, found, as_of=(found.run, found.ran_at), next_before=found.lines.next_before)
