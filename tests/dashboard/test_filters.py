"""The address of a page: whatever it says can be taken, and what is written back means the same."""

import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from dashboard.filters import CHOICES, Filters


def test_an_empty_address_chooses_the_usual() -> None:
    assert Filters.read({}) == Filters()
    assert Filters().write() == "?"


def test_a_choice_is_written_and_read_back() -> None:
    filters = Filters.read({"by": "suite", "branch": "release/1.0", "suite": "a b&c"})
    assert filters.write() == "?branch=release%2F1.0&suite=a+b%26c&by=suite"
    assert filters.write(by="all", suite="") == "?branch=release%2F1.0"


def test_paging_starts_anew_with_another_choice() -> None:
    filters = Filters.read({"before": "31", "branch": "main"})
    assert filters.write(branch="changes") == "?branch=changes"
    assert filters.write(before="12") == "?branch=main&before=12"


def test_a_form_of_other_fields_keeps_the_chosen_words() -> None:
    assert Filters.read({"by": "suite", "span": "all", "job": "tests"}).kept == {"by": "suite", "span": "all"}


@pytest.mark.parametrize("value", ["nonsense", "SUITE", "<script>", ""])
def test_an_unknown_word_chooses_nothing(value: str) -> None:
    assert Filters.read(dict.fromkeys(CHOICES, value)) == Filters()


def test_what_the_database_could_not_take_is_left_out() -> None:
    assert Filters.read({"branch": "a\x00b", "suite": "x" * 300}) == Filters(suite="x" * 255)


def test_a_directory_is_taken_as_it_is() -> None:
    assert Filters.read({"directory": " src/ a ", "branch": " main "}) == Filters(directory=" src/ a ", branch="main")
    assert Filters.read({"directory": "x" * 2000}).directory == "x" * 1024
    assert Filters.read({"directory": "a\x00b"}) == Filters()


def test_what_is_compared_stands_in_the_address_as_from_and_to() -> None:
    filters = Filters.read({"from": "main", "to": "12", "start": "x", "end": "y"})
    assert (filters.start, filters.end) == ("main", "12")
    assert filters.write(cell="failed-passed") == "?from=main&to=12&cell=failed-passed"


@given(st.dictionaries(st.sampled_from([*sorted(Filters.__dataclass_fields__), "from", "to"]), st.text(max_size=30)))
def test_writing_and_reading_again_changes_nothing(query: dict[str, str]) -> None:
    filters = Filters.read(query)
    assert Filters.read(QueryDict(filters.write(before=filters.before)[1:])) == filters
