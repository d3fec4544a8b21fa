"""What the directories of a project's files add up to, each with everything below it; the root is the empty path.

Used by `health.coverage` and the coverage pages; pure.
Promise: every directory is the sum of its files, however deep; no list of paths makes more than MAX_DIRECTORIES, and
none that a row cannot hold (`tests/health/test_directories.py`).
"""

from collections.abc import Iterable
from typing import Final

from health.rules.bitmaps import Totals

ROOT: Final = ""
# Shallow ones first. The largest public repositories have a few ten thousand; more are made to do harm.
MAX_DIRECTORIES: Final = 20_000
# Longer ones do not fit the key of a row beside a lane and a level.
_MAX_BYTES: Final = 600

# How many files, and their figures.
Sum = tuple[int, Totals]


def find_directory(path: str) -> str:
    """The directory a file or directory lies in; `/srv` lies in the root as `srv` does."""
    return path[: max(path.rfind("/"), 0)]


def sum_directories(files: Iterable[tuple[str, Totals]]) -> dict[str, Sum]:
    """Each directory's number of files and their figures, from the root down; the root is there without a file too."""
    sums: dict[str, list[int]] = {ROOT: [0] * 5}
    for path, totals in files:
        _add(sums, find_directory(path), [1, *totals])
    found: dict[str, list[int]] = {ROOT: [sum(column) for column in zip(*sums.values(), strict=True)]}
    open_ends = [(directory, 0, figures) for directory, figures in sums.items() if directory]
    while open_ends:
        one_deeper: dict[str, list[int]] = {}
        # Nothing is split: a hostile path has hundreds of parts, and there may be hundreds of thousands of paths.
        ends = [(directory, _find_end(directory, end), figures) for directory, end, figures in open_ends]
        ends = [entry for entry in ends if len(entry[0][: entry[1]].encode()) <= _MAX_BYTES]
        for directory, end, figures in ends:
            _add(one_deeper, directory[:end], figures)
        if len(found) + len(one_deeper) > MAX_DIRECTORIES:
            break
        found |= sorted(one_deeper.items())
        open_ends = [entry for entry in ends if entry[1] < len(entry[0])]
    return {directory: (n, Totals(*figures)) for directory, (n, *figures) in found.items()}


def _find_end(directory: str, end: int) -> int:
    """Where the next part of a path ends."""
    found = directory.find("/", end + 1)
    return len(directory) if found < 0 else found


def _add(sums: dict[str, list[int]], directory: str, figures: list[int]) -> None:
    known = sums.get(directory)
    sums[directory] = [sum(pair) for pair in zip(known, figures, strict=True)] if known else figures
