"""The globs of `.suitewatch.yml` and CODEOWNERS: `*`, `**` and `?`, over texts and over paths.

Used by `health.rules.selectors` and `health.rules.owners`; pure. Brackets are themselves, since parametrised names are
full of them. Promise: matching takes no more than linear steps, whatever the glob (`tests/health/test_globs.py`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_SOURCE: Final = (
    "py|pyx|js|jsx|mjs|cjs|ts|tsx|mts|cts|vue|java|kt|kts|scala|groovy|go|rb|php|phpt|cs|fs|vb|swift|rs|c|cc|cpp|cxx|h|"
    "hpp|m|mm|dart|ex|exs|erl|clj|pl|t|lua|jl|hs|ml|r|sh|bats|robot|feature"
)
IS_SOURCE: Final = re.compile(rf"\.(?:{_SOURCE})\Z", re.IGNORECASE)
_JVM: Final = frozenset({"java", "kotlin", "scala", "groovy"})
_LITERAL = re.compile(r"[^*?]")
_END: Final = r"(?=/|\Z)"
# No repository nests so deeply, and each folder is a step for each `**` of each rule.
_MOST_FOLDERS: Final = 64


@dataclass(frozen=True, slots=True)
class Places:
    """Where a case may live: paths its report wrote, and those its class name stands for."""

    written: tuple[str, ...]
    derived: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PathGlob:
    """A glob of paths; what matches a folder matches all in it."""

    written: re.Pattern[str]
    derived: re.Pattern[str] | None  # a bare `*.py` says nothing about dotted names

    def matches(self, places: Places) -> bool:
        """Whether one of the places is, or lies in, what the glob names."""
        if any(map(self.written.match, places.written)):
            return True
        return self.derived is not None and any(map(self.derived.match, places.derived))


def compile_text(glob: str) -> re.Pattern[str]:
    """A glob that stands for a whole text; `*` stops at nothing. For `fullmatch`."""
    return re.compile(_translate(glob, any_=r"[\s\S]"))


@lru_cache(maxsize=4096)
def compile_path(glob: str, *, is_floating: bool = False) -> PathGlob:
    """A glob of paths from the repository's root, or from any folder when it is floating; `*` stops at `/`."""
    segments = [part for part in glob.split("/") if part not in ("", ".")]
    if is_floating:
        segments.insert(0, "**")
    derived = _derive(segments)
    return PathGlob(_compile(segments), None if derived is None else _compile(derived))


def _derive(segments: Sequence[str]) -> list[str] | None:
    """The same glob for names made of dots: without the file's ending, and without the folders Java sources live in."""
    derived = list(segments)
    for at in range(len(derived) - 3):
        if derived[at] == "src" and derived[at + 2] in _JVM and _LITERAL.search(derived[at + 3]):
            derived = derived[at + 3 :]
            break
    if derived and IS_SOURCE.search(derived[-1]):
        derived[-1] = IS_SOURCE.sub("", derived[-1])
        if not any(_LITERAL.search(segment) for segment in derived):
            return None
    return derived


def _compile(segments: Sequence[str]) -> re.Pattern[str]:
    """Each run of segments behind a `**` is taken where it first fits: a later place could not do better."""
    runs: list[list[str]] = [[]]
    for segment in segments:
        if segment == "**":
            runs.append([])
        else:
            runs[-1].append(_translate(segment, any_="[^/]"))
    first, *later = runs
    parts = ["/".join(first) + _END] if first else []
    for run in filter(None, later):
        parts.append(f"(?>(?:[^/]*/)*?{'/'.join(run)}{_END})")
    return re.compile("/".join(parts))


def _translate(glob: str, *, any_: str) -> str:
    """Wildcards as a pattern. What stands between two stars is taken where it first fits."""
    pieces = [""]
    marks = iter(glob)
    for mark in marks:
        if mark == "*":
            pieces.append("")
        elif mark == "?":
            pieces[-1] += any_
        else:
            pieces[-1] += re.escape(next(marks, "\\") if mark == "\\" else mark)
    if len(pieces) == 1:
        return pieces[0]
    first, *middle, last = pieces
    return first + "".join(f"(?>{any_}*?{piece})" for piece in middle if piece) + f"{any_}*{last}"


def list_places(namespace: str, *, suites: Sequence[str], class_name: str) -> Places:
    """Where a case lives, as far as its names tell: as written, and with the dots of its class as folders.

    A namespace is the folder of a package where several are sent to one project; paths count with it and without.
    """
    written, derived = [], []
    for text in (class_name, *suites):
        path = text.replace("\\", "/").removeprefix("./").strip("/")
        if "/" in text or IS_SOURCE.search(path):
            written.append(path)
    if class_name and "/" not in class_name:
        derived.append("/".join(part for part in re.split(r"\.|::|\\", class_name) if part))
    folder = namespace.strip("/")
    if folder:
        written += [f"{folder}/{path}" for path in written]
        derived += [f"{folder}/{path}" for path in derived]
    return Places(_leave_out_deep(written), _leave_out_deep(derived))


def _leave_out_deep(paths: Sequence[str]) -> tuple[str, ...]:
    return tuple(path for path in paths if path.count("/") <= _MOST_FOLDERS)
