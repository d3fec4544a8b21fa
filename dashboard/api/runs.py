"""Runs, and one of them. Called by `dashboard.api.operations` (`tests/dashboard/test_api_figures.py`)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import Http404
from ninja import Router
from pydantic import Field

from dashboard.api.answers import (
    CaseFacts,
    CauseNameFacts,
    CountFacts,
    Facts,
    JobFacts,
    JobNameFacts,
    LevelFacts,
    Outcome,
    RunFacts,
    SaidFacts,
    VerdictFacts,
    frame,
    take,
)
from dashboard.api.door import ApiRequest
from dashboard.queries.as_of import read_as_of
from dashboard.queries.run import read_run_page
from dashboard.queries.runs import list_runs

router = Router(tags=["Runs"])


class RunLineFacts(Facts):
    """One run of the list."""

    run: RunFacts = Field(description="The run.")
    what: str = Field(description="Its jobs in words; empty where it brought coverage alone.")
    backed: int | None = Field(description="Of the deferred, those whose backing holds; null where nobody knows.")
    coverage: tuple[LevelFacts, ...] = Field(description="What it measured, level by level.")
    missing: str = Field(description="What it lacks; empty when nothing.")


class RunsPage(Facts):
    """The list of runs."""

    lines: tuple[RunLineFacts, ...] = Field(description="The runs, newest first.")
    branches: tuple[str, ...] = Field(description="The branches that can be chosen.")


@router.get(**take("runs", data=RunsPage, takes=("branch", "before")), summary="Runs")
def list_all(request: ApiRequest, slug: str) -> dict[str, Any]:
    """All runs, or those of one branch, newest first."""
    found = list_runs(request.project, request.filters)
    as_of = read_as_of(request.project, lane=request.filters.branch)
    return frame(request, found, as_of=as_of, next_before=found.next_before)


class SuiteFacts(Facts):
    """One suite over the jobs shown."""

    name: str = Field(description="Its name.")
    level: str = Field(description="Its test level; may be empty.")
    n_jobs: int = Field(description="In how many of the jobs it is.")
    counts: CountFacts = Field(description="Its cases.")
    line: str = Field(description="Executed of declared and backed of deferred; empty where nothing was put off.")
    backed: int | None = Field(description="Of the deferred, those whose backing holds; null where nobody knows.")


class BrokenFacts(Facts):
    """A broken result."""

    case: CaseFacts = Field(description="The case.")
    job: JobNameFacts = Field(description="The job it broke in.")
    outcome: Outcome = Field(description="failed or error.")
    kind: str = Field(description="new or still, against the job's baseline; empty where there is none.")
    seconds: float = Field(description="How long it took.")
    owners: tuple[str, ...] = Field(description="Who owns it, by CODEOWNERS or `.suitewatch.yml`.")
    is_quarantined: bool = Field(description="Whether the register has it quarantined; it is counted all the same.")


class CauseFacts(Facts):
    """Failures of one cause: the message is the same but for its masked words."""

    title: str = Field(description="The masked message.")
    cause: CauseNameFacts | None = Field(
        validation_alias="fact", description="The cause, as it stands on its page; null where nothing was said."
    )
    cases: tuple[BrokenFacts, ...] = Field(description="The results.")
    said: SaidFacts | None = Field(description="What the first of them said; null when that is no longer kept.")


class CategoryShareFacts(Facts):
    """Causes of one category."""

    name: str = Field(description="The category.")
    n_causes: int = Field(description="How many causes.")
    n: int = Field(description="Broken results; of n_shown.")
    n_failures: int = Field(description="Of these, failures.")
    n_errors: int = Field(description="Of these, errors.")


class FailuresFacts(Facts):
    """What broke, by cause."""

    causes: tuple[CauseFacts, ...] = Field(description="The causes, the largest first.")
    categories: tuple[CategoryShareFacts, ...] = Field(description="By category, the largest first.")
    n_shown: int = Field(description="How many broken results are listed.")
    n_broken: int = Field(description="How many there are.")


class NamedFacts(Facts):
    """A case in one job."""

    case: CaseFacts = Field(description="The case.")
    job: JobNameFacts = Field(description="The job.")


class ListFacts(Facts):
    """A list of cases that may be cut."""

    n: int = Field(description="How many there are.")
    cases: tuple[NamedFacts, ...] = Field(description="The first of them.")


class EntryMarkFacts(Facts):
    """An open entry of the register."""

    kind: str = Field(description="skip, xfail or quarantine.")
    days: int = Field(description="For how many days it has been put off.")
    url: str = Field(description="Path of its page on this server.")


class PutOffCaseFacts(Facts):
    """A case that was skipped or failed as expected."""

    case: CaseFacts = Field(description="The case.")
    job: JobNameFacts = Field(description="The job.")
    outcome: Outcome = Field(description="skipped or expected failure.")
    entry: EntryMarkFacts | None = Field(description="Its open entry in the register; null where it has none.")


class ReasonFacts(Facts):
    """Why cases were put off."""

    title: str = Field(description="The reason as the report gives it; empty where it gives none.")
    cases: tuple[PutOffCaseFacts, ...] = Field(description="The cases.")


class PutOffFacts(Facts):
    """What was put off, by reason."""

    reasons: tuple[ReasonFacts, ...] = Field(description="The reasons.")
    n_shown: int = Field(description="How many results are listed.")
    n: int = Field(description="How many there are.")


class PairCellFacts(Facts):
    """Cases that ended like this before and like that now."""

    n: int = Field(description="How many.")
    key: str = Field(description="What the cell is called in addresses.")


class PairRowFacts(Facts):
    """A row: one outcome before."""

    word: str = Field(description="The outcome before.")
    cells: tuple[PairCellFacts, ...] = Field(description="By the outcome now, in the order of `columns`.")


class PairTableFacts(Facts):
    """Outcome before × outcome now."""

    columns: tuple[str, ...] = Field(description="The outcomes now.")
    rows: tuple[PairRowFacts, ...] = Field(description="The outcomes before.")
    n_cases: int = Field(description="All cases of the table.")
    n_changed: int = Field(description="Of these, those whose outcome changed.")


class DeliveryFacts(Facts):
    """What was delivered for the run."""

    public_id: UUID = Field(description="Its name in addresses.")
    state: str = Field(description="Its state.")
    files: tuple[str, ...] = Field(description="Its first files by name.")
    job: str = Field(description="Its job; may be empty.")
    shard: str = Field(description="Which part of a divided job; may be empty.")
    attempt: int = Field(description="Which attempt of the job.")
    received_at: datetime = Field(description="When it came.")
    n_bytes: int = Field(description="Its size, unpacked, in bytes.")


class DeliveriesFacts(Facts):
    """What the run was made of."""

    n: int = Field(description="How many deliveries.")
    listed: tuple[DeliveryFacts, ...] = Field(description="The first of them.")


class RunPage(Facts):
    """One run, or one job of it."""

    run: RunFacts = Field(description="The run.")
    verdict: VerdictFacts = Field(description="What the jobs shown are called.")
    is_complete: bool = Field(description="Whether all of them came.")
    told_missing: str = Field(description="What is missing; empty when nothing.")
    jobs: tuple[JobFacts, ...] = Field(description="All jobs of the run.")
    chosen: JobNameFacts | None = Field(description="The one job that the figures are of; null when of all.")
    counts: CountFacts = Field(description="Cases of the jobs shown.")
    line: str = Field(description="Executed of declared and backed of deferred, in one line.")
    backed: int | None = Field(description="Of the deferred, those whose backing holds; null where nobody knows.")
    n_new: int = Field(description="Broken here and not in the baselines.")
    n_still: int = Field(description="Broken here and in the baselines.")
    n_fixed: int = Field(description="Broken in the baselines, passed here.")
    n_gone: int = Field(description="In the baselines and not here.")
    baselines: tuple[int, ...] = Field(description="The runs it is compared with.")
    suites: tuple[SuiteFacts, ...] = Field(description="Its suites, worst first.")
    failures: FailuresFacts = Field(description="What broke, by cause.")
    fixed: ListFacts = Field(description="Cases that were fixed.")
    gone: ListFacts = Field(description="Cases that are gone.")
    retried: ListFacts = Field(description="Cases that passed only on a retry.")
    put_off: PutOffFacts = Field(description="What was put off, by reason.")
    pairs: PairTableFacts | None = Field(description="Outcome in the baseline × outcome here; null without a baseline.")
    coverage: tuple[LevelFacts, ...] = Field(description="What the run measured, level by level.")
    deliveries: DeliveriesFacts = Field(description="What it was made of.")
    previous: int | None = Field(description="The run before on the same branch.")
    following: int | None = Field(description="The run after it on the same branch.")
    is_cut: bool = Field(description="Whether it has more jobs than are compared case by case.")


@router.get(**take("run", data=RunPage, takes=("job", "suite", "level", "owner")), summary="One run")
def read(request: ApiRequest, slug: str, number: int) -> dict[str, Any]:
    """What a run counts, what broke and why, what changed, and its jobs. `job` is the number of a series of it."""
    filters, is_owner = request.filters, request.is_owner
    found = read_run_page(request.project, number=number, series=filters.job, for_owner=is_owner, filters=filters)
    if found is None:
        raise Http404
    return frame(request, found, as_of=(found.run.number, found.run.ran_at))
