"""Clover XML, as PHPUnit, OpenClover, Istanbul and gcovr write it.

Connected by `ingest.parsers.coverage.elements`; pure.
The totals are the statements and conditionals that each `<project>` declares; `<testproject>` is left out. Lines are
statements and conditions, not methods. Istanbul writes its packages inside the project's `<metrics>`.
"""

from collections.abc import Callable

from ingest.parsers.coverage.draft import Draft, FileDraft
from ingest.parsers.coverage.numbers import read_count
from ingest.parsers.coverage.types import Figures


class CloverListener:
    """Fills a draft from the elements of one document."""

    def __init__(self, draft: Draft, _attributes: dict[str, str]) -> None:
        draft.format = draft.format or "clover"
        draft.is_declared_binding = True
        self._draft = draft
        self._file: FileDraft | None = None
        self._is_in_project = False
        # How many packages and classes are open: their metrics repeat others.
        self._n_owners = 0
        self.openers: dict[str, Callable[[list[str]], None]] = {
            "line": self._open_line,
            "metrics": self._open_metrics,
            "file": self._open_file,
            "project": self._open_project,
            "package": self._open_owner,
            "class": self._open_owner,
        }
        self.closers: dict[str, Callable[[], None]] = {
            "file": self.finish,
            "project": self._close_project,
            "package": self._close_owner,
            "class": self._close_owner,
        }

    def finish(self) -> None:
        """The open file ends."""
        self._file = None

    def _open_project(self, _attributes: list[str]) -> None:
        self._is_in_project = True

    def _close_project(self) -> None:
        self._is_in_project = False

    def _open_owner(self, _attributes: list[str]) -> None:
        self._n_owners += 1

    def _close_owner(self) -> None:
        self._n_owners -= 1

    def _open_file(self, attributes: list[str]) -> None:
        if not self._is_in_project:
            return
        given = dict(zip(attributes[::2], attributes[1::2], strict=True))
        self._file = self._draft.open_file(given.get("path") or given.get("name", ""))
        # Classes inside the file are told apart from packages around it.
        self._n_outside = self._n_owners

    def _open_metrics(self, attributes: list[str]) -> None:
        given = dict(zip(attributes[::2], attributes[1::2], strict=True))
        figures = Figures(
            lines_valid=read_count(given.get("statements")),
            lines_covered=read_count(given.get("coveredstatements")),
            branches_valid=read_count(given.get("conditionals")),
            branches_covered=read_count(given.get("coveredconditionals")),
        )
        if self._file:
            if self._n_owners == self._n_outside:
                self._file.declared += figures
        elif self._is_in_project and not self._n_owners:
            self._draft.declared += figures

    def _open_line(self, attributes: list[str]) -> None:
        if self._file is None:
            return
        given = dict(zip(attributes[::2], attributes[1::2], strict=True))
        if given.get("type") not in ("stmt", "cond"):
            return
        numbers = self._draft.numbers
        if code := numbers.line_codes[given.get("num", "")]:
            is_hit = numbers.hit_flags[given.get("count", given.get("truecount", ""))]
            self._file.lines.codes.append(code | is_hit)
