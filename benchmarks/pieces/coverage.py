"""Coverage: line elements of Cobertura a second, and the most a worker holds while it reads and stores very many."""

import gzip
import statistics
from pathlib import Path
from typing import Any

from benchmarks.client import name_run
from benchmarks.cobertura import READERS, write_cobertura
from benchmarks.figures import Section, short
from benchmarks.fresh import call_fresh
from benchmarks.timing import compare, list_children, read_peak_mb
from benchmarks.workbench import Workbench


def measure(bench: Workbench) -> Section:
    """Each reader in a fresh process, in turns; then the worker's whole way with the same file."""
    section = Section(
        "Coverage: from Cobertura to bitmaps", ("lines", "reader", "CPU ms", "lines/s", "speed ÷ ours", "peak MB")
    )
    n_lines = bench.effort.coverage_lines
    path = bench.folder / f"{n_lines}.cobertura.xml"
    write_cobertura(path, n_lines)
    _measure_readers(bench, section, path, n_lines)
    if bench.effort.has_servers:
        _measure_worker(bench, section, path, n_lines)
    return section


def _measure_readers(bench: Workbench, section: Section, path: Path, n_lines: int) -> None:
    rounds: dict[str, list[dict[str, Any]]] = {reader: [] for reader in READERS}
    for _ in range(bench.effort.rounds):
        for reader, readings in rounds.items():
            arguments = {"reader": reader, "path": str(path), "repeats": 2}
            readings.append(call_fresh("benchmarks.cobertura:read_often", seconds=60, arguments=arguments))
    seconds = {reader: [min(reading["seconds"]) for reading in readings] for reader, readings in rounds.items()}
    ours = seconds["suitewatch"]
    for reader, readings in rounds.items():
        found = {reading["lines"] for reading in readings}
        if reader != "expat" and found != {n_lines}:
            section.notes.append(f"{reader} found {found} lines instead of {n_lines:,}")
        middle, peak = statistics.median(seconds[reader]), max(reading["peak_mb"] for reading in readings)
        share = compare(ours, seconds[reader])
        section.rows.append(
            (f"{n_lines:,}", reader, f"{middle * 1e3:.0f}", f"{n_lines / middle:,.0f}", f"{share:.2f}", f"{peak:.0f}")
        )
    section.add(f"coverage.lines_per_second.{short(n_lines)}", n_lines / statistics.median(ours), "/s")
    section.add(f"coverage.of_expat.{short(n_lines)}", compare(seconds["expat"], ours))
    section.add(f"coverage.over_plain_program.{short(n_lines)}", compare(seconds["plain program"], ours))
    section.readings[short(n_lines)] = seconds


def _measure_worker(bench: Workbench, section: Section, path: Path, n_lines: int) -> None:
    """A first upload, when all files are new, and a second one, which replaces their state."""
    bench.stack.start("valkey", "web", "beat")
    bench.stack.stop("worker")
    bench.stack.start("worker")
    door = bench.open_door("coverage")
    packed = gzip.compress(path.read_bytes(), 6)
    stored = [door.deliver(packed, name_run(number), seconds=120).stored for number in range(2)]
    parent = bench.stack.pid("worker")
    peak = max(read_peak_mb(pid) for pid in [parent, *list_children(parent)])
    section.rows.append((f"{n_lines:,}", "worker, POST to stored", f"{stored[-1] * 1e3:.0f}", "", "", f"{peak:.0f}"))
    section.add(f"memory.worker_coverage.{short(n_lines)}", peak, "MB")
    bench.stack.stop("worker")
