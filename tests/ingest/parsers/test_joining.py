"""Several files of one upload as one report."""

import zlib
from typing import Any

import pytest

from health.rules.outcomes import FAIL, PASS
from ingest.parsers import join_reports

FIRST = (
    '<testsuite name="s"><testcase classname="c" name="a" time="1"/>'
    '<testcase classname="c" name="a" time="2"/></testsuite>'
)
SECOND = (
    '<testsuite name="s"><testcase classname="c" name="b" time="1"><failure message="ä">text b</failure></testcase>'
    '<testcase classname="c" name="a" time="4"><failure message="m">text a</failure></testcase></testsuite>'
)


def test_figures_are_those_of_the_files_together(read: Any) -> None:
    joined = join_reports([read(FIRST), read(SECOND)])
    assert (joined.elements.tests, joined.elements.passed, joined.elements.failed) == (4, 2, 2)
    assert joined.elements.distinct == 2
    assert joined.elements.total_time == pytest.approx(8)
    assert list(joined.outcomes) == [PASS, PASS, FAIL, FAIL]
    assert joined.seconds == [1, 2, 1, 4]
    assert len(joined.suites) == 2


def test_siblings_are_numbered_on_across_files(read: Any) -> None:
    joined = join_reports([read(FIRST), read(SECOND), read(FIRST)])
    assert joined.keys == [
        "s\x1fc\x1fa",
        "s\x1fc\x1fa\x1f2",
        "s\x1fc\x1fb",
        "s\x1fc\x1fa\x1f3",
        "s\x1fc\x1fa\x1f4",
        "s\x1fc\x1fa\x1f5",
    ]
    (warning,) = joined.warnings
    assert (warning.code, warning.count) == ("repeated_name", 3)
    assert "'c a'" in warning.message


def test_joining_in_steps_gives_the_same_names(read: Any) -> None:
    reports = [FIRST, SECOND, FIRST]
    at_once = join_reports([read(text) for text in reports])
    in_steps = join_reports([join_reports([read(text) for text in reports[:2]]), read(reports[2])])
    assert at_once.keys == in_steps.keys


def test_details_still_find_their_texts_and_cases(read: Any) -> None:
    joined = join_reports([read(SECOND), read(FIRST), read(SECOND)])
    plain = zlib.decompress(joined.texts)
    found = [
        (
            joined.keys[detail.case],
            plain[detail.text_offset : detail.text_offset + detail.message_length].decode(),
            plain[detail.text_offset + detail.message_length :][: detail.text_length].decode(),
        )
        for detail in joined.details
    ]
    assert found == [
        ("s\x1fc\x1fb", "ä", "text b"),
        ("s\x1fc\x1fa", "m", "text a"),
        ("s\x1fc\x1fb\x1f2", "ä", "text b"),
        ("s\x1fc\x1fa\x1f4", "m", "text a"),
    ]


def test_reports_are_left_as_they_were(read: Any) -> None:
    first, second = read(FIRST), read(SECOND)
    join_reports([first, second])
    assert [detail.text_offset for detail in second.details] == [0, 8]
    assert second.keys == ["s\x1fc\x1fb", "s\x1fc\x1fa"]


def test_a_broken_file_makes_the_whole_broken(read: Any) -> None:
    joined = join_reports([read(FIRST), read(FIRST.replace("</testsuite>", ""))])
    assert joined.truncated is not None
    assert joined.truncated.code == "report_truncated"


def test_one_report_alone_stays_what_it_is(read: Any) -> None:
    report = read(SECOND)
    joined = join_reports([report])
    assert (joined.keys, joined.outcomes, joined.elements) == (report.keys, report.outcomes, report.elements)
    assert not joined.warnings
