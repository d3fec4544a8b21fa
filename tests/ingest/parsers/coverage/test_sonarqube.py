"""SonarQube's generic coverage."""

from typing import Any


def test_lines_and_branches_of_a_file(read: Any) -> None:
    lines = (
        '<lineToCover lineNumber="1" covered="true"/><lineToCover lineNumber="2" covered="false"/>'
        '<lineToCover lineNumber="3" covered="true" branchesToCover="4" coveredBranches="1"/>'
        '<lineToCover lineNumber="4" covered="false" branchesToCover="2"/>'
    )
    report = read(f'<coverage version="1"><file path="a.c">{lines}</file><lineToCover lineNumber="9"/></coverage>')
    (file,) = report.files
    assert (list(file.valid), list(file.covered)) == ([1, 2, 3, 4], [1, 3])
    assert (report.branches_valid, report.branches_covered) == (6, 1)
    assert report.warnings == []


def test_odd_figures_are_noted(read: Any, warning_of: Any) -> None:
    lines = (
        '<lineToCover lineNumber="0" covered="true"/>'
        '<lineToCover lineNumber="1" covered="maybe" branchesToCover="1" coveredBranches="2"/>'
    )
    report = read(f'<coverage version="1"><file path="a.c">{lines}</file></coverage>')
    assert (report.lines_valid, report.lines_covered, report.branches_covered) == (1, 0, 1)
    assert set(warning_of(report)) == {"line_out_of_range", "branches_clamped"}
