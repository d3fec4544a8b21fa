"""Cases × the newest runs. Called by `dashboard.api.operations` (`tests/dashboard/test_api_figures.py`)."""

from datetime import datetime
from typing import Annotated, Any

from ninja import Router
from pydantic import BeforeValidator, Field

from dashboard.api.answers import Facts, frame, take
from dashboard.api.door import ApiRequest
from dashboard.queries.matrix import read_matrix
from health.rules import outcomes as codes

router = Router(tags=["Health"])


def _name_cells(cells: Any) -> Any:
    """A byte a cell becomes its word; all at once, since a page has tens of thousands."""
    return tuple(map(codes.WORDS.__getitem__, cells)) if isinstance(cells, bytes) else cells


Cells = Annotated[tuple[str, ...], BeforeValidator(_name_cells)]


class ColumnFacts(Facts):
    """A run."""

    run: int = Field(description="Its number.")
    commit: str = Field(description="Its commit; may be empty.")
    ran_at: datetime = Field(description="When it ran.")
    is_complete: bool = Field(description="Whether all of it came.")
    repeat: int = Field(description="Counts the runs of one commit from 1; 0 for a commit's only run.")


class MatrixRowFacts(Facts):
    """A case, or several as one."""

    ord: int | None = Field(description="Number of the case; null where the row stands for several.")
    name: str = Field(validation_alias="full", description="Its whole name.")
    path: str = Field(description="Where it lies: namespace, suites and class.")
    n: int = Field(description="Cases in the row.")
    cells: Cells = Field(description="Its outcome in each run, in the order of `columns`; of several cases the worst.")
    shares: dict[int, tuple[int, int]] = Field(
        description="Of several cases, by place in `cells`: how many ended as expected, of how many executed."
    )


class MatrixGroupFacts(Facts):
    """Rows under one heading."""

    title: str = Field(description="The heading.")
    note: str = Field(description="What is said beside it; may be empty.")
    rows: tuple[MatrixRowFacts, ...] = Field(description="Its rows.")


class MatrixCountFacts(Facts):
    """What the matrix comes to."""

    n_runs: int = Field(description="Runs, the columns.")
    n_cases: int = Field(description="Cases that fit.")
    n_broken: int = Field(description="Of these, those that broke in any of the runs.")
    n_broken_now: int = Field(description="Of these, those that are broken in the newest run they were in.")
    n_red_runs: int = Field(description="Of the runs, those in which any broke.")
    states: dict[str, int] = Field(description="Cases that ended so in any of the runs, by outcome.")


class MatrixPage(Facts):
    """A part of the rows, with all columns."""

    branch: str = Field(validation_alias="lane", description="The branch.")
    sentence: str = Field(description="The page in one sentence.")
    columns: tuple[ColumnFacts, ...] = Field(description="The runs, oldest first.")
    facts: MatrixCountFacts = Field(description="What it comes to.")
    n_rows: int = Field(description="Rows on all parts of the list.")
    groups: tuple[MatrixGroupFacts, ...] = Field(description="A part of the rows, in the order asked for.")


@router.get(
    **take(
        "matrix",
        data=MatrixPage,
        takes=("branch", "job", "variant", "suite", "level", "path", "search", "state", "order", "rows", "before"),
    ),
    summary="Matrix",
)
def read(request: ApiRequest, slug: str) -> dict[str, Any]:
    """Cases × the newest runs of a branch. `state` is an outcome that a case has to have had in any of them."""
    found = read_matrix(request.project, request.filters)
    newest = found.columns[-1] if found.columns else None
    as_of = (newest.run, newest.ran_at) if newest else None
    return frame(request, found, as_of=as_of, next_before=found.next_start)
