"""llvm-cov: lines follow from segments by LLVM's rule."""

import json
from pathlib import Path
from typing import Any

SAMPLES = Path(__file__).parents[3] / "samples/coverage"


def test_lines_follow_from_segments(read: Any, warning_of: Any) -> None:
    report = read((SAMPLES / "llvm-cov-gaps.json").read_bytes())
    first, second = report.files
    assert (list(first.valid), list(first.covered)) == ([1, 2, 3, 4, 5, 6, 7], [1, 2, 3, 4])
    assert (first.branches_valid, first.branches_covered) == (2, 2)
    assert (second.lines_valid, second.lines_covered, second.branches_valid) == (3, 1, 2)
    assert set(warning_of(report)) == {"no_line_detail"}


def test_odd_entries_are_noted(read: Any, warning_of: Any) -> None:
    segments = [[1, 1, -4, True, True, False], [2, 1, 0, False, False], [0, 1, 1, True, True], [10**9, 1], "x", [], {}]
    file = {"filename": 7, "segments": segments, "branches": [[1, 1, 1, 1, 1, None], [1], 5], "summary": []}
    report = read(json.dumps({"data": [{"files": [file, 5]}, 7], "type": "llvm.coverage.json.export"}))
    assert [(entry.path, list(entry.valid), list(entry.covered)) for entry in report.files] == [
        ("(unnamed)", [1, 2], []),
    ]
    assert (report.branches_valid, report.branches_covered) == (2, 1)
    assert set(warning_of(report)) == {"path_missing", "hits_clamped", "line_out_of_range", "entry_unreadable"}


def test_a_region_unfolds_only_within_the_limit(read: Any) -> None:
    segments = [[1, 1, 5, True, True, False], [9_000_000, 1, 0, False, False, False]]
    data = {"data": [{"files": [{"filename": "a.c", "segments": segments}]}], "type": "llvm.coverage.json.export"}
    report = read(json.dumps(data))
    assert report.lines_covered == 9_000_000
    assert report.files[0].valid.list_ranges() == [(1, 9_000_000)]
