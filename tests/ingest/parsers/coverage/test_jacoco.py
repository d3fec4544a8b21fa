"""JaCoCo: the report's counters are the totals, modules keep their files apart."""

from pathlib import Path
from typing import Any

SAMPLES = Path(__file__).parents[3] / "samples/coverage"


def test_files_of_two_modules_stay_apart(read: Any) -> None:
    report = read((SAMPLES / "jacoco-two-modules.xml").read_bytes())
    first, second = report.files
    assert (first.path, second.path) == ("shop/Main.java", "store/shop/Main.java")
    assert (list(first.valid), list(first.covered)) == ([3, 4], [3])
    assert (first.branches_valid, first.branches_covered) == (2, 1)
    assert (list(second.valid), second.branches_valid) == ([3], 0)
    assert report.warnings == []


def test_counters_of_the_report_bind(read: Any) -> None:
    lines = '<sourcefile name="A.java"><line nr="1" mi="0" ci="1"/></sourcefile>'
    counters = '<counter type="LINE" missed="4" covered="5"/><counter type="BRANCH" missed="x" covered="5"/>'
    report = read(f'<report name="x"><package name="p">{lines}</package>{counters}</report>')
    assert (report.lines_valid, report.lines_covered, report.branches_valid) == (9, 5, 0)
    assert [file.lines_valid for file in report.files] == [1]


def test_a_source_file_without_instructions_goes_by_its_counters(read: Any, warning_of: Any) -> None:
    lines = '<line nr="1"/><line nr="2" mb="1" cb="1"/><counter type="LINE" missed="1" covered="1"/>'
    report = read(f'<report name="x"><package name=""><sourcefile name="a.cc">{lines}</sourcefile></package></report>')
    (file,) = report.files
    assert (file.path, file.lines_valid, file.lines_covered, list(file.valid)) == ("a.cc", 2, 1, [])
    assert (file.branches_valid, file.branches_covered) == (2, 1)
    assert "no_line_detail" in warning_of(report)


def test_odd_figures_are_noted(read: Any, warning_of: Any) -> None:
    lines = '<line nr="0" mi="0" ci="1"/><line nr="1" mi="0" ci="-1" mb="nan" cb="1e30"/>'
    report = read(f'<report name="x"><package name="p"><sourcefile name="a">{lines}</sourcefile></package></report>')
    assert (report.lines_valid, report.lines_covered) == (1, 0)
    assert set(warning_of(report)) == {"line_out_of_range", "hits_clamped", "branches_clamped"}


def test_lines_outside_of_a_source_file_are_nobodys(read: Any) -> None:
    report = read('<report name="x"><package name="p"><line nr="1" ci="1"/></package></report>')
    assert report.lines_valid == 0
