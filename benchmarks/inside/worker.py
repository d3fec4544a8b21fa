"""From kept bytes to committed facts, in CPU seconds of the worker and of its PostgreSQL backend.

Called by `benchmarks.pieces.worker`. The parse alone is timed in turns with it, as the part that cannot be saved; what
is concluded behind the commit, verdicts and the register, is timed apart.
"""

import time
from pathlib import Path
from unittest.mock import patch

from benchmarks.inside.seeding import add_waiting_upload, make_project
from benchmarks.inside.store import find_backend, parse_file
from benchmarks.timing import read_cpu_seconds
from ingest import pipeline


def measure_cpu(packed: list[str], plain: list[str], repeats: int) -> dict[str, list[float]]:
    """CPU seconds per upload: the worker's and its backend's until the facts are committed, those of the conclusions
    behind it, and those of parsing the same file; warm."""
    project = make_project("worker")
    readings: dict[str, list[float]] = {"worker": [], "backend": [], "concluded": [], "parse": [], "clock": []}
    conclude = pipeline._draw_conclusions
    for number in range(repeats + 2):
        add_waiting_upload(project, report=Path(packed[number % len(packed)]))
        backend = find_backend()
        began, worker_began, backend_began = time.perf_counter(), time.process_time(), read_cpu_seconds(backend)
        with patch.object(pipeline, "_draw_conclusions"):
            pipeline.process_next()
        clock, worker = time.perf_counter() - began, time.process_time() - worker_began
        backend_used = read_cpu_seconds(backend) - backend_began
        worker_began, backend_began = time.process_time(), read_cpu_seconds(backend)
        conclude(project.pk)
        concluded = time.process_time() - worker_began + read_cpu_seconds(backend) - backend_began
        parse_began = time.process_time()
        parse_file(Path(plain[number % len(plain)]))
        parse = time.process_time() - parse_began
        if number >= 2:  # the first ones learn the names
            used = {"worker": worker, "backend": backend_used, "concluded": concluded, "parse": parse, "clock": clock}
            for name, value in used.items():
                readings[name].append(value)
    n_stored = project.uploads.filter(state="stored").count()
    if n_stored != repeats + 2:
        raise LookupError(f"only {n_stored} of {repeats + 2} uploads were stored")
    return readings
