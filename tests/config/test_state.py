"""The state file hands out only what runs."""

import os
import stat
import subprocess
import sys

from config.embedded import state
from config.embedded.state import ProcessId, Running


def running(owner):
    return Running(owner, "http://x", "postgresql:///x", "unix:///x", {"web": owner})


def test_what_is_written_is_read_back_by_its_owner_only(tmp_path):
    mine = running(ProcessId.of(os.getpid()))
    state.write(mine, directory=tmp_path)
    assert state.read(tmp_path) == mine
    assert stat.S_IMODE((tmp_path / state.FILE_NAME).stat().st_mode) == 0o600


def test_the_addresses_of_a_process_that_is_gone_are_not_handed_out(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    owner = ProcessId.of(child.pid)
    state.write(running(owner), directory=tmp_path)
    assert state.read_running(tmp_path) is not None
    child.communicate()
    assert state.read_running(tmp_path) is None
    assert state.read(tmp_path) is not None


def test_a_later_process_with_the_same_number_is_another_one(tmp_path):
    assert ProcessId.of(os.getpid()).is_alive()
    assert not ProcessId(os.getpid(), began="1").is_alive()


def test_a_process_that_is_dead_but_not_collected_is_gone():
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not ProcessId.of(child.pid).is_alive()


def test_no_file_and_a_damaged_file_are_nothing(tmp_path):
    assert state.read(tmp_path) is None
    for text in ("", "[]", "{}", '{"children": []}', '{"owner": {"pid": 1}, "children": {}}'):
        (tmp_path / state.FILE_NAME).write_text(text)
        assert state.read(tmp_path) is None


def test_clearing_twice_is_no_error(tmp_path):
    state.write(running(ProcessId.of(os.getpid())), directory=tmp_path)
    state.clear(tmp_path)
    state.clear(tmp_path)
    assert state.read(tmp_path) is None
