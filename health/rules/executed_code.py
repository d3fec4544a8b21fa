"""Which code the cases of a backing execute, by the contexts of a coverage report: lines, and the test that ran each.

Used by `health.backings`; pure. Code is named as `src/fields.py`, `src/fields.py:12` or `src/fields.py:10-40`; the path
may be a glob. Promise: code that the report does not hold, and cases it does not know, prove nothing either way
(`tests/health/test_executed_code.py`).
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from health.rules.bitmaps import FileLines
from health.rules.contexts import ContextLines
from health.rules.globs import IS_SOURCE, PathGlob, Places, compile_path

_LONGEST: Final = 500
_PLACE: Final = re.compile(r"(?P<path>[^\s:]\S*?)(?::(?P<first>\d{1,8})(?:\s?[-–]\s?(?P<last>\d{1,8}))?)?")


class CodePlace(NamedTuple):
    """Files and, where they are named, the lines in them."""

    glob: PathGlob
    first: int | None = None
    last: int | None = None


def read_code(text: str) -> CodePlace | None:
    """The place a text names; None when it names none."""
    match = _PLACE.fullmatch(text.strip()) if len(text) <= _LONGEST else None
    if match is None or not any(map(str.isalnum, match["path"])):
        return None
    glob = compile_path(match["path"], is_floating="/" not in match["path"])
    if match["first"] is None:
        return CodePlace(glob)
    return CodePlace(glob, int(match["first"]), int(match["last"] or match["first"]))


def name_context(name: str) -> str:
    """A context by the dotted name of its test: `tests/test_x.py::TestA::test_b|run` is `tests.test_x.TestA.test_b`."""
    path, *names = name.partition("|")[0].split("::")
    return ".".join([_dot(path), *names])


def name_case(class_name: str, name: str) -> tuple[str, ...]:
    """The names that contexts may have for a case: with its parameters and without."""
    whole = f"{_dot(class_name)}.{name}"
    plain = whole.partition("[")[0]
    return (whole,) if plain == whole else (whole, plain)


def _dot(path: str) -> str:
    path = path.replace("\\", "/").removeprefix("./")
    return IS_SOURCE.sub("", path).replace("/", ".") if "/" in path or IS_SOURCE.search(path) else path


@dataclass(frozen=True, slots=True)
class Measured:
    """What the newest run with contexts measured: its files, and which test ran which line of them."""

    contexts: ContextLines
    names: tuple[str, ...]  # of each context, as `name_context` writes it
    files: Mapping[int, FileLines]
    paths: Mapping[int, str]


def measure(contexts: ContextLines, *, files: Iterable[FileLines], paths: Mapping[int, str]) -> Measured:
    """What is known of a run, ready to be asked."""
    names = tuple(map(name_context, contexts.names))
    return Measured(contexts, names, {file.file: file for file in files}, paths)


class CodeFound(NamedTuple):
    """Whether the report knows any of the cases, and the code that it holds and none of them executes."""

    is_seen: bool
    uncovered: tuple[str, ...] = ()


def find_uncovered(code: Sequence[str], *, cases: Collection[str], measured: Measured) -> CodeFound:
    """Look for the code that the cases, by their dotted names, do not execute."""
    is_ours = np.array([name in cases for name in measured.names], np.bool_)
    if not is_ours.any():
        return CodeFound(is_seen=False)
    ran = is_ours[measured.contexts.contexts]
    files, lines = measured.contexts.files[ran], measured.contexts.lines[ran]
    return CodeFound(True, tuple(sorted(text for text in code if _is_uncovered(text, files, lines, measured))))


def _is_uncovered(text: str, files: npt.NDArray[np.uint32], lines: npt.NDArray[np.uint32], measured: Measured) -> bool:
    place = read_code(text)
    numbers = [] if place is None else _find_files(place, measured)
    if place is None or not numbers:
        return False
    is_there = np.isin(files, numbers)
    if place.first is not None and place.last is not None:
        is_there &= (lines >= place.first) & (lines <= place.last)
    return not is_there.any()


def _find_files(place: CodePlace, measured: Measured) -> list[int]:
    """The files of the report that are named and, where lines are, can run some of them."""
    named = [number for number, path in measured.paths.items() if place.glob.matches(Places((path,), ()))]
    files = [measured.files[number] for number in named if number in measured.files]
    return [file.file for file in files if _holds(file, place)]


def _holds(file: FileLines, place: CodePlace) -> bool:
    if place.first is None or place.last is None:
        return file.totals.lines_valid > 0
    wanted = ((1 << (min(place.last, file.valid.bits.bit_length()) + 1)) - 1) >> place.first << place.first
    return bool(file.valid.bits & wanted)
