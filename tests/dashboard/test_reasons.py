"""Codes in words: each of the public list can be said aloud."""

import re

import pytest

from dashboard.queries.reasons import _WORDS, name_reason
from ingest.errors import HINTS


@pytest.mark.parametrize("code", HINTS)
def test_every_public_code_has_words(code: str) -> None:
    assert re.fullmatch(r"[\w .,-]+", name_reason(code))
    assert "_" not in name_reason(code)


def test_words_are_only_kept_for_codes_there_are() -> None:
    assert set(_WORDS) - set(HINTS) == set()


@pytest.mark.parametrize(("code", "word"), [("from_the_future", "from the future"), ("", "no reason was kept")])
def test_an_unknown_code_is_no_error(code: str, word: str) -> None:
    assert name_reason(code) == word
