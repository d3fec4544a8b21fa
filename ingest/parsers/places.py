"""Looks up where in a file a case or a suite stands, for the warnings that name one.

Used by `ingest.parsers` after a file was read: counting lines at every case would slow down every file, and
few files need it. Pure.
"""

from collections.abc import Callable
from xml.parsers.expat import XMLParserType

from ingest.parsers.xml import Place


class AllFoundError(Exception):
    """Nothing is left to look for."""


class PlaceFinder:
    """Listens to a file a second time and writes down where the wanted cases and suites begin."""

    def __init__(self, cases: set[int], suites: set[int]) -> None:
        self.root: str | None = None
        self.is_foreign = False
        self.case_places: dict[int, Place] = {}
        self.suite_places: dict[int, Place] = {}
        self._wanted_cases = cases
        self._wanted_suites = suites
        self._n_cases = 0
        self._n_suites = 0
        self._depth = 0

    @property
    def is_complete(self) -> bool:
        """Whether the document's root has ended."""
        return self.root is not None and not self._depth

    def attach(self, parser: XMLParserType, *, find_place: Callable[[], Place]) -> None:
        """Listen to a document."""
        self.root = None
        self._depth = 0
        self._find_place = find_place
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end

    def end_piece(self) -> None:
        """Limits were checked the first time."""

    def _start(self, tag: str, _attributes: list[str]) -> None:
        self.root = self.root or tag
        self._depth += 1
        if tag == "testcase":
            if self._n_cases in self._wanted_cases:
                self.case_places[self._n_cases] = self._find_place()
                self._stop_when_done()
            self._n_cases += 1
        elif tag == "testsuite":
            if self._n_suites in self._wanted_suites:
                self.suite_places[self._n_suites] = self._find_place()
                self._stop_when_done()
            self._n_suites += 1

    def _end(self, _tag: str) -> None:
        self._depth -= 1

    def _stop_when_done(self) -> None:
        if len(self.case_places) == len(self._wanted_cases) and len(self.suite_places) == len(self._wanted_suites):
            raise AllFoundError
