"""What every test may ask for: a database, servers, a clock that stands still, the real stack, a browser.

Fixtures live by subject: `tests/servers.py` (PostgreSQL, Valkey), `tests/stack.py` (web, worker, beat as
processes), `tests/browser.py` (a page in a real browser), `tests/faults/lab.py` (the stack with traps in it). Which
fault tests a run includes is decided in `tests/faults/selection.py`.
"""

from collections.abc import Iterator

import pytest
from _pytest.nodeid import NodeId
from django.conf import settings
from django.test import override_settings

from config.celery import app

pytest_plugins = ["tests.servers", "tests.stack", "tests.browser", "tests.faults.lab", "tests.faults.selection"]


@pytest.fixture(scope="session", autouse=True)
def settings_of_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fast hashes, static files without a manifest, and a broker that is only this process's memory."""
    app.conf.broker_url = "memory://"
    # With a DATABASE_URL given there may be none, and Django refuses to put an empty one back.
    settings.SECRET_KEY = "only-for-tests-" * 4
    with override_settings(
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        STATIC_ROOT=tmp_path_factory.mktemp("static"),
        STORAGES={
            "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
            "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
        },
    ):
        yield


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Nothing outside this machine can be reached; read by pytest-socket right after."""
    config.option.allow_hosts = config.option.allow_hosts or "127.0.0.1,::1"
    config.option.allow_unix_socket = True


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests on the real stack share one, so they belong on one worker (`--dist loadgroup`)."""
    for item in items:
        if "live_stack" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("live_stack"))
            # pytest 9.2 does not notice how xdist 3.8 names groups (pytest-xdist issue 1386): each would start a stack.
            if hasattr(item.config, "workerinput") and "@" not in item.nodeid:
                item._id = NodeId.parse(f"{item.nodeid}@live_stack")
