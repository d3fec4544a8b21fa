"""What a file puts off: which line says it, what is understood of it, and what is named and left out."""

import json
from typing import Any

import pytest

from ingest.configuration import CONFIGURATION, DEFERRALS, name_file, read_configuration, read_file
from ingest.remarks import Remark

TEXT = """# what is put off
deferrals:
  - cases: tests/integration/test_log*
    kind: skip
    reason: >-
      The session fixture of the database
      cannot be set up.
    owner: "@storage"
    review: 2026-12-01
    backing: [11 unit tests in tests/unit/test_fields*]
  - {cases: "tests/e2e/test_cart.py::test_pay[card]", kind: quarantine}
"""


def read(text: str, *, file: str = CONFIGURATION) -> tuple[list[dict[str, Any]], list[Remark]]:
    found = read_file(text, file=file)
    return found.content.get("deferrals", []), found.warnings


def test_an_entry_says_where_it_stands_and_nothing_that_was_not_written() -> None:
    items, warnings = read(TEXT)
    assert warnings == []
    assert items == [
        {
            "cases": "tests/integration/test_log*",
            "kind": "skip",
            "reason": "The session fixture of the database cannot be set up.",
            "owner": "@storage",
            "review": "2026-12-01",
            "backing": ["11 unit tests in tests/unit/test_fields*"],
            "file": ".suitewatch.yml",
            "line": 3,
        },
        {
            "cases": "tests/e2e/test_cart.py::test_pay[card]",
            "kind": "quarantine",
            "file": ".suitewatch.yml",
            "line": 11,
        },
    ]


def test_a_file_of_its_own_is_read_the_same_and_named() -> None:
    items, warnings = read(TEXT, file=DEFERRALS)
    assert warnings == []
    assert [(item["file"], item["line"]) for item in items] == [(DEFERRALS, 3), (DEFERRALS, 11)]
    items, warnings = read("deferrals: [{cases: tests/a, knid: skip}]", file=DEFERRALS)
    assert (items, [warning.file for warning in warnings]) == ([], [DEFERRALS])


@pytest.mark.parametrize(
    ("line", "field", "hint"),
    [
        ("kind: skiped", "kind", "Did you mean skip?"),
        ("kind: muted", "kind", "docs/configuration-file.md lists"),
        ("review: 2026-02-30", "review", "docs/configuration-file.md lists"),
        ("issue: 4711", "issue", "Put it in quotes."),
        ("issue: #4711", "issue", "Put it in quotes."),
        ("backing: tests/unit", "backing", "Begin each entry with a dash"),
        ("revew: 2026-12-01", "revew", "Did you mean review?"),
    ],
)
def test_a_mistake_takes_its_entry_out_and_is_named_with_line_field_and_what_to_do(
    line: str, field: str, hint: str
) -> None:
    items, (warning,) = read(f"deferrals:\n  - cases: tests/a\n    {line}\n  - cases: tests/b\n")
    assert [item["cases"] for item in items] == ["tests/b"]
    assert (warning.line, warning.field) == (3, f"deferrals[0].{field}")
    assert hint in warning.hint


def test_a_mistake_in_a_word_says_which_words_there_are() -> None:
    (warning,) = read("deferrals: [{cases: tests/a, kind: muted}]")[1]
    assert warning.message == "deferrals[0].kind has to be skip, xfail, quarantine or planned, and this is 'muted'."
    (warning,) = read_configuration("deferral_policy: {require: [reasons]}").warnings
    assert (warning.field, warning.hint) == ("deferral_policy.require[0]", "Did you mean reason?")


def test_a_pattern_that_stands_twice_counts_where_it_stands_first() -> None:
    text = "deferrals:\n- {cases: tests/a, owner: x}\n- cases: tests/b\n- {cases: ' tests/a ', owner: y}\n"
    items, (warning,) = read(text)
    assert [(item["cases"], item.get("owner")) for item in items] == [("tests/a", "x"), ("tests/b", None)]
    assert (warning.code, warning.line, warning.field) == ("duplicate_key", 4, "deferrals")
    assert warning.message == "'tests/a' stands in line 2 already; the first entry counts."


def test_an_entry_that_names_nothing_is_left_out_and_a_backing_that_does_is_kept() -> None:
    text = "deferrals:\n- cases: 11 unit tests\n- cases: tests/a\n  backing:\n  - tests/b\n  - 'Task #72'\n"
    items, warnings = read(text)
    assert [(item["cases"], item["backing"]) for item in items] == [("tests/a", ["tests/b", "Task #72"])]
    assert [(one.code, one.line, one.field) for one in warnings] == [
        ("names_nothing", 2, "deferrals[0].cases"),
        ("names_nothing", 6, "deferrals[1].backing[1]"),
    ]
    assert [one.message for one in warnings] == [
        "'11 unit tests' names no tests that can be looked up; the entry is left out.",
        "'Task #72' names no tests that can be looked up; as backing it counts as never proven.",
    ]
    assert "docs/deferred.md" in warnings[1].hint


def test_more_than_five_hundred_are_counted_out() -> None:
    text = "deferrals:\n" + "".join(f"- cases: tests/a{n}\n" for n in range(502))
    items, (warning,) = read(text)
    assert len(items) == 500
    assert (warning.line, warning.message) == (502, "deferrals may have 500 entries; the rest is left out.")


def test_policy_and_gate_are_kept_as_they_are_said() -> None:
    text = """
deferral_policy: {require: [owner, reason, owner], review_after_days: 90, passes_to_release:}
gate: {fail_on: [new-failures, new-failures, shrinking-suites]}
"""
    found = read_configuration(text)
    assert found.content == {
        "deferral_policy": {"require": ["owner", "reason"], "review_after_days": 90},
        "gate": {"fail_on": ["new-failures", "shrinking-suites"]},
    }


def test_a_gate_of_mistakes_is_not_one_that_fails_on_nothing() -> None:
    assert read_configuration("gate: {fail_on: []}").content == {"gate": {"fail_on": []}}
    assert read_configuration("gate: {fail_on: [new-failure]}").content == {}
    assert read_configuration("gate: {fail_on: [x, new-failures]}").content == {"gate": {"fail_on": ["new-failures"]}}


HOSTILE = [
    "deferrals: &a [*a]",
    "deferrals: [{cases: &x a, reason: *x}]",
    "deferrals: !!python/object/apply:os.system [ls]",
    "deferrals: [{cases: !!python/name:os.system x}]",
    "deferrals: " + "[" * 3_000,
    "deferrals: [{cases: " + "{a: " * 3_000,
    "deferrals: [{<<: *x}]",
    'deferrals: [{cases: "\\0"}]',
    'deferrals: [{cases: "\\ud800"}]',
    'deferrals: [{cases: a, reason: "\\x1b[31m"}]',
    'deferrals: [{cases: a, "\\0": b}]',
    "deferrals: [{cases: a, count: " + "9" * 5_000 + "}]",
    "deferrals: [{cases: a, review: " + "2" * 5_000 + "}]",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("file", [CONFIGURATION, DEFERRALS])
def test_a_file_made_to_do_harm_is_a_remark_with_its_line(text: str, file: str) -> None:
    items, warnings = read(text, file=file)
    assert items == []
    assert warnings[0].line == 1
    assert "\\u0000" not in json.dumps([warning.to_json() for warning in warnings])


def test_patterns_made_to_be_slow_are_read_at_once() -> None:
    patterns = [
        "*" * 500,
        "**/" * 160 + "x",
        "a" * 499 + " ",
        "(" * 500,
        "[" * 500,
        "::" * 250,
        "9" * 500,
        " " * 499 + "x",
    ]
    text = "deferrals:\n" + "".join(f"- cases: {json.dumps(pattern)}\n" for pattern in patterns)
    items, warnings = read(text)
    assert len(items) + len(warnings) >= len(patterns)


@pytest.mark.parametrize(
    ("path", "file"),
    [
        (".suitewatch-deferrals.yml", DEFERRALS),
        ("a/.suitewatch-deferrals.yaml", DEFERRALS),
        ("C:\\a\\.suitewatch-deferrals.yml", DEFERRALS),
        ("docs/CODEOWNERS", "CODEOWNERS"),
        ("codeowners", "CODEOWNERS"),
        (".suitewatch.yml", CONFIGURATION),
        ("deferrals.yml", CONFIGURATION),
        ("", CONFIGURATION),
    ],
)
def test_a_file_is_known_by_its_name(path: str, file: str) -> None:
    assert name_file(path) == file
