"""Parsing: cases a second, and how that compares with expat's bare scan, ElementTree and junitparser."""

import statistics
from typing import Any

from benchmarks.figures import Section, short
from benchmarks.fresh import call_fresh
from benchmarks.readers import READERS
from benchmarks.timing import compare
from benchmarks.workbench import Workbench

# A small file is over in a millisecond: it is read more often.
_MOST_CASES = 200_000
_MOST_REPEATS = 30

Rounds = dict[str, list[dict[str, Any]]]


def measure(bench: Workbench) -> Section:
    """Each reader in a fresh process, in turns."""
    section = Section(
        "Parsing: from a JUnit file to columns", ("cases", "reader", "CPU ms", "cases/s", "speed ÷ ours", "peak MB")
    )
    for size in bench.effort.sizes:
        _add_size(section, size, _read_in_turns(bench, size))
    return section


def _read_in_turns(bench: Workbench, size: int) -> Rounds:
    repeats = max(1, min(_MOST_REPEATS, _MOST_CASES // size))
    path = str(bench.shelf.plain(size))
    rounds: Rounds = {reader: [] for reader in READERS}
    for _ in range(bench.effort.rounds):
        for reader, readings in rounds.items():
            arguments = {"reader": reader, "path": path, "repeats": repeats}
            readings.append(call_fresh("benchmarks.readers:read_often", seconds=60, arguments=arguments))
    return rounds


def _add_size(section: Section, size: int, rounds: Rounds) -> None:
    seconds = {
        reader: [statistics.median(reading["seconds"]) for reading in readings] for reader, readings in rounds.items()
    }
    ours = seconds["suitewatch"]
    for reader, readings in rounds.items():
        found = {reading["cases"] for reading in readings}
        if reader != "expat" and found != {size}:
            section.notes.append(f"{reader} found {found} cases instead of {size:,}")
        middle = statistics.median(seconds[reader])
        peak = max(reading["peak_mb"] for reading in readings)
        share = compare(ours, seconds[reader])
        section.rows.append(
            (f"{size:,}", reader, f"{middle * 1e3:.1f}", f"{size / middle:,.0f}", f"{share:.2f}", f"{peak:.0f}")
        )
    name = short(size)
    section.add(f"parse.of_expat.{name}", compare(seconds["expat"], ours))
    section.add(f"parse.over_iterparse.{name}", compare(seconds["iterparse"], ours))
    section.add(f"parse.over_junitparser.{name}", compare(seconds["junitparser"], ours))
    section.readings[name] = seconds
