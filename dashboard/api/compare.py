"""Two runs, or two branches. Called by `dashboard.api.operations` (`tests/dashboard/test_api_figures.py`)."""

from typing import Any

from ninja import Router
from pydantic import AliasPath, Field

from dashboard.api.answers import (
    CaseFacts,
    ChangeFacts,
    CoveredFacts,
    Facts,
    JobNameFacts,
    LevelFacts,
    Outcome,
    RunFacts,
    frame,
    take,
)
from dashboard.api.door import ApiRequest
from dashboard.api.runs import PairTableFacts
from dashboard.queries.compare import read_compare

router = Router(tags=["Runs"])


class SideFacts(Facts):
    """One side."""

    asked: str = Field(description="The run or branch.")
    is_branch: bool = Field(description="Whether it is a branch: then its newest complete jobs.")
    runs: tuple[RunFacts, ...] = Field(description="The runs its jobs are from, newest first.")
    lacks: str = Field(description="What it lacks; empty when it is whole.")


class SidesFacts(Facts):
    """What is compared with what."""

    before: SideFacts | None = Field(description="What is compared with; null when there is no such side.")
    now: SideFacts | None = Field(description="What is compared; null when there is no such side.")


class CellCaseFacts(Facts):
    """A case of a cell."""

    case: CaseFacts = Field(description="The case.")
    job: JobNameFacts = Field(description="The job.")
    before: Outcome = Field(description="How it ended before.")
    now: Outcome = Field(description="How it ended now.")
    seconds_before: float | None = Field(description="How long it took before; null where it was not there.")
    seconds: float | None = Field(description="How long it took now; null where it is not there.")
    said: str = Field(description="The first line of what it said; may be empty.")
    owners: tuple[str, ...] = Field(description="Who owns it.")


class CellListFacts(Facts):
    """The cases of one cell."""

    key: str = Field(description="The cell.")
    title: str = Field(description="The cell in words.")
    n: int = Field(description="All results in it.")
    cases: tuple[CellCaseFacts, ...] = Field(description="A part of them.")


class SuiteChangeFacts(Facts):
    """A suite's time on both sides."""

    name: str = Field(description="The suite.")
    level: str = Field(description="Its test level; may be empty.")
    before: float | None = Field(description="Seconds in its cases before; null where it was not there.")
    now: float | None = Field(description="Seconds in its cases now; null where it is not there.")
    n_before: int = Field(description="Cases executed before.")
    n_now: int = Field(description="Cases executed now.")


class CaseTimeFacts(Facts):
    """A case's time on both sides."""

    ord: int = Field(description="Number of the case.")
    job: JobNameFacts = Field(description="The job.")
    before: float = Field(description="Seconds before.")
    now: float = Field(description="Seconds now.")


class LevelChangeFacts(Facts):
    """A coverage level on both sides."""

    name: str = Field(description="The level, or that it has no name.")
    before: LevelFacts | None = Field(description="What was measured before.")
    now: LevelFacts | None = Field(description="What is measured now.")
    tenths: int | None = Field(description="How the share of lines moved, in tenths of a percentage point.")


class PathChangeFacts(Facts):
    """A file or directory on both sides."""

    path: str = Field(description="Its path.")
    before: CoveredFacts | None = Field(description="Its figures before.")
    now: CoveredFacts | None = Field(description="Its figures now.")


class CoverageCompareFacts(Facts):
    """Coverage on both sides."""

    levels: tuple[LevelChangeFacts, ...] = Field(description="Level by level.")
    directories: tuple[PathChangeFacts, ...] = Field(description="Directories that changed most.")
    files: tuple[PathChangeFacts, ...] = Field(description="Files that changed most.")
    n_files: int = Field(description="Files that changed at all.")


class ComparePage(Facts):
    """One side against another."""

    sides: SidesFacts = Field(description="What is compared with what.")
    compared: tuple[JobNameFacts, ...] = Field(description="The jobs compared case by case; both sides have them.")
    only_before: tuple[JobNameFacts, ...] = Field(
        validation_alias=AliasPath("matched", "only_before"), description="Jobs that only the side before has."
    )
    only_now: tuple[JobNameFacts, ...] = Field(
        validation_alias=AliasPath("matched", "only_now"), description="Jobs that only the side now has."
    )
    is_cut: bool = Field(description="Whether both sides have more jobs than are compared.")
    table: PairTableFacts | None = Field(description="Outcome before × outcome now; null when nothing is compared.")
    changes: ChangeFacts = Field(description="What became of cases.")
    n_alike: int = Field(description="Cases with the same outcome on both sides.")
    n_added: int = Field(description="Cases that are only there now.")
    n_absent: int = Field(description="Cases that are absent now, gone or not.")
    cell: CellListFacts | None = Field(description="The cases of the cell asked for, else of what broke.")
    suites: tuple[SuiteChangeFacts, ...] = Field(description="Suites whose time moved most.")
    slower: tuple[CaseTimeFacts, ...] = Field(description="Cases whose time moved most.")
    coverage: CoverageCompareFacts | None = Field(description="Coverage; null where neither side brought any.")


@router.get(
    **take(
        "compare",
        data=ComparePage,
        takes=("from", "to", "branch", "job", "variant", "suite", "level", "cell", "owner", "before"),
    ),
    summary="Compare",
)
def read(request: ApiRequest, slug: str) -> dict[str, Any]:
    """Any two runs, or a branch against the default one: outcome by outcome, times and coverage."""
    found = read_compare(request.project, request.filters)
    newest = found.both[1].newest if found.both else None
    as_of = (newest.number, newest.ran_at) if newest else None
    return frame(request, found, as_of=as_of, next_before=found.cell.next_start if found.cell else "")
