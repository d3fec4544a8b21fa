"""The worker's whole way, from kept bytes to committed facts, in CPU seconds: they decide how many workers it takes."""

import statistics

from benchmarks.figures import Section, short
from benchmarks.timing import compare
from benchmarks.workbench import Workbench

_VARIANTS = 3
_UPLOADS = {1_000: 12, 10_000: 6, 100_000: 1}


def measure(bench: Workbench) -> Section:
    """Warm uploads one after the other; parsing the same file alone in turns with them."""
    section = Section(
        "Working: from kept bytes to committed facts",
        (
            "cases",
            "worker CPU ms",
            "its backend",
            "parse alone",
            "cases per CPU s",
            "parse's share",
            "concluded behind it",
        ),
    )
    for size in bench.effort.database_sizes:
        readings = bench.call_inside(
            "worker:measure_cpu",
            packed=[str(bench.shelf.packed(size, variant=variant)) for variant in range(_VARIANTS)],
            plain=[str(bench.shelf.plain(size, variant=variant)) for variant in range(_VARIANTS)],
            repeats=_UPLOADS.get(size, 2) * bench.effort.rounds,
        )
        whole = [worker + backend for worker, backend in zip(readings["worker"], readings["backend"], strict=True)]
        per_second, share = size / statistics.median(whole), compare(readings["parse"], whole)
        milliseconds = [statistics.median(readings[name]) * 1e3 for name in ("worker", "backend", "parse")]
        concluded = statistics.median(readings["concluded"])
        section.rows.append(
            (
                f"{size:,}",
                *(f"{value:.1f}" for value in milliseconds),
                f"{per_second:,.0f}",
                f"{share:.2f}",
                f"{concluded * 1e3:.1f} ms",
            )
        )
        section.add(f"worker.cases_per_cpu_second.{short(size)}", per_second, "/s")
        section.add(f"worker.judged_per_cpu_second.{short(size)}", size / (statistics.median(whole) + concluded), "/s")
        section.add(f"worker.parse_share.{short(size)}", share)
        section.readings[short(size)] = readings
    return section
