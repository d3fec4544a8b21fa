"""A case is found under the suite its delivery named, on the pages that know only the case and its series."""

import pytest

from dashboard.filters import Filters
from dashboard.queries.causes import read_causes_page
from dashboard.queries.flaky import read_flaky
from dashboard.queries.search import search_cases
from dashboard.queries.slow import read_slow
from dashboard.queries.vanished import read_vanished
from health.judging import judge_project
from health.models import Project
from tests.builders import a_project
from tests.scenes import a_run

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    """Two deliveries a run that name their suites, with cases of one block; and one that names none."""
    project = a_project()
    for hour in range(6):
        word = "fail" if hour in (1, 3) else "pass"
        run = f"r{hour}"
        lost = {} if hour == 5 else {"t::web lost": "pass"}
        a_run(
            project,
            {"t::web flips": word, "t::web holds": "pass"} | lost,
            hour=hour,
            run_id=run,
            suite="web",
            shard="1/2",
        )
        a_run(project, {"t::api flips": word, "t::api holds": "pass"}, hour=hour, run_id=run, suite="api", shard="2/2")
        a_run(project, {"t::own flips": word, "t::own holds": "pass"}, hour=hour, job="own", run_id=run)
    judge_project(project.pk)
    return Project.objects.get(pk=project.pk)


@pytest.mark.parametrize(("suite", "name"), [("web", "web flips"), ("api", "api flips"), ("t", "own flips")])
def test_flaky_and_slow_narrow_by_it(project: Project, suite: str, name: str) -> None:
    page = read_flaky(project, Filters(suite=suite))
    assert [family.case.name for family in page.families] == [name]
    assert page.counts == {"flaky": 1}
    slow = read_slow(project, Filters(suite=suite))
    assert name in {speed.case.name for speed in slow.slowest}
    assert {speed.suite for speed in slow.slowest} == {suite}
    assert all(speed.share for speed in slow.slowest)


def test_vanished_narrows_by_it(project: Project) -> None:
    (group,) = read_vanished(project, Filters(suite="web")).groups
    assert (group.case.name, group.suite) == ("web lost", "web")
    assert read_vanished(project, Filters(suite="t")).groups == ()


@pytest.mark.parametrize(("suite", "name"), [("web", "web flips"), ("api", "api flips"), ("t", "own flips")])
def test_causes_and_search_narrow_by_it(project: Project, suite: str, name: str) -> None:
    page = read_causes_page(project, Filters(suite=suite))
    assert page is not None
    assert page.total.broken == 2  # in two of the six runs
    found = search_cases(project, Filters(search="flips", suite=suite))
    assert [hit.case.name for row in found.rows for hit in row.hits] == [name]
    assert found.n == 1


def test_a_sparse_tile_is_read_too() -> None:
    """One case far behind the others of its block."""
    project = a_project()
    names = {f"t::c{k}": "pass" for k in range(300)}
    a_run(project, names, hour=0, suite="all")
    for hour in range(1, 7):
        a_run(project, {"t::c299": "fail" if hour in (2, 4) else "pass"}, hour=hour, suite="few", job="few")
    judge_project(project.pk)
    page = read_flaky(Project.objects.get(pk=project.pk), Filters(suite="few"))
    assert [family.case.name for family in page.families] == ["c299"]
    assert read_flaky(Project.objects.get(pk=project.pk), Filters(suite="all")).families == ()
