"""Memory: the most a worker holds for one very large file, and the most a web process holds while many arrive.

The whole resident set counts, pages shared with other processes included.
"""

import threading
from pathlib import Path

from benchmarks.client import ClientError, Door, frame_multipart, name_run
from benchmarks.figures import Section, short
from benchmarks.timing import list_children, read_peak_mb
from benchmarks.workbench import Workbench

_WIRE_BYTES = 25 * 2**20
# For boundary, fields and the names of the parts.
_ROOM = 4096


def measure(bench: Workbench) -> Section:
    """Fresh processes for each size: a peak is never forgotten."""
    section = Section("Memory: the most one process held", ("process", "while", "MB", "more than at rest"))
    bench.stack.start("valkey", "web", "beat")
    for size in bench.effort.memory_sizes:
        _measure_worker(bench, section, size)
    bench.stack.stop("worker")
    _measure_web(bench, section)
    bench.stack.drop_waiting_uploads()
    return section


def _measure_worker(bench: Workbench, section: Section, size: int) -> None:
    """A first upload, when all names are new, and a second one, which has another to be compared with."""
    bench.stack.stop("worker")
    bench.stack.start("worker")
    door = bench.open_door("memory")
    at_rest = find_peak(bench, "worker")
    for number in range(2):
        door.deliver(bench.shelf.packed(size, variant=number).read_bytes(), name_run(number), seconds=120)
    peak = find_peak(bench, "worker")
    section.rows.append(("worker", f"storing {size:,} cases", f"{peak:.0f}", f"{peak - at_rest:.0f}"))
    section.add(f"memory.worker.{short(size)}", peak, "MB")


def _measure_web(bench: Workbench, section: Section) -> None:
    bench.stack.stop("web")
    bench.stack.start("web")
    door = bench.open_door("memory")
    small = bench.shelf.packed(1_000).read_bytes()
    # Both web processes have done everything once.
    for number in range(20):
        Door(port=door.port, token=door.token).post(small, name_run(number))
    at_rest = find_peak(bench, "web")
    n = bench.effort.n_web_uploads
    _upload_at_once(bench, door, n)
    peak = find_peak(bench, "web")
    section.rows.append(("web", f"taking {n} uploads of 25 MiB at once", f"{peak:.0f}", f"{peak - at_rest:.0f}"))
    section.add("memory.web", peak, "MB")
    section.add("memory.web_growth", peak - at_rest, "MB")


def _upload_at_once(bench: Workbench, door: Door, n: int) -> None:
    path = _write_large(bench)
    size, statuses = path.stat().st_size, []

    def upload(number: int) -> None:
        head, tail = frame_multipart(name_run(number, run_id=f"large-{number}"))
        with path.open("rb") as stream:
            status, _ = Door(port=door.port, token=door.token).post_stream(head, stream, tail, size=size)
        statuses.append(status)

    threads = [threading.Thread(target=upload, args=(number,)) for number in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if statuses != [202] * n:
        raise ClientError(f"{n} large uploads were answered {statuses}")


def _write_large(bench: Workbench) -> Path:
    """A plain report as large as one upload may be."""
    path = bench.folder / "large.xml"
    piece = bench.shelf.plain(100_000).read_bytes()
    content = (piece * (_WIRE_BYTES // len(piece) + 1))[: _WIRE_BYTES - _ROOM]
    path.write_bytes(content)
    return path


def find_peak(bench: Workbench, name: str) -> float:
    """The most one process of a service ever held, in MB."""
    parent = bench.stack.pid(name)
    return max(read_peak_mb(pid) for pid in [parent, *list_children(parent)])
