"""Storing: results a second with everything derived, as a share of raw COPY of the same results."""

import statistics

from benchmarks.figures import Section, short
from benchmarks.timing import compare
from benchmarks.workbench import Workbench

_VARIANTS = 3
# Pairs of store and COPY per round, fewer for larger uploads.
_PAIRS = {1_000: 12, 10_000: 8, 100_000: 2}


def measure(bench: Workbench) -> Section:
    """One fresh worker process per size; store and COPY in turns inside it."""
    section = Section(
        "Storing: one transaction per upload, everything derived, beside raw COPY",
        ("cases", "store ms", "results/s", "COPY ms", "share of COPY", "in CPU time", "first upload ms"),
    )
    for size in bench.effort.database_sizes:
        reports = [str(bench.shelf.plain(size, variant=variant)) for variant in range(_VARIANTS)]
        repeats = _PAIRS.get(size, 4) * bench.effort.rounds
        readings = bench.call_inside("store:compare_with_copy", reports=reports, repeats=repeats)
        store, copy, cold = (statistics.median(readings[name]) for name in ("store", "copy", "cold"))
        share, cpu_share = (compare(readings[f"copy{clock}"], readings[f"store{clock}"]) for clock in ("", "_cpu"))
        section.rows.append(
            (
                *(f"{size:,}", f"{store * 1e3:.1f}", f"{size / store:,.0f}"),
                *(f"{copy * 1e3:.1f}", f"{share:.2f}", f"{cpu_share:.2f}", f"{cold * 1e3:,.0f}"),
            )
        )
        section.add(f"store.of_copy.{short(size)}", share)
        section.add(f"store.of_copy_cpu.{short(size)}", cpu_share)
        section.readings[short(size)] = readings
    return section
