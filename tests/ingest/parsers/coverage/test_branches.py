"""Branches count once each, with their best figure, in any order."""

from hypothesis import given
from hypothesis import strategies as st

from ingest.parsers.coverage.branches import MAX_BRANCHES, BranchColumn

points = st.tuples(st.tuples(st.integers(1, 9), st.integers(0, 3)), st.booleans())
counts = st.tuples(st.integers(1, 9), st.integers(1, 6), st.integers(0, 6))


@given(st.lists(points), st.lists(points))
def test_a_branch_counts_once_and_is_taken_if_it_was_ever(
    one: list[tuple[tuple[int, int], bool]], other: list[tuple[tuple[int, int], bool]]
) -> None:
    column, second = BranchColumn(), BranchColumn()
    for key, is_taken in one:
        column.add(key, is_taken=is_taken)
    for key, is_taken in other:
        second.add(key, is_taken=is_taken)
    column.extend(second)
    both = one + other
    assert len(column) == len(both)
    assert column.count() == (len({key for key, _ in both}), len({key for key, is_taken in both if is_taken}))


@given(st.lists(counts))
def test_a_line_counts_once_with_its_best_figures(drawn: list[tuple[int, int, int]]) -> None:
    column = BranchColumn()
    best: dict[int, tuple[int, int]] = {}
    for line, n_all, n_taken in drawn:
        n_taken = min(n_taken, n_all)
        column.add_counts(line, n_taken=n_taken, n_all=n_all)
        best[line] = max(best.get(line, (0, 0)), (n_all, n_taken))
    expected = (sum(n_all for n_all, _ in best.values()), sum(n_taken for _, n_taken in best.values()))
    assert column.count() == expected
    assert column.count() == expected
    column.clear()
    assert column.count() == (0, 0)


def test_the_largest_figures_fit() -> None:
    column = BranchColumn()
    column.add_counts(10_000_000, n_taken=MAX_BRANCHES, n_all=MAX_BRANCHES)
    column.add_counts(1, n_taken=0, n_all=1)
    column.add(2, is_taken=False)
    column.add(3, is_taken=True)
    assert column.count() == (MAX_BRANCHES + 3, MAX_BRANCHES + 1)
