"""Our own PostgreSQL: private, on a socket, under an account that is not root."""

import io
import os
import shutil
import stat
import tempfile
from pathlib import Path

import psycopg
import pytest

from config.embedded import postgres as subject
from config.embedded.postgres import FLEETING, find_install, forget_stale_pid, prepare_postgres
from config.embedded.service import EmbeddedError, short_socket_directory
from config.embedded.supervisor import Supervisor

AS_ROOT = os.geteuid() == 0


@pytest.fixture
def folder():
    """A short path, unlike pytest's own."""
    made = Path(tempfile.mkdtemp(prefix="sw-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def parent():
    made = Supervisor(out=io.StringIO())
    yield made
    made.stop()


def start(parent, directory):
    server = prepare_postgres(directory, options=FLEETING)
    parent.start(server.service())
    server.create_database()
    return server


def owner_and_mode(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_uid, stat.S_IMODE(found.st_mode)


def test_it_starts_keeps_its_data_and_stops(folder, parent):
    server = start(parent, folder)
    with psycopg.connect(server.url()) as connection:
        assert connection.info.server_version // 10_000 == 18
        connection.execute("CREATE TABLE kept (word text)")
        connection.execute("INSERT INTO kept VALUES ('ß')")
    pid = parent.pid("postgres")
    parent.stop()
    assert not Path(f"/proc/{pid}").exists()
    assert not server.is_ready()

    again = start(parent, folder)
    with psycopg.connect(again.url()) as connection:
        assert connection.execute("SELECT word FROM kept").fetchone() == ("ß",)


def test_it_listens_on_a_socket_only_and_its_data_are_its_owners_alone(folder, parent):
    server = start(parent, folder)
    account = server.account.pw_uid if server.account else os.geteuid()
    assert account != 0
    assert owner_and_mode(server.data) == (account, 0o700)
    assert owner_and_mode(server.sockets) == (account, 0o700)
    with psycopg.connect(server.url()) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
    status = Path(f"/proc/{parent.pid('postgres')}/status").read_text()
    assert f"Uid:\t{account}\t" in status


def test_it_starts_again_after_a_kill(folder, parent):
    start(parent, folder)
    parent.kill_one("postgres")
    assert start(parent, folder).is_ready()


def test_the_number_of_a_server_that_is_gone_is_no_obstacle(folder, parent):
    server = start(parent, folder)
    parent.stop()
    # As if another process had got the number since.
    (server.data / "postmaster.pid").write_text(f"{os.getpid()}\n{server.data}\n")
    assert start(parent, folder).is_ready()


def test_the_number_of_a_running_server_is_left_alone(folder, parent):
    server = start(parent, folder)
    forget_stale_pid(server.data)
    assert (server.data / "postmaster.pid").exists()


def test_a_folder_that_was_begun_and_not_finished_is_made_again(folder, parent):
    data = prepare_postgres(folder, options=FLEETING).data
    (data / "PG_VERSION").unlink()
    assert start(parent, folder).is_ready()


def test_data_of_another_major_version_are_refused_and_left_alone(folder):
    data = prepare_postgres(folder, options=FLEETING).data
    (data / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedError, match="was made by PostgreSQL 17, but this release carries 18"):
        prepare_postgres(folder, options=FLEETING)
    assert (data / "global").exists()


def test_a_state_folder_with_a_long_path_gets_short_sockets(folder, parent):
    deep = folder / ("d" * 90)
    deep.mkdir()
    folder.chmod(0o711)
    server = start(parent, deep)
    assert not server.sockets.is_relative_to(deep)
    assert len(str(server.sockets)) < 60
    assert prepare_postgres(deep, options=FLEETING).sockets == server.sockets
    parent.stop()
    server.sockets.rmdir()


def test_a_short_folder_that_somebody_else_made_is_not_used(monkeypatch):
    wanted = Path("/nowhere") / ("d" * 120) / str(os.getpid())
    made = short_socket_directory(wanted, name="socket")
    try:
        assert owner_and_mode(made) == (os.geteuid(), 0o700)
        made.chmod(0o755)
        with pytest.raises(EmbeddedError, match="is not ours alone"):
            short_socket_directory(wanted, name="socket")
    finally:
        made.rmdir()


@pytest.mark.skipif(not AS_ROOT, reason="as another user the folder's owner runs the server: see the next test")
def test_root_under_a_strict_parent_finds_another_home(folder, parent, monkeypatch, request):
    outside = Path(tempfile.mkdtemp(prefix="sw-home-"))
    request.addfinalizer(lambda: shutil.rmtree(outside, ignore_errors=True))
    outside.chmod(0o755)
    monkeypatch.setattr(subject, "ROOTS_HOME", outside)
    strict = folder / "state"
    strict.mkdir(mode=0o700)
    folder.chmod(0o700)
    server = start(parent, strict)
    assert server.data.is_relative_to(outside)
    # Nobody's permissions were widened on the way.
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.skipif(AS_ROOT, reason="root cannot be shut out of a folder: see the test before")
def test_another_user_under_a_strict_parent_stays_inside(folder, parent):
    strict = folder / "state"
    strict.mkdir(mode=0o700)
    server = start(parent, strict)
    assert server.data.is_relative_to(strict)
    assert server.binaries.is_relative_to(find_install())


def test_a_missing_wheel_is_one_sentence(monkeypatch):
    monkeypatch.setattr(subject, "WHEEL", "no_such_wheel")
    with pytest.raises(EmbeddedError, match="run `make up`, or set DATABASE_URL"):
        find_install()


def test_the_tools_for_backups_are_there():
    tools = find_install() / "bin"
    assert all((tools / name).is_file() for name in ("pg_dump", "pg_restore", "psql"))


def test_the_users_own_settings_of_postgresql_do_not_reach_it(folder, parent, monkeypatch):
    monkeypatch.setenv("PGPORT", "9999")
    monkeypatch.setenv("PGDATA", "/nowhere")
    assert start(parent, folder).is_ready()
