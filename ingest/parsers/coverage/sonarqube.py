"""SonarQube's generic coverage XML: files, lines to cover, branches of a line.

Connected by `ingest.parsers.coverage.elements`; pure.
"""

from collections.abc import Callable

from ingest.parsers.coverage.draft import Draft, FileDraft


class SonarqubeListener:
    """Fills a draft from the elements of one document."""

    def __init__(self, draft: Draft, _attributes: dict[str, str]) -> None:
        draft.format = draft.format or "sonarqube-generic"
        self._draft = draft
        self._file: FileDraft | None = None
        self.openers: dict[str, Callable[[list[str]], None]] = {"lineToCover": self._open_line, "file": self._open_file}
        self.closers: dict[str, Callable[[], None]] = {"file": self.finish}

    def finish(self) -> None:
        """The open file ends."""
        self._file = None

    def _open_file(self, attributes: list[str]) -> None:
        given = dict(zip(attributes[::2], attributes[1::2], strict=True))
        self._file = self._draft.open_file(given.get("path", ""))

    def _open_line(self, attributes: list[str]) -> None:
        if self._file is None:
            return
        given = dict(zip(attributes[::2], attributes[1::2], strict=True))
        numbers = self._draft.numbers
        code = numbers.line_codes[given.get("lineNumber", "")]
        if not code:
            return
        self._file.lines.codes.append(code | (given.get("covered", "").lower() == "true"))
        if "branchesToCover" in given:
            taken, whole = numbers.read_branches(
                n_taken=given.get("coveredBranches", "0"), n_all=given["branchesToCover"]
            )
            self._file.branches.add_counts(code >> 1, n_taken=taken, n_all=whole)
