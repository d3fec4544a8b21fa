"""The XML formats' way through a file: which of them it is, and each element to the listener that knows it.

Used by `ingest.parsers.coverage`; `ingest.parsers.passes` drives it. Pure.
Promise: what a hostile or damaged file costs, and how it is mended, is the same as for JUnit XML
(`tests/ingest/parsers/coverage/test_hostile.py`).
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol
from xml.parsers.expat import XMLParserType

from ingest.errors import IngestError
from ingest.parsers.coverage.clover import CloverListener
from ingest.parsers.coverage.cobertura import CoberturaListener
from ingest.parsers.coverage.draft import Draft
from ingest.parsers.coverage.jacoco import JacocoListener
from ingest.parsers.coverage.sonarqube import SonarqubeListener
from ingest.parsers.coverage.types import CoverageLimits, ParsedCoverage, Source
from ingest.parsers.passes import look_through
from ingest.parsers.sniff import describe_root
from ingest.parsers.xml import Place

# Root and first child, which together tell the formats apart: three of them call their root `coverage`.
_COBERTURA_CHILDREN: Final = frozenset({"sources", "packages", "package", "classes", "class"})
_CLOVER_CHILDREN: Final = frozenset({"project", "testproject"})
_JACOCO_CHILDREN: Final = frozenset({"sessioninfo", "group", "package", "counter"})

Attributes = list[str]


class Listener(Protocol):
    """Knows one format: what to do where its elements begin (with names and values in turn) and end."""

    @property
    def openers(self) -> Mapping[str, Callable[[Attributes], Any]]: ...

    @property
    def closers(self) -> Mapping[str, Callable[[], Any]]: ...

    def finish(self) -> None:
        """The document ends here, or breaks off."""


MakeListener = Callable[[Draft, dict[str, str]], Listener]


def read_xml(source: Source) -> ParsedCoverage:
    """Read one of the XML formats. Raises IngestError where there is nothing to read."""
    looked = look_through(
        source.open,
        lambda _: CoverageHandler(Draft(source), limits=source.limits),
        max_bytes=source.limits.max_plain_bytes,
        max_documents=source.limits.max_documents,
    )
    handler = looked.handler
    cut = looked.describe_cut(source.filename)
    if not handler.has_report:
        if cut and handler.root is None:
            raise cut
        raise describe_root(source.filename, root=handler.root or "", child=handler.child, place=handler.root_place)
    handler.finish()
    report = handler.draft.finish(truncated=cut)
    if cut and not report.files:
        raise cut
    report.warnings += looked.notes.close(case_places={}, suite_places={})
    return report


def choose_listener(root: str, child: str, attributes: Mapping[str, str]) -> MakeListener | None:
    """The listener for a document by its root and the first element in it, which may be missing."""
    if root == "report":
        return JacocoListener if child in _JACOCO_CHILDREN else None
    if root != "coverage":
        return None
    if child in _CLOVER_CHILDREN or (not child and "generated" in attributes):
        return CloverListener
    if child == "file" or (not child and "version" in attributes and len(attributes) == 1):
        return SonarqubeListener
    is_cobertura = not child or child in _COBERTURA_CHILDREN or "line-rate" in attributes
    return CoberturaListener if is_cobertura else None


def _hear_nothing(*_: object) -> None:
    """What a document without a listener is told to."""


class CoverageHandler:
    """Listens to expat, finds out which format it hears, and passes the elements on."""

    def __init__(self, draft: Draft, *, limits: CoverageLimits) -> None:
        self.draft = draft
        self.root: str | None = None
        self.child = ""
        self.root_place = (1, 1)
        self.has_report = False
        self.is_foreign = False
        self._limits = limits
        self._listener: Listener | None = None
        self._attributes: Attributes = []
        self._count_depth: Callable[[], int] = lambda: 1
        self._start: Callable[[str, Attributes], None] = _hear_nothing
        self._end: Callable[[str], None] = _hear_nothing

    @property
    def is_complete(self) -> bool:
        """Whether the document's root has ended."""
        return self.root is not None and not self._count_depth()

    def attach(self, parser: XMLParserType, *, find_place: Callable[[], Place]) -> None:
        """Listen to a document."""
        self.finish()
        self._parser = parser
        self.draft.find_place = find_place
        self.root = None
        self.child = ""
        self.is_foreign = False
        self._count_depth = lambda: 1
        parser.StartElementHandler = self._start_root
        parser.EndElementHandler = self._end_root

    def end_piece(self) -> None:
        """Check the depth."""
        if self._count_depth() > self._limits.max_depth:
            line, column = self.draft.find_place()
            raise IngestError(
                "xml_too_deep",
                f"Elements are nested more than {self._limits.max_depth} deep at line {line}.",
                line=line,
                column=column,
                limit=self._limits.max_depth,
            )

    def finish(self) -> None:
        """The document ends, or breaks off."""
        if self._listener:
            self._listener.finish()
        self._listener = None

    def _start_root(self, tag: str, attributes: Attributes) -> None:
        self._check_attributes(attributes)
        self.root = tag
        self.root_place = self.draft.find_place()
        self._attributes = attributes
        self._parser.StartElementHandler = self._start_first

    def _start_first(self, tag: str, attributes: Attributes) -> None:
        """The element that follows the root decides the format."""
        self.child = tag
        self._listen()
        self._start(tag, attributes)

    def _end_root(self, tag: str) -> None:
        """A root with nothing in it ends."""
        self._listen()
        self._end(tag)

    def _listen(self) -> None:
        """Choose the listener and connect it, or nobody."""
        names, values = self._attributes[::2], self._attributes[1::2]
        attributes = dict(zip(names, values, strict=True))
        make = choose_listener(self.root or "", self.child, attributes)
        if make is None:
            self.is_foreign = True
            self._start, self._end = _hear_nothing, _hear_nothing
            self._parser.StartElementHandler = self._parser.EndElementHandler = None
            return
        self.has_report = True
        self._listener = listener = make(self.draft, attributes)
        self._connect(listener)

    def _connect(self, listener: Listener) -> None:
        """These two run for every element, up to a million times a second."""
        find_opener, find_closer = listener.openers.get, listener.closers.get
        most_attributes = 2 * self._limits.max_attributes
        # The root is open.
        depth = 1

        def start(tag: str, attributes: Attributes) -> None:
            nonlocal depth
            depth += 1
            if opener := find_opener(tag):
                if len(attributes) > most_attributes:
                    self._check_attributes(attributes)
                opener(attributes)

        def end(tag: str) -> None:
            nonlocal depth
            depth -= 1
            if closer := find_closer(tag):
                closer()

        self._start, self._end = start, end
        self._parser.StartElementHandler, self._parser.EndElementHandler = start, end
        self._count_depth = lambda: depth

    def _check_attributes(self, attributes: Attributes) -> None:
        n_attributes = len(attributes) // 2
        if n_attributes > self._limits.max_attributes:
            line, column = self.draft.find_place()
            raise IngestError(
                "xml_too_many_attributes",
                f"An element has {n_attributes:,} attributes at line {line}.",
                line=line,
                column=column,
                limit=self._limits.max_attributes,
                actual=n_attributes,
            )
