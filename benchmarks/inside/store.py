"""The store step beside its limit: the same number of results as one binary COPY into an unlogged heap.

Called by `benchmarks.pieces.store`.
"""

import struct
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from django.db import connection, transaction

from benchmarks.inside.seeding import add_waiting_upload, claim_waiting, make_project
from benchmarks.timing import read_cpu_seconds
from health.sql import open_cursor
from ingest.parsers import read_report
from ingest.parsers.types import Limits, ParsedReport
from ingest.store import Contents, Delivery, store_contents

# A row of the heap as binary COPY wants it: each value behind its length.
_ROW = np.dtype(
    [
        ("n_columns", ">i2"),
        *(("case_length", ">i4"), ("case", ">i8")),
        *(("run_length", ">i4"), ("run", ">i8")),
        *(("outcome_length", ">i4"), ("outcome", ">i2")),
        *(("duration_length", ">i4"), ("duration", ">i4")),
        *(("ran_at_length", ">i4"), ("ran_at", ">i8")),
    ]
)
_COPY_HEAD = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
_COPY_END = b"\xff\xff"


def compare_with_copy(reports: list[str], repeats: int) -> dict[str, list[float]]:
    """Seconds of the store step and of raw COPY, in turns; `cold` is the very first upload, all its names new.

    Both by the clock on the wall and in CPU seconds of this process and its backend: a commit waits for the disk,
    which others may keep busy, and an unlogged heap does not.
    """
    parsed = [parse_file(Path(report)) for report in reports]
    project = make_project("store")
    _make_heap()
    names = ("cold", "store", "copy", "cold_cpu", "store_cpu", "copy_cpu")
    readings: dict[str, list[float]] = {name: [] for name in names}

    def read(name: str, action: Callable[[], None]) -> None:
        backend = find_backend()
        began, used = time.perf_counter(), time.process_time() + read_cpu_seconds(backend)
        action()
        readings[name].append(time.perf_counter() - began)
        readings[f"{name}_cpu"].append(time.process_time() + read_cpu_seconds(backend) - used)

    for number in range(repeats + 1):
        report = parsed[number % len(parsed)]
        add_waiting_upload(project)
        read("store" if number else "cold", partial(_store, claim_waiting(), report))
        if number:
            read("copy", partial(_copy, report))
    return readings


def find_backend() -> int:
    """The PostgreSQL process that works for us."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def parse_file(path: Path) -> ParsedReport:
    """A report as the worker reads it."""
    return read_report(lambda: path.open("rb"), filename=path.name, limits=Limits())


def _store(delivery: Delivery, report: ParsedReport) -> None:
    store_contents(delivery, Contents(report), state="stored", receipt={"files": [], "warnings": []})


def _make_heap() -> None:
    open_cursor().execute(
        """
        CREATE UNLOGGED TABLE IF NOT EXISTS bench_heap
            (case_ord bigint, run bigint, outcome smallint, duration int, ran_at timestamptz)
        """
    )


def _copy(report: ParsedReport) -> None:
    rows = np.empty(len(report.outcomes), _ROW)
    rows["n_columns"] = 5
    rows["case_length"] = rows["run_length"] = rows["ran_at_length"] = 8
    rows["outcome_length"], rows["duration_length"] = 2, 4
    rows["case"] = np.arange(len(rows))
    rows["outcome"] = np.frombuffer(bytes(report.outcomes), np.uint8)
    rows["duration"] = np.asarray(report.seconds) * 1000
    rows["run"] = rows["ran_at"] = 1
    with transaction.atomic(), open_cursor().copy("COPY bench_heap FROM STDIN (FORMAT binary)") as copy:
        copy.write(_COPY_HEAD + rows.tobytes() + _COPY_END)
