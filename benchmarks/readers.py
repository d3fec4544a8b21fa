"""Our parser and those it is measured against, each run in a fresh process.

Called by `benchmarks.pieces.parse` through `benchmarks.fresh`. All but the bare scan give the same columns: names,
durations, outcomes, and message and text of what did not pass.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET
from xml.parsers import expat

from benchmarks.timing import own_peak_mb

_PIECE: Final = 2**20
_CODES: Final = {"failure": 2, "error": 3, "skipped": 4}


def read_often(reader: str, path: str, repeats: int) -> dict[str, object]:
    """CPU seconds of each repetition, the cases found, and the process' peak memory after the first one.

    The CPU's clock, because reading waits for nothing: what else runs on the machine matters less.
    """
    read = READERS[reader]
    seconds, n_cases, peak = [], 0, 0.0
    for _ in range(repeats):
        began = time.process_time()
        n_cases = read(Path(path))
        seconds.append(time.process_time() - began)
        peak = peak or own_peak_mb()
    return {"seconds": seconds, "cases": n_cases, "peak_mb": peak}


def read_with_suitewatch(path: Path) -> int:
    """The worker's own parser, with everything it checks, counts and compresses."""
    from ingest.parsers import read_report
    from ingest.parsers.types import Limits

    report = read_report(lambda: path.open("rb"), filename=path.name, limits=Limits())
    return len(report.keys)


def scan_with_expat(path: Path) -> int:
    """The limit: expat without a handler, which only finds out whether the XML is well-formed."""
    parser = expat.ParserCreate()
    with path.open("rb") as stream:
        while piece := stream.read(_PIECE):
            parser.Parse(piece, False)
    parser.Parse(b"", True)
    return 0


def read_with_iterparse(path: Path) -> int:
    """The standard library's streaming tree."""
    names, seconds, outcomes, failures = [], [], bytearray(), []
    for _, element in ET.iterparse(path):
        if element.tag == "testcase":
            names.append(f"{element.get('classname')}\x1f{element.get('name')}")
            seconds.append(float(element.get("time", 0)))
            outcome = 1
            for child in element:
                outcome = _CODES.get(child.tag, outcome)
                failures.append((len(outcomes), child.get("message"), child.text))
            outcomes.append(outcome)
            element.clear()
    return len(names)


def read_with_junitparser(path: Path) -> int:
    """The library most Python projects take."""
    from junitparser import JUnitXml
    from junitparser.junitparser import Skipped

    names, seconds, outcomes, failures = [], [], bytearray(), []
    for suite in JUnitXml.fromfile(str(path)):
        for case in suite:
            names.append(f"{case.classname}\x1f{case.name}")
            seconds.append(case.time or 0.0)
            outcome = 1
            for result in case.result:
                outcome = 4 if isinstance(result, Skipped) else 2
                failures.append((len(outcomes), result.message, result.text))
            outcomes.append(outcome)
    return len(names)


READERS: Final[dict[str, Callable[[Path], int]]] = {
    "suitewatch": read_with_suitewatch,
    "expat": scan_with_expat,
    "iterparse": read_with_iterparse,
    "junitparser": read_with_junitparser,
}
