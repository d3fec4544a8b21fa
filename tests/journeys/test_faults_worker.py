"""What becomes of an upload whose worker is killed, frozen or told to stop, wherever that happens.

Real processes; each test ends with every upload there once and every count exact.
"""

import signal

import pytest

from tests.faults.lab import Lab, wake
from tests.faults.reports import Report, make_report
from tests.stack import wait_for

pytestmark = pytest.mark.usefixtures("lab")
SMALL = make_report(300)


@pytest.fixture(scope="module")
def large() -> Report:
    return make_report(100_000)


def test_a_child_killed_in_the_middle_of_a_large_file(lab: Lab, large: Report) -> None:
    sender = lab.a_sender()
    lab.traps.arm("parsing", signal.SIGKILL)
    lab.accept(sender, large, run_id="1")
    lab.wait_until_caught("parsing")
    lab.wait_until_stored(sender, 1)
    assert lab.uploads(sender) == [("stored", 2)]
    lab.assert_exact(sender, [large], n_names=large.n)


def test_all_of_the_worker_killed_in_the_middle_of_a_large_file(lab: Lab, large: Report) -> None:
    sender = lab.a_sender()
    lab.traps.arm("parsing", signal.SIGSTOP)
    lab.accept(sender, large, run_id="1")
    lab.wait_until_caught("parsing")
    lab.stack.kill("worker")
    assert lab.uploads(sender) == [("processing", 1)]
    lab.stack.start("worker")
    lab.wait_until_stored(sender, 1)
    assert lab.uploads(sender) == [("stored", 2)]
    lab.assert_exact(sender, [large], n_names=large.n)


def test_killed_between_copy_and_commit_nothing_is_visible_and_it_is_done_again(lab: Lab) -> None:
    sender = lab.a_sender()
    lab.traps.arm("copied", signal.SIGSTOP)
    lab.accept(sender, SMALL, run_id="1")
    pid = lab.wait_until_caught("copied")
    for table in ("health_tile", "health_run", "health_job", "health_failure", "health_suiteday"):
        seen = lab.stack.query(f"SELECT count(*) FROM {table} WHERE project_id = %s", sender.project)
        assert seen == [(0,)], table
    wake(pid)
    wait_for(lambda: lab.uploads(sender) == [("stored", 1)], what="the woken worker's own commit")
    lab.traps.clear()
    lab.traps.arm("copied", signal.SIGKILL)
    lab.accept(sender, SMALL, run_id="2")
    lab.wait_until_caught("copied")
    lab.end_lease(sender)
    lab.wait_until_stored(sender, 2)
    assert lab.uploads(sender) == [("stored", 1), ("stored", 2)]
    lab.assert_exact(sender, [SMALL, SMALL], n_names=SMALL.n)


def test_killed_after_the_commit_nothing_is_done_twice(lab: Lab) -> None:
    sender = lab.a_sender()
    lab.traps.arm("committed", signal.SIGKILL)
    upload = lab.accept(sender, SMALL, run_id="1")
    lab.wait_until_caught("committed")
    assert lab.uploads(sender) == [("stored", 1)]
    revision = lab.revision(sender)
    again = lab.send(sender, SMALL.packed, run_id="1")
    assert (again.status, again.json["duplicate_of"]) == (200, upload)
    other = lab.a_sender()
    lab.accept(other, SMALL, run_id="1")
    lab.wait_until_stored(other, 1)
    assert lab.uploads(sender) == [("stored", 1)]
    assert lab.revision(sender) == revision
    lab.assert_exact(sender, [SMALL], n_names=SMALL.n)


def test_a_frozen_worker_that_wakes_after_another_finished_changes_nothing(lab: Lab) -> None:
    sender = lab.a_sender()
    lab.traps.arm("parsed", signal.SIGSTOP)
    lab.accept(sender, SMALL, run_id="1")
    pid = lab.wait_until_caught("parsed")
    lab.end_lease(sender)
    lab.wait_until_stored(sender, 1)
    said = len(lab.stack.log)
    wake(pid)
    wait_for(lambda: "lease_lost" in lab.stack.log[said:], what="the sleeper's word that its lease is over")
    assert lab.uploads(sender) == [("stored", 2)]
    lab.assert_exact(sender, [SMALL], n_names=SMALL.n)


def test_a_worker_frozen_inside_its_transaction_does_not_hold_its_project_for_ever(lab: Lab) -> None:
    sender, other = lab.a_sender(), lab.a_sender()
    lab.traps.arm("copied", signal.SIGSTOP)
    lab.accept(sender, SMALL, run_id="1")
    pid = lab.wait_until_caught("copied")
    lab.accept(other, SMALL, run_id="1")
    lab.wait_until_stored(other, 1)
    lab.accept(sender, SMALL, run_id="2")
    lab.wait_until_stored(sender, 2, seconds=40)
    said = len(lab.stack.log)
    wake(pid)
    wait_for(lambda: "idle-in-transaction" in lab.stack.log[said:], what="the sleeper's word that it was cut off")
    lab.assert_exact(sender, [SMALL, SMALL], n_names=SMALL.n)
    lab.assert_exact(other, [SMALL], n_names=SMALL.n)


def test_a_file_that_kills_each_worker_is_given_up_and_others_go_on(lab: Lab) -> None:
    poisoned, healthy = lab.a_sender(), lab.a_sender()
    worker, revision = lab.stack.pid("worker"), lab.revision(poisoned)
    lab.traps.arm("parsed", signal.SIGKILL)
    lab.accept(poisoned, SMALL, run_id="1")
    for attempt in (1, 2, 3):
        lab.wait_until_caught("parsed")
        lab.traps.clear()
        if attempt < 3:
            lab.traps.arm("parsed", signal.SIGKILL)
        lab.end_lease(poisoned)
    lab.accept(healthy, SMALL, run_id="1")
    lab.wait_until_stored(healthy, 1)
    lab.wait_until_stored(poisoned, 1)
    assert lab.uploads(poisoned) == [("dead", 3)]
    (error,) = lab.stack.query("SELECT error->>'code' FROM health_upload WHERE project_id = %s", poisoned.project)
    assert error == ("worker_crashed",)
    assert lab.revision(poisoned) > revision
    assert lab.stack.pid("worker") == worker
    lab.assert_exact(healthy, [SMALL], n_names=SMALL.n)


def test_a_worker_told_to_stop_finishes_what_it_has_and_leaves_the_rest(lab: Lab) -> None:
    sender = lab.a_sender()
    reports = [make_report(2000 + number) for number in range(6)]
    lab.traps.arm("parsed", signal.SIGSTOP)
    for number, report in enumerate(reports):
        lab.accept(sender, report, run_id=str(number))
    pid = lab.wait_until_caught("parsed")
    wake(pid)
    lab.stack.stop("worker")
    assert "processing" not in [state for state, _ in lab.uploads(sender)]
    lab.stack.start("worker")
    lab.wait_until_stored(sender, len(reports))
    assert {attempts for _, attempts in lab.uploads(sender)} == {1}
    lab.assert_exact(sender, reports, n_names=2005)
