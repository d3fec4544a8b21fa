"""The projects a caller may read. Called by `dashboard.api.operations` (`tests/dashboard/test_api_figures.py`)."""

from datetime import datetime
from typing import Any

from ninja import Router
from pydantic import BaseModel, Field

from dashboard.api.answers import CountFacts, Facts, VerdictFacts
from dashboard.api.door import ApiRequest
from dashboard.http import address_of
from dashboard.queries.projects import read_lines, read_lines_of

router = Router(tags=["Projects"])


class ProjectWordFacts(VerdictFacts):
    """What is said of a project."""

    sentence: str = Field(description="The sentence of the page.")


class ProjectFacts(Facts):
    """One project."""

    slug: str = Field(description="Its name in addresses.")
    name: str = Field(description="Its name.")
    time_zone: str = Field(description="Days are days of this zone.")
    judgement: ProjectWordFacts = Field(description="What is said of it.")
    counts: CountFacts | None = Field(description="How its main branch stands; null without test results.")
    backed: int | None = Field(description="Of the deferred, those whose backing holds; null where nobody knows.")
    last_run_at: datetime | None = Field(description="When its newest run ran.")


class ProjectsFacts(BaseModel):
    """All projects of the caller."""

    page: str = Field(description="The page of this list, for people.")
    data: list[ProjectFacts] = Field(description="The projects, worst first.")


@router.get("/projects", response=ProjectsFacts, url_name="projects", operation_id="projects", summary="Projects")
def list_projects(request: ApiRequest) -> dict[str, Any]:
    """The projects of the person who is signed in, worst first; with a token its one project."""
    caller = request.caller
    lines = read_lines(caller.user) if caller.user else read_lines_of([caller.project] if caller.project else [])
    return {"page": address_of("dashboard:projects"), "data": lines}
