"""`python -m benchmarks [--quick] [--only NAME …] [--json FILE]`: measure, print, compare, keep.

Ends with status 1 when a floor does not hold or a piece breaks, with 130 after Ctrl-C; in every case after all its
processes are gone.
"""

import argparse
import importlib
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.client import ClientError
from benchmarks.figures import Section
from benchmarks.fresh import FreshCallError
from benchmarks.machine import describe_machine
from benchmarks.report import BASELINE, format_section, read_baseline, write_baseline, write_results
from benchmarks.stack import StackError
from benchmarks.workbench import FULL, QUICK, Workbench

# Per core.
_BUSY_LOAD = 0.5
PIECES = ("parse", "coverage", "store", "worker", "visible", "accept", "memory", "texts", "pages")
# Only when it is asked for: it takes half an hour.
LONG_PIECES = ("scale",)


def main() -> int:
    """Run the pieces that were asked for; the exit status."""
    options = _read_options()
    # Also where Ctrl-C is ignored, as for a job in the background: whoever asks us to stop is obeyed.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    machine = describe_machine()
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    effort = replace(QUICK if options.quick else FULL, scale_results=options.results)
    bench, sections, broken = Workbench(effort), [], False
    try:
        for name in options.only or PIECES:
            section = _measure(name, bench)
            broken |= section is None
            if section is not None:
                print(format_section(section, baseline=read_baseline()), flush=True)
                sections.append(section)
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130
    finally:
        bench.close()
    machine["load_after"] = round(os.getloadavg()[0], 2)
    if float(machine["load_before"]) > _BUSY_LOAD * int(machine["cores"]):
        print("\nThe machine was busy before we began: where several processes take part, times and ratios suffer.")
    file = write_results(sections, machine=machine, file=options.json)
    print(f"\nAll readings: {file}")
    if options.set_baseline:
        write_baseline(sections, machine=machine)
        print(f"New baseline: {BASELINE}")
    missed = [figure.name for section in sections for figure in section.figures if not figure.holds]
    if missed:
        print(f"Below their floors: {', '.join(missed)}")
    return int(broken or bool(missed))


def _read_options() -> Any:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure how fast Suitewatch is.")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, less history, no peers to install")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=(*PIECES, *LONG_PIECES),
        metavar="NAME",
        help=f"only some of: {', '.join((*PIECES, *LONG_PIECES))}",
    )
    parser.add_argument("--results", type=int, default=FULL.scale_results, help="how many results `scale` stores")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the readings")
    parser.add_argument("--set-baseline", action="store_true", help="keep this run's ratios as the new baseline")
    return parser.parse_args()


def _measure(name: str, bench: Workbench) -> Section | None:
    """One piece; None when it broke, which the others do not suffer from."""
    began = time.monotonic()
    print(f"\n… {name}", end="", flush=True)
    try:
        section: Section = importlib.import_module(f"benchmarks.pieces.{name}").measure(bench)
    except (FreshCallError, StackError, ClientError, OSError) as problem:
        print(f": {problem}", file=sys.stderr)
        return None
    print(f" took {time.monotonic() - began:.0f} s", flush=True)
    section.readings["took_seconds"] = round(time.monotonic() - began, 1)
    return section


if __name__ == "__main__":
    raise SystemExit(main())
