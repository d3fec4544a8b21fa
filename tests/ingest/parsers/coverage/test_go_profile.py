"""Go: blocks touch lines, repeat themselves, and count statements."""

from pathlib import Path
from typing import Any

import pytest

SAMPLES = Path(__file__).parents[3] / "samples/coverage"


def test_a_block_that_repeats_counts_once_with_its_best_count(read: Any) -> None:
    report = read((SAMPLES / "go-repeated-blocks.coverprofile").read_bytes())
    till, store = report.files
    assert (till.path, list(till.valid), list(till.covered)) == ("example.org/shop/till.go", [3, 4, 5, 6, 7], [3, 4, 5])
    assert list(store.covered) == [1]
    assert (report.statements_valid, report.statements_covered) == (4, 3)
    assert report.warnings == []


def test_a_path_may_hold_colons(read: Any) -> None:
    report = read("mode: count\nC:\\shop\\till.go:1.1,2.2 1 3\n")
    assert [(file.path, list(file.covered)) for file in report.files] == [("C:/shop/till.go", [1, 2])]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("a.go:3.1,2.1 1 1", "line_out_of_range"),
        ("a.go:0.1,2.1 1 1", "line_out_of_range"),
        ("a.go:1.1,999999999.1 1 1", "line_out_of_range"),
        ("a.go:1.1,2.1 1 -4", "hits_clamped"),
        ("a.go:1.1,2.1 1", "entry_unreadable"),
        ("FAIL example.org/shop", "entry_unreadable"),
    ],
)
def test_odd_blocks_are_noted_with_their_line(read: Any, warning_of: Any, line: str, code: str) -> None:
    report = read(f"mode: set\n\n{line}\n")
    assert warning_of(report)[code].line == 3
    assert report.lines_covered == 0
    assert report.truncated is None


def test_a_cut_file_keeps_what_came_before(read: Any) -> None:
    report = read("mode: set\na.go:1.1,2.1 1 1\na.go:4.1,")
    assert report.truncated is not None
    assert (report.truncated.code, report.truncated.line) == ("report_truncated", 3)
    assert report.lines_valid == 2
