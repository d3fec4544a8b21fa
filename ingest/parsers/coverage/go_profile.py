"""Go's coverprofile: blocks of statements, from one place to another.

Called by `ingest.parsers.coverage`; pure. All lines that a block touches are lines; the statements are what
`go tool cover` reports. A profile over several packages repeats its blocks: each counts once, its best count decides.
"""

import re
from array import array
from typing import Final

import numpy as np

from ingest.errors import IngestError
from ingest.parsers.coverage.draft import Draft, FileDraft
from ingest.parsers.coverage.lines import MAX_LINE
from ingest.parsers.coverage.records import Records
from ingest.parsers.coverage.types import ParsedCoverage, Source

# path:line.column,line.column statements count
_BLOCK: Final = re.compile(rb"(.+):((\d{1,9})\.\d{1,9},(\d{1,9})\.\d{1,9}) (\d{1,9}) (\S+)\s*")
_HASH_MASK: Final = 2**64 - 2


def read_go_profile(source: Source) -> ParsedCoverage:
    """Read a profile. Raises IngestError where there is nothing to read."""
    draft = Draft(source)
    draft.format = "go-coverprofile"
    records = Records(source, draft)
    reader = ProfileReader(draft)
    is_readable = True
    for record in records:
        is_readable = reader.read(record)
    draft.statements = reader.statements.count()
    del reader  # it holds each file once more
    truncated: IngestError | None = None
    if not is_readable and not records.is_ended:
        message = f"{source.filename} breaks off at line {records.line}: the block has no end."
        truncated = IngestError("report_truncated", message, line=records.line, column=1)
    return draft.finish(truncated=truncated)


class ProfileReader:
    """Fills a draft block by block."""

    def __init__(self, draft: Draft) -> None:
        self.statements = StatementColumn()
        self._draft = draft
        self._files: dict[bytes, FileDraft] = {}

    def read(self, record: bytes) -> bool:
        """Read a line of the profile; False if it is not one."""
        block = _BLOCK.fullmatch(record)
        if not block:
            # Profiles that were put together repeat the line that says how hits were counted.
            is_header = record.startswith(b"mode:")
            if not is_header:
                self._draft.note("entry_unreadable", f"{record[:40].decode('utf-8', 'replace')!r} is no block.")
            return is_header
        path, span, first_text, last_text, n_statements, hits = block.groups()
        file = self._files.get(path)
        if file is None:
            file = self._files[path] = self._draft.open_file(path.decode("utf-8", "replace"))
        is_covered = bool(self._draft.numbers.hit_flags[hits])
        self.statements.add((file.index, span), n_statements=int(n_statements), is_covered=is_covered)
        first, last = int(first_text), int(last_text)
        if 1 <= first <= last <= MAX_LINE:
            file.lines.add_range(first, last, is_covered=is_covered)
        else:
            self._draft.note("line_out_of_range", f"A block from line {first} to {last} is in no file.")
        return True


class StatementColumn:
    """The statements of each block, known by its place; twelve bytes each time that it is named."""

    def __init__(self) -> None:
        self._keys = array("Q")
        self._statements = array("I")

    def add(self, key: tuple[int, bytes], *, n_statements: int, is_covered: bool) -> None:
        """The statements of one block."""
        self._keys.append(hash(key) << 1 & _HASH_MASK | is_covered)
        self._statements.append(n_statements)

    def count(self) -> tuple[int, int]:
        """All statements, and those that ran."""
        if not self._keys:
            return 0, 0
        keys = np.frombuffer(self._keys, np.uint64)
        order = np.argsort(keys)
        keys = keys[order]
        # The last of each group of equal keys is its best: the lowest bit says that it ran.
        is_best = np.append((keys[1:] ^ keys[:-1]) > 1, True)
        statements = np.frombuffer(self._statements, np.uint32)[order[is_best]]
        covered = statements[keys[is_best] & 1 == 1]
        return int(statements.sum(dtype=np.int64)), int(covered.sum(dtype=np.int64))
