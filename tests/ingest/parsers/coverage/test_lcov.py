"""LCOV: records come back, branches have names, totals stand in for records without lines."""

from pathlib import Path
from typing import Any

import pytest

from ingest.parsers.coverage.types import CoverageLimits, Figures

SAMPLES = Path(__file__).parents[3] / "samples/coverage"
DOCS = Path(__file__).parents[4] / "docs"


def test_a_record_that_comes_back_adds_its_hits(read: Any, warning_of: Any) -> None:
    report = read((SAMPLES / "lcov-repeated-records.info").read_bytes())
    first, none, totals = report.files
    assert (list(first.valid), list(first.covered)) == ([1, 2, 3], [1, 2])
    assert (first.branches_valid, first.branches_covered) == (3, 2)
    assert (none.lines_valid, totals.lines_valid, totals.lines_covered) == (0, 10, 4)
    assert report.truncated is None
    assert report.declared == Figures(13, 5, 2, 1)
    assert set(warning_of(report)) == {"no_line_detail", "declared_differs"}


def test_a_record_of_several_runs_declares_its_lines_once(read: Any) -> None:
    record = "SF:a.c\nLF:10\nLH:4\nBRF:2\nBRH:1\nend_of_record\n"
    report = read(record + record)
    assert (report.lines_valid, report.lines_covered, report.branches_valid) == (10, 4, 2)


@pytest.mark.parametrize(
    ("record", "code"),
    [
        ("DA:1,-1", "hits_clamped"),
        ("DA:1,nan", "hits_clamped"),
        ("DA:1", "hits_clamped"),
        ("DA:0,1", "line_out_of_range"),
        ("DA:1000000000,1", "line_out_of_range"),
        ("DA:x,1", "line_out_of_range"),
        ("BRDA:x", "entry_unreadable"),
        ("BRDA:1,0,0,x", "hits_clamped"),
        ("BFH:0", "record_unknown"),
        ("anything", "record_unknown"),
        ("SF:b.c", "record_unclosed"),
    ],
)
def test_odd_records_are_noted_with_their_line(read: Any, warning_of: Any, record: str, code: str) -> None:
    report = read(f"TN:\nSF:a.c\nDA:1,1\n{record}\nend_of_record\n")
    assert report.lines_covered == 1
    assert (warning_of(report)[code].line, warning_of(report)[code].column) == (4, 1)
    assert report.truncated is None


def test_a_long_path_is_shortened_as_far_as_a_line_may_go(read: Any, warning_of: Any) -> None:
    """docs/coverage.md promised it for a path of any length."""
    longest = CoverageLimits().max_record_bytes
    record = "SF:{}\nDA:1,1\nend_of_record\n"
    report = read(record.format("a/" + "b" * (longest - 5)) + record.format("c.py"))
    assert [len(file.path) for file in report.files] == [1024, 4]
    assert report.files[0].path[-13] == "~"
    assert set(warning_of(report)) == {"path_changed"}
    report = read(record.format("a/" + "b" * longest) + record.format("c.py"))
    assert [(file.path, file.lines_valid) for file in report.files] == [("c.py", 1)]
    assert set(warning_of(report)) == {"record_too_long", "record_unknown"}
    assert f"one of more than {longest // 1024} KiB is left out" in (DOCS / "coverage.md").read_text()


def test_lines_behind_a_path_too_long_are_nobody_s_not_the_file_s_before(read: Any, warning_of: Any) -> None:
    report = read(f"SF:a.py\nDA:1,1\nSF:{'b' * CoverageLimits().max_record_bytes}\nDA:2,1\nDA:3,0\nend_of_record\n")
    assert [(file.path, file.lines_valid) for file in report.files] == [("a.py", 1)]
    assert set(warning_of(report)) == {"record_too_long", "record_unclosed", "record_unknown"}
    assert report.truncated is None


def test_records_outside_of_a_file_are_noted(read: Any, warning_of: Any) -> None:
    report = read("TN:\nDA:1,1\nBRDA:1,0,0,1\n# a remark\nVER:1\n")
    assert report.lines_valid == 0
    assert warning_of(report)["record_unknown"].count == 2


def test_exceptions_have_branches_too(read: Any) -> None:
    report = read("SF:a.c\nBRDA:6,e0,0,1\nBRDA:6,0,0,-\nBRDA:6,0,0,0\nend_of_record\n")
    assert (report.branches_valid, report.branches_covered) == (2, 1)


def test_windows_line_ends_and_blanks_are_read(read: Any) -> None:
    report = read("TN:\r\nSF:src\\a.c\r\nDA:1,1\r\nDA:2,0 \r\nend_of_record \r\n")
    assert [(file.path, list(file.valid), list(file.covered)) for file in report.files] == [("src/a.c", [1, 2], [1])]
    assert report.warnings == []


def test_a_cut_file_keeps_what_came_before(read: Any) -> None:
    report = read("SF:a.c\nDA:1,1\nend_of_record\nSF:b.c\nDA:1,0\nDA:2")
    assert report.truncated is not None
    assert (report.truncated.code, report.truncated.line) == ("report_truncated", 6)
    assert [file.path for file in report.files] == ["a.c", "b.c"]
    assert (report.lines_valid, report.lines_covered) == (3, 1)
