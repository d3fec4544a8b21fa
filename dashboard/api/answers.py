"""The frame of every answer, and the pieces that several of them are made of.

Used by every module of operations. An answer is read off the dataclass that the page's own query returned, attribute
by attribute: nothing here counts. Promise: each field is described, and an answer fits its description
(`tests/dashboard/test_api_operations.py`, `test_api_figures.py`).
"""

import re
from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any, Final, Generic, TypeVar

from django.urls import reverse
from pydantic import AliasPath, BaseModel, BeforeValidator, ConfigDict, Field, create_model

from dashboard.api.addresses import ADDRESSES
from dashboard.api.door import ApiRequest
from dashboard.api.parameters import describe_parameters
from dashboard.filters import Filters
from dashboard.http import address_of
from health.rules import outcomes as codes

T = TypeVar("T", bound="Facts")
_CONVERTER: Final = re.compile(r"<(?:\w+:)?(\w+)>")


def _name_outcome(code: Any) -> Any:
    return codes.WORDS[code] if isinstance(code, int) else code


# An outcome by its word: passed, failed, error, skipped, expected failure, unexpected pass, passed on retry, absent.
Outcome = Annotated[str, BeforeValidator(_name_outcome)]


class Facts(BaseModel):
    """Read off a dataclass: attributes and properties alike."""

    model_config = ConfigDict(from_attributes=True)


class AsOf(Facts):
    """The newest run that the figures come from."""

    run: int | None = Field(description="Its number; null as long as there is none.")
    ran_at: datetime | None = Field(description="When it ran.")


class Answer(BaseModel, Generic[T]):
    """The figures of a page."""

    as_of: AsOf = Field(description="The newest run that the figures come from.")
    page: str = Field(description="The page of these figures, for people.")
    next: str | None = Field(description="Address of the next part of the list; null when this is the last one.")
    data: T = Field(description="The figures.")


class CountFacts(Facts):
    """How many cases, by how they ended. executed = declared less skipped; as expected = passed + expected failures."""

    declared: int = Field(description="Cases that the reports list, skipped ones included.")
    executed: int = Field(description="Of the declared, those that ran; an expected failure ran.")
    as_expected: int = Field(description="Of the executed, those that passed or failed as expected: the pass rate.")
    passed: int = Field(description="Of the executed, those that passed, on a retry too.")
    failed: int = Field(description="Of the executed, those that failed.")
    errored: int = Field(description="Of the executed, those that stopped with an error; never counted as failed.")
    skipped: int = Field(description="Of the declared, those that did not run.")
    xfailed: int = Field(description="Of the executed, those that failed as expected.")
    deferred: int = Field(description="Of the declared, those put off: skipped, or expected to fail and executed.")
    passed_on_retry: int = Field(
        validation_alias="flaky", description="Of the passed, those that passed only on a retry; no verdict."
    )
    suite_errors: int = Field(description="Suites that broke outside any case; no case stands for them.")
    seconds: float = Field(description="Time in cases, added up; not the time on the clock.")


class ChangeFacts(Facts):
    """What became of cases since the baseline: the run before of the same job."""

    new: int = Field(description="Broken here and not in the baseline.")
    still: int = Field(description="Broken here and in the baseline.")
    fixed: int = Field(description="Broken in the baseline, passed here.")
    gone: int = Field(description="In the baseline and not here, though its suite reported.")


class VerdictFacts(Facts):
    """What a run or branch is called."""

    mark: str = Field(description="For programs: pass, fail, error, stale (incomplete), absent (nothing ran), open.")
    word: str = Field(description="For people.")


class RunFacts(Facts):
    """One run."""

    number: int = Field(description="Its number in the project.")
    ran_at: datetime = Field(description="When it ran.")
    committed_at: datetime | None = Field(description="When its commit was made, where CI said so.")
    commit: str = Field(description="The commit it ran on; empty where nobody said.")
    branch: str = Field(description="Its branch.")
    pull_request: str = Field(description="Number of its pull request; empty where it is of none.")
    build_url: str = Field(description="CI's own page of it; empty where nobody said.")
    is_complete: bool = Field(description="Whether all of it came: shards, jobs, deliveries.")
    verdict: VerdictFacts = Field(description="What it is called.")
    counts: CountFacts = Field(description="Its cases.")
    changes: ChangeFacts = Field(description="What changed since its baselines.")


class JobKeyFacts(Facts):
    """A job: what a series did in a run."""

    run: int = Field(description="Number of the run.")
    series: int = Field(description="Number of the series: job × variant × branch.")


class JobFacts(Facts):
    """One job of a run."""

    key: JobKeyFacts = Field(description="What it is a job of.")
    job: str = Field(description="Name of the job in CI; may be empty.")
    variant: str = Field(description="What sets equal jobs apart; may be empty.")
    branch: str = Field(description="Its branch.")
    is_complete: bool = Field(description="Whether all of it came.")
    baseline: JobKeyFacts | None = Field(description="What it is compared with; null where there is nothing.")
    verdict: VerdictFacts = Field(description="What it is called.")
    counts: CountFacts = Field(description="Its cases.")
    changes: ChangeFacts = Field(description="What changed since its baseline.")


class JobNameFacts(Facts):
    """A job by its name."""

    key: JobKeyFacts = Field(description="What it is a job of.")
    job: str = Field(description="Name of the job in CI; may be empty.")
    variant: str = Field(description="What sets equal jobs apart; may be empty.")


class CaseFacts(Facts):
    """A case by its name, byte for byte as it was sent."""

    ord: int = Field(description="Its number in the project.")
    name: str = Field(description="Its own name, parameters included.")
    class_name: str = Field(description="What the report calls its class.")
    suite_path: tuple[str, ...] = Field(description="Names of the suites around it, the outermost first.")
    namespace: str = Field(description="Put before the names of the upload; mostly empty.")
    occurrence: int = Field(description="Which of several cases of one name it is; mostly 1.")
    family: str = Field(description="Its name without parameters: what it has in common with others.")
    place: str = Field(description="Where it lives, as pages show it: its class, else its innermost suite.")
    url: str = Field(description="Path of its page on this server.")


class CauseNameFacts(Facts):
    """A cause: failures whose message is the same but for its masked words."""

    key: str = Field(description="Its fingerprint, as it stands in addresses.")
    kind: str = Field(description="The kind of the failures, mostly the name of an exception.")
    masked: str = Field(description="The message with its changing words masked.")
    category: str = Field(validation_alias=AliasPath("category", "name"), description="Its category.")
    told_rule: str = Field(description="What gave it its category.")
    url: str = Field(description="Path of its page on this server.")


class SaidFacts(Facts):
    """What a failure said; secrets are masked unless an owner of the project asks in a browser."""

    message: str = Field(description="The message.")
    text: str = Field(description="The text, as far as it is kept.")


class CoveredFacts(Facts):
    """Lines and branches that ran, of those that could."""

    lines_valid: int = Field(description="Lines that could run.")
    lines_covered: int = Field(description="Of these, the lines that ran.")
    branches_valid: int = Field(description="Branches that could be taken; 0 where the report counts none.")
    branches_covered: int = Field(description="Of these, the branches that were taken.")


class CoverageChangeFacts(Facts):
    """What coverage is compared with."""

    before: CoveredFacts = Field(description="The figures then.")
    tenths: int = Field(description="How the share of lines moved, in tenths of a percentage point.")
    run: int = Field(description="The run those figures are of.")
    day: date = Field(description="Its day.")


class LevelFacts(Facts):
    """What the newest run of a test level measured."""

    level: str = Field(description="The level's name; empty where the report was sent without one.")
    lane: str = Field(description="The branch.")
    run: int = Field(description="The run that measured it.")
    commit: str = Field(description="Its commit.")
    ran_at: datetime = Field(description="When that ran.")
    is_partial: bool = Field(description="Whether something of that run's coverage is missing.")
    n_files: int = Field(description="Files in its report.")
    covered: CoveredFacts = Field(description="Its figures.")
    change: CoverageChangeFacts | None = Field(description="Against a month before; null where there is nothing.")


class WindowFacts(Facts):
    """What conclusions stand on: the newest runs of each job, fifty at most."""

    run: int | None = Field(description="The newest of these runs.")
    ran_at: datetime | None = Field(description="When it ran.")
    n_runs: int = Field(description="Runs of the job that has most.")
    n_excluded: int = Field(description="Runs left out because so much broke at once, over all jobs.")
    n_unjudged: int = Field(description="Runs nothing was concluded from yet.")


class JudgedFacts(Facts):
    """What was concluded of a case in one job. Results are executed ones, since the last claimed fix."""

    verdict: str = Field(description="flaky, broken, unclear (not enough results) or sound.")
    word: str = Field(description="The verdict in words.")
    n_ran: int = Field(description="Results it was concluded from.")
    n_bad: int = Field(description="Of these, those that did not plainly pass.")
    n_broken: int = Field(description="Of these, failures and errors.")
    n_retried: int = Field(description="Of these, passed only on a retry.")
    rate: str = Field(description="The rate in words, with its denominator and 95 % interval.")
    rate_low: float = Field(description="Lower end of the 95 % interval of bad ÷ ran, from 0 to 1.")
    rate_high: float = Field(description="Upper end of the 95 % interval of bad ÷ ran, from 0 to 1.")
    n_disagreed: int = Field(description="Commits on which it both passed and broke.")
    n_flips: int = Field(description="How often it broke right after it passed, on a long-lived branch.")
    n_streak: int = Field(description="Broken results in a row up to the newest.")
    last_broken_run: int | None = Field(description="The newest run it broke in.")
    last_run: int = Field(description="The newest run it ran in.")


class ProofLinkFacts(Facts):
    """A run that speaks for a verdict."""

    run: int = Field(description="Number of the run.")
    text: str = Field(description="What the page calls it: its number or its commit.")


class ProofFacts(Facts):
    """One thing that speaks for a verdict."""

    told: str = Field(description="What it is, in words.")
    links: tuple[ProofLinkFacts, ...] = Field(description="The runs it is about.")


class EvidenceFacts(Facts):
    """What speaks for a verdict."""

    proofs: tuple[ProofFacts, ...] = Field(description="One by one.")
    strip_label: str = Field(description="The newest results in words.")


def take(name: str, *, data: type[T], takes: Sequence[str] = ()) -> dict[str, Any]:
    """What an operation is declared with: the page it answers for, its figures, the filters it takes."""
    # In the document the answer of `FlakyPage` is `FlakyAnswer`.
    title = f"{data.__name__.removesuffix('Page')}Answer"
    below = _CONVERTER.sub(r"{\1}", ADDRESSES[name])
    return {
        "path": f"/projects/{{slug}}/{below}",
        "url_name": name,
        "operation_id": name.replace("-", "_"),
        "response": create_model(title, __base__=Answer[data], __doc__=data.__doc__),  # type: ignore[valid-type]
        "openapi_extra": {"parameters": describe_parameters(takes)},
    }


def frame(
    request: ApiRequest,
    found: object,
    *,
    as_of: tuple[int | None, datetime | None] | None,
    next_before: str | int | None = "",
    page: str = "",
) -> dict[str, Any]:
    """An answer: what the page's query found, as of which run, its page, and where the list goes on."""
    match, filters = request.resolver_match, request.filters
    kwargs = match.kwargs if match else {}
    name = match.url_name if match else ""
    return {
        "as_of": dict(zip(("run", "ran_at"), as_of or (None, None), strict=True)),
        "page": address_of(page or reverse(f"dashboard:{name}", kwargs=kwargs)) + _write(filters, filters.before),
        "next": address_of(request.path) + _write(filters, str(next_before)) if next_before else None,
        "data": found,
    }


def _write(filters: Filters, before: str) -> str:
    query = filters.write(before=before)
    return "" if query == "?" else query
