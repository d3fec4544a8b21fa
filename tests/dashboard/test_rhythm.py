"""Silence: longer than a project's own rhythm of arrivals explains."""

from datetime import UTC, date, datetime, timedelta

import pytest

from dashboard.queries import rhythm
from dashboard.queries.rhythm import find_silent, find_usual_gap
from health.models import Project
from tests.builders import a_project, a_received_upload
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 4, 1, 12, 0, tzinfo=UTC)


def a_project_heard(*days: float, **fields: object) -> Project:
    """A project that got something on these days, counted from the first of April at noon."""
    project = a_project(**fields)  # type: ignore[arg-type]
    for day in days:
        a_received_upload(project, received_at=NOON + timedelta(days=day))
    return project


def say(project: Project, *, day: float) -> str:
    silence = find_silent([project.pk], now=NOON + timedelta(days=day)).get(project.pk)
    return silence.sentence if silence else ""


@pytest.mark.parametrize(
    ("heard", "day", "said"),
    [
        (range(10), 12.0, ""),  # three days after the last, as after a weekend
        (range(10), 12.1, "No upload for 3 days; usually one every day."),
        (range(10), 18.5, "No upload for 9 days; usually one every day."),
        ((0, 2, 4, 6), 12.0, ""),
        ((0, 2, 4, 6), 12.1, "No upload for 6 days; usually one every two days."),
        ((0, 7, 14, 21), 42.1, "No upload for 21 days; usually one every seven days."),
        ((0, 1, 2, 30, 31), 33.5, ""),  # one pause changes no rhythm
        ((0, 1, 2, 30, 31), 34.1, "No upload for 3 days; usually one every day."),
    ],
)
def test_what_is_usual_decides(heard: list[float], day: float, said: str) -> None:
    assert say(a_project_heard(*heard), day=day) == said


def test_many_on_a_day_are_one_day() -> None:
    heard = [day + part / 10 for day in (0, 5, 10) for part in range(4)]
    assert say(a_project_heard(*heard), day=20) == ""
    assert say(a_project_heard(*heard), day=26) == "No upload for 15 days; usually one every five days."


@pytest.mark.parametrize("heard", [(), (0,), (0, 0.1, 0.2), (0, 1)])
def test_without_a_rhythm_there_is_no_silence(heard: tuple[float, ...]) -> None:
    """Nothing yet, one import of years of results on a single day, and a project that has just begun."""
    assert say(a_project_heard(*heard), day=300) == ""


def test_whoever_sends_hundreds_a_day_sends_every_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rhythm, "_N_UPLOADS", 6)
    assert say(a_project_heard(0, *[1 + part / 10 for part in range(6)]), day=9) == (
        "No upload for 7 days; usually one every day."
    )


def test_a_sample_never_falls_silent() -> None:
    assert say(a_project_heard(*range(10), is_sample=True), day=300) == ""


def test_the_newest_days_are_the_rhythm_not_those_of_long_ago() -> None:
    project = a_project_heard(*range(0, 400, 20), *range(400, 440))
    assert say(project, day=443) == "No upload for 4 days; usually one every day."


@pytest.mark.parametrize(
    ("days", "is_dense", "gap"),
    [
        ([], False, None),
        ([1], True, 1.0),
        ([2, 1], False, None),
        ([9, 2, 1], False, 4.0),
        ([12, 9, 2, 1], False, 3.0),
    ],
)
def test_the_usual_gap_is_the_median(days: list[int], is_dense: bool, gap: float | None) -> None:
    assert find_usual_gap([date(2026, 4, day) for day in days], is_dense=is_dense) == gap


def test_it_costs_one_statement_for_all_projects() -> None:
    projects = [a_project_heard(*range(4)) for _ in range(5)]
    with counted_statements() as sent:
        found = find_silent([project.pk for project in projects], now=NOON + timedelta(days=30))
    assert (len(sent), len(found)) == (1, 5)
