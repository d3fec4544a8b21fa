"""Long texts: the most a worker holds for a report of 200 MiB, in which each tenth of 200,000 cases fails at length.

Run alone with `--only texts`.
"""

import gzip

from benchmarks.client import name_run
from benchmarks.figures import Section
from benchmarks.generator import write_long_texts
from benchmarks.pieces.memory import find_peak
from benchmarks.workbench import Workbench

_N_BYTES = 200 * 2**20 - 2**18
_N_CASES = 200_000


def measure(bench: Workbench) -> Section:
    """A first upload, when all names are new, and a second one, which has another to be compared with."""
    section = Section("Long texts: the most a worker held", ("upload", "plain MB", "on the wire MB", "seconds", "MB"))
    path = bench.folder / "texts.xml"
    write_long_texts(path, _N_CASES, n_bytes=_N_BYTES)
    packed = gzip.compress(path.read_bytes(), 6)
    sizes = f"{path.stat().st_size / 2**20:.0f}", f"{len(packed) / 2**20:.0f}"
    bench.stack.start("valkey", "web", "beat")
    bench.stack.stop("worker")
    bench.stack.start("worker")
    door = bench.open_door("texts")
    for number, name in enumerate(("first", "second")):
        stored = door.deliver(packed, name_run(number), seconds=240).stored
        peak = find_peak(bench, "worker")
        section.rows.append((name, *sizes, f"{stored:.1f}", f"{peak:.0f}"))
    section.add("memory.worker_texts", peak, "MB")
    bench.stack.stop("worker")
    return section
