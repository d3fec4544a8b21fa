"""What the children of a case say: precedence, attempts, texts."""

from typing import Any

import pytest

from health.rules.outcomes import ERROR, FAIL, PASS, PASS_ON_RETRY, SKIP, XFAIL


def case_with(*children: str) -> str:
    return f'<testsuite name="s"><testcase classname="c" name="n" time="1">{"".join(children)}</testcase></testsuite>'


@pytest.mark.parametrize(
    ("children", "outcome"),
    [
        ([], PASS),
        (["<failure/>"], FAIL),
        (["<error/>"], ERROR),
        (["<skipped/>"], SKIP),
        (['<skipped type="pytest.xfail"/>'], XFAIL),
        (["<failure/>", "<error/>"], ERROR),
        (["<error/>", "<failure/>"], ERROR),
        (["<failure/>", "<skipped/>"], SKIP),
        (["<skipped/>", "<error/>", "<failure/>"], SKIP),
        (['<skipped type="pytest.xfail"/>', "<failure/>"], SKIP),
        (["<flakyFailure/>"], PASS_ON_RETRY),
        (["<flakyError/>", "<flakyFailure/>"], PASS_ON_RETRY),
        (["<failure/>", "<flakyFailure/>"], FAIL),
        (["<failure/>", "<rerunError/>"], FAIL),
        (["<error/>", "<rerunFailure/>"], ERROR),
        (["<system-out>FAILED</system-out>", "<properties><property name='failure'/></properties>"], PASS),
    ],
)
def test_skipped_outranks_error_outranks_failure(read: Any, children: list[str], outcome: int) -> None:
    assert list(read(case_with(*children)).outcomes) == [outcome]


def test_earlier_and_later_attempts_are_numbered(read: Any, text_of: Any) -> None:
    report = read(
        case_with(
            '<failure message="one" type="E">first</failure>',
            '<rerunFailure message="two"><stackTrace>second</stackTrace><system-out>noise</system-out></rerunFailure>',
            "<rerunError>third</rerunError>",
        )
    )
    assert [(d.attempt, d.outcome, d.kind, d.message) for d in report.details] == [
        (1, FAIL, "E", "one"),
        (2, FAIL, "", "two"),
        (3, ERROR, "", "third"),
    ]
    assert [text_of(report, number) for number in range(3)] == ["first", "second", "third"]
    flaky = read(case_with("<flakyFailure>x</flakyFailure>", "<flakyFailure>y</flakyFailure>"))
    assert [detail.attempt for detail in flaky.details] == [1, 2]


def test_a_flaky_test_that_was_told_to_fail_is_flaky_too(read: Any) -> None:
    counts = read(case_with("<failure/>", "<flakyFailure/>")).elements
    assert (counts.failed, counts.flaky, counts.passed) == (1, 1, 0)


def test_a_failure_without_message_is_named_by_its_first_line(read: Any) -> None:
    report = read(case_with("<failure>\n\n  AssertionError: no  \n  at x\n</failure>"))
    assert report.details[0].message == "AssertionError: no"


def test_output_stands_in_for_a_failure_without_words(read: Any, text_of: Any) -> None:
    report = read(case_with("<failure/>", "<system-out>panicked</system-out>", "<system-err>more</system-err>"))
    assert (report.details[0].message, text_of(report, 0)) == ("", "panicked")
    report = read(case_with('<failure message="m"/>', "<system-out>noise</system-out>"))
    assert (report.details[0].message, text_of(report, 0)) == ("m", "")


def test_output_of_a_suite_is_not_the_last_cases(read: Any) -> None:
    report = read('<testsuite><testcase name="a"><failure/></testcase><system-out>log</system-out></testsuite>')
    assert report.texts == b""


def test_cdata_comments_and_markup_inside_a_failure_keep_its_text(read: Any, text_of: Any) -> None:
    report = read(case_with("<failure>a<![CDATA[<b>]]><!-- no --><i>c</i>&amp;d<system-out>e</system-out>f</failure>"))
    assert text_of(report, 0) == "a<b>c&df"


def test_a_message_is_cut_at_a_kibibyte(read: Any) -> None:
    report = read(case_with(f'<failure message="{"é" * 2000}"/>'))
    assert report.details[0].message == "é" * 512
    assert report.details[0].message_length == 1024


def test_a_failure_under_a_suite_belongs_to_no_case(read: Any, warning_of: Any) -> None:
    report = read(
        '<testsuite name="a"><testsuite name="b">\n<testcase name="c"/><error message="set-up broke"/>'
        "<skipped/></testsuite></testsuite>"
    )
    assert list(report.outcomes) == [PASS]
    (error,) = report.suite_errors
    assert (error.path, error.outcome, error.message, error.line) == ("a\x1eb", ERROR, "set-up broke", 2)
    assert warning_of(report)["suite_level_error"].line == 2


def test_a_child_outranks_the_status_attribute(read: Any) -> None:
    report = read('<testsuite><testcase name="a" status="skipped"><failure/></testcase></testsuite>')
    assert list(report.outcomes) == [FAIL]
