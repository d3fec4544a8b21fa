"""JaCoCo XML: groups, packages, classes with counters, and source files with lines.

Connected by `ingest.parsers.coverage.elements`; pure.
The totals are the counters of the report itself. Lines come from the source files; gcovr writes them without their
instruction counts, so there the source file's own counters stand in.
"""

from collections.abc import Callable

from ingest.parsers.coverage.draft import Draft, FileDraft
from ingest.parsers.coverage.numbers import read_count, to_number
from ingest.parsers.coverage.types import Figures


class JacocoListener:
    """Fills a draft from the elements of one document."""

    def __init__(self, draft: Draft, _attributes: dict[str, str]) -> None:
        draft.format = draft.format or "jacoco"
        draft.is_declared_binding = True
        self._draft = draft
        self._groups: list[str] = []
        self._package = ""
        self._file: FileDraft | None = None
        # How many elements are open that have counters of their own, the source file apart.
        self._n_owners = 0
        self._group_of_path: dict[str, list[str]] = {}
        self.openers: dict[str, Callable[[list[str]], None]] = {
            "line": self._open_line,
            "counter": self._open_counter,
            "sourcefile": self._open_file,
            "package": self._open_package,
            "group": self._open_group,
            "class": self._open_owner,
            "method": self._open_owner,
        }
        self.closers: dict[str, Callable[[], None]] = {
            "sourcefile": self.finish,
            "package": self._close_owner,
            "group": self._close_group,
            "class": self._close_owner,
            "method": self._close_owner,
        }

    def finish(self) -> None:
        """The open source file ends."""
        self._file = None

    def _open_owner(self, _attributes: list[str]) -> None:
        self._n_owners += 1

    def _close_owner(self) -> None:
        self._n_owners -= 1

    def _open_group(self, attributes: list[str]) -> None:
        self._n_owners += 1
        self._groups.append(_find(attributes, "name"))

    def _close_group(self) -> None:
        self._n_owners -= 1
        self._groups.pop()

    def _open_package(self, attributes: list[str]) -> None:
        self._n_owners += 1
        self._package = _find(attributes, "name")

    def _open_file(self, attributes: list[str]) -> None:
        """A source file. Modules may hold the same path: the first keeps it, the others get their group before it."""
        name = _find(attributes, "name")
        path = f"{self._package}/{name}" if self._package else name
        if self._group_of_path.setdefault(path, list(self._groups)) != self._groups:
            path = "/".join((*self._groups, path))
        self._file = self._draft.open_file(path)

    def _open_line(self, attributes: list[str]) -> None:
        if self._file is None:
            return
        given = dict(zip(attributes[::2], attributes[1::2], strict=True))
        numbers = self._draft.numbers
        code = numbers.line_codes[given.get("nr", "")]
        if not code:
            return
        if "ci" in given:
            self._file.lines.codes.append(code | numbers.hit_flags[given["ci"]])
        n_missed, n_taken = to_number(given.get("mb", "0")), given.get("cb", "0")
        if n_missed or n_taken != "0":
            n_all = (n_missed or 0) + (to_number(n_taken) or 0)
            taken, whole = numbers.read_branches(n_taken=n_taken, n_all=n_all)
            self._file.branches.add_counts(code >> 1, n_taken=taken, n_all=whole)

    def _open_counter(self, attributes: list[str]) -> None:
        given = dict(zip(attributes[::2], attributes[1::2], strict=True))
        covered, missed = read_count(given.get("covered")), read_count(given.get("missed"))
        if covered is None or missed is None:
            return
        figures = Figures()
        if given.get("type") == "LINE":
            figures = Figures(lines_valid=covered + missed, lines_covered=covered)
        elif given.get("type") == "BRANCH":
            figures = Figures(branches_valid=covered + missed, branches_covered=covered)
        if self._file:
            self._file.declared += figures
        elif not self._n_owners:
            self._draft.declared += figures


def _find(attributes: list[str], name: str) -> str:
    return dict(zip(attributes[::2], attributes[1::2], strict=True)).get(name, "")
