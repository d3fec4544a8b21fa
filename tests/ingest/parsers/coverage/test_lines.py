"""A column of lines marks each once, whatever way it was filled."""

from hypothesis import given
from hypothesis import strategies as st

from ingest.parsers.coverage.lines import MAX_LINE, LineColumn

entries = st.tuples(st.integers(1, 60), st.integers(0, 20), st.booleans())


@given(st.lists(entries))
def test_a_column_marks_each_line_once_and_the_best_hit_wins(drawn: list[tuple[int, int, bool]]) -> None:
    column = LineColumn()
    valid: set[int] = set()
    covered: set[int] = set()
    for first, n_more, is_covered in drawn:
        if n_more % 2:
            column.add_range(first, first + n_more, is_covered=is_covered)
            lines = set(range(first, first + n_more + 1))
        else:
            column.add(first, is_covered=is_covered)
            lines = {first}
        valid |= lines
        covered |= lines if is_covered else set()
    assert column.find_highest() == max(valid, default=0)
    found_valid, found_covered = column.mark()
    assert (set(found_valid), set(found_covered)) == (valid, covered)
    assert column.find_highest() == max(valid, default=0)
    column.add(70, is_covered=True)
    assert set(column.mark()[0]) == valid | {70}


def test_the_highest_line_fits_a_column() -> None:
    column = LineColumn()
    column.add(MAX_LINE, is_covered=True)
    column.add_range(MAX_LINE - 1, MAX_LINE, is_covered=False)
    valid, covered = column.mark()
    assert list(valid) == [MAX_LINE - 1, MAX_LINE]
    assert list(covered) == [MAX_LINE]


def test_a_million_entries_of_one_file_are_marked_in_chunks() -> None:
    column = LineColumn()
    column.codes.extend(line << 1 | (line % 2) for line in range(1, 5_000) for _ in range(300))
    valid, covered = column.mark()
    assert valid.list_ranges() == [(1, 4_999)]
    assert len(covered) == 2_500
