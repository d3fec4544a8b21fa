"""Warnings: one per code, with the first place and a count."""

import pytest

from ingest.parsers.notes import HINTS, Notes


def test_the_first_of_a_code_keeps_message_and_place() -> None:
    notes = Notes()
    notes.add("time_unreadable", "first", line=3, column=4)
    notes.add("time_unreadable", "second", line=9, column=1, count=5)
    (warning,) = notes.close(case_places={}, suite_places={})
    assert (warning.message, warning.line, warning.column, warning.count) == ("first", 3, 4, 6)
    assert warning.hint == HINTS["time_unreadable"]


def test_cases_and_suites_are_looked_up_at_the_end() -> None:
    notes = Notes()
    notes.add("repeated_name", "twice", case=5)
    notes.add("declared_differs", "wrong", suite=0)
    notes.add("no_cases", "none", line=1, column=1, case=7)
    assert notes.list_places() == ({5}, {0})
    places = [(w.line, w.column) for w in notes.close(case_places={5: (8, 2)}, suite_places={})]
    assert places == [(None, None), (1, 1), (8, 2)]


def test_an_unknown_code_cannot_be_closed() -> None:
    notes = Notes()
    notes.add("no_such_code", "what")
    with pytest.raises(KeyError):
        notes.close(case_places={}, suite_places={})


def test_every_hint_is_a_sentence() -> None:
    assert all(hint.endswith(".") and hint[0].isupper() for hint in HINTS.values())


def test_json_has_the_receipts_keys(read: object) -> None:
    notes = Notes()
    notes.add("no_cases", "none", line=1, column=2)
    (warning,) = notes.close(case_places={}, suite_places={})
    assert warning.to_json() == {
        "line": 1,
        "column": 2,
        "code": "no_cases",
        "message": "none",
        "hint": HINTS["no_cases"],
        "count": 1,
    }
