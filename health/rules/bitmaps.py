"""Lines of source files as bitmaps: sets of line numbers, and the coverage of many files packed into one blob.

Used by `ingest` (parsers and store), `health.coverage` and the coverage pages; pure.
A bitmap is a little-endian bit array: bit n is line n, lines count from 1, and no empty byte stands at its end.
Promise: a set survives its bytes and joins like a set of numbers; packed files come back as they were, and joining
deliveries gives the same in any order (`tests/health/test_bitmaps.py`).
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

# The largest figure a file may have; whatever declares more is mistaken.
MAX_FIGURE: Final = 2**31 - 1

# Of the packed files: the layout's version and their number, then so many columns of 32 bits, then the bitmaps.
_HEAD: Final = struct.Struct("<BI")
_VERSION: Final = 1
_N_COLUMNS: Final = 7
_COLUMN: Final = np.dtype("<u4")

Numbers = npt.NDArray[Any]
Bitmap = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class LineSet:
    """Line numbers as a bitmap: bit n of `bits` is line n. Ten thousand lines take 1.25 kB."""

    bits: int = 0

    @classmethod
    def of(cls, lines: Iterable[int]) -> "LineSet":
        """The set of these lines."""
        return mark_lines(np.fromiter(lines, dtype=np.int64))

    @classmethod
    def from_bytes(cls, data: Bitmap) -> "LineSet":
        """What `to_bytes` wrote."""
        return cls(int.from_bytes(data, "little"))

    def to_bytes(self) -> bytes:
        """The bitmap, lowest line first, without empty bytes at its end."""
        return self.bits.to_bytes((self.bits.bit_length() + 7) // 8, "little")

    def __len__(self) -> int:
        return self.bits.bit_count()

    def __contains__(self, line: int) -> bool:
        return line >= 0 and bool(self.bits >> line & 1)

    def __or__(self, other: "LineSet") -> "LineSet":
        return LineSet(self.bits | other.bits)

    def __and__(self, other: "LineSet") -> "LineSet":
        return LineSet(self.bits & other.bits)

    def __sub__(self, other: "LineSet") -> "LineSet":
        return LineSet(self.bits & ~other.bits)

    def __iter__(self) -> Iterator[int]:
        return iter(self._to_array().tolist())

    def list_ranges(self) -> list[tuple[int, int]]:
        """The lines as runs (first, last)."""
        lines = self._to_array()
        if not lines.size:
            return []
        is_break = np.diff(lines) > 1
        firsts = lines[np.concatenate(([True], is_break))]
        lasts = lines[np.concatenate((is_break, [True]))]
        return list(zip(firsts.tolist(), lasts.tolist(), strict=True))

    def _to_array(self) -> Numbers:
        return np.flatnonzero(np.unpackbits(np.frombuffer(self.to_bytes(), np.uint8), bitorder="little"))


EMPTY: Final = LineSet()


def mark_lines(lines: Numbers) -> LineSet:
    """The set of the lines in an array of whole numbers."""
    if not lines.size:
        return EMPTY
    flags = np.zeros(int(lines.max()) + 1, np.bool_)
    flags[lines] = True
    return mark_flags(flags)


def mark_flags(flags: npt.NDArray[np.bool_]) -> LineSet:
    """The set of the lines whose flag is up."""
    return LineSet.from_bytes(np.packbits(flags, bitorder="little").tobytes())


class Totals(NamedTuple):
    """Counts of lines and branches, covered of valid."""

    lines_valid: int = 0
    lines_covered: int = 0
    branches_valid: int = 0
    branches_covered: int = 0


class FileLines(NamedTuple):
    """One file's coverage. Both sets are empty where only its figures are known; else they are what lines count."""

    file: int
    valid: LineSet
    covered: LineSet
    lines_valid: int
    lines_covered: int
    branches_valid: int
    branches_covered: int

    @property
    def totals(self) -> Totals:
        """The four figures."""
        return Totals(*self[3:])

    def join(self, other: "FileLines") -> "FileLines":
        """What two deliveries say about one file: every line that ran in either, the better branch figures."""
        valid, covered = self.valid | other.valid, self.covered | other.covered
        largest = [max(pair) for pair in zip(self[3:], other[3:], strict=True)]
        lines = (len(valid), len(covered)) if valid else largest[:2]
        return FileLines(self.file, valid, covered, *lines, *largest[2:])


def join_files(deliveries: Iterable[Iterable[FileLines]]) -> list[FileLines]:
    """The files of several deliveries, each once, in the order of their numbers."""
    joined: dict[int, FileLines] = {}
    for files in deliveries:
        for file in files:
            known = joined.get(file.file)
            joined[file.file] = known.join(file) if known else file
    return [joined[number] for number in sorted(joined)]


def add_up(files: Iterable[FileLines]) -> Totals:
    """The sums over files."""
    columns = list(zip(*(file[3:] for file in files), strict=True))
    return Totals(*map(sum, columns))


def pack_files(files: Iterable[FileLines]) -> bytes:
    """All files of a report in one compressed blob."""
    rows: list[tuple[int, ...]] = []
    bitmaps = bytearray()
    for file in files:
        valid, covered = file.valid.to_bytes(), file.covered.to_bytes()
        rows.append((file.file, *file[3:], len(valid), len(covered)))
        bitmaps += valid
        bitmaps += covered
    columns = np.array(rows, _COLUMN).reshape(-1, _N_COLUMNS).T
    return zlib.compress(_HEAD.pack(_VERSION, len(rows)) + columns.tobytes() + bitmaps)


def unpack_files(blob: Bitmap) -> Iterator[FileLines]:
    """What `pack_files` wrote, file by file."""
    columns, bitmaps = _open_blob(blob)
    at = 0
    for number, *figures, n_valid, n_covered in columns.T.tolist():
        yield _read_file(number, figures, bitmaps[at:], n_valid, n_covered)
        at += n_valid + n_covered


def pick_files(blob: Bitmap, *, files: Iterable[int]) -> list[FileLines]:
    """Some files of what `pack_files` wrote, by their numbers, without unpacking the others."""
    columns, bitmaps = _open_blob(blob)
    ends = columns[-2:].sum(axis=0, dtype=np.int64).cumsum()
    found = []
    for place in np.flatnonzero(np.isin(columns[0], np.fromiter(files, np.int64))).tolist():
        number, *figures, n_valid, n_covered = columns[:, place].tolist()
        found.append(_read_file(number, figures, bitmaps[int(ends[place]) - n_valid - n_covered :], n_valid, n_covered))
    return found


def _open_blob(blob: Bitmap) -> tuple[Numbers, memoryview]:
    """The columns of packed files, and their bitmaps in a row."""
    data = memoryview(zlib.decompress(blob))
    version, n = _HEAD.unpack_from(data)
    if version != _VERSION:
        raise ValueError(f"coverage is packed in layout {version}, and this program reads {_VERSION}")
    columns = np.frombuffer(data, _COLUMN, _N_COLUMNS * n, _HEAD.size).reshape(_N_COLUMNS, n)
    return columns, data[_HEAD.size + columns.nbytes :]


def _read_file(number: int, figures: list[int], bitmaps: memoryview, n_valid: int, n_covered: int) -> FileLines:
    """A file whose bitmaps come first among these."""
    valid, covered = bitmaps[:n_valid], bitmaps[n_valid : n_valid + n_covered]
    return FileLines(number, LineSet.from_bytes(valid), LineSet.from_bytes(covered), *figures)
