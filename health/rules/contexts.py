"""Which named context, mostly a test, ran which line: three columns and a list of names, packed into one blob.

Written by `ingest.coverage`, read back through `health.coverage.fetch_contexts`; pure.
Promise: packed contexts come back as they were (`tests/health/test_bitmaps.py`).
"""

import json
import struct
import zlib
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Column = npt.NDArray[np.uint32]

_HEAD: Final = struct.Struct("<BII")
_VERSION: Final = 1
_COLUMN: Final = np.dtype("<u4")


@dataclass(frozen=True, slots=True)
class ContextLines:
    """Entry i says: the context `names[contexts[i]]` ran line `lines[i]` of the file numbered `files[i]`."""

    names: list[str]
    contexts: Column
    files: Column
    lines: Column

    def find_names(self, *, file: int) -> dict[int, list[str]]:
        """The contexts that ran each line of a file."""
        found: dict[int, list[str]] = {}
        for index in np.flatnonzero(self.files == file).tolist():
            found.setdefault(int(self.lines[index]), []).append(self.names[self.contexts[index]])
        return found


def join_contexts(parts: list[ContextLines]) -> ContextLines:
    """The contexts of several reports."""
    numbers: dict[str, int] = {}
    none = np.zeros(0, _COLUMN)
    contexts = [none]
    for part in parts:
        new = np.array([numbers.setdefault(name, len(numbers)) for name in part.names], _COLUMN)
        contexts.append(new[part.contexts])
    files = np.concatenate([none, *(part.files for part in parts)])
    lines = np.concatenate([none, *(part.lines for part in parts)])
    return ContextLines(list(numbers), np.concatenate(contexts), files, lines)


def pack_contexts(entries: ContextLines) -> bytes:
    """All entries in one compressed blob, in order of file, line and context."""
    order = np.lexsort((entries.contexts, entries.lines, entries.files))
    columns = np.stack([column[order] for column in (entries.contexts, entries.files, entries.lines)])
    names = json.dumps(entries.names, ensure_ascii=False).encode()
    head = _HEAD.pack(_VERSION, len(order), len(names))
    return zlib.compress(head + names + columns.astype(_COLUMN).tobytes())


def unpack_contexts(blob: bytes | bytearray | memoryview) -> ContextLines:
    """What `pack_contexts` wrote."""
    data = zlib.decompress(blob)
    version, n, n_names = _HEAD.unpack_from(data)
    if version != _VERSION:
        raise ValueError(f"contexts are packed in layout {version}, and this program reads {_VERSION}")
    names = json.loads(data[_HEAD.size : _HEAD.size + n_names])
    contexts, files, lines = np.frombuffer(data, _COLUMN, 3 * n, _HEAD.size + n_names).reshape(3, n)
    return ContextLines(names, contexts, files, lines)
