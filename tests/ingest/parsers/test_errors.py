"""The public error codes: closed, worded, and JSON of one shape."""

import re

import pytest

from ingest.errors import HINTS, IngestError


def test_every_code_is_snake_case_and_has_a_hint_in_a_sentence() -> None:
    for code, hint in HINTS.items():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", code)
        assert hint.endswith(".")


def test_an_unknown_code_cannot_be_raised() -> None:
    with pytest.raises(KeyError):
        IngestError("no_such_code", "message")


def test_the_hint_of_the_table_serves_unless_another_is_given() -> None:
    assert IngestError("empty_file", "x is empty").hint == HINTS["empty_file"]
    assert IngestError("empty_file", "x is empty", "Try again.").hint == "Try again."


def test_json_holds_only_what_is_known() -> None:
    assert IngestError("empty_body", "nothing").to_json().keys() == {"code", "message", "hint"}
    error = IngestError("too_large", "too large", "", line=3, column=4, field="file", limit=5, actual=6)
    assert error.to_json() == {
        "code": "too_large",
        "message": "too large",
        "hint": "",
        "line": 3,
        "column": 4,
        "field": "file",
        "limit": 5,
        "actual": 6,
    }


def test_a_log_line_names_code_and_message() -> None:
    assert str(IngestError("empty_body", "nothing came")) == "empty_body: nothing came"
