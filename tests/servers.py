"""PostgreSQL and Valkey for the test session: the given ones, else our own, started once.

With xdist the first process starts them and tells its workers; each worker has a database of its own.
"""

import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from config.database import database_settings
from config.embedded.postgres import FLEETING, Postgres, prepare_postgres
from config.embedded.supervisor import Supervisor
from config.embedded.valkey import Valkey, prepare_valkey

SERVERS_KEY = pytest.StashKey["Servers"]()


@dataclass
class OwnServers:
    """A PostgreSQL and a Valkey of our own in a folder that disappears with them."""

    directory: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="sw-")))
    log: io.StringIO = field(default_factory=io.StringIO)

    def __post_init__(self) -> None:
        self.supervisor = Supervisor(out=self.log)
        self.postgres: Postgres = prepare_postgres(self.directory, options=FLEETING)
        self.supervisor.start(self.postgres.service())
        self.postgres.create_database()
        self.valkey: Valkey = prepare_valkey(self.directory)
        self.supervisor.start(self.valkey.service())

    def stop(self) -> None:
        """End both and forget everything."""
        self.supervisor.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


@dataclass(frozen=True)
class Servers:
    """The addresses tests may use."""

    database_url: str
    redis_url: str
    own: OwnServers | None = None


def start_servers() -> Servers:
    """The servers named by DATABASE_URL and REDIS_URL, else our own; never those of a running `make up`."""
    database_url, redis_url = os.environ.get("DATABASE_URL"), os.environ.get("REDIS_URL")
    if database_url and redis_url:
        return Servers(database_url, redis_url)
    own = OwnServers()
    return Servers(database_url or own.postgres.url(), redis_url or own.valkey.url, own)


def pytest_configure(config: pytest.Config) -> None:
    """Before xdist's workers start, so that they share one pair of servers."""
    is_worker = hasattr(config, "workerinput")
    if not is_worker and config.getoption("dist", "no") != "no" and not config.getoption("collectonly"):
        config.stash[SERVERS_KEY] = start_servers()


def pytest_configure_node(node: Any) -> None:
    """Called by xdist for each worker it is about to start."""
    servers = node.config.stash[SERVERS_KEY]
    node.workerinput["servers"] = {"database_url": servers.database_url, "redis_url": servers.redis_url}


def pytest_unconfigure(config: pytest.Config) -> None:
    """After the last worker is gone."""
    servers = config.stash.get(SERVERS_KEY, None)
    if servers is not None and servers.own is not None:
        servers.own.stop()


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Servers:
    """The session's servers, started by the first test that needs them."""
    told = getattr(pytestconfig, "workerinput", {}).get("servers")
    if told:
        return Servers(**told)
    if SERVERS_KEY not in pytestconfig.stash:
        pytestconfig.stash[SERVERS_KEY] = start_servers()
    return pytestconfig.stash[SERVERS_KEY]


@pytest.fixture(scope="session")
def django_db_modify_db_settings(servers: Servers, worker_id: str) -> None:
    """Point Django at the session's server, in a database for this xdist worker alone."""
    entry = database_settings(servers.database_url, process="command", pool_size=1)
    entry["TEST"] = {"NAME": f"test_suitewatch_{worker_id}"}
    known = connections.databases["default"]
    known.clear()
    known.update(connections.configure_settings({"default": entry})["default"])
    # A wrapper made for "no database" would remember that.
    if hasattr(connections._connections, "default"):  # type: ignore[attr-defined]
        del connections["default"]


@pytest.fixture
def clean_redis_url(servers: Servers) -> Iterator[str]:
    """The address of an empty Valkey."""
    import redis

    with redis.Redis.from_url(servers.redis_url) as client:
        client.flushall()
        yield servers.redis_url
        client.flushall()
