"""A day decides what is overdue: an entry's own, else so many days after it was opened."""

from datetime import date, timedelta

import pytest

from health.rules.deferral_policy import DeferralPolicy

OPENED = date(2026, 3, 2)


def test_without_a_policy_nothing_falls_due_by_itself() -> None:
    policy = DeferralPolicy()
    assert policy.find_review_day(review_on=None, opened_on=OPENED) is None
    assert not policy.is_overdue(review_on=None, opened_on=OPENED, today=OPENED + timedelta(days=10_000))


def test_an_entry_s_own_day_comes_before_the_policy_s() -> None:
    policy = DeferralPolicy(review_after_days=30)
    own = date(2026, 9, 1)
    assert policy.find_review_day(review_on=own, opened_on=OPENED) == own
    assert policy.find_review_day(review_on=None, opened_on=OPENED) == date(2026, 4, 1)


@pytest.mark.parametrize(("today", "is_overdue"), [(29, False), (30, False), (31, True)])
def test_the_day_itself_is_still_in_time(today: int, is_overdue: bool) -> None:
    policy = DeferralPolicy(review_after_days=30)
    found = policy.is_overdue(review_on=None, opened_on=OPENED, today=OPENED + timedelta(days=today))
    assert found == is_overdue
