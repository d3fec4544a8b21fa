"""SimpleCov: results of several commands are joined."""

import json
from pathlib import Path
from typing import Any

SAMPLES = Path(__file__).parents[3] / "samples/coverage"


def test_results_of_several_commands_are_joined(read: Any) -> None:
    report = read((SAMPLES / "simplecov-two-commands.resultset.json").read_bytes(), prefixes=["/build"])
    till, old = report.files
    assert (till.path, list(till.valid), list(till.covered)) == ("lib/till.rb", [1, 3, 5], [1, 3])
    assert (till.branches_valid, till.branches_covered) == (2, 1)
    assert (old.path, list(old.covered)) == ("lib/old.rb", [2])
    assert report.warnings == []


def test_odd_entries_are_noted(read: Any, warning_of: Any) -> None:
    files = {"a.rb": {"lines": [1, -1, 10**30, True], "branches": {"x": 1, "y": {"z": None}}}, "b.rb": 5, "c.rb": {}}
    report = read(json.dumps({"RSpec": {"coverage": files}, "other": 3}))
    assert [(file.path, list(file.covered)) for file in report.files] == [("a.rb", [1, 3]), ("b.rb", []), ("c.rb", [])]
    assert report.branches_valid == 1
    assert set(warning_of(report)) == {"hits_clamped", "entry_unreadable"}
