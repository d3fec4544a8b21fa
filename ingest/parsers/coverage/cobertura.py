"""Cobertura XML: packages, classes, lines; the one format nearly every tool can write.

Connected by `ingest.parsers.coverage.elements`; pure.
A class belongs to a file, several classes may share one, and a line stands in its method and again in its class. The
lines of methods count only where the class has none of its own (Xcode's converters), because Istanbul lists lines
there that are no statements.
"""

import re
from array import array
from collections.abc import Callable
from typing import Final

from ingest.parsers.coverage.branches import MAX_BRANCHES, BranchColumn
from ingest.parsers.coverage.draft import Draft, FileDraft
from ingest.parsers.coverage.numbers import read_count
from ingest.parsers.coverage.types import Figures

# `50% (1/2)`: taken and all branches of the line.
_CONDITIONS: Final = re.compile(r"\((\d{1,9})\s*/\s*(\d{1,9})\)")


class CoberturaListener:
    """Fills a draft from the elements of one document."""

    def __init__(self, draft: Draft, attributes: dict[str, str]) -> None:
        draft.format = draft.format or "cobertura"
        draft.declared += Figures(
            lines_valid=read_count(attributes.get("lines-valid")),
            lines_covered=read_count(attributes.get("lines-covered")),
            branches_valid=read_count(attributes.get("branches-valid")),
            branches_covered=read_count(attributes.get("branches-covered")),
        )
        self._draft = draft
        self._file: FileDraft | None = None
        self._method_codes, self._method_branches = array("I"), BranchColumn()
        self._class_codes, self._class_branches = array("I"), BranchColumn()
        self._codes, self._branches = self._class_codes, self._class_branches
        self.openers: dict[str, Callable[[list[str]], None]] = {
            "line": self._make_line_opener(),
            "class": self._open_class,
            "method": self._open_method,
        }
        self.closers: dict[str, Callable[[], None]] = {"class": self._close_class, "method": self._close_method}

    def finish(self) -> None:
        """The document ends or breaks off. A class that is still open has not shown its own lines: methods wait."""
        if self._file:
            self._file.lines.codes += self._class_codes
            self._file.branches.extend(self._class_branches)
        del self._class_codes[:], self._method_codes[:]
        self._class_branches.clear()
        self._method_branches.clear()
        self._file = None

    def _close_class(self) -> None:
        if self._file and not self._class_codes:
            self._class_codes += self._method_codes
            self._class_branches.extend(self._method_branches)
        self.finish()

    def _open_class(self, attributes: list[str]) -> None:
        self.finish()
        given = dict(zip(attributes[::2], attributes[1::2], strict=True))
        self._file = self._draft.open_file(given.get("filename") or given.get("name", ""))
        self._close_method()

    def _open_method(self, _attributes: list[str]) -> None:
        self._codes, self._branches = self._method_codes, self._method_branches

    def _close_method(self) -> None:
        self._codes, self._branches = self._class_codes, self._class_branches

    def _make_line_opener(self) -> Callable[[list[str]], None]:
        """The one that runs a million times a second: a line with number and hits in front takes the short way."""
        line_codes, hit_flags = self._draft.numbers.line_codes, self._draft.numbers.hit_flags

        def open_line(attributes: list[str]) -> None:
            n_texts = len(attributes)
            if n_texts < 4 or attributes[0] != "number" or attributes[2] != "hits":
                self._open_odd_line(attributes)
                return
            if code := line_codes[attributes[1]]:
                self._codes.append(code | hit_flags[attributes[3]])
                if n_texts > 6:
                    self._read_conditions(code >> 1, dict(zip(attributes[4::2], attributes[5::2], strict=True)))

        return open_line

    def _open_odd_line(self, attributes: list[str]) -> None:
        given = dict(zip(attributes[::2], attributes[1::2], strict=True))
        numbers = self._draft.numbers
        if code := numbers.line_codes[given.get("number", "")]:
            self._codes.append(code | numbers.hit_flags[given.get("hits", "")])
            self._read_conditions(code >> 1, given)

    def _read_conditions(self, line: int, given: dict[str, str]) -> None:
        conditions = _CONDITIONS.search(given.get("condition-coverage", ""))
        if conditions:
            n_taken, n_all = int(conditions[1]), int(conditions[2])
            if not n_taken <= n_all <= MAX_BRANCHES:
                n_taken, n_all = self._draft.numbers.read_branches(n_taken=n_taken, n_all=n_all)
            self._branches.add_counts(line, n_taken=n_taken, n_all=n_all)
