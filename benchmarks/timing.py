"""Clocks and what is made of their readings: medians, percentiles, CPU seconds and peak memory of any process.

Used by the pieces. CPU and memory of other processes are read the Linux way.
"""

import os
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path


def interleave(methods: Mapping[str, Callable[[], float]], *, rounds: int) -> dict[str, list[float]]:
    """Run each method once per round, one after the other; what they returned, by name."""
    readings: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(rounds):
        for name, method in methods.items():
            readings[name].append(method())
    return readings


def measure_seconds(action: Callable[[], object]) -> float:
    """How long an action takes by the clock on the wall."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def compare(numerators: Sequence[float], denominators: Sequence[float]) -> float:
    """The median of ratios taken pair by pair: neighbours in time saw the same machine."""
    return statistics.median(a / b for a, b in zip(numerators, denominators, strict=True))


def percentile(readings: Iterable[float], share: float) -> float:
    """The smallest reading that at least this share of all readings does not exceed."""
    ordered = sorted(readings)
    return ordered[max(0, -(-len(ordered) * int(share * 100) // 100) - 1)]


def read_cpu_seconds(pid: int) -> float:
    """CPU seconds a process has used, all its threads together."""
    # The clock of another process, as clock_getcpuclockid(3) makes it.
    return time.clock_gettime((~pid << 3) | 2)


def read_peak_mb(pid: int) -> float:
    """The most memory a process has held at once, in 10⁶ bytes, pages it shares with others included."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise LookupError(f"the system does not tell the peak memory of process {pid}")


def list_children(pid: int) -> list[int]:
    """The processes a process has started and not yet collected."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == pid and fields[0] != "Z":
                found.append(int(entry.name))
    return sorted(found)


def wait_until_quiet(pids: Sequence[int], *, seconds: float = 10) -> bool:
    """Wait until these processes and their children have nothing to do; False when they still have."""
    deadline, before = time.monotonic() + seconds, _sum_cpu(pids)
    while time.monotonic() < deadline:
        time.sleep(0.25)
        now = _sum_cpu(pids)
        if now - before < 0.02:
            return True
        before = now
    return False


def _sum_cpu(pids: Sequence[int]) -> float:
    total = 0.0
    for pid in [*pids, *(child for parent in pids for child in list_children(parent))]:
        try:
            total += read_cpu_seconds(pid)
        except OSError:  # it has ended in the meantime
            continue
    return total


def own_peak_mb() -> float:
    """The peak memory of this very process."""
    return read_peak_mb(os.getpid())
