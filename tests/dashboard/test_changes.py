"""Lists and counts agree: what the pages list of a job is what the rollups counted."""

import random

import pytest

from dashboard.queries.changes import read_changes
from dashboard.queries.facts import JOB_COLUMNS, JobFact, read_job
from dashboard.queries.sql import fetch_rows
from health.models import Project
from tests.builders import OUTCOMES, a_project, an_upload
from tests.scenes import at
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db


def jobs_of(project: Project) -> list[JobFact]:
    rows = fetch_rows(
        f"""
        SELECT {JOB_COLUMNS.format("j", "s")} FROM health_job j
        JOIN health_series s ON s.project_id = j.project_id AND s.number = j.series WHERE j.project_id = %(project)s
        """,
        {"project": project.pk},
    )
    return [read_job(row) for row in rows]


def fill(project: Project, dice: random.Random) -> None:
    """Runs with shards and attempts, uploaded in any order, each case ending in any way or missing."""
    plan = [
        {"run_id": str(run), "variant": variant, "ran_at": at(run), "attempt": attempt, "shard": f"{shard}/2"}
        for run in range(6)
        for variant in ("a", "b")
        for attempt in (1, 2)
        for shard in (1, 2)
    ]
    dice.shuffle(plan)
    for entry in plan:
        if dice.random() < 0.4:
            continue
        words = {
            f"tests.s{k % 3}::case{k}": dice.choice(list(OUTCOMES)) for k in range(0, 700, 7) if dice.random() < 0.7
        }
        state = "partial" if dice.random() < 0.15 else "stored"
        an_upload(project, words, state=state, provider="ci", committed_at=entry["ran_at"], **entry)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_lists_of_every_job_are_as_long_as_its_counts(seed: int) -> None:
    project = a_project()
    fill(project, random.Random(seed))
    jobs = jobs_of(project)
    changes = read_changes(project, jobs=jobs)
    assert any(job.changes.new for job in jobs)
    for job, change in zip(jobs, changes, strict=True):
        counted = (job.changes.new, job.changes.still, job.changes.fixed, job.changes.gone)
        assert change.transitions.count() == counted
        assert sum(map(sum, change.count_pairs())) == len(change.now.outcomes)


def test_it_costs_two_statements() -> None:
    project = a_project()
    fill(project, random.Random(5))
    jobs = jobs_of(project)
    with counted_statements() as sent:
        read_changes(project, jobs=jobs)
    assert len(sent) == 2
    assert read_changes(project, jobs=[]) == ()


def test_a_case_numbered_meanwhile_breaks_nothing() -> None:
    project = a_project()
    an_upload(project, {"a::b": "pass"})
    read_changes(project, jobs=jobs_of(project))  # the number of cases is known from here on
    an_upload(project, {"a::b": "pass", "a::new": "fail"})
    newest = max(jobs_of(project), key=lambda job: job.key.run)
    (change,) = read_changes(project, jobs=[newest])
    assert change.transitions.count() == (1, 0, 0, 0)
