"""One thing that needs somebody, as a row: what, since when, on what evidence, and the way there.

Used by `attention`, `attention_arrivals` and `attention_conclusions`.
"""

from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse

from dashboard.queries.cases import CaseName
from dashboard.queries.facts import JobFact
from dashboard.queries.standing import Standing
from dashboard.templatetags.display import plain
from health.models import Project


@dataclass(frozen=True, slots=True)
class Concern:
    """One row. `subject` is the bold part, `cases` are named behind it, `told` follows: a sentence of its own, or
    the rest of the one that named the cases. `quoted` is the report's own words.
    """

    rank: int
    mark: str
    word: str
    subject: str
    told: str
    since: datetime | None
    since_url: str
    evidence: str
    url: str
    action: str
    cases: tuple[CaseName, ...] = ()
    n_unnamed: int = 0
    is_going_on: bool = False
    quoted: str = ""


def name_in(job: JobFact, standing: Standing) -> str:
    """Which job, in brackets, where there are several."""
    return f" ({plain(job.title)})" if len(standing.jobs) > 1 else ""


def link_run(project: Project, number: int) -> str:
    """The address of a run's page."""
    return reverse("dashboard:run", kwargs={"slug": project.slug, "number": number})
