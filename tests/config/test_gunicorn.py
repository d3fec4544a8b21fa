"""What gunicorn is told beyond values."""

import resource
from collections.abc import Iterator

import pytest

from config import gunicorn


@pytest.fixture
def limits() -> Iterator[tuple[int, int]]:
    """The limit of open files of this process, lowered while the test runs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowered = (min(512, soft), hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, lowered)
    yield lowered
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_as_many_files_may_be_open_as_the_system_lets_us(limits: tuple[int, int]) -> None:
    gunicorn.on_starting(None)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard == limits[1]
    assert soft == (65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536))


def test_a_higher_limit_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = (100_000, 200_000)
    monkeypatch.setattr(resource, "getrlimit", lambda _: kept)
    monkeypatch.setattr(resource, "setrlimit", lambda *_: pytest.fail("the limit was changed"))
    gunicorn.on_starting(None)
