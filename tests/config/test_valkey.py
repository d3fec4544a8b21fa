"""Our own Valkey: one socket for its owner, no port, nothing kept."""

import io
import os
import shutil
import stat
import tempfile
from pathlib import Path

import pytest
import redis

from config.embedded import valkey as subject
from config.embedded.service import EmbeddedError
from config.embedded.supervisor import Supervisor
from config.embedded.valkey import find_binary, prepare_valkey


@pytest.fixture
def folder():
    made = Path(tempfile.mkdtemp(prefix="sw-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def parent():
    made = Supervisor(out=io.StringIO())
    yield made
    made.stop()


def test_it_listens_on_a_socket_for_its_owner_and_on_no_port(folder, parent):
    server = prepare_valkey(folder)
    parent.start(server.service())
    assert stat.S_IMODE(server.socket.stat().st_mode) == 0o600
    with redis.Redis.from_url(server.url) as client:
        assert client.ping()
        assert client.info("server")["tcp_port"] == 0
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_it_keeps_nothing_and_starts_again_after_a_kill(folder, parent):
    server = prepare_valkey(folder)
    parent.start(server.service())
    with redis.Redis.from_url(server.url) as client:
        client.set("word", "kept?")
    parent.kill_one("valkey")
    again = prepare_valkey(folder)
    parent.start(again.service())
    with redis.Redis.from_url(again.url) as client:
        assert client.get("word") is None
    assert [path.name for path in (folder / "valkey").iterdir()] == ["valkey.sock"]


def test_the_private_module_of_the_wheel_still_tells_where_the_binary_is():
    assert os.access(find_binary(), os.X_OK)


def test_a_machine_without_a_binary_is_one_sentence(monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(EmbeddedError, match="set REDIS_URL"):
        subject.find_binary()
