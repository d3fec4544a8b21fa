"""Children: started, waited for, shown, restarted, stopped."""

import io
import os
import signal
import sys
import threading

import pytest

from config.embedded import supervisor as subject
from config.embedded.service import EmbeddedError, Service
from config.embedded.state import ProcessId
from config.embedded.supervisor import StopAskedError, Supervisor, end_leftovers
from tests.stack import wait_for

FOREVER = """
import time
print("up", flush=True)
time.sleep(600)
"""
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)" + FOREVER
PARENT = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {STUBBORN!r}])
print("grandchild", child.pid, flush=True)
{STUBBORN}
"""
SECOND_TIME = """
import pathlib, sys
mark = pathlib.Path({mark!r})
if not mark.exists():
    mark.touch()
    sys.exit(1)
"""


def service(code, name="child", **options):
    return Service(name=name, argv=[sys.executable, "-c", code], environment=dict(os.environ), **options)


@pytest.fixture
def log():
    return io.StringIO()


@pytest.fixture
def parent(log):
    made = Supervisor(out=log)
    yield made
    made.stop()


def test_a_line_is_shown_under_its_name_without_colour(parent, log):
    parent.start(service(FOREVER, ready_line="up"))
    assert log.getvalue() == "child      │ up\n"


def test_colours_are_for_those_who_asked(log):
    Supervisor(out=log, in_colour=True).say("hello")
    assert log.getvalue().startswith("\033[36m")
    assert log.getvalue().endswith("\033[0m hello\n")


def test_lines_can_be_left_out_for_a_while_and_are_kept_for_a_report(parent, log):
    talks = "print('12:00 INFO ingest: upload 1 received'); print('12:00 WARNING ingest: slow')"
    with parent.hush(" INFO ", '"level": "INFO"'):
        status, last_lines = parent.run(service(talks))
    assert (status, log.getvalue()) == (0, "child      │ 12:00 WARNING ingest: slow\n")
    assert "upload 1 received" in last_lines
    parent.run(service(talks))
    assert log.getvalue().count("INFO") == 1


def test_start_waits_until_the_child_is_ready(parent):
    asked = []
    parent.start(service(FOREVER, is_ready=lambda: asked.append(1) or len(asked) > 2))
    assert len(asked) == 3


def test_a_child_that_ends_at_once_is_told_with_its_last_words(parent):
    with pytest.raises(EmbeddedError, match=r"child ended at once \(exit status 3\):\nno luck"):
        parent.start(service("import sys; print('no luck'); sys.exit(3)", is_ready=lambda: False))
    assert not parent.is_running("child")


def test_a_child_that_is_never_ready_is_given_up_and_stopped(parent):
    seen = []
    parent._on_change = lambda children: seen.append(dict(children))
    with pytest.raises(EmbeddedError, match="was not ready after 0 s"):
        parent.start(service(FOREVER, ready_seconds=0.2, is_ready=lambda: False))
    pid = next(iter(seen[0].values()))
    assert not pid.is_alive()


def test_a_child_may_be_tried_again(parent, tmp_path, monkeypatch):
    monkeypatch.setattr(subject.time, "sleep", lambda _: None)
    code = SECOND_TIME.format(mark=str(tmp_path / "mark")) + FOREVER
    parent.start(service(code, ready_line="up", tries=2))
    assert parent.is_running("child")


def test_lines_of_no_interest_are_kept_but_not_shown(parent, log):
    status, lines = parent.run(service("print('noise'); print('news')", quiet_about=("noise",)))
    assert (status, lines) == (0, "noise\nnews\n")
    assert "noise" not in log.getvalue()
    assert "news" in log.getvalue()


def test_children_stop_in_reverse(parent):
    stopped = []
    parent._on_change = lambda children: stopped.append(sorted(children))
    for name in ("first", "second", "third"):
        parent.start(service(FOREVER, name=name, ready_line="up"))
    stopped.clear()
    parent.stop()
    assert stopped == [["first", "second"], ["first"], []]


def test_a_child_that_will_not_stop_is_killed_with_its_own_children(parent):
    lines = io.StringIO()
    parent._out = lines
    parent.start(service(PARENT, ready_line="grandchild", stop_seconds=0.2))
    wait_for(lambda: "grandchild" in lines.getvalue())
    grandchild = ProcessId.of(int(lines.getvalue().split("grandchild ")[1].split()[0]))
    parent.stop()
    wait_for(lambda: not grandchild.is_alive(), what="the grandchild is gone")


def test_the_first_signal_asks_and_the_second_hurries(parent):
    with parent.signals():
        parent.start(service(STUBBORN, ready_line="up", stop_seconds=600))
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(StopAskedError):
            parent.watch()
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        parent.stop()
    assert not parent.is_running("child")


def test_a_wish_to_stop_ends_a_wait_for_readiness(parent):
    with parent.signals():
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
        with pytest.raises(StopAskedError):
            parent.start(service(FOREVER, is_ready=lambda: False))


def test_a_crashed_child_is_started_again_after_a_growing_pause(parent, log, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(subject.time, "monotonic", lambda: clock[0])
    parent.start(service(FOREVER, ready_line="up"))
    for pause in (1, 2, 4):
        child = parent._children["child"]
        os.kill(child.process.pid, signal.SIGKILL)
        child.process.wait()
        parent._look_after(child)
        assert f"child ended (signal SIGKILL); starting it again in {pause} s." in log.getvalue()
        assert not parent.is_running("child")
        clock[0] += pause
        parent._look_after(child)
        assert parent.is_running("child")


def test_a_child_that_was_healthy_for_long_starts_again_quickly(parent, log, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(subject.time, "monotonic", lambda: clock[0])
    parent.start(service(FOREVER, ready_line="up"))
    child = parent._children["child"]
    child.pause = 30
    clock[0] += subject.HEALTHY_SECONDS + 1
    os.kill(child.process.pid, signal.SIGKILL)
    child.process.wait()
    parent._look_after(child)
    assert "starting it again in 1 s." in log.getvalue()


def test_ctrl_c_in_the_terminal_does_not_reach_the_children(parent):
    code = "import os; print('leads its group:', os.getpgrp() == os.getpid())" + FOREVER
    parent.start(service(code, ready_line="leads its group: True"))


def test_leftovers_are_ended_by_their_identity_only(parent):
    parent.start(service(FOREVER, ready_line="up"))
    process = parent._children["child"].process
    real = ProcessId.of(process.pid)
    assert end_leftovers({"web": ProcessId(process.pid, began="1")}) == []
    assert real.is_alive()
    assert end_leftovers({"web": real}, seconds=5) == ["web"]
    process.wait()


def test_a_terminal_that_is_gone_stops_nothing(parent):
    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    parent._out = Gone()
    parent.start(service(FOREVER, ready_line="up"))
    parent.say("hello")
