"""Repeated names: attempts of one case where the writer is known to repeat them, siblings otherwise."""

from typing import Any

import pytest

from health.rules.outcomes import ERROR, FAIL, PASS, PASS_ON_RETRY, WORDS

PYTEST = 'errors="0" failures="0" skipped="0" time="1" timestamp="x" hostname="h"'
RESULT = {"P": "", "F": "<failure>F</failure>", "E": "<error>E</error>", "S": "<skipped/>"}


def list_cases(*names_and_results: str) -> str:
    """`list_cases("a:F", "a:P")`: elements of class c."""
    pairs = (item.split(":") for item in names_and_results)
    return "".join(
        f'<testcase classname="c" name="{name}" time="{number}">{RESULT[result]}</testcase>'
        for number, (name, result) in enumerate(pairs, 1)
    )


def words(report: Any) -> list[str]:
    return [WORDS[code] for code in report.outcomes]


@pytest.mark.parametrize(
    ("results", "outcomes"),
    [
        ("F P", ["failed", "passed"]),
        ("P P P", ["passed", "passed", "passed"]),
        ("F F", ["failed", "failed"]),
        ("E F", ["error", "failed"]),
        ("S F", ["skipped", "failed"]),
    ],
)
def test_repeats_of_an_unknown_writer_are_siblings(read: Any, results: str, outcomes: list[str]) -> None:
    report = read(f'<testsuite name="s">{list_cases(*(f"a:{result}" for result in results.split()))}</testsuite>')
    assert words(report) == outcomes
    names = ["s\x1fc\x1fa", *(f"s\x1fc\x1fa\x1f{number}" for number in range(2, len(outcomes) + 1))]
    assert report.keys == names
    assert report.elements.distinct == 1


@pytest.mark.parametrize(
    ("results", "outcomes"),
    [
        ("F P", ["passed on retry"]),
        ("F F F", ["failed"]),
        ("E F P", ["passed on retry"]),
        ("P P", ["passed", "passed"]),
        ("F P P", ["failed", "passed", "passed"]),
        ("F S", ["failed", "skipped"]),
    ],
)
def test_go_repeats_only_what_failed(read: Any, results: str, outcomes: list[str]) -> None:
    cases = list_cases(*(f"a:{result}" for result in results.split()))
    properties = '<properties><property name="go.version" value="go1.24"/></properties>'
    assert words(read(f'<testsuite name="s" tests="9">{properties}{cases}</testsuite>')) == outcomes


def test_a_suite_that_declares_its_names_lists_attempts(read: Any) -> None:
    report = read(f'<testsuite name="s" tests="2">{list_cases("a:F", "b:P", "a:P", "b:P")}</testsuite>')
    assert words(report) == ["passed on retry", "passed"]
    assert report.seconds == [3.0, 4.0]
    assert (report.merged, report.elements.tests, report.elements.passed) == (2, 4, 3)


def test_pytest_reruns_a_failure_although_it_lists_a_pass(read: Any) -> None:
    report = read(f'<testsuite name="s" tests="2" {PYTEST}>{list_cases("a:P", "a:P", "b:P")}</testsuite>')
    assert words(report) == ["passed on retry", "passed"]


def test_details_follow_their_attempts(read: Any, text_of: Any) -> None:
    report = read(f'<testsuite name="s" tests="2">{list_cases("a:F", "a:E", "b:P", "a:F", "b:F")}</testsuite>')
    assert words(report) == ["failed", "failed"]
    assert [(d.case, d.attempt, d.outcome) for d in report.details] == [
        (0, 1, FAIL),
        (0, 2, ERROR),
        (0, 3, FAIL),
        (1, 2, FAIL),
    ]
    assert [text_of(report, number) for number in range(4)] == ["F", "E", "F", "F"]


def test_a_failed_call_whose_teardown_breaks_has_failed(read: Any) -> None:
    report = read(f'<testsuite name="s">{list_cases("a:F", "a:E", "b:P")}</testsuite>')
    assert words(report) == ["failed", "passed"]
    assert report.seconds == [3.0, 3.0]
    assert [detail.case for detail in report.details] == [0, 0]
    apart = read(f'<testsuite name="s">{list_cases("a:F", "b:P", "a:E")}</testsuite>')
    assert words(apart) == ["failed", "passed", "error"]


def test_siblings_in_different_suites_are_different_cases(read: Any) -> None:
    case = list_cases("a:P")
    report = read(
        f'<testsuites><testsuite name="x">{case}</testsuite><testsuite name="y">{case}</testsuite></testsuites>'
    )
    assert report.keys == ["x\x1fc\x1fa", "y\x1fc\x1fa"]
    assert not report.warnings


def test_names_differ_byte_by_byte(read: Any) -> None:
    names = ["a", "a ", " a", "A", "é", "e\u0301"]
    cases = "".join(f'<testcase classname="c" name="{name}" time="0"/>' for name in names)
    assert read(f"<testsuite>{cases}</testsuite>").keys == [f"\x1fc\x1f{name}" for name in names]


def test_the_path_is_that_of_the_enclosing_suites(read: Any) -> None:
    case = list_cases("n:P")
    report = read(
        f'<testsuites name="runner">{case}<testsuite name="a">{case}<testsuite name="b">{case}</testsuite>'
        f'<testsuite name=""/><testcase classname="c" name="m" time="0"/></testsuite><testsuite>{case}</testsuite>'
        "</testsuites>"
    )
    assert report.keys == ["\x1fc\x1fn", "a\x1fc\x1fn", "a\x1eb\x1fc\x1fn", "a\x1fc\x1fm", "\x1fc\x1fn\x1f2"]
    assert [suite.path for suite in report.suites] == ["a", "a\x1eb", "a\x1e", ""]


def test_one_warning_names_the_first_and_counts_the_rest(read: Any, warning_of: Any) -> None:
    cases = "\n".join(list_cases(name) for name in ("a:P", "b:P", "a:P", "b:P", "b:P"))
    warning = warning_of(read(f'<testsuite name="s">\n{cases}</testsuite>'))["repeated_name"]
    assert (warning.line, warning.column, warning.count) == (4, 1, 3)
    assert warning.message == "'c a' stands for 2 cases."


def test_five_hundred_of_one_name_are_all_kept(read: Any) -> None:
    report = read(f"<testsuite>{list_cases(*['a:P'] * 499, 'a:F')}</testsuite>")
    assert len(set(report.keys)) == 500
    assert report.keys[-1].endswith("\x1f500")
    assert list(report.outcomes) == [PASS] * 499 + [FAIL]


def test_xcode_numbers_repetitions_and_twins_share_a_number(read: Any) -> None:
    def repetition(number: str, result: str) -> str:
        return (
            f'<testcase classname="c" name="a" time="1">{RESULT[result]}'
            f'<properties><property name="repetition" value="{number}"/></properties></testcase>'
        )

    elements = [
        repetition("1 of 2", "F"),
        repetition("2 of 2", "P"),
        repetition("1 of 2", "F"),
        repetition("2 of 2", "F"),
    ]
    report = read(f"<testsuite>{''.join(elements)}</testsuite>")
    assert list(report.outcomes) == [PASS_ON_RETRY, FAIL]
    assert report.merged == 2
