"""Renamed cases. Called by `dashboard.api.operations` (`tests/dashboard/test_api_figures.py`)."""

from datetime import datetime
from typing import Any

from ninja import Router
from pydantic import Field

from dashboard.api.answers import CaseFacts, Facts, frame, take
from dashboard.api.door import ApiRequest
from dashboard.queries.as_of import read_as_of
from dashboard.queries.renames import list_proposals, name_pairs

router = Router(tags=["Cases"])


class ProposalFacts(Facts):
    """Why two cases look like one."""

    state: str = Field(description="proposed, merged or dismissed.")
    score: float = Field(description="How alike they are, from 0 to 1.")
    run: int = Field(description="The run in which one vanished and the other appeared.")
    commit: str = Field(description="Its commit; may be empty.")
    decided_at: datetime | None = Field(description="When somebody decided.")
    decided_by: str = Field(description="Who decided; may be empty.")


class RenameFacts(Facts):
    """Two cases that look like one with a new name."""

    proposal: ProposalFacts = Field(description="The proposal.")
    old: CaseFacts = Field(description="The old name.")
    new: CaseFacts = Field(description="The new name.")
    told: str = Field(description="The evidence in words.")


class RenamesPage(Facts):
    """All proposals."""

    pairs: tuple[RenameFacts, ...] = Field(description="Every pair, whatever became of it.")


@router.get(**take("renames", data=RenamesPage), summary="Renames")
def read(request: ApiRequest, slug: str) -> dict[str, Any]:
    """What looks renamed, what was merged, and what was found to be no rename."""
    pairs = name_pairs(request.project, list_proposals(request.project))
    return frame(request, {"pairs": pairs}, as_of=read_as_of(request.project))
