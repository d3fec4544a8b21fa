"""Token buckets: never more than they held and gained, whoever takes and whenever."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from health import allowances
from health.models import Allowance

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def take(seconds: float = 0, *, key: str = "k", rate: float = 1.0, burst: float = 3, cost: float = 1) -> float:
    return allowances.take(key, rate=rate, burst=burst, cost=cost, now=NOW + timedelta(seconds=seconds))


@pytest.mark.django_db
def test_a_bucket_is_full_at_first_and_fills_again() -> None:
    assert [take(), take(), take()] == [0, 0, 0]
    assert take() == pytest.approx(1)
    assert take(0.25) == pytest.approx(0.75)
    assert take(1) == 0
    assert take(1) == pytest.approx(1)
    assert [take(100), take(100), take(100)] == [0, 0, 0]
    assert take(100) > 0


@pytest.mark.django_db
def test_buckets_are_apart() -> None:
    assert [take(key="a") for _ in range(3)] == [0, 0, 0]
    assert take(key="a") > 0
    assert take(key="b") == 0


@pytest.mark.django_db
def test_time_that_goes_back_gains_nothing_and_takes_nothing() -> None:
    assert [take(10), take(10)] == [0, 0]
    assert take(5) == 0
    assert take(5) == pytest.approx(1)
    assert take(10.5) == pytest.approx(0.5)


@pytest.mark.django_db
def test_more_than_fits_costs_all() -> None:
    assert take(cost=50) == 0
    assert take() == pytest.approx(1)
    assert take(cost=50) == pytest.approx(3)


@pytest.mark.django_db
def test_looking_takes_nothing_and_what_is_given_back_is_there_again() -> None:
    assert allowances.peek("k", rate=1, burst=3, now=NOW) == 3
    take()
    assert allowances.peek("k", rate=1, burst=3, now=NOW) == 2
    allowances.give_back("k", burst=3)
    allowances.give_back("k", burst=3)
    assert allowances.peek("k", rate=1, burst=3, now=NOW) == 3


@pytest.mark.django_db
def test_old_buckets_are_forgotten() -> None:
    take()
    allowances.take("young", rate=1, burst=3)
    allowances.forget_old()
    assert list(Allowance.objects.values_list("key", flat=True)) == ["young"]


@pytest.mark.django_db(transaction=True)
def test_many_at_once_get_no_more_than_there_is() -> None:
    def try_some(_: int) -> int:
        try:
            return sum(allowances.take("k", rate=0.001, burst=20) == 0 for _ in range(10))
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(try_some, range(6))) == 20


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("", "unknown"),
        ("'; DROP TABLE", "unknown"),
    ],
)
def test_a_senders_address_in_a_key(address: str, name: str) -> None:
    assert allowances.name_address(address) == name
