"""DATABASE_URL becomes Django's settings."""

import os
import socket

import psycopg
import pytest

from config.database import POOL_WAIT_SECONDS, database_settings
from config.embedded.postgres import PORT
from config.env import EnvError
from tests.faults.proxy import Wire

URL = "postgresql://ann:p%40ss@db.example:5433/facts?sslmode=require"


def test_an_address_is_taken_apart_as_libpq_does():
    found = database_settings(URL, process="command", pool_size=8)
    assert (found["NAME"], found["USER"], found["PASSWORD"], found["HOST"], found["PORT"]) == (
        "facts",
        "ann",
        "p@ss",
        "db.example",
        "5433",
    )
    assert found["OPTIONS"]["sslmode"] == "require"


def test_a_unix_socket_is_a_host():
    found = database_settings("postgresql://sw@/facts?host=%2Ftmp%2Fx&port=5432", process="command", pool_size=8)
    assert found["HOST"] == "/tmp/x"


def test_only_the_web_process_has_a_pool_and_it_never_waits_two_seconds():
    web = database_settings(URL, process="web", pool_size=5)["OPTIONS"]
    assert web["pool"]["max_size"] == 5
    assert web["pool"]["timeout"] == POOL_WAIT_SECONDS < 2
    for process in ("worker", "beat", "command"):
        assert "pool" not in database_settings(URL, process=process, pool_size=5)["OPTIONS"]


def test_each_process_has_limits_and_its_name():
    web = database_settings(URL, process="web", pool_size=5)["OPTIONS"]
    worker = database_settings(URL, process="worker", pool_size=5)["OPTIONS"]
    assert "statement_timeout=15s" in web["options"]
    assert "statement_timeout=120s" in worker["options"]
    for options in (web, worker):
        assert "client_connection_check_interval=2s" in options["options"]
        assert options["connect_timeout"] == 3
    assert worker["application_name"] == "suitewatch-worker"


def test_a_server_that_falls_silent_is_given_up_by_the_kernel(servers):
    """What a dropped packet does cannot be played in a test: that the limit is set on a real socket can be seen."""
    place = psycopg.conninfo.conninfo_to_dict(servers.database_url)
    folder, port = str(place.get("host", "")), place.get("port", PORT)
    if not folder.startswith("/"):
        pytest.skip("with a DATABASE_URL of its own, the wire to it is not ours")
    options = database_settings(URL, process="web", pool_size=1)["OPTIONS"]
    limits = {name: options[name] for name in ("connect_timeout", "tcp_user_timeout", "keepalives_idle")}
    with Wire(f"{folder}/.s.PGSQL.{port}", reset_after=9) as wire:
        place |= {"host": "127.0.0.1", "port": wire.port}
        with (
            psycopg.connect(**place, **limits) as connection,
            socket.socket(fileno=os.dup(connection.fileno())) as wired,
        ):
            assert wired.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 10_000
            assert wired.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30


def test_what_the_address_says_about_options_wins():
    found = database_settings(f"{URL}&options=-c%20statement_timeout%3D1s", process="web", pool_size=5)
    assert found["OPTIONS"]["options"].endswith("-c statement_timeout=1s")


@pytest.mark.parametrize("url", ["postgresql://host", "postgresql://host:port:port/x?nonsense=1"])
def test_an_address_we_cannot_use_is_refused_without_showing_it(url):
    with pytest.raises(EnvError, match="allowed: postgresql://") as caught:
        database_settings(url, process="web", pool_size=5)
    assert url not in str(caught.value)
