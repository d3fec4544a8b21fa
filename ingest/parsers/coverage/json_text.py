"""A JSON text read value by value with the standard library, so that only its text is in memory whole.

Used by the JSON readers of `ingest.parsers.coverage`; pure. What a value would take is counted before it is read.
Promise: whatever the text is, reading it ends in values or in an IngestError with line and column
(`tests/ingest/parsers/coverage/test_json_text.py`), at little memory (`tests/ingest/parsers/test_costs.py`).
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final, NoReturn

from ingest.errors import IngestError
from ingest.parsers.coverage.types import CoverageLimits, Source
from ingest.parsers.xml import Place, read_pieces

_SPACE: Final = re.compile(r"[ \t\r\n]*")
# Nothing, or a part of these, is left where a text breaks off.
_LITERALS: Final = ("true", "false", "null", "-Infinity", "NaN")
_DECODER: Final = json.JSONDecoder()
# Up to the next bracket outside of a string. Possessive, so that nothing is remembered on the way.
_NO_BRACKETS: Final = re.compile(r'(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)
# Each of these is followed by a value, a list or an object; the dearest were measured at some hundred bytes.
_MARKS: Final = "[{,:"


class JsonText:
    """A position in a JSON text. Every read moves it on; `members` and `elements` enter what stands there.

    Whoever iterates reads each value it is given, or `skip`s it, before it asks for the next.
    """

    def __init__(self, text: str, *, filename: str, max_values: int = CoverageLimits().max_json_values) -> None:
        self.text = text
        self._filename = filename
        self._max_values = max_values
        # A text that holds no more than one value may needs no look ahead.
        self._is_small = _count_values(text, 0, len(text)) <= max_values
        self._at = 0
        self._entry_at = 0
        self._skip_space()

    def enter(self) -> None:
        """An entry begins here whose place notes shall give."""
        self._entry_at = self._at

    def find_entry(self) -> Place:
        """Line and column of the entry that is being read."""
        return _find_place(self.text, self._entry_at)

    def peek(self) -> str:
        """The character that the value begins with."""
        return self.text[self._at : self._at + 1]

    def read(self) -> Any:
        """The whole value. Raises IngestError where it would take too much memory."""
        n_values, _ = self._look_ahead()
        if n_values > self._max_values:
            line, column = _find_place(self.text, self._at)
            message = f"A part of the report holds more than {self._max_values:,} values."
            raise IngestError(
                "coverage_too_large",
                message,
                line=line,
                column=column,
                field="values",
                limit=self._max_values,
                actual=n_values,
            )
        try:
            value, self._at = _DECODER.raw_decode(self.text, self._at)
        except json.JSONDecodeError as problem:
            self._at = problem.pos
            self._refuse(problem.msg)
        except RecursionError:
            self._refuse("nested too deep")
        except ValueError:
            # Python reads no integer of more than 4,300 digits.
            self._refuse("a number of too many digits")
        self._skip_space()
        return value

    def skip(self) -> None:
        """Read the value and forget it; a large one is only stepped over, because nobody wants it."""
        n_values, end = self._look_ahead(is_wanted=False)
        if n_values <= self._max_values:
            self.read()
        else:
            self._at = end
            self._skip_space()

    def _look_ahead(self, *, is_wanted: bool = True) -> tuple[int, int]:
        """How many values stand in this one, at most (characters in its names count, too), and where it ends.

        Of what is wanted and too large, both are found only as far as is needed to know it.
        """
        if self._is_small or self.peek() not in ("[", "{"):
            return 0, self._at
        at, depth, n_brackets = self._at, 0, 0
        while found := _NO_BRACKETS.match(self.text, at):
            at = found.end()
            bracket = self.text[at : at + 1]
            if bracket in ("", '"'):
                break  # the text breaks off
            at += 1
            n_brackets += 1
            depth += 1 if bracket in "[{" else -1
            if not depth or (is_wanted and n_brackets > 2 * self._max_values):
                break
        return _count_values(self.text, self._at, at), at

    def members(self) -> Iterator[str]:
        """The names in the object that stands here; the position is then at the value. No object has no members."""
        if self.peek() != "{":
            self.skip()
            return
        self._advance()
        while self.peek() != "}":
            if self.peek() != '"':
                self._refuse("Expecting property name enclosed in double quotes")
            name = self.read()
            if self.peek() != ":":
                self._refuse("Expecting ':' delimiter")
            self._advance()
            before = self._at
            yield name
            if self._at == before:
                self.skip()
            self._step_over_comma("}")
        self._advance()

    def elements(self) -> Iterator[None]:
        """Go through the array that stands here; the position is at each value in turn."""
        if self.peek() != "[":
            self.skip()
            return
        self._advance()
        while self.peek() != "]":
            before = self._at
            yield
            if self._at == before:
                self.skip()
            self._step_over_comma("]")
        self._advance()

    def finish(self) -> None:
        """The text has to end here."""
        if self._at < len(self.text):
            self._refuse("Extra data")

    def _step_over_comma(self, end: str) -> None:
        if self.peek() == ",":
            self._advance()
            if self.peek() == end:
                self._refuse("Illegal trailing comma")
        elif self.peek() != end:
            self._refuse("Expecting ',' delimiter")

    def _advance(self) -> None:
        self._at += 1
        self._skip_space()

    def _skip_space(self) -> None:
        space = _SPACE.match(self.text, self._at)
        self._at = space.end() if space else self._at

    def _refuse(self, reason: str) -> NoReturn:
        line, column = _find_place(self.text, self._at)
        rest = self.text[self._at : self._at + 8].rstrip()
        is_cut = reason.startswith("Unterminated") or any(word.startswith(rest) for word in _LITERALS)
        what = "breaks off" if is_cut else "is broken"
        message = f"{self._filename} {what} at line {line}, column {column}: {reason}."
        raise IngestError("report_truncated" if is_cut else "bad_json", message, line=line, column=column)


def _count_values(text: str, start: int, end: int) -> int:
    return sum(text.count(mark, start, end) for mark in _MARKS)


def _find_place(text: str, at: int) -> Place:
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)


def read_text(source: Source) -> tuple[str, Place | None]:
    """The file as text, and where it is not in its encoding. Raises IngestError for what is too large."""
    limits = source.limits
    with source.open() as stream:
        data = b"".join(read_pieces(stream, max_bytes=min(limits.max_json_bytes, limits.max_plain_bytes)))
    encoding = json.detect_encoding(data)
    try:
        return data.decode(encoding), None
    except UnicodeDecodeError as problem:
        before = data[: problem.start].decode(encoding, "replace")
        return data.decode(encoding, "replace"), _find_place(before, len(before))
