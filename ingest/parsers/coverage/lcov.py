"""LCOV tracefiles: records of a file's lines and branches.

Called by `ingest.parsers.coverage`; pure. A record may come back for another test, and repeat lines within itself: each
line and branch counts once, its best figure decides. `-` means that a branch was never reached: not taken.
"""

from collections.abc import Iterable
from typing import Final

from ingest.errors import IngestError
from ingest.parsers.coverage.draft import Draft, FileDraft
from ingest.parsers.coverage.numbers import read_count
from ingest.parsers.coverage.records import Records
from ingest.parsers.coverage.types import Figures, ParsedCoverage, Source

# Functions, conditions, checksums and the records' own names say nothing about lines and branches.
_LEFT_OUT: Final = frozenset({b"TN", b"VER", b"FN", b"FNDA", b"FNL", b"FNA", b"FNF", b"FNH", b"MCDC", b"MCF", b"MCH"})
# In the order of the figures.
_TOTALS: Final = (b"LF", b"LH", b"BRF", b"BRH")


def read_lcov(source: Source) -> ParsedCoverage:
    """Read a tracefile. Raises IngestError where there is nothing to read."""
    draft = Draft(source)
    draft.format = "lcov"
    records = Records(source, draft, opening=b"SF")
    reader = TracefileReader(draft)
    reader.read(records)
    draft.declared = reader.declared
    truncated: IngestError | None = None
    if reader.file:
        line = records.line
        message = f"{source.filename} breaks off at line {line}: the record has no end."
        truncated = IngestError("report_truncated", message, line=line, column=1)
        reader.close_record()
    return draft.finish(truncated=truncated)


class TracefileReader:
    """Fills a draft record by record; `file` is the one whose record is open, `declared` the sum over all records."""

    def __init__(self, draft: Draft) -> None:
        self.file: FileDraft | None = None
        self.declared = Figures()
        self._draft = draft
        self._totals: dict[bytes, int | None] = {}

    def read(self, records: Iterable[bytes]) -> None:
        """Read all records. Lines are by far the most: they take the short way."""
        line_codes, hit_flags = self._draft.numbers.line_codes, self._draft.numbers.hit_flags
        for record in records:
            if self.file and record.startswith(b"DA:"):
                line, _, hits = record[3:].partition(b",")
                if b"," in hits:
                    hits = hits[: hits.index(b",")]
                if code := line_codes[line]:
                    self.file.lines.codes.append(code | hit_flags[hits])
            else:
                self._read_other(record)

    def close_record(self) -> None:
        """A file's record ends. It may come back for another test: then it declares the same lines again."""
        if self.file is None:
            return
        figures = Figures(*(self._totals.get(name) for name in _TOTALS))
        self.declared += figures
        self.file.declared = self.file.declared.take_larger(figures)
        self._totals = {}
        self.file = None

    def _read_other(self, record: bytes) -> None:
        name, colon, value = record.rstrip().partition(b":")
        if name == b"SF":
            if self.file:
                self._draft.note("record_unclosed", "A record begins before the one before it has ended.")
                self.close_record()
            if colon:  # else all that is left of a line too long to be a path: the lines of that file are nobody's
                self.file = self._draft.open_file(value.decode("utf-8", "replace"))
        elif name == b"end_of_record":
            self.close_record()
        elif self.file and name == b"BRDA":
            self._read_branch(self.file, value)
        elif name in _TOTALS:
            self._totals[name] = read_count(value)
        elif name not in _LEFT_OUT and not record.startswith(b"#"):
            shown = record[:40].decode("utf-8", "replace")
            self._draft.note("record_unknown", f"{shown!r} is no record of a tracefile, or stands outside of one.")

    def _read_branch(self, file: FileDraft, value: bytes) -> None:
        """`line,block,branch,taken`; a branch may be a text with blanks."""
        key, comma, taken = value.rpartition(b",")
        if comma and key.partition(b",")[0].isdigit():
            file.branches.add(key, is_taken=taken != b"-" and bool(self._draft.numbers.hit_flags[taken]))
        else:
            self._draft.note("entry_unreadable", "A branch has no line or no count.")
