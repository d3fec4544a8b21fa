"""Receipts of any age and of any kind of file, as they are read aloud."""

from typing import Any

import pytest

from dashboard.queries.receipt import choose_files, list_files, list_kinds


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


def test_those_that_need_a_reader_come_first_when_there_is_no_room_for_all() -> None:
    error = {"code": "not_xml", "message": "m"}
    states = [("clean", {}), ("noted", {"warnings": [{"code": "x"}]}), ("cut", {"state": "partial", "error": error})]
    stored = [{"name": name, "state": "stored", **more} for name, more in states]
    files = read(*stored, {"name": "no", "state": "failed"})
    assert [file.name for file in choose_files(files, most=3)] == ["no", "cut", "noted"]
    assert [file.name for file in choose_files(files, most=4)] == ["clean", "noted", "cut", "no"]


def test_remarks_of_one_code_are_one_kind() -> None:
    often, once = {"code": "often", "message": "m", "count": 3}, {"code": "once", "message": "n"}
    kinds = list_kinds(read({"state": "stored", "warnings": [often, once]}, {"state": "stored", "warnings": [often]}))
    assert [(kind.first.code, kind.n_files, kind.n_places) for kind in kinds] == [("often", 2, 6), ("once", 1, 1)]
