"""Cobertura reports of any size, and the readers that are measured on them.

Used by `benchmarks.pieces.coverage`; the readers run in fresh processes. A file has 200 lines, every tenth with
branches, as coverage.py writes them; the same number of lines gives the same bytes everywhere.
"""

import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final
from xml.parsers import expat

from benchmarks.readers import scan_with_expat
from benchmarks.timing import own_peak_mb

_LINES_PER_FILE: Final = 200
_BRANCH_EVERY: Final = 10
_PIECE: Final = 2**20
_HEAD: Final = (
    '<?xml version="1.0" ?>\n<coverage version="7.6" timestamp="1" branch-rate="0" complexity="0">\n<packages>\n'
)
_OPEN: Final = '<package name="p"><classes>\n'
_CLOSE: Final = "</classes></package>\n"


def write_cobertura(path: Path, n_lines: int) -> None:
    """Write a report of so many line elements."""
    drawn = Random(f"coverage {n_lines}")
    with path.open("w", encoding="utf-8") as file:
        file.write(_HEAD + _OPEN)
        for first in range(0, n_lines, _LINES_PER_FILE):
            number = first // _LINES_PER_FILE
            file.write(f'<class name="m{number}.py" filename="src/p{number % 50}/m{number}.py"><methods/><lines>\n')
            for line in range(min(_LINES_PER_FILE, n_lines - first)):
                branches = "" if line % _BRANCH_EVERY else ' branch="true" condition-coverage="50% (1/2)"'
                file.write(f'<line number="{2 * line + 1}" hits="{drawn.randrange(3)}"{branches}/>\n')
            file.write("</lines></class>\n")
        file.write(_CLOSE + "</packages>\n</coverage>\n")


def read_often(reader: str, path: str, repeats: int) -> dict[str, object]:
    """CPU seconds of each repetition, the lines found, and the process' peak memory after the first one."""
    seconds, n_lines, peak = [], 0, 0.0
    for _ in range(repeats):
        began = time.process_time()
        n_lines = READERS[reader](Path(path))
        seconds.append(time.process_time() - began)
        peak = peak or own_peak_mb()
    return {"seconds": seconds, "lines": n_lines, "peak_mb": peak}


def read_with_suitewatch(path: Path) -> int:
    """The worker's own reader, down to bitmaps."""
    from ingest.parsers.coverage import read_coverage
    from ingest.parsers.coverage.types import CoverageLimits

    report = read_coverage(lambda: path.open("rb"), filename=path.name, limits=CoverageLimits())
    return report.lines_valid


def read_plainly(path: Path) -> int:
    """The shortest correct program: a list of numbers and hits per file."""
    files: dict[str, list[tuple[int, int]]] = {}
    lines: list[tuple[int, int]] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal lines
        if tag == "line":
            lines.append((int(attributes["number"]), int(attributes["hits"])))
        elif tag == "class":
            lines = files.setdefault(attributes["filename"], [])

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    with path.open("rb") as stream:
        while piece := stream.read(_PIECE):
            parser.Parse(piece, False)
    parser.Parse(b"", True)
    return sum(map(len, files.values()))


READERS: Final[dict[str, Callable[[Path], int]]] = {
    "suitewatch": read_with_suitewatch,
    "expat": scan_with_expat,
    "plain program": read_plainly,
}
