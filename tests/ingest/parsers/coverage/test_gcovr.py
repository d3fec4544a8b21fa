"""gcovr's JSON: instances of a template are joined, what is excluded is left out."""

import json
from pathlib import Path
from typing import Any

from ingest.parsers.coverage.types import Figures

SAMPLES = Path(__file__).parents[3] / "samples/coverage"


def test_instances_of_a_template_are_joined(read: Any) -> None:
    report = read((SAMPLES / "gcovr-template.json").read_bytes())
    (file,) = report.files
    assert (list(file.valid), list(file.covered)) == ([3, 4], [3])
    assert (file.branches_valid, file.branches_covered) == (2, 2)
    assert report.warnings == []


def test_the_summary_has_figures_only(read: Any) -> None:
    report = read((SAMPLES / "gcovr-summary.json").read_bytes())
    assert [(file.path, file.lines_valid, file.lines_covered) for file in report.files] == [
        ("a.cc", 7, 6),
        ("b.cc", 4, 0),
    ]
    assert report.declared == Figures(11, 6, 6, 5)


def test_odd_entries_are_noted(read: Any, warning_of: Any) -> None:
    lines = [{"line_number": 0, "count": 1}, {"line_number": 2, "count": None, "branches": [{"branchno": []}, 5]}, 7]
    report = read(json.dumps({"gcovr/format_version": "1", "files": [{"file": "a", "lines": lines}, {"file": 5}]}))
    assert [(file.path, list(file.valid)) for file in report.files] == [("a", [2]), ("(unnamed)", [])]
    assert set(warning_of(report)) == {"line_out_of_range", "hits_clamped", "entry_unreadable", "path_missing"}
