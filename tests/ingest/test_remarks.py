"""A remark's JSON: one shape for all that make them, and nothing in it that a database refuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from health.sql import open_cursor
from ingest.errors import IngestError
from ingest.remarks import Remark


def test_a_remark_about_a_place_and_one_about_a_file() -> None:
    assert Remark("code", "Said.", 3, 4, "Do.", 2).to_json() == {
        "line": 3,
        "column": 4,
        "code": "code",
        "message": "Said.",
        "hint": "Do.",
        "count": 2,
    }
    told = Remark("code", "Said.", file="f", field="a.b", upload="u").to_json()
    assert (told["file"], told["field"], told["upload"], told["count"]) == ("f", "a.b", "u", 1)


@given(st.text(st.characters(exclude_categories=())))
def test_any_words_are_told_without_what_cannot_be_encoded(words: str) -> None:
    for told in (Remark("c", words, hint=words, file="f", field=words), IngestError("internal", words, words)):
        for text in told.to_json().values():
            assert "\x00" not in str(text)
            str(text).encode()


@pytest.mark.django_db
def test_a_remark_can_be_stored_whatever_stood_in_the_file() -> None:
    words = "a\x00b\ud800"
    told = Remark("c", words, hint=words, file="f", field=words).to_json()
    row = open_cursor().execute("SELECT %s::jsonb ->> 'message'", (Jsonb(told),)).fetchone()
    assert row == ("a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}",)
