"""The store step beside its limit: the same number of results as one binary COPY into an unlogged heap.

Called by `benchmarks.pieces.store`.
"""

import struct
import time
from pathlib import Path

import numpy as np
from django.db import transaction

from benchmarks.inside.seeding import add_waiting_upload, claim_waiting, make_project
from health.models import Project
from health.sql import open_cursor
from ingest.parsers import read_report
from ingest.parsers.types import Limits, ParsedReport
from ingest.store import store_report

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
    """Seconds of the store step and of raw COPY, in turns; `cold` is the very first upload, all its names new."""
    parsed = [parse_file(Path(report)) for report in reports]
    project = make_project("store")
    _make_heap()
    readings: dict[str, list[float]] = {"cold": [_time_store(project, parsed[0])], "store": [], "copy": []}
    _time_copy(parsed[0])
    for number in range(1, repeats + 1):
        report = parsed[number % len(parsed)]
        readings["store"].append(_time_store(project, report))
        readings["copy"].append(_time_copy(report))
    return readings


def parse_file(path: Path) -> ParsedReport:
    """A report as the worker reads it."""
    return read_report(lambda: path.open("rb"), filename=path.name, limits=Limits())


def _time_store(project: Project, report: ParsedReport) -> float:
    add_waiting_upload(project)
    delivery = claim_waiting()
    began = time.perf_counter()
    store_report(delivery, report, state="stored", receipt={"files": [], "warnings": []})
    return time.perf_counter() - began


def _make_heap() -> None:
    open_cursor().execute(
        """
        CREATE UNLOGGED TABLE IF NOT EXISTS bench_heap
            (case_ord bigint, run bigint, outcome smallint, duration int, ran_at timestamptz)
        """
    )


def _time_copy(report: ParsedReport) -> float:
    began = time.perf_counter()
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
    return time.perf_counter() - began
