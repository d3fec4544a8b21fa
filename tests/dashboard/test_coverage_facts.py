"""What pages say of coverage: shares, differences, and which run stands for a branch or is compared with."""

from datetime import date, timedelta

import pytest

from dashboard.queries.covered import (
    Covered,
    choose_lane,
    compare,
    read_newest,
    read_of_run,
    read_of_runs,
    sum_covered,
    write_before,
    write_levels,
    write_points,
)
from health.models import Project
from tests.builders import a_project
from tests.coverage_scenes import lines, measured
from tests.scenes import a_run, green
from tests.statements import counted_statements

DAY = date(2026, 3, 2)


def test_a_share_is_rounded_down_and_of_nothing_there_is_none() -> None:
    assert Covered(10_000, 9_999).tenths == 999
    assert Covered(3, 2).tenths == 666
    assert Covered().tenths is None
    assert Covered(5, 2).uncovered == 3


def test_sums_are_figure_by_figure_and_of_none_nothing() -> None:
    assert sum_covered([Covered(1, 1, 4, 2), Covered(2, 0, 0, 0)]) == Covered(3, 1, 4, 2)
    assert sum_covered([]) == Covered()


def test_a_difference_is_that_of_the_shares_as_they_are_written() -> None:
    change = compare(Covered(1000, 864), Covered(1000, 833), run=3, day=DAY)
    assert change is not None
    assert change.tenths == 31
    assert compare(Covered(), Covered(10, 1), run=3, day=DAY) is None
    assert compare(Covered(10, 1), Covered(), run=3, day=DAY) is None


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (0, "on the first day measured, 2 Mar 2026"),
        (29, "on the first day measured, 2 Mar 2026"),
        (30, "about a month before, on 2 Mar 2026"),
        (46, "46 days before, on 2 Mar 2026"),
    ],
)
def test_why_a_day_is_compared_with_is_said(days: int, words: str) -> None:
    assert write_before(DAY, now=DAY + timedelta(days=days)) == words


@pytest.mark.parametrize(
    ("tenths", "words"), [(31, "3.1 points"), (-4, "0.4 points"), (10, "one point"), (-30, "3 points"), (0, "0 points")]
)
def test_points_in_words(tenths: int, words: str) -> None:
    assert write_points(tenths) == words


@pytest.mark.django_db
def test_the_newest_whole_run_of_each_branch_and_level_in_one_statement() -> None:
    project = a_project(long_lived_branches=["release/*"])
    for hour in range(5):
        measured(project, {"a.py": lines(10, hour)}, hour=hour, level="unit")
    measured(project, {"a.py": lines(10, 9)}, hour=9, level="unit", is_partial=True)
    measured(project, {"a.py": lines(10, 3)}, hour=2, level="e2e", run_id="other")
    measured(project, {"a.py": lines(10, 7)}, hour=3, branch="release/1")
    measured(project, {"a.py": lines(10, 1)}, hour=8, branch="feature")
    with counted_statements() as sent:
        facts = read_newest(project)
    assert len(sent) == 1
    found = [(fact.lane, fact.level, fact.covered.lines_covered, fact.is_partial) for fact in facts]
    assert found == [("main", "e2e", 3, False), ("main", "unit", 4, False), ("release/1", "", 7, False)]
    assert choose_lane(project, facts, asked="") == "main"
    assert choose_lane(project, facts, asked="elsewhere") == "elsewhere"
    assert choose_lane(Project(default_branch="trunk"), facts, asked="") == "main"
    assert choose_lane(project, (), asked="") == "main"


@pytest.mark.django_db
def test_a_report_that_broke_off_stands_where_there_is_no_other() -> None:
    project = a_project()
    measured(project, {"a.py": lines(10, 9)}, hour=1, is_partial=True)
    assert [(fact.run, fact.is_partial) for fact in read_newest(project)] == [(1, True)]


@pytest.mark.django_db
def test_a_run_is_compared_with_the_whole_one_before_it_of_its_level() -> None:
    project = a_project()
    first = measured(project, {"a.py": lines(10, 4)}, hour=0, level="unit")
    measured(project, {"a.py": lines(10, 1)}, hour=1, level="e2e")
    measured(project, {"a.py": lines(10, 1)}, hour=2, level="unit", is_partial=True)
    newest = measured(project, {"a.py": lines(10, 6)}, hour=3, level="unit")
    with counted_statements() as sent:
        (fact,) = read_of_run(project, number=newest)
    assert len(sent) == 1
    assert fact.change is not None
    assert (fact.change.run, fact.change.tenths, fact.change.before) == (first, 200, Covered(10, 4))
    assert read_of_run(project, number=first)[0].change is None


@pytest.mark.django_db
def test_a_pull_request_is_compared_with_itself_then_with_the_default_branch() -> None:
    project = a_project()
    on_main = measured(project, {"a.py": lines(10, 4)}, hour=0)
    measured(project, {"a.py": lines(10, 2)}, hour=1, branch="other", pull_request="6")
    first = measured(project, {"a.py": lines(10, 5)}, hour=2, branch="feature", pull_request="7")
    second = measured(project, {"a.py": lines(10, 6)}, hour=3, branch="feature", pull_request="7")
    compared = [read_of_run(project, number=number)[0].change for number in (first, second)]
    assert [change.run for change in compared if change] == [on_main, first]


@pytest.mark.django_db
def test_runs_without_coverage_are_not_among_those_that_have_it() -> None:
    project = a_project()
    a_run(project, green(), hour=0)
    number = measured(project, {"a.py": lines(10, 4)}, hour=1, level="unit")
    measured(project, {"a.py": lines(3, 0)}, hour=1, level="")
    found = read_of_runs(project, numbers=[1, number])
    assert list(found) == [number]
    assert write_levels(found[number]) == "no level 0.0 %, 0 of 3 lines; unit 40.0 %, 4 of 10 lines"
    assert write_levels(found[number][:1]) == "0.0 %, 0 of 3 lines"
