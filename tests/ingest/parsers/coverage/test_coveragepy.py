"""The JSON of coverage.py: lines, branches, contexts."""

import json
from pathlib import Path
from typing import Any

import pytest

from ingest.parsers.coverage.types import Figures

SAMPLES = Path(__file__).parents[3] / "samples/coverage"


def test_lines_branches_and_contexts(read: Any) -> None:
    report = read((SAMPLES / "coveragepy-contexts.json").read_bytes())
    till, old = report.files
    assert (list(till.valid), list(till.covered)) == ([1, 2, 3, 5], [1, 2, 5])
    assert (till.branches_valid, till.branches_covered, old.lines_covered) == (2, 1, 0)
    assert report.declared == Figures(5, 3, 2, 1)
    assert sorted(report.contexts) == [
        ("tests/test_till.py::test_close|run", 0, 2),
        ("tests/test_till.py::test_open|run", 0, 2),
        ("tests/test_till.py::test_open|run", 0, 5),
    ]
    assert len(report.contexts) == 3
    assert report.warnings == []


def test_branches_may_be_only_counted(read: Any) -> None:
    summary = {"num_statements": 1, "covered_lines": 1, "num_branches": 4, "covered_branches": 3}
    file = {"executed_lines": [1], "missing_lines": [], "summary": summary}
    report = read(json.dumps({"files": {"a.py": file}, "meta": {}}))
    assert (report.lines_valid, report.branches_valid, report.branches_covered) == (1, 4, 3)


def test_odd_entries_are_noted_with_the_place_of_their_file(read: Any, warning_of: Any) -> None:
    file = {
        "executed_lines": [1, 0, -1, 10**9, 2.0, 2.5, "3", None, [], {}, float("nan"), 10**30],
        "missing_lines": 4,
        "executed_branches": [[1, 2], [1], "x", [1, "y"]],
        "contexts": {"x": ["a"], "1": ["", "a", 7], "2": 5},
        "summary": {"num_statements": "many"},
    }
    report = read('{"files": {\n"a.py": ' + json.dumps(file) + ',\n"b.py": 7}}')
    assert [(entry.path, list(entry.valid)) for entry in report.files] == [("a.py", [1, 2, 3]), ("b.py", [])]
    assert report.branches_valid == 1
    assert list(report.contexts) == [("a", 0, 1)]
    assert set(warning_of(report)) == {"line_out_of_range", "entry_unreadable"}
    assert warning_of(report)["line_out_of_range"].line == 2


def test_a_cut_file_keeps_the_files_that_are_whole(read: Any) -> None:
    whole = (SAMPLES / "coveragepy-contexts.json").read_text()
    report = read(whole[: whole.index("shop/old.py") + 40])
    assert report.truncated is not None
    assert report.truncated.code == "report_truncated"
    assert report.truncated.line == 10
    assert [file.path for file in report.files] == ["shop/till.py"]
    assert report.lines_valid == 4


@pytest.mark.parametrize("limit", ["max_context_names", "max_contexts"])
def test_more_contexts_than_are_kept_are_left_out_with_a_warning(read: Any, warning_of: Any, limit: str) -> None:
    data = (SAMPLES / "coveragepy-contexts.json").read_bytes()
    assert len(read(data).contexts) == 3
    report = read(data, **{limit: 1})
    assert (len(report.contexts), report.contexts.names) == (0, [])
    assert "contexts_left_out" in warning_of(report)
    assert report.files == read(data).files
