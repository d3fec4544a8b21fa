"""Trends: what each day says, whole and in groups, in each way a project can be."""

from datetime import date

import pytest

from dashboard.filters import Filters
from dashboard.queries.trends import DayPoint, read_trends
from health.models import Project
from tests.builders import a_project
from tests.scenes import (
    a_matrix,
    a_pull_request_beside_main,
    a_run,
    a_steady_project,
    green,
    out_of_order,
    two_workflows,
)
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db

DAY = 24


def points(project: Project, **choices: str) -> list[DayPoint]:
    trends = read_trends(Project.objects.get(pk=project.pk), Filters(**choices))
    return list(trends.groups[0].points) if trends.groups else []


def lines(project: Project, **choices: str) -> dict[str, tuple[int, int]]:
    """Each line's newest declared (of one run) and broken."""
    trends = read_trends(Project.objects.get(pk=project.pk), Filters(**choices))
    return {group.name: (round(group.last.declared_once), group.last.broken) for group in trends.groups}


def test_a_day_sums_its_runs_and_counts_one_of_them() -> None:
    (day,) = points(out_of_order())
    assert (day.day, day.n_jobs, day.declared, day.executed, day.as_expected, day.broken) == (
        date(2026, 3, 2),
        3,
        18,
        18,
        17,
        1,
    )
    assert (day.declared_once, day.seconds_once) == (6.0, pytest.approx(0.06, rel=1e-2))


def test_a_second_workflow_s_rest_day_is_no_dip() -> None:
    project = a_project()
    for day in range(4):
        a_run(project, green(6), hour=day * DAY)
        if day in (0, 3):
            a_run(project, {"docs::links": "pass", "docs::spelling": "skip"}, hour=day * DAY + 1, job="docs")
    found = points(project)
    assert [round(p.declared_once) for p in found] == [8, 8, 8, 8]
    assert [p.declared for p in found] == [8, 6, 6, 8]


def test_a_run_that_was_cut_short_tells_no_size() -> None:
    project = a_project()
    a_run(project, green(1), hour=0, state="partial")
    a_run(project, green(10), hour=DAY)
    a_run(project, green(2, case0="fail"), hour=2 * DAY, state="partial")
    a_run(project, green(12), hour=3 * DAY)
    a_run(project, green(2), hour=3 * DAY + 1, state="partial")
    found = points(project)
    assert [p.declared_once for p in found] == [None, 10, 10, 12]
    assert [p.seconds_once is None for p in found] == [True, False, False, False]
    assert [(p.executed, p.broken) for p in found] == [(1, 0), (10, 0), (2, 1), (14, 0)]
    assert [p.declared_once for p in points(project, suite="tests.api")] == [None, 10, 10, 12]


def test_a_week_leaves_out_what_was_cut_short() -> None:
    project = a_project()
    for day, n, state in ((0, 10, "stored"), (1, 4, "partial"), (2, 16, "stored"), (800, 3, "partial")):
        a_run(project, green(n), hour=day * DAY, state=state)
    assert [p.declared_once for p in points(project, span="all")] == [13, 13]


def test_a_job_that_is_gone_for_good_no_longer_counts() -> None:
    project = a_project()
    a_run(project, {"old::one": "pass"}, hour=0, job="retired")
    for day in range(10):
        a_run(project, green(6), hour=day * DAY + 1)
    assert [round(p.declared_once) for p in points(project)] == [7] * 8 + [6] * 2


def test_two_workflows_are_two_lines_by_job() -> None:
    assert lines(two_workflows(), by="job") == {"tests": (6, 1), "docs": (2, 0)}
    assert lines(two_workflows("again"), job="docs") == {"all": (2, 0)}


def test_a_matrix_is_its_variants() -> None:
    assert lines(a_matrix(), by="variant") == {"3.11": (6, 0), "3.12": (6, 1)}
    assert lines(a_matrix("again")) == {"all": (12, 1)}
    assert lines(a_matrix("narrow"), variant="3.12") == {"all": (6, 1)}


def test_a_pull_request_is_on_a_line_of_its_own() -> None:
    project = a_pull_request_beside_main()
    assert lines(project) == {"all": (6, 0)}
    assert lines(project, branch="changes") == {"all": (6, 1)}
    assert lines(project, by="branch") == {"main": (6, 0), "changes": (6, 1)}


def test_suites_and_levels() -> None:
    project = a_project()
    cases = {"api.users::a": "pass", "api.users::b": "fail", "web.pages::a": "skip", "web.forms::a": "pass"}
    a_run(project, cases, hour=0, level="unit")
    a_run(project, {"shop::buy": "error"}, hour=1, job="e2e", level="e2e")
    assert lines(project, by="suite") == {
        "api.users": (2, 1),
        "shop": (1, 1),
        "web.forms": (1, 0),
        "web.pages": (1, 0),
    }
    assert lines(project, by="level") == {"unit": (4, 1), "e2e": (1, 1)}
    assert lines(project, level="e2e") == {"all": (1, 1)}
    assert lines(project, suite="api.users") == {"all": (2, 1)}
    assert lines(project, suite="nowhere") == {}


def test_a_suite_s_expected_failures_and_skips_are_told_apart() -> None:
    project = a_project()
    a_run(project, green(5, case0="skip", case1="xfail", case2="error", case3="retry"), hour=0)
    (day,) = points(project)
    assert (day.declared, day.executed, day.as_expected, day.skipped, day.xfailed, day.flaky) == (5, 4, 3, 1, 1, 1)


def test_a_span_counts_from_the_newest_day() -> None:
    project = a_project()
    for day in (0, 300, 364, 365, 700):
        a_run(project, green(), hour=day * DAY)
    assert [p.day for p in points(project)] == [date(2027, 3, 1), date(2027, 3, 2), date(2028, 1, 31)]
    assert len(points(project, span="all")) == 5
    assert len(points(project, span="quarter")) == 1


def test_years_are_told_by_weeks() -> None:
    project = a_project()
    for day in (0, 1, 2, 800):
        a_run(project, green(), hour=day * DAY)
    trends = read_trends(project, Filters(span="all"))
    assert trends.is_weekly
    assert [(p.day, p.n_jobs) for p in trends.groups[0].points] == [(date(2026, 3, 2), 3), (date(2028, 5, 8), 1)]
    assert [round(p.declared_once) for p in trends.groups[0].points] == [6, 6]


def test_days_are_the_project_s_own() -> None:
    project = a_project(time_zone="Pacific/Auckland")
    a_run(project, green(), hour=0)  # nine in the morning in London is ten at night there
    a_run(project, green(), hour=3)
    assert [p.day for p in points(project)] == [date(2026, 3, 2), date(2026, 3, 3)]


def test_many_groups_are_cut_and_counted() -> None:
    project = a_project()
    a_run(project, {f"s{k:02}.x::case{n}": "pass" for k in range(15) for n in range(k + 1)}, hour=0)
    trends = read_trends(project, Filters(by="suite"))
    assert (len(trends.groups), trends.n_more_groups, trends.groups[0].name) == (12, 3, "s14.x")


def test_an_empty_project_has_no_line() -> None:
    trends = read_trends(a_project(), Filters())
    assert (trends.groups, trends.offer.branches, trends.first) == ((), (), None)


def test_runs_without_tests_draw_nothing() -> None:
    project = a_project()
    a_run(project, {}, hour=0)
    assert points(project) == []


def test_its_cost_does_not_grow() -> None:
    for project in (
        a_steady_project("small", n_runs=2, n_cases=6),
        a_steady_project("large", n_runs=30, n_cases=300, n_variants=3),
    ):
        for by in ("all", "suite", "variant"):
            with counted_statements() as sent:
                read_trends(project, Filters(by=by))
            assert len(sent) == (5 if by == "suite" else 4)
