"""Clover: the project's metrics are the totals, test projects are left out."""

from pathlib import Path
from typing import Any

SAMPLES = Path(__file__).parents[3] / "samples/coverage"


def test_a_project_counts_and_a_test_project_does_not(read: Any) -> None:
    report = read((SAMPLES / "clover-testproject.xml").read_bytes())
    (file,) = report.files
    assert file.path == "C:/build/shop/Till.java"
    assert (list(file.valid), list(file.covered)) == ([2, 3, 4], [2])
    assert (file.lines_valid, file.declared.lines, file.branches_valid, file.branches_covered) == (3, (3, 2), 4, 1)


def test_packages_may_stand_inside_the_metrics(read: Any) -> None:
    report = read((SAMPLES / "clover-packages-in-metrics.xml").read_bytes())
    assert (report.lines_valid, report.lines_covered) == (20, 19)
    (warning,) = report.warnings
    assert (warning.code, warning.message) == (
        "totals_differ",
        "The report declares 19 of 20 lines and lists 1 of 1.",
    )
    assert [(file.path, list(file.valid)) for file in report.files] == [("src/a.js", [1])]


def test_files_stand_in_for_a_project_without_metrics(read: Any) -> None:
    lines = '<line num="1" type="stmt" count="1"/><line num="2" type="stmt" count="0"/>'
    report = read(f'<coverage generated="1"><project><file name="a.php">{lines}</file></project></coverage>')
    assert (report.format, report.lines_valid, report.lines_covered) == ("clover", 2, 1)


def test_metrics_of_a_class_are_not_the_files(read: Any) -> None:
    metrics = '<metrics statements="9" coveredstatements="9"/>'
    file = f'<file name="a"><class name="A">{metrics}</class></file>'
    report = read(f'<coverage generated="1"><project><package name="p">{file}{metrics}</package></project></coverage>')
    assert (report.lines_valid, report.files[0].declared.lines) == (0, None)


def test_lines_outside_of_a_file_are_nobodys(read: Any) -> None:
    report = read('<coverage generated="1"><project><line num="1" type="stmt" count="1"/></project></coverage>')
    assert report.lines_valid == 0
