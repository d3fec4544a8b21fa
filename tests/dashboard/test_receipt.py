"""Receipts of any age and of any kind of file, as they are read aloud."""

from typing import Any

import pytest

from dashboard.queries.receipt import (
    choose_files,
    group_remarks,
    list_files,
    note_mistake,
    tell_mistakes,
)


def read(*receipts: dict[str, Any]) -> Any:
    return list_files([], receipts)


@pytest.mark.parametrize(
    "receipt", [{}, {"warnings": None, "error": None}, {"state": "from the future", "tests": None}]
)
def test_a_receipt_may_lack_anything(receipt: dict[str, Any]) -> None:
    (file,) = read(receipt)
    assert (file.name, file.word, file.is_read, file.remarks) == ("", "not read yet", False, ())
    assert set(file.counts.values()) == {0}


@pytest.mark.parametrize(
    ("name", "shown"), [("junit", "JUnit"), ("lcov", "LCOV"), ("from-the-future", "from-the-future"), (None, "")]
)
def test_formats_have_the_names_people_use(name: str | None, shown: str) -> None:
    (file,) = read({"state": "stored", "format": name})
    assert file.format == shown


def test_figures_of_one_kind_are_not_those_of_the_other() -> None:
    tests, coverage = read(
        {"state": "stored", "tests": 9, "files": 3}, {"kind": "coverage", "state": "stored", "tests": 9, "files": 3}
    )
    assert (tests.counts["tests"], tests.counts["files"]) == (9, 0)
    assert (coverage.counts["tests"], coverage.counts["files"]) == (0, 3)


def test_a_file_without_a_receipt_is_still_to_be_read() -> None:
    files = list_files([("a.xml", 5), ("b.xml", 6)], [{"name": "b.xml", "state": "stored"}])
    assert [(file.name, file.word, file.n_bytes, file.number) for file in files] == [
        ("b.xml", "stored", 6, 1),
        ("a.xml", "not read yet", 5, 2),
    ]


def test_a_file_nobody_will_read_any_more_is_not_said_to_wait() -> None:
    (file,) = list_files([("a.xml", 5)], [], is_over=True)
    assert (file.mark, file.word, file.is_read) == ("absent", "not read", False)


def test_those_in_trouble_come_first_and_without_room_for_all_those_that_need_a_reader_most() -> None:
    error = {"code": "not_xml", "message": "m"}
    states = [("clean", {}), ("noted", {"warnings": [{"code": "x"}]}), ("cut", {"state": "partial", "error": error})]
    stored = [{"name": name, "state": "stored", **more} for name, more in states]
    files = read(*stored, {"name": "no", "state": "failed"})
    assert [file.name for file in choose_files(files, most=3)] == ["no", "cut", "noted"]
    assert [file.name for file in choose_files(files, most=4)] == ["cut", "no", "clean", "noted"]


def test_remarks_of_one_code_are_one_row_and_those_of_files_in_trouble_come_first() -> None:
    """The eleventh file's remark was nowhere on the page, and it was the only report that had broken off."""
    note = {"code": "note", "message": "m"}
    clean = [{"name": f"{k}.xml", "state": "stored", "warnings": [note]} for k in range(10)]
    error = {"code": "report_truncated", "message": "It breaks off.", "line": 3}
    cut, found = group_remarks(read(*clean, {"name": "cut.xml", "state": "partial", "error": error}))
    assert (cut.first.file, cut.first.anchor, cut.n_others) == ("cut.xml", 11, 0)
    assert (found.first.file, found.first.anchor) == ("0.xml", 1)
    assert [(other.file, other.anchor) for other in found.others] == [(f"{k}.xml", k + 1) for k in range(1, 10)]
    assert (found.n_others, found.n_unlisted) == (9, 0)


def test_each_file_in_trouble_has_rows_of_its_own() -> None:
    error = {"code": "not_a_report", "message": "m"}
    rows = group_remarks(read(*({"name": name, "state": "failed", "error": error} for name in "ab")))
    assert [(row.first.file, row.n_others) for row in rows] == [("a", 0), ("b", 0)]


def test_only_the_first_remark_of_a_file_is_its_anchor_and_a_single_file_is_not_named() -> None:
    warnings = [{"code": code, "message": "m"} for code in "abc"]
    rows = group_remarks(read({"name": "a.xml", "state": "stored", "warnings": warnings}))
    assert [(row.first.file, row.first.anchor) for row in rows] == [("", 1), ("", 0), ("", 0)]


def test_what_has_no_room_is_counted() -> None:
    (row,) = group_remarks(read(*[{"state": "stored", "warnings": [{"code": "a", "message": "m"}]}] * 150))
    assert (len(row.others), row.n_others, row.n_unlisted) == (100, 149, 49)


def test_a_file_of_another_kind_has_no_line() -> None:
    page = {"code": "not_a_report", "message": "m", "line": 6, "column": 7}
    broken = {"code": "xml_malformed", "message": "m", "line": 6, "column": 7}
    places = [(r.line, r.column) for f in read({"error": page}, {"error": broken}) for r in f.remarks]
    assert places == [(None, None), (6, 7)]


@pytest.mark.parametrize(
    ("source", "told"),
    [("delivery", "named with the delivery"), ("file", "from the file's name"), ("", ""), ("the future", "")],
)
def test_a_level_says_where_it_came_from(source: str, told: str) -> None:
    (file,) = read({"kind": "coverage", "state": "stored", "level": "unit", "level_from": source})
    assert file.level_from == told


@pytest.mark.parametrize(
    ("n", "files", "told"),
    [
        (0, [], ""),
        (1, [".suitewatch.yml"], "one mistake in .suitewatch.yml"),
        (7, ["CODEOWNERS", ".suitewatch.yml", "CODEOWNERS"], "seven mistakes in .suitewatch.yml and CODEOWNERS"),
        (2, [""], "two mistakes in the configuration"),
        (
            3,
            ["CODEOWNERS", ".suitewatch.yml", ".suitewatch-deferrals.yml"],
            "three mistakes in .suitewatch-deferrals.yml, .suitewatch.yml and CODEOWNERS",
        ),
    ],
)
def test_mistakes_are_counted_and_placed(n: int, files: list[str], told: str) -> None:
    assert tell_mistakes(n, files=files) == told


@pytest.mark.parametrize(
    ("code", "mark", "word"), [("unknown_key", "stale", "left out"), ("configuration_unreadable", "fail", "not used")]
)
def test_a_mistake_is_no_mere_note(code: str, mark: str, word: str) -> None:
    remark = note_mistake({"code": code, "message": "m"})
    assert (remark.mark, remark.word) == (mark, word)
