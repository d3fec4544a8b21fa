"""The trend of what is put off: stretches of several jobs, points a day or a week, and the debt of each."""

from datetime import date, timedelta

import pytest

from dashboard.queries.deferred_trend import DebtDay, Stretch, follow_debt, read_trend
from health.models import DeferredSpan, Project, Run, VanishedCase
from tests.builders import a_project, an_upload
from tests.scenes import at, green
from tests.statements import counted_statements

DAY = date(2026, 3, 1)


def later(days: int) -> date:
    return DAY + timedelta(days=days)


def test_each_day_has_what_stood_at_its_end_and_its_age() -> None:
    trend = follow_debt([Stretch(DAY, None, 2), Stretch(later(1), later(3), 10)], today=later(4))
    assert trend.step == 1
    assert trend.points == (
        DebtDay(DAY, 2, 0),
        DebtDay(later(1), 12, 2),
        DebtDay(later(2), 12, 14),
        DebtDay(later(3), 2, 6),
        DebtDay(later(4), 2, 8),
    )


def test_what_ended_on_its_first_day_was_put_off_at_the_end_of_none() -> None:
    trend = follow_debt([Stretch(DAY, DAY, 5), Stretch(later(1), DAY, 5)], today=later(2))
    assert {(point.n, point.debt) for point in trend.points} == {(0, 0)}


def test_of_a_long_time_a_point_is_a_week_and_the_last_one_today() -> None:
    trend = follow_debt([Stretch(DAY, None, 1)], today=later(400))
    assert trend.step == 7
    assert trend.points[-1] == DebtDay(later(400), 1, 400)
    assert len(trend.points) == 400 // 7 + 1


def test_nothing_put_off_is_no_point() -> None:
    assert follow_debt([], today=DAY).points == ()


def a_history() -> Project:
    """Six runs, a day apart."""
    project = a_project()
    for day in range(6):
        an_upload(project, green(2), ran_at=at(24 * day), committed_at=at(24 * day))
    return project


@pytest.mark.django_db
def test_what_stopped_reporting_is_put_off_no_more() -> None:
    project = a_history()
    put_off(project, (1, 1, 1, None), (1, 2, 2, None))
    VanishedCase.objects.create(project=project, series=1, ord=2, last_run=3, gone_run=4, suspicion="deselected")
    day = at(0).date()
    for series in ([1], [1, 2]):
        trend = read_trend(project, series=series, today=day + timedelta(days=5))
        assert [point.n for point in trend.points] == [1, 2, 2, 1, 1, 1]


def put_off(project: Project, *spans: tuple[int, int, int, int | None]) -> None:
    DeferredSpan.objects.bulk_create(
        DeferredSpan(project=project, series=series, ord=ord_, first_run=first, outcome=4, ended_run=ended)
        for series, ord_, first, ended in spans
    )


@pytest.mark.django_db
def test_a_case_put_off_by_several_jobs_counts_once() -> None:
    project = a_history()
    first_day = Run.objects.get(project=project, number=1).ran_at.date()
    put_off(project, (1, 7, 1, 3), (2, 7, 2, 5), (2, 8, 2, None), (3, 9, 1, None))
    with counted_statements() as sent:
        trend = read_trend(project, series=[1, 2], today=first_day + timedelta(days=5))
    assert [point.n for point in trend.points] == [1, 2, 2, 2, 1, 1]
    assert [point.debt for point in trend.points] == [0, 1, 3, 5, 3, 4]
    assert len(sent) == 2


@pytest.mark.django_db
def test_of_one_job_the_same_comes_out() -> None:
    project = a_history()
    first_day = Run.objects.get(project=project, number=1).ran_at.date()
    put_off(project, (1, 7, 1, 3), (1, 7, 5, None), (1, 8, 2, None), (2, 9, 1, None))
    one = read_trend(project, series=[1], today=first_day + timedelta(days=5))
    several = read_trend(project, series=[1, 99], today=first_day + timedelta(days=5))
    assert [point.n for point in one.points] == [1, 2, 1, 1, 2, 2]
    assert one == several
