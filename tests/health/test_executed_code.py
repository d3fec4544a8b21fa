"""Which code cases execute: contexts are found by the names of cases, and what is not known proves nothing."""

import numpy as np
import pytest

from health.rules.bitmaps import FileLines, LineSet
from health.rules.contexts import ContextLines
from health.rules.executed_code import CodeFound, find_uncovered, measure, name_case, name_context, read_code

PATHS = {1: "src/fields.py", 2: "src/rows.py"}


def a_file(number: int, n_lines: int) -> FileLines:
    valid = LineSet.of(range(1, n_lines + 1))
    return FileLines(number, valid, LineSet(), n_lines, 0, 0, 0)


def a_run(**ran: list[tuple[int, int]]) -> ContextLines:
    """Contexts by name, each with the files and lines it ran."""
    rows = [(place, file, line) for place, lines in enumerate(ran.values()) for file, line in lines]
    columns = np.array(rows, np.uint32).reshape(-1, 3).T
    return ContextLines([name.replace("__", "::") for name in ran], *columns)


def look(*code: str, cases: tuple[str, ...] = ("t.a",)) -> CodeFound:
    contexts = a_run(t__a=[(1, 5), (1, 6)], t__b=[(2, 1)])
    measured = measure(contexts, files=[a_file(1, 20), a_file(2, 3)], paths=PATHS)
    return find_uncovered(code, cases=cases, measured=measured)


@pytest.mark.parametrize(
    ("context", "class_name", "name"),
    [
        ("tests/test_x.py::test_a|run", "tests.test_x", "test_a"),
        ("tests/test_x.py::TestA::test_b[1/2]|setup", "tests.test_x.TestA", "test_b[1/2]"),
        ("tests/test_x.py::test_a", "tests/test_x.py", "test_a"),
        ("tests.test_x.test_a", "tests.test_x", "test_a[1]"),
        ("tests\\test_x.py::test_a", "tests.test_x", "test_a"),
    ],
)
def test_a_context_is_found_by_a_case(context: str, class_name: str, name: str) -> None:
    assert name_context(context) in name_case(class_name, name)


def test_code_that_no_case_executes_is_told() -> None:
    assert look("src/fields.py", "src/rows.py") == CodeFound(is_seen=True, uncovered=("src/rows.py",))
    assert look("src/*.py", "fields.py") == CodeFound(is_seen=True)
    assert look("src/rows.py", cases=("t.a", "t.b")) == CodeFound(is_seen=True)


def test_of_lines_one_is_enough() -> None:
    assert look("src/fields.py:6-9", "src/fields.py:5") == CodeFound(is_seen=True)
    assert look("src/fields.py:7-9").uncovered == ("src/fields.py:7-9",)


def test_what_the_report_does_not_hold_proves_nothing() -> None:
    assert look("src/gone.py", "src/fields.py:90-99", "a b", "src/fields.py:9-2") == CodeFound(is_seen=True)
    assert look("src/rows.py", cases=("t.c",)) == CodeFound(is_seen=False)


@pytest.mark.parametrize("text", ["", " ", ":3", "a" * 501, "a b.py", "/"])
def test_what_names_no_code_is_none(text: str) -> None:
    assert read_code(text) is None
