"""What became of the deliveries: by day in the project's zone, by reason, and what is not finished."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from dashboard.queries import deliveries
from dashboard.queries.deliveries import (
    N_DAYS,
    DeliveryDay,
    Waiting,
    list_days,
    list_reasons,
    read_waiting,
    write_days,
    write_span,
)
from health.models import Project, Refusal, Upload, UploadToken
from tests.builders import a_project, a_received_upload
from tests.statements import counted_statements

TODAY = date(2026, 4, 30)
NOON = datetime(2026, 4, 30, 12, 0, tzinfo=UTC)


def arrive(project: Project, state: str, *, days_ago: int = 0, code: str = "not_xml", **fields: Any) -> Upload:
    upload = a_received_upload(project, received_at=NOON - timedelta(days=days_ago))
    error = {"code": code, "message": f"{code} {days_ago}"} if state in ("failed", "dead") else None
    Upload.objects.filter(pk=upload.pk).update(state=state, error=error, **fields)
    return upload


def refuse(project: Project, code: str, *, n: int = 1, days_ago: int = 0) -> None:
    token = UploadToken.issue(project, name="ci")[0]
    error = {"code": code, "message": "No."}
    Refusal.objects.create(project=project, token=token, error=error, n=n, at=NOON - timedelta(days=days_ago))


@pytest.mark.django_db
def test_each_day_has_its_counts_and_empty_days_are_there() -> None:
    project = a_project()
    arrive(project, "stored", days_ago=N_DAYS)  # the day before the first
    for state in ("stored", "stored", "partial"):
        arrive(project, state, days_ago=2)
    for state in ("failed", "dead", "received", "processing", "retry", "cancelled"):
        arrive(project, state)
    refuse(project, "too_large", n=3)
    arrive(a_project(), "stored")
    days = list_days(project, today=TODAY)
    assert [day.day for day in days] == [TODAY - timedelta(days=step) for step in reversed(range(N_DAYS))]
    assert days[-3] == DeliveryDay(date(2026, 4, 28), whole=2, partial=1)
    # Nothing will become of the one that was cancelled: it is not still to be read.
    assert days[-1] == DeliveryDay(TODAY, failed=2, refused=3, open=3)
    assert sum(day.n_kept for day in days) == 8


@pytest.mark.django_db
@pytest.mark.parametrize(("zone", "day"), [("UTC", 30), ("Asia/Tokyo", 30), ("Pacific/Kiritimati", 1)])
def test_a_day_is_one_of_the_projects_zone(zone: str, day: int) -> None:
    project = a_project(time_zone=zone)
    arrive(project, "stored")
    refuse(project, "too_large")
    days = list_days(project, today=date(2026, 5, 2))
    assert [(one.day.day, one.whole, one.refused) for one in days if one.n_kept or one.refused] == [(day, 1, 1)]


@pytest.mark.django_db
def test_reasons_are_grouped_with_the_newest_example_and_the_most_frequent_first() -> None:
    project = a_project()
    arrive(project, "failed", days_ago=4)
    newest = arrive(project, "dead", days_ago=1)
    gone = arrive(project, "failed", code="payload_missing", days_ago=1)
    partial = arrive(project, "partial", days_ago=1)
    cut = {"code": "report_truncated", "message": "It breaks off."}
    files = [{"name": name, "error": error} for name, error in (("a", None), ("b", cut), ("c", cut), ("d", {"x": 1}))]
    Upload.objects.filter(pk=partial.pk).update(receipt={"files": files})
    refuse(project, "too_large", n=7)
    arrive(project, "stored")
    arrive(a_project(), "failed")
    reasons = list_reasons(project, today=TODAY)
    assert [(r.kind, r.code, r.n, r.public_id, r.n_again) for r in reasons] == [
        ("door", "too_large", 7, None, 0),
        ("failed", "not_xml", 2, newest.public_id, 2),
        ("failed", "payload_missing", 1, gone.public_id, 1),  # as on its own page
        ("partial", "report_truncated", 1, partial.public_id, 0),
    ]
    assert (reasons[1].message, reasons[1].newest_at) == ("not_xml 1", NOON - timedelta(days=1))
    assert [reason.word for reason in reasons[:2]] == ["too large a body", "not XML"]


@pytest.mark.django_db
def test_what_is_older_than_the_days_shown_gives_no_reason() -> None:
    project = a_project()
    arrive(project, "failed", days_ago=N_DAYS)
    refuse(project, "too_large", days_ago=N_DAYS)
    assert list_reasons(project, today=TODAY) == ()


@pytest.mark.django_db
def test_an_end_without_a_reason_is_still_listed() -> None:
    project = a_project()
    upload = arrive(project, "failed")
    Upload.objects.filter(pk=upload.pk).update(error=None)
    (reason,) = list_reasons(project, today=TODAY)
    assert (reason.code, reason.word, reason.n, reason.n_again) == ("", "no reason was kept", 1, 0)


@pytest.mark.django_db
def test_how_often_says_so_when_not_all_were_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "_N_PARTIAL", 2)
    project = a_project()
    receipt = {"files": [{"name": "a", "error": {"code": "report_truncated", "message": "It breaks off."}}]}
    arrive(project, "failed")
    for n in (2, 3):
        arrive(project, "partial", receipt=receipt)
        if n == 2:
            arrive(project, "partial", receipt=receipt)
        told = {reason.kind: (reason.n, reason.told_bound) for reason in list_reasons(project, today=TODAY)}
        assert told == {"failed": (1, ""), "partial": (2, "of the newest 2 partly stored" if n > 2 else "")}


@pytest.mark.django_db
def test_what_waits_is_told_from_what_is_read_and_what_comes_later() -> None:
    project, other = a_project(), a_project()
    now = timezone.now()
    arrive(project, "received", next_attempt_at=now - timedelta(minutes=4))
    arrive(project, "retry", next_attempt_at=now - timedelta(minutes=1))
    later = now + timedelta(minutes=10)
    arrive(project, "retry", next_attempt_at=later)
    arrive(project, "stored")
    waiting = read_waiting(project)
    assert (waiting.n_due, waiting.n_reading, waiting.n_later, waiting.next_at) == (2, 0, 1, later)
    assert waiting.write(now=now) == (
        "The oldest of two waiting uploads has waited 4 minutes.",
        "Nothing is being read: does a worker run?",
    )
    assert (waiting.n, waiting.polls) == (3, "every 3s")
    arrive(other, "processing")
    assert not read_waiting(project).is_nothing_read
    arrive(project, "processing")
    reading = read_waiting(project)
    assert (reading.polls, reading.write(now=now)[-1]) == ("every 1s", "One is being read.")


@pytest.mark.parametrize(
    ("waiting", "said", "polls"),
    [
        (Waiting(0, None, 0, 0, None, is_nothing_read=True), (), ""),
        (Waiting(0, None, 0, 2, NOON, is_nothing_read=True), (), ""),
        (Waiting(1, NOON, 0, 0, None, is_nothing_read=True), ("One upload has waited a moment.",), "every 3s"),
    ],
)
def test_what_moves_is_asked_for_again(waiting: Waiting, said: tuple[str, ...], polls: str) -> None:
    assert (waiting.write(now=NOON), waiting.polls) == (said, polls)


@pytest.mark.parametrize(
    ("days", "said"),
    [
        ([DeliveryDay(TODAY, whole=1)], "The one delivery of the last 1 days was stored whole."),
        ([DeliveryDay(TODAY, whole=212)] * 2, "All 424 deliveries of the last 2 days were stored whole."),
        ([DeliveryDay(TODAY, whole=2, open=1)], "All two deliveries of the last 1 days were stored whole."),
        ([DeliveryDay(TODAY, open=1)], "The first delivery is still to be read."),
        ([DeliveryDay(TODAY, open=3)], "3 deliveries are still to be read."),
        ([DeliveryDay(TODAY, whole=9, failed=1)], "Of 10 deliveries in 1 days one failed."),
        (
            [DeliveryDay(TODAY, whole=9, failed=2, partial=1, refused=2)],
            "Of 12 deliveries in 1 days two failed and one was partly stored; CI was refused twice.",
        ),
        ([DeliveryDay(TODAY, whole=4, refused=1)], "Of 4 deliveries in 1 days none was lost; CI was refused once."),
        ([DeliveryDay(TODAY, refused=5)], "Nothing came in the last 1 days, but CI was refused five times."),
        ([DeliveryDay(TODAY)], "Nothing came in the last 1 days."),
    ],
)
def test_the_days_in_one_sentence(days: list[DeliveryDay], said: str) -> None:
    assert write_days(tuple(days)) == said


@pytest.mark.parametrize(
    ("span", "said"),
    [
        (timedelta(seconds=59), "a moment"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(minutes=59), "59 minutes"),
        (timedelta(hours=2), "2 hours"),
        (timedelta(days=3, hours=5), "3 days"),
    ],
)
def test_a_time_of_waiting(span: timedelta, said: str) -> None:
    assert write_span(span) == said


@pytest.mark.django_db
def test_each_costs_one_statement_however_much_came() -> None:
    project = a_project()
    for n in (0, 40):
        for _ in range(n):
            arrive(project, "failed")
        with counted_statements() as sent:
            list_days(project, today=TODAY)
            list_reasons(project, today=TODAY)
            read_waiting(project)
        assert len(sent) == 3
