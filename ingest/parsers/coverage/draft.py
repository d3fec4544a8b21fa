"""A coverage report in the making: the files a reader comes across, and what it says about them.

Filled by the format readers of `ingest.parsers.coverage`, which finish it into a ParsedCoverage. Pure.
Promise: each line counts once per file, its best hit decides, and declared figures stand in only where nothing is
listed (`tests/ingest/parsers/coverage/test_draft.py`).
"""

from collections.abc import Callable
from typing import Any, Final

from health.rules.bitmaps import MAX_FIGURE
from ingest.errors import IngestError
from ingest.parsers.coverage.branches import BranchColumn
from ingest.parsers.coverage.lines import MAX_LINE, LineColumn
from ingest.parsers.coverage.notes import Notes
from ingest.parsers.coverage.numbers import NumberReader
from ingest.parsers.coverage.paths import UNNAMED, clean_path
from ingest.parsers.coverage.types import Contexts, Figures, FileCoverage, ParsedCoverage, Source
from ingest.parsers.xml import Place

_SHOWN_CHARS: Final = 80
_NOT_SAID: Final = Figures()


class FileDraft:
    """One source file while it is read."""

    __slots__ = ("branches", "declared", "index", "lines", "path", "raw")

    def __init__(self, path: str, *, raw: str, index: int) -> None:
        self.path = path
        self.raw = raw
        self.index = index
        self.lines = LineColumn()
        self.branches = BranchColumn()
        self.declared = _NOT_SAID

    def finish(self) -> FileCoverage:
        """The file as it is stored."""
        valid, covered = self.lines.mark()
        lines = (len(valid), len(covered)) if valid else self.declared.lines or (0, 0)
        branches = self.branches.count()
        if not branches[0]:
            branches = self.declared.branches or (0, 0)
        lines = (min(lines[0], MAX_FIGURE), min(lines[1], MAX_FIGURE))
        branches = (min(branches[0], MAX_FIGURE), min(branches[1], MAX_FIGURE))
        return FileCoverage(self.path, valid, covered, *lines, *branches, self.declared)


class Draft:
    """A report while it is read. Its reader sets `format`, and `find_place`: line and column of what is being read."""

    def __init__(self, source: Source) -> None:
        self.format = ""
        self.find_place: Callable[[], Place] = lambda: (1, 1)
        self.notes = Notes()
        self.numbers = NumberReader(self.note)
        self.declared = Figures()
        # Whether the declared figures are the report's totals by the convention of its format.
        self.is_declared_binding = False
        self.statements: tuple[int, int] | None = None
        self.contexts = Contexts()
        self.limits = source.limits
        self._prefixes = source.prefixes
        self._files: dict[str, FileDraft] = {}

    @property
    def has_files(self) -> bool:
        """Whether anything was read yet."""
        return bool(self._files)

    def note(self, code: str, message: str) -> None:
        """Note something odd at the place that is being read."""
        self.notes.add(code, message, find_place=self.find_place)

    def open_file(self, raw: object) -> FileDraft:
        """The file with this path; the same one when the report comes back to it. JSON may hold no text here."""
        raw = raw if isinstance(raw, str) else ""
        path = clean_path(raw, prefixes=self._prefixes, max_chars=self.limits.max_path_chars)
        shown = f"{path.text[:_SHOWN_CHARS]!r}"
        if path.text == UNNAMED:
            self.note("path_missing", "A file has no path.")
        if path.was_changed:
            self.note("path_changed", f"The path of {shown} had to be changed.")
        if path.was_above_root:
            self.note("path_above_root", f"The path of {shown} led out of its root.")
        if path.is_absolute:
            self.note("path_absolute", f"{shown} is an absolute path.")
        file = self._files.get(path.text)
        if file is None:
            n_files = self.limits.n_files_before + len(self._files) + 1
            self._refuse_too_many(n_files, self.limits.max_files, "files")
            file = self._files[path.text] = FileDraft(path.text, raw=raw, index=len(self._files))
        elif file.raw != raw:
            self.note("paths_merged", f"Several paths of the report are {shown}.")
        return file

    def add_lines(self, file: FileDraft, lines: object, *, is_covered: bool) -> None:
        """Add a JSON list of line numbers."""
        codes, read_line = file.lines.codes, self.numbers.read_line
        for line in self.expect_list(lines):
            # Nearly every value is a plain number: no call for those.
            number = line if type(line) is int and 0 < line <= MAX_LINE else read_line(line)
            if number:
                codes.append(number << 1 | is_covered)

    def expect_list(self, value: object) -> list[Any]:
        """The value if it is a list; otherwise an empty one, with a note."""
        if isinstance(value, list):
            return value
        self.note("entry_unreadable", "A list was expected.")
        return []

    def expect_object(self, value: object) -> dict[str, Any]:
        """The value if it is an object; otherwise an empty one, with a note."""
        if isinstance(value, dict):
            return value
        self.note("entry_unreadable", "An object was expected.")
        return {}

    def finish(self, *, truncated: IngestError | None = None) -> ParsedCoverage:
        """The report. With `truncated`, the file was cut off there."""
        line_sum = sum(file.lines.find_highest() for file in self._files.values())
        self._refuse_too_many(self.limits.line_sum_before + line_sum, self.limits.max_line_sum, "lines")
        # Two hundred thousand drafts and as many files would be a worker's memory: each draft makes room for its file.
        files = [self._files.pop(path).finish() for path in list(self._files)]
        report = ParsedCoverage(self.format, files, declared=self.declared, contexts=self.contexts)
        report.truncated = truncated
        if self.statements:
            report.statements_valid, report.statements_covered = self.statements
        self._add_up(report)
        if not truncated or truncated.code == "undecodable_text":
            self._follow_declaration(report)
        if not files:
            self.notes.add("no_files", "The report lists no files.")
        report.warnings = self.notes.close()
        return report

    def _add_up(self, report: ParsedCoverage) -> None:
        for file in report.files:
            report.lines_valid += file.lines_valid
            report.lines_covered += file.lines_covered
            report.branches_valid += file.branches_valid
            report.branches_covered += file.branches_covered
            if file.lines_valid and not file.valid:
                self.notes.add("no_line_detail", f"No lines of {file.path[:_SHOWN_CHARS]!r} are listed.")

    def _follow_declaration(self, report: ParsedCoverage) -> None:
        """Let the report's own totals stand where they bind or where nothing is listed, else compare."""
        lines, branches = self.declared.lines, self.declared.branches
        listed = (report.lines_valid, report.lines_covered)
        if lines and (self.is_declared_binding or not report.lines_valid):
            if lines[0] and not report.lines_valid:
                self.notes.add("no_line_detail", "The report lists no lines.")
            report.lines_valid, report.lines_covered = lines
        if branches and (self.is_declared_binding or not report.branches_valid):
            if branches[0] and not report.branches_valid:
                self.notes.add("no_branch_detail", "The report lists no branches, only their total.")
            report.branches_valid, report.branches_covered = branches
        if lines and listed[0] and lines != listed:
            message = f"The report declares {lines[1]} of {lines[0]} lines and lists {listed[1]} of {listed[0]}."
            self.notes.add("totals_differ" if self.is_declared_binding else "declared_differs", message)

    def _refuse_too_many(self, actual: int, limit: int, what: str) -> None:
        if actual > limit:
            raise IngestError(
                "coverage_too_large",
                f"The upload's coverage has more than {limit:,} {what}.",
                field=what,
                limit=limit,
                actual=actual,
            )
