"""The second look at a file that expat refused: decoded by its real encoding, freed of what XML cannot hold.

Used by `ingest.parsers` after a first pass failed; pure.
Promise: what is changed is said in a note with line and column, and a name is changed only where it held characters
that no XML may hold (`tests/ingest/parsers/test_repairs.py`).
"""

import codecs
import re
from collections.abc import Iterable, Iterator
from typing import Final

from ingest.errors import IngestError
from ingest.parsers.notes import Notes

_BYTE_ORDER_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    # Not marks, but the beginning of every XML file in these encodings.
    (b"<\x00", "utf-16-le"),
    (b"\x00<", "utf-16-be"),
)
_DECLARATION: Final = re.compile(r"\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})")
_DECLARATION_BYTES: Final = 512
# Character sets of the world's consoles; codecs that are no character sets (utf-7, idna, …) are not among them.
_READABLE: Final = re.compile(
    r"utf-8(?:-sig)?|utf-(?:16|32)(?:-[bl]e)?|ascii|iso8859-\d+|cp\d+|koi8-[rut]|mac-\w+|shift_jis\w*|euc_\w+|gb2312|gbk|gb18030|big5\w*|johab"
)
# What XML 1.0 cannot hold, raw or as a reference. Spelled out to the last digit, so that a file full of it is cleaned
# without a call for each: 25 MiB of U+0001 took 17 s that way, and take 1 s.
_HEXADECIMAL: Final = (
    "x(?:0+|0*(?:[1-8bBcCeEfF]|1[0-9A-Fa-f]|[Dd][89A-Fa-f][0-9A-Fa-f]{2}|[Ff]{3}[EeFf]"
    "|(?:1[1-9A-Fa-f]|[2-9A-Fa-f][0-9A-Fa-f])[0-9A-Fa-f]{4}|[1-9A-Fa-f][0-9A-Fa-f]{6,}))"
)
_DECIMAL: Final = (
    "(?:0+|0*(?:[1-8]|1[124-9]|2[0-9]|3[01]|5529[6-9]|55[3-9][0-9]{2}|56[0-9]{3}|57[0-2][0-9]{2}|573[0-3][0-9]"
    "|5734[0-3]|6553[45]|11141(?:1[2-9]|[2-9][0-9])|1114[2-9][0-9]{2}|111[5-9][0-9]{3}|11[2-9][0-9]{4}"
    "|1[2-9][0-9]{5}|[2-9][0-9]{6}|[1-9][0-9]{7,}))"
)
_ILLEGAL: Final = re.compile(f"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]|&#(?:{_HEXADECIMAL}|{_DECIMAL});")
_LONGEST_REFERENCE: Final = 16
_WIDE: Final = ("utf-16", "utf-32")


def names_readable_encoding(piece: bytes) -> bool:
    """Whether the encoding that a file's first piece declares is a character set; a file may declare none."""
    declared = _DECLARATION.match(piece[:_DECLARATION_BYTES].decode("latin-1"))
    return not declared or _find_codec(declared[1]) is not None


def _find_codec(name: str) -> str | None:
    try:
        codec = codecs.lookup(name).name
    except LookupError:
        return None
    return codec if _READABLE.fullmatch(codec) else None


class Repairer:
    """Turns the pieces of a damaged file into pieces of clean UTF-8, and remembers where it could not decode."""

    def __init__(self, notes: Notes) -> None:
        # Where the file breaks the encoding it declares: its names may be wrong, so it is not whole.
        self.undecodable: IngestError | None = None
        self._notes = notes
        self._encoding = "utf-8"
        self._is_declared = False
        self._line = 1
        self._column = 1

    def repair(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """The pieces in UTF-8. Raises IngestError unsupported_encoding."""
        held_back = ""
        for text in self._decode(pieces):
            text = held_back + text
            at = text.rfind("&", -_LONGEST_REFERENCE)
            # A reference may be cut in two by the end of the piece.
            held_back = text[at:] if at >= 0 and ";" not in text[at:] else ""
            yield self._clean(text[: len(text) - len(held_back)])
        yield self._clean(held_back)

    def _decode(self, pieces: Iterable[bytes]) -> Iterator[str]:
        decoder: codecs.IncrementalDecoder | None = None
        for piece in pieces:
            if decoder is None:
                piece = self._choose_encoding(piece)
                decoder = codecs.getincrementaldecoder(self._encoding)("strict")
            try:
                yield decoder.decode(piece)
            except UnicodeDecodeError as problem:
                self._note_undecodable(problem)
                decoder = codecs.getincrementaldecoder(self._encoding)("replace")
                yield decoder.decode(problem.object)
        if decoder:
            yield decoder.decode(b"", False)

    def _choose_encoding(self, piece: bytes) -> bytes:
        """Decide by byte order mark, then declaration. Returns the piece without its mark."""
        for mark, encoding in _BYTE_ORDER_MARKS:
            if piece.startswith(mark):
                self._encoding = encoding
                n_mark = len(mark) if b"<" not in mark else 0
                self._column += bool(n_mark)
                piece = piece[n_mark:]
                break
        declared = _DECLARATION.match(piece[:_DECLARATION_BYTES].decode(self._encoding, "replace"))
        if declared:
            self._follow_declaration(declared)
        return piece

    def _follow_declaration(self, declared: re.Match[str]) -> None:
        name, column = declared[1], declared.start(1) + self._column
        codec = _find_codec(name)
        if codec is None:
            raise IngestError(
                "unsupported_encoding",
                f"The file declares the encoding {name!r}, which cannot be read.",
                "Let the runner write UTF-8.",
                line=1,
                column=column,
            )
        is_wide = codec.startswith(_WIDE)
        if is_wide != self._encoding.startswith(_WIDE):
            actual = self._encoding.upper()
            message = f"The file declares {name!r} and is {actual}: it was read as {actual}."
            self._notes.add("encoding_repaired", message, line=1, column=column)
        elif not is_wide:
            self._encoding, self._is_declared = codec, True

    def _note_undecodable(self, problem: UnicodeDecodeError) -> None:
        before = problem.object[: problem.start].decode(self._encoding, "replace")
        line, column = self._find_place(before)
        what = f"a byte at line {line}, column {column} is not valid {self._encoding.upper()}"
        message = f"{what[0].upper()}{what[1:]}: such bytes became U+FFFD."
        self._notes.add("encoding_repaired", message, line=line, column=column)
        if self._is_declared:
            self.undecodable = IngestError(
                "undecodable_text", f"Invalid token: {what}, as the file declares.", line=line, column=column
            )

    def _clean(self, text: str) -> bytes:
        cleaned, n_removed = _ILLEGAL.subn("", text)
        if n_removed:
            self._note_removed(text, n_removed)
        self._advance(text)
        return cleaned.encode()

    def _note_removed(self, text: str, count: int) -> None:
        code, first = "control_characters_removed", _ILLEGAL.search(text)
        if self._notes.has(code) or first is None:
            self._notes.add(code, "", count=count)
            return
        line, column = self._find_place(text[: first.start()])
        what = "&#" + first[0][2:-1] if first[0].startswith("&") else f"U+{ord(first[0]):04X}"
        message = f"A character that XML cannot hold ({what}) was removed at line {line}, column {column}."
        self._notes.add(code, message, line=line, column=column, count=count)

    def _find_place(self, before: str) -> tuple[int, int]:
        """Line and column of the character behind `before`, which begins where the last piece ended."""
        breaks = _count_breaks(before)
        if not breaks:
            return self._line, self._column + len(before)
        return self._line + breaks, len(before) - max(before.rfind("\n"), before.rfind("\r"))

    def _advance(self, text: str) -> None:
        self._line, self._column = self._find_place(text)


def _count_breaks(text: str) -> int:
    return text.count("\n") + text.count("\r") - text.count("\r\n")
