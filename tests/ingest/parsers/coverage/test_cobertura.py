"""Cobertura: classes share files, lines repeat, methods stand in for classes without lines."""

from pathlib import Path
from typing import Any

import pytest

from ingest.parsers.coverage.types import Figures

SAMPLES = Path(__file__).parents[3] / "samples/coverage"


def test_classes_of_one_file_are_joined(read: Any, warning_of: Any) -> None:
    report = read((SAMPLES / "cobertura-classes-share-a-file.xml").read_bytes())
    till, empty = report.files
    assert (till.path, empty.path) == ("till/Till.java", "till/Empty.java")
    assert (list(till.valid), list(till.covered)) == ([3, 4, 5, 9], [3, 4, 5])
    assert (till.branches_valid, till.branches_covered) == (4, 2)
    assert (empty.lines_valid, empty.branches_valid) == (0, 0)
    assert report.declared == Figures(7, 4, 6, 3)
    assert warning_of(report)["declared_differs"].message.startswith("The report declares 4 of 7 lines")
    assert "paths_merged" in warning_of(report)


def test_lines_of_methods_count_only_where_a_class_has_none(read: Any) -> None:
    report = read((SAMPLES / "cobertura-methods-only.xml").read_bytes())
    assert [(list(file.valid), list(file.covered)) for file in report.files] == [([5, 16], [16])]
    assert (report.branches_valid, report.branches_covered) == (4, 3)


def test_a_cut_file_keeps_what_came_before(read: Any) -> None:
    report = read((SAMPLES / "cobertura-cut.xml").read_bytes())
    assert report.truncated is not None
    assert report.truncated.code == "report_truncated"
    assert [(file.path, list(file.valid)) for file in report.files] == [("a.py", [1, 2]), ("b.py", [1])]
    assert (report.lines_valid, report.lines_covered, report.branches_valid) == (3, 2, 0)


@pytest.mark.parametrize(
    ("line", "valid", "covered", "code"),
    [
        ('<line number="3" hits="-1"/>', [3], [], "hits_clamped"),
        ('<line number="3" hits="1000000000000000000000000000000"/>', [3], [3], "hits_clamped"),
        ('<line number="3" hits="nan"/>', [3], [], "hits_clamped"),
        ('<line number="3"/>', [3], [], "hits_clamped"),
        ('<line number="0" hits="1"/>', [], [], "line_out_of_range"),
        ('<line number="1000000000" hits="1"/>', [], [], "line_out_of_range"),
        ('<line hits="1"/>', [], [], "line_out_of_range"),
        ('<line number="3" hits="1" branch="true" condition-coverage="150% (3/2)"/>', [3], [3], "branches_clamped"),
    ],
)
def test_what_cannot_be_is_clamped_or_left_out_with_its_place(
    read: Any, warning_of: Any, cobertura: Any, line: str, valid: list[int], covered: list[int], code: str
) -> None:
    report = read(cobertura(f"{line}\n{line}\n"))
    (file,) = report.files
    assert (list(file.valid), list(file.covered)) == (valid, covered)
    warning = warning_of(report)[code]
    assert (warning.line, warning.column, warning.count) == (2, 1, 2)


def test_conditions_without_a_fraction_say_nothing(read: Any, cobertura: Any) -> None:
    report = read(cobertura('<line number="1" hits="1" branch="true" condition-coverage="50%"/>'))
    assert (report.branches_valid, report.warnings) == (0, [])


def test_a_class_without_a_file_goes_by_its_name(read: Any, warning_of: Any) -> None:
    lines = '<lines><line number="1" hits="1"/></lines>'
    report = read(f'<coverage><packages><class name="A">{lines}</class><class>{lines}</class></packages></coverage>')
    assert [file.path for file in report.files] == ["A", "(unnamed)"]
    assert warning_of(report)["path_missing"].count == 1


def test_lines_outside_of_a_class_belong_to_no_file(read: Any) -> None:
    report = read(
        '<coverage line-rate="1"><packages><line number="1" hits="1"/><class name="a"/></packages></coverage>'
    )
    assert report.lines_valid == 0


def test_prefixes_are_taken_off(read: Any, cobertura: Any) -> None:
    report = read(cobertura('<line number="1" hits="1"/>', path="/srv/app/src/a.py"), prefixes=["/srv/app"])
    assert [file.path for file in report.files] == ["src/a.py"]
    assert report.warnings == []
