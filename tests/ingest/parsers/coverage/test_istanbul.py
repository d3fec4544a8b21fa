"""Istanbul's JSON: statements become lines, the summary only figures."""

import json
from pathlib import Path
from typing import Any

from ingest.parsers.coverage.types import Figures

SAMPLES = Path(__file__).parents[3] / "samples/coverage"


def test_a_line_is_covered_if_a_statement_that_begins_on_it_ran(read: Any) -> None:
    report = read((SAMPLES / "istanbul-wrapped.coverage-final.json").read_bytes(), prefixes=["/build"])
    first, second = report.files
    assert (first.path, second.path) == ("app/a.js", "b.js")
    assert (list(first.valid), list(first.covered), list(second.covered)) == ([2, 4], [2], [1])
    assert (first.branches_valid, first.branches_covered) == (2, 1)
    assert (report.statements_valid, report.statements_covered) == (4, 2)
    assert report.warnings == []


def test_the_summary_has_figures_only(read: Any, warning_of: Any) -> None:
    report = read((SAMPLES / "istanbul-summary.json").read_bytes())
    assert [(file.path, file.lines_valid, file.branches_covered) for file in report.files] == [
        ("a.js", 3, 1),
        ("b.js", 2, 0),
    ]
    assert report.declared == Figures(5, 4, 2, 1)
    assert set(warning_of(report)) == {"no_line_detail"}


def test_odd_entries_are_noted(read: Any, warning_of: Any) -> None:
    place = {"start": {"line": 1}}
    statements = {"0": place, "1": {"start": {"line": None}}, "2": {"start": {}}, "3": 5, "4": {"start": {"line": 0}}}
    file = {"path": 7, "statementMap": statements, "s": {"0": -1}, "b": {"0": 3, "1": [1, None]}}
    report = read(json.dumps({"a.js": file, "b.js": [], "c.js": {"statementMap": [], "s": None}}))
    assert [(entry.path, list(entry.valid)) for entry in report.files] == [("a.js", [1]), ("b.js", []), ("c.js", [])]
    assert (report.lines_covered, report.branches_valid, report.branches_covered) == (0, 2, 1)
    assert set(warning_of(report)) == {"hits_clamped", "line_out_of_range", "entry_unreadable"}
