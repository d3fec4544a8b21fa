"""What becomes of an upload whose worker is killed, frozen or told to stop, wherever that happens.

Real processes; each test ends with every upload there once and every count exact. The numbers are those of
`docs/faults.md`.
"""

import gzip
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from benchmarks.timing import list_children, read_peak_mb
from tests.faults.lab import Lab, Sender, wake
from tests.faults.poison import poison
from tests.faults.reports import Report, make_report
from tests.stack import wait_for

pytestmark = [pytest.mark.fault, pytest.mark.usefixtures("lab")]
SMALL = make_report(300)


@pytest.fixture(scope="module")
def large() -> Report:
    return make_report(100_000)


@pytest.mark.fault_smoke
def test_f01_a_child_killed_in_the_middle_of_a_large_file(lab: Lab, large: Report) -> None:
    sender = lab.a_sender()
    lab.traps.arm("parsing", signal.SIGKILL)
    lab.accept(sender, large, run_id="1")
    lab.wait_until_caught("parsing")
    lab.wait_until_stored(sender, 1)
    assert lab.uploads(sender) == [("stored", 2)]
    lab.assert_exact(sender, [large], n_names=large.n)


@pytest.mark.fault_smoke
def test_f02_all_of_the_worker_killed_in_the_middle_of_a_large_file(lab: Lab, large: Report) -> None:
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


@pytest.mark.fault_smoke
def test_f03_killed_between_copy_and_commit_nothing_is_visible_and_it_is_done_again(lab: Lab) -> None:
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


@pytest.mark.fault_smoke
def test_f03_killed_after_the_commit_nothing_is_done_twice(lab: Lab) -> None:
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


@pytest.mark.fault_smoke
def test_f03_killed_while_it_judges_the_sweeper_has_it_done(lab: Lab) -> None:
    sender = lab.a_sender()
    lab.traps.arm("judged", signal.SIGSTOP)
    lab.accept(sender, SMALL, run_id="1")
    pid = lab.wait_until_caught("judged")
    assert lab.uploads(sender) == [("stored", 1)]
    conclusions = """
        SELECT (SELECT count(*) FROM health_serieswindow WHERE project_id = %(project)s),
            (SELECT sum(n_failed) FROM health_causecount WHERE project_id = %(project)s),
            (SELECT count(*) FROM health_job WHERE project_id = %(project)s AND NOT is_judged)
    """.replace("%(project)s", str(sender.project))
    assert lab.stack.query(conclusions) == [(0, None, 1)]
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: lab.stack.query(conclusions) == [(1, SMALL.failed, 0)], what="conclusions the sweeper asked for")
    assert lab.uploads(sender) == [("stored", 1)]
    lab.assert_exact(sender, [SMALL], n_names=SMALL.n)


@pytest.mark.fault_smoke
def test_f06_a_frozen_worker_that_wakes_after_another_finished_changes_nothing(lab: Lab) -> None:
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


def test_f06_a_worker_frozen_inside_its_transaction_does_not_hold_its_project_for_ever(lab: Lab) -> None:
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


@pytest.mark.fault_smoke
def test_f29_a_file_that_kills_each_worker_is_given_up_and_others_go_on(lab: Lab) -> None:
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


@pytest.mark.fault_smoke
def test_f44_a_worker_told_to_stop_finishes_what_it_has_and_leaves_the_rest(lab: Lab) -> None:
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


def test_f44_a_worker_killed_when_its_time_to_stop_is_over_hands_its_upload_back(lab: Lab) -> None:
    sender = lab.a_sender()
    lab.traps.arm("parsed", signal.SIGSTOP)
    lab.accept(sender, SMALL, run_id="1")
    lab.wait_until_caught("parsed")
    os.kill(lab.stack.pid("worker"), signal.SIGTERM)
    time.sleep(1)
    assert lab.stack.servers.supervisor.is_running("worker"), "it waits for the child that stands still"
    lab.stack.kill("worker")
    assert lab.uploads(sender) == [("processing", 1)]
    lab.stack.start("worker")
    lab.wait_until_stored(sender, 1)
    assert lab.uploads(sender) == [("stored", 2)]
    lab.assert_exact(sender, [SMALL], n_names=SMALL.n)


# --- Poison: files that end whoever reads them -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("segfault", "worker_crashed"),
        ("exit", "worker_crashed"),
        ("memory", "out_of_memory"),
        ("loop", "time_limit"),
    ],
)
def test_f29_a_poisoned_file_is_given_up_after_three_tries(lab: Lab, name: str, code: str) -> None:
    poisoned, healthy = lab.a_sender(), lab.a_sender()
    with lab.short_limits(soft=2, hard=10):
        worker = lab.stack.pid("worker")
        lab.accept(poisoned, poison(SMALL, name), run_id="1")
        wait_for(lambda: lab.uploads(poisoned)[0][1] >= 1, what="the first try")
        began = time.monotonic()
        lab.accept(healthy, SMALL, run_id="1")
        lab.wait_until_stored(healthy, 1, seconds=10)
        assert time.monotonic() - began < 10
        wait_until_dead(lab, poisoned)
        assert lab.stack.pid("worker") == worker
        assert lab.stack.servers.supervisor.is_running("worker")
    assert lab.uploads(poisoned) == [("dead", 3)]
    assert read_code(lab, poisoned) == code
    lab.assert_exact(healthy, [SMALL], n_names=SMALL.n)


def test_f30_a_loop_in_c_is_killed_at_the_hard_limit(lab: Lab) -> None:
    """No signal handler runs in there, and no thread extends the lease: only the parent's SIGKILL helps."""
    poisoned, healthy = lab.a_sender(), lab.a_sender()
    with lab.short_limits(soft=2, hard=4):
        worker = lab.stack.pid("worker")
        lab.accept(poisoned, poison(SMALL, "loop in C"), run_id="1")
        wait_for(lambda: lab.uploads(poisoned)[0][1] >= 1, what="the first try")
        lab.accept(healthy, SMALL, run_id="1")
        lab.wait_until_stored(healthy, 1, seconds=15)
        wait_until_dead(lab, poisoned)
        assert lab.stack.pid("worker") == worker
    assert lab.uploads(poisoned) == [("dead", 3)]
    assert read_code(lab, poisoned) == "worker_crashed"
    lab.assert_exact(healthy, [SMALL], n_names=SMALL.n)


def wait_until_dead(lab: Lab, sender: Sender) -> None:
    """Back-offs are cut short; leases really run out."""

    def is_dead() -> bool:
        lab.hurry(sender)
        return lab.uploads(sender)[0][0] == "dead"

    wait_for(is_dead, seconds=60, what="the end of the tries")


def read_code(lab: Lab, sender: Sender) -> str:
    rows = lab.stack.query("SELECT error->>'code' FROM health_upload WHERE project_id = %s", sender.project)
    return str(rows[0][0])


# --- Memory -------------------------------------------------------------------------------------------------------

LARGE = 20 * 2**20
HEAD, TAIL = b'<testsuite name="s"><testcase classname="c" name="a" time="1">', b"</testcase></testsuite>"


def test_hostile_files_leave_the_worker_small(lab: Lab) -> None:
    """B41 to B45 and B58, as large as they may be on the wire or larger once unpacked, through one worker."""
    sender = lab.a_sender()
    lab.stack.restart("worker")
    bodies = [
        b"<testsuite>" + b"<a>" * 100_000,
        b"<testsuite" + b"".join(b' a%d=""' % number for number in range(200_000)) + b"/>",
        HEAD.replace(b'name="a"', b'name="%s"' % (b"x" * 11 * 2**20)) + TAIL,
        HEAD + b"<!--" + b"x" * LARGE + b"-->" + TAIL,
        HEAD + b"<failure>" + b"x" * LARGE + b"</failure>" + TAIL,
        HEAD + b"<system-out>" + b"\x01" * LARGE + b"</system-out>" + TAIL,
        b"<testsuite>" + b'<testcase name="a"/>' * 200_001,
    ]
    for number, body in enumerate(bodies):
        assert lab.send(sender, gzip.compress(body, 1), run_id=str(number)).status == 202
    lab.wait_until_stored(sender, len(bodies), seconds=60)
    states = [state for state, _ in lab.uploads(sender)]
    assert states == ["failed", "failed", "stored", "stored", "stored", "stored", "failed"]
    worker = lab.stack.pid("worker")
    # At rest 100 MB; what an upload may bring is 200 MB.
    assert max(read_peak_mb(pid) for pid in [worker, *list_children(worker)]) < 250


# --- Many at once -------------------------------------------------------------------------------------------------


def test_f19_the_same_tests_in_opposite_order_never_lock_each_other_out(lab: Lab) -> None:
    """Fifty pairs of reports of new names, each pair sent at once in opposite order, to two workers."""
    sender = lab.a_sender()
    deadlocks = count_deadlocks(lab)
    reports = []
    with ThreadPoolExecutor(2) as pool:
        for number in range(50):
            forth = make_report(100, first=number * 100)
            pair = [forth, backwards(forth)]
            list(pool.map(lambda part, number=number: send_in_order(lab, sender, part, number), enumerate(pair)))  # type: ignore[misc]
            reports += pair
    lab.wait_until_stored(sender, len(reports), seconds=60)
    assert {attempts for _, attempts in lab.uploads(sender)} == {1}
    assert count_deadlocks(lab) == deadlocks
    lab.assert_exact(sender, reports, n_names=5000)


def send_in_order(lab: Lab, sender: Sender, part: tuple[int, Report], number: int) -> None:
    lab.accept(sender, part[1], run_id=f"{number}-{part[0]}")


def backwards(report: Report) -> Report:
    head, *cases, tail = report.body.split(b"\n")
    return Report(report.n, report.failed, b"\n".join([head, *reversed(cases), tail]))


def count_deadlocks(lab: Lab) -> int:
    return int(lab.stack.query("SELECT sum(deadlocks)::int FROM pg_stat_database")[0][0])


@pytest.mark.fault_smoke
def test_f28_shards_that_end_at_the_same_moment_add_up(lab: Lab) -> None:
    """Twenty runs of four shards each, all sent at once, with two workers that take them as they come."""
    sender = lab.a_sender()
    shards = [make_report(40, first=40 * part) for part in range(4)]
    with ThreadPoolExecutor(8) as pool:
        sent = [(run, part) for run in range(20) for part in range(4)]
        list(pool.map(lambda at: send_shard(lab, sender, shards, *at), sent))
    lab.wait_until_stored(sender, 80, seconds=60)
    columns = "n_declared, n_failed, is_complete"
    counts = f"SELECT {columns}, count(*)::int FROM health_run WHERE project_id = %s GROUP BY {columns}"
    runs = lab.stack.query(counts, sender.project)
    assert runs == [(160, sum(shard.failed for shard in shards), True, 20)]


def send_shard(lab: Lab, sender: Sender, shards: list[Report], run: int, part: int) -> None:
    lab.accept(sender, shards[part], run_id=str(run), job="tests", shard=f"{part + 1}/4")


def test_f31_one_upload_does_not_wait_behind_a_thousand_of_another_project(lab: Lab) -> None:
    crowd, single = lab.a_sender(), lab.a_sender()
    small = make_report(10)
    lab.stack.stop("worker")
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda n: lab.send(crowd, small.packed, strict=True, run_id=str(n)).status, range(1000))
        )
    assert answers == [202] * 1000
    lab.accept(single, SMALL, run_id="1")
    began = time.monotonic()
    lab.stack.start("worker")
    lab.wait_until_stored(single, 1, seconds=15)
    assert time.monotonic() - began < 10
    assert lab.count_unfinished(crowd) > 0, "the crowd was through already: this proves nothing"
    lab.wait_until_stored(crowd, 1000, seconds=120)
    lab.assert_exact(crowd, [small] * 1000, n_names=10)
