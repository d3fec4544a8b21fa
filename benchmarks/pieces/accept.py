"""Accepting: how long CI waits for its 202 with eight clients at once, and whether a lost Valkey changes that.

The worker is stopped, so that a round measures the door alone; the last row has it running beside.
"""

import statistics
from collections.abc import Callable
from typing import Any, Final

from benchmarks.figures import Section
from benchmarks.fresh import call_fresh
from benchmarks.generator import Shelf
from benchmarks.stack import Stack
from benchmarks.timing import percentile
from benchmarks.workbench import Workbench

_CLIENTS: Final = 8
_WANTED_BYTES: Final = 55_000


def measure(bench: Workbench) -> Section:
    """Valkey up, stopped and hung, in turns; then up with a busy worker."""
    bench.stack.start("valkey", "web")
    token, report = bench.open_door("accept").token, str(_choose_report(bench.shelf))
    section = Section(
        f"Accepting: {_CLIENTS} clients at once, each upload {_WANTED_BYTES // 1000} kB gzipped",
        ("state", "p50 ms", "p95 ms", "uploads/s"),
    )
    section.readings = {state: [] for state in (*_VALKEY, _BUSY)}
    bench.stack.stop("worker")
    _run(bench, token, report, "warm-up")
    for number in range(max(1, bench.effort.rounds // 2)):
        for state, (trouble, remedy) in _VALKEY.items():
            trouble(bench.stack)
            try:
                section.readings[state].append(_run(bench, token, report, f"{state} {number}"))
            finally:
                remedy(bench.stack)
    bench.stack.start("worker")
    section.readings[_BUSY].append(_run(bench, token, report, _BUSY))
    bench.stack.stop("worker")
    bench.stack.drop_waiting_uploads()
    _fill(section)
    return section


def _choose_report(shelf: Shelf) -> Any:
    """A report of about the wanted size once packed."""
    sample = 1_000
    per_case = shelf.packed(sample).stat().st_size / sample
    return shelf.packed(round(_WANTED_BYTES / per_case))


def _run(bench: Workbench, token: str, report: str, label: str) -> dict[str, Any]:
    # A project with thousands of waiting uploads would be refused long before.
    bench.stack.drop_waiting_uploads()
    seconds = bench.effort.load_seconds
    arguments = {"port": bench.stack.port, "token": token, "report": report}
    arguments |= {"clients": _CLIENTS, "seconds": seconds, "label": label}
    reading: dict[str, Any] = call_fresh("benchmarks.load:run_clients", seconds=seconds + 60, arguments=arguments)
    return reading


def _leave(_stack: Stack) -> None:
    """Valkey is as it should be."""


_VALKEY: Final[dict[str, tuple[Callable[[Stack], None], Callable[[Stack], None]]]] = {
    "valkey_up": (_leave, _leave),
    "valkey_stopped": (lambda stack: stack.stop("valkey"), lambda stack: stack.start("valkey")),
    "valkey_hung": (lambda stack: stack.pause("valkey"), lambda stack: stack.resume("valkey")),
}
_BUSY: Final = "worker_busy"


def _fill(section: Section) -> None:
    rates = {}
    for state, readings in section.readings.items():
        p50, p95 = (statistics.median(percentile(r["milliseconds"], s) for r in readings) for s in (0.5, 0.95))
        rates[state] = per_second = statistics.median(len(r["milliseconds"]) / r["seconds"] for r in readings)
        section.rows.append((state.replace("_", " "), f"{p50:.1f}", f"{p95:.1f}", f"{per_second:.0f}"))
        statuses = {status for r in readings for status in r["statuses"]} - {"202", "reconnected"}
        if statuses:
            section.notes.append(f"{state}: some uploads were answered {', '.join(sorted(statuses))}")
        if state != _BUSY:
            section.add(f"accept.p95.{state}", p95, "ms")
    section.add("accept.per_second", rates["valkey_up"], "/s")
    for state in ("valkey_stopped", "valkey_hung"):
        section.add(f"accept.rate_of_up.{state}", rates[state] / rates["valkey_up"])
    for readings in section.readings.values():
        for reading in readings:
            reading["milliseconds"] = [round(value, 1) for value in sorted(reading["milliseconds"])]
