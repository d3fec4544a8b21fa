"""What is put off now, and how much of it is backed: by project, by run, by suite; elsewhere nobody knows."""

import pytest

from dashboard.queries.backed import PutOffNow, read_backed_in_newest, read_put_off_now
from dashboard.queries.facts import Counts
from dashboard.queries.run import RunPage, read_run_page
from health.models import Case, Deferral, Project
from tests.builders import a_project
from tests.register_scenes import a_backing, an_entry
from tests.scenes import a_run, green
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db


def read(project: Project, number: int = 1, **choices: str) -> RunPage:
    page = read_run_page(project, number=number, **choices)
    assert page is not None
    return page


def test_entries_are_counted_as_tests_and_as_results() -> None:
    project, other = a_project(), a_project(default_branch="")
    a_run(project, green(6, case0="skip", case1="xfail", case2="skip"), hour=0)
    backed = a_backing(project)
    an_entry(project, "case0", backing=backed, n_put_off=2)
    an_entry(project, "case1", backing=a_backing(project, state="weakened"), kind="xfail")
    an_entry(project, "case2")
    an_entry(project, "case3", backing=backed, kind="quarantine")
    an_entry(project, "case4", backing=backed, closed_at=project.created_at)
    Deferral.objects.create(
        project=project, origin="file", pattern="t*", kind="skip", backing=backed, opened_at=project.created_at
    )
    found = read_put_off_now([project.pk, other.pk])
    assert found[project.pk] == PutOffNow("main", n_tests=3, n_backed_tests=1, n_results=4, n_backed=2)
    assert found[other.pk] == PutOffNow("", 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("n_results", "n_backed", "deferred", "found"),
    [
        (4, 2, 4, 2),
        (0, 0, 4, 0),  # the register has not heard of them yet
        (4, 4, 3, 3),  # a job of its that the page no longer counts
        (4, 2, 3, 1),  # as the unbacked ones may all be among those counted
        (4, 1, 1, 0),
    ],
)
def test_where_counts_differ_only_what_is_sure_is_called_backed(
    n_results: int, n_backed: int, deferred: int, found: int
) -> None:
    now = PutOffNow("main", n_results, n_backed, n_results, n_backed)
    counts = Counts(declared=10, skipped=deferred)
    assert now.count_backed(counts) == found
    assert now.find_backed(counts, lane="main") == found
    assert now.find_backed(counts, lane="release") is None


def test_a_run_that_stands_says_it_suite_by_suite_and_an_older_one_does_not() -> None:
    project = a_project()
    for hour in (0, 1):
        a_run(project, green(14, case0="skip", case1="skip"), hour=hour, suite="integration", run_id=f"r{hour}")
        a_run(project, {"u::a": "pass", "u::b": "xfail"}, hour=hour, suite="unit", run_id=f"r{hour}")
    backed = a_backing(project)
    an_entry(project, "case0", backing=backed)
    an_entry(project, "case1", backing=backed)
    an_entry(project, "b", kind="xfail")
    page = read(project, 2)
    assert (page.backed, page.line) == (2, "14 of 16 executed (88 %), 3 deferred (1 of them ran), 2 backed")
    assert {suite.name: (suite.backed, suite.told_backed, suite.line) for suite in page.suites} == {
        "integration": (2, ", 2 backed", "12 of 14 executed (86 %), 2 deferred, 2 backed"),
        "unit": (0, ", none backed", "2 of 2 executed, 1 deferred (which ran), none backed"),
    }
    old = read(project, 1)
    assert (old.backed, old.line) == (None, "14 of 16 executed (88 %), 3 deferred (1 of them ran)")
    assert {suite.told_backed for suite in old.suites} == {""}
    newest = read_backed_in_newest(project)
    assert newest is not None
    assert (newest[0], newest[1].n_backed) == (2, 2)


def test_each_job_says_only_its_own() -> None:
    """The same test is put off in one job, and runs in the other."""
    project = a_project()
    a_run(project, green(4, case0="skip"), hour=0, variant="a", run_id="r")
    a_run(project, green(4, case1="skip"), hour=0, variant="b", run_id="r")
    an_entry(project, "case0", backing=a_backing(project))
    an_entry(project, "case1")
    assert read(project).backed == 1
    a, b = (str(job.key.series) for job in read(project).jobs)
    assert [read(project, series=series).backed for series in (a, b)] == [1, 0]


def test_a_run_beside_the_branch_the_register_is_about_knows_nothing() -> None:
    project = a_project()
    a_run(project, green(4, case0="skip"), hour=0)
    a_run(project, green(4, case0="skip"), hour=1, branch="feature", pull_request="7")
    an_entry(project, "case0", backing=a_backing(project))
    assert read(project, 1).backed == 1
    assert read(project, 2).backed is None
    a_run(project, green(4, case0="skip"), hour=2, job="docs")
    assert read_backed_in_newest(project) is None  # two runs stand
    assert (read(project, 1).backed, read(project, 3).backed) == (1, 1)


def test_a_register_of_50_000_costs_one_statement() -> None:
    project = a_project()
    backing = a_backing(project)
    Case.objects.filter(project=project).delete()
    Deferral.objects.bulk_create(
        Deferral(
            project=project,
            origin="ci",
            ord=ord_,
            kind="skip",
            is_put_off=True,
            n_put_off=1,
            backing=backing if ord_ % 2 else None,
            opened_at=project.created_at,
        )
        for ord_ in range(50_000)
    )
    with counted_statements() as sent:
        now = read_put_off_now([project.pk])[project.pk]
    assert len(sent) == 1
    assert (now.n_tests, now.n_backed_tests) == (50_000, 25_000)
