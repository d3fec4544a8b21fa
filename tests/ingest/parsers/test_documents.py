"""Several documents in one file."""

from typing import Any

import pytest

from ingest.errors import IngestError

DECLARATION = '<?xml version="1.0"?>'


def document(*names: str) -> str:
    cases = "".join(f'<testcase classname="c" name="{name}" time="1"/>' for name in names)
    return f'<testsuites><testsuite name="s">{cases}</testsuite></testsuites>'


@pytest.mark.parametrize("between", ["", "\n", "\n\n  " + DECLARATION, DECLARATION, "\nsome log line\n"])
def test_documents_in_a_row_are_all_read(read: Any, warning_of: Any, between: str) -> None:
    report = read(DECLARATION + document("a") + between + document("b", "c"))
    assert [key.rpartition("\x1f")[2] for key in report.keys] == ["a", "b", "c"]
    warning = warning_of(report)["several_documents"]
    assert (warning.line, warning.count) == (1 + between.count("\n"), 1)


def test_names_are_numbered_on_across_documents(read: Any) -> None:
    report = read(document("a") * 3)
    assert [key.split("\x1f")[2:] for key in report.keys] == [["a"], ["a", "2"], ["a", "3"]]


@pytest.mark.parametrize("tail", ["\nDone in 3 s.\n", "\n<html><br></html>", "\n&amp;", "\n<!doctype x", "\x00\x00"])
def test_what_is_no_report_behind_one_is_ignored_with_a_note(read: Any, warning_of: Any, tail: str) -> None:
    report = read(document("a") + tail)
    assert len(report.keys) == 1
    assert report.truncated is None
    code = "control_characters_removed" if "\x00" in tail else "trailing_content"
    assert warning_of(report)[code].line == 1 + tail.count("\n", 0, 1)


def test_a_document_that_breaks_off_keeps_what_came_before(read: Any) -> None:
    report = read(document("a") + "\n" + document("b", "c")[:-60])
    assert len(report.keys) >= 1
    assert report.truncated.code == "report_truncated"
    assert report.truncated.line == 2


def test_places_in_later_documents_count_from_the_files_beginning(read: Any, warning_of: Any) -> None:
    report = read(document("a") + "   " + document("x") + "\n" + document("a"))
    assert warning_of(report)["several_documents"].column == 1 + len(document("a")) + 3
    warning = warning_of(report)["repeated_name"]
    assert (warning.line, warning.column) == (3, 1 + len("<testsuites><testsuite name='s'>")) or warning.line == 2


def test_a_split_between_pieces_changes_nothing(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    text = document("a") + "\n \n" + DECLARATION + document("b") + "\nlog\n" + document("c")
    whole = read(text)
    for size in (1, 2, 7, 64):
        monkeypatch.setattr("ingest.parsers.xml.PIECE_BYTES", size)
        again = read(text)
        assert (again.keys, again.warnings) == (whole.keys, whole.warnings)


def test_documents_without_end_are_not_read_without_end(read: Any) -> None:
    report = read(document("a") + "<testsuite/>" * 50, max_documents=10)
    assert len(report.keys) == 1
    assert report.truncated.code == "xml_malformed"


def test_a_file_of_blanks_is_empty(read: Any) -> None:
    for data in ("", "\n \n", "\ufeff\n"):
        with pytest.raises(IngestError) as caught:
            read(data)
        assert caught.value.code == "empty_file"
