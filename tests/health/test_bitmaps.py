"""Bitmaps of lines: sets of numbers that survive their bytes, files that survive their blob, joins in any order."""

import zlib
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from health.rules.bitmaps import (
    EMPTY,
    FileLines,
    LineSet,
    Totals,
    add_up,
    join_files,
    pack_files,
    pick_files,
    unpack_files,
)
from health.rules.contexts import ContextLines, join_contexts, pack_contexts, unpack_contexts

MAX_LINE = 10_000_000

numbers = st.sets(st.integers(1, 3_000))


@given(numbers)
def test_a_set_survives_its_bytes(lines: set[int]) -> None:
    assert LineSet.from_bytes(LineSet.of(lines).to_bytes()) == LineSet.of(lines)
    assert list(LineSet.of(lines)) == sorted(lines)
    assert len(LineSet.of(lines)) == len(lines)


@given(numbers, numbers)
def test_sets_join_like_sets_of_numbers(one: set[int], other: set[int]) -> None:
    a, b = LineSet.of(one), LineSet.of(other)
    assert set(a | b) == one | other
    assert set(a & b) == one & other
    assert set(a - b) == one - other
    assert all((line in a) == (line in one) for line in range(-1, 50))


@given(numbers)
def test_ranges_are_the_lines_again(lines: set[int]) -> None:
    ranges = LineSet.of(lines).list_ranges()
    assert {line for first, last in ranges for line in range(first, last + 1)} == lines
    assert all(last + 1 < first for (_, last), (first, _) in pairwise(ranges))


def test_a_bitmap_has_no_empty_bytes_at_its_end() -> None:
    assert EMPTY.to_bytes() == b""
    assert not EMPTY
    assert LineSet.of([1]).to_bytes() == b"\x02"
    assert len(LineSet.of([MAX_LINE]).to_bytes()) == MAX_LINE // 8 + 1


def test_bit_n_is_line_n() -> None:
    assert LineSet.of([1, 2, 3, 9]).to_bytes() == bytes([0b00001110, 0b00000010])
    assert LineSet.from_bytes(memoryview(b"\x0e\x02")).list_ranges() == [(1, 3), (9, 9)]
    assert LineSet.from_bytes(b"").list_ranges() == []


@st.composite
def files(draw: st.DrawFn, number: int | None = None) -> FileLines:
    """A file of any number, with lines or with figures only."""
    number = draw(st.integers(1, 6)) if number is None else number
    branches = sorted(draw(st.tuples(st.integers(0, 9), st.integers(0, 9))), reverse=True)
    valid = draw(st.sets(st.integers(1, 40)))
    covered = draw(st.sets(st.sampled_from(sorted(valid)))) if valid else set()
    lines = [len(valid), len(covered)]
    if not valid:
        lines = sorted(draw(st.tuples(st.integers(0, 9), st.integers(0, 9))), reverse=True)
    return FileLines(number, LineSet.of(valid), LineSet.of(covered), *lines, *branches)


@st.composite
def reports(draw: st.DrawFn) -> list[FileLines]:
    """Files, each number once."""
    return [draw(files(number=number)) for number in sorted(draw(st.sets(st.integers(1, 6))))]


@given(reports())
def test_files_survive_their_blob(report: list[FileLines]) -> None:
    blob = pack_files(report)
    assert list(unpack_files(blob)) == report
    assert list(unpack_files(memoryview(blob))) == report
    known = {file.file: file for file in report}
    for wanted in ([], [0], [3, 7], range(8)):
        assert pick_files(blob, files=wanted) == [file for file in known.values() if file.file in wanted]


def test_ten_thousand_lines_take_little() -> None:
    report = [
        FileLines(n, LineSet.of(range(1, 400, 2)), LineSet.of(range(1, 400, 4)), 200, 100, 0, 0) for n in range(50)
    ]
    assert len(pack_files(report)) < 1_000


def test_a_layout_of_another_version_is_not_misread() -> None:
    with pytest.raises(ValueError, match="layout 9"):
        list(unpack_files(zlib.compress(b"\x09\0\0\0\0")))
    with pytest.raises(ValueError, match="layout 9"):
        unpack_contexts(zlib.compress(b"\x09" + bytes(8)))


@given(st.lists(reports(), max_size=4), st.randoms(use_true_random=False))
def test_deliveries_join_alike_in_any_order_and_grouping(drawn: list[list[FileLines]], random) -> None:  # type: ignore[no-untyped-def]
    joined = join_files(drawn)
    shuffled = drawn[:]
    random.shuffle(shuffled)
    assert join_files(shuffled) == joined
    assert join_files([join_files(drawn[:2]), join_files(drawn[2:]), *drawn[:1]]) == joined
    assert [file.file for file in joined] == sorted({file.file for report in drawn for file in report})
    for file in joined:
        assert not file.covered - file.valid
        assert file.lines_covered <= file.lines_valid
        assert file.branches_covered <= file.branches_valid
        if file.valid:
            assert (file.lines_valid, file.lines_covered) == (len(file.valid), len(file.covered))


def test_what_ran_in_either_delivery_ran() -> None:
    one = FileLines(1, LineSet.of([1, 2, 3]), LineSet.of([1]), 3, 1, 4, 1)
    other = FileLines(1, LineSet.of([2, 3, 4]), LineSet.of([2]), 3, 1, 4, 3)
    assert one.join(other) == FileLines(1, LineSet.of([1, 2, 3, 4]), LineSet.of([1, 2]), 4, 2, 4, 3)
    only_figures = FileLines(1, EMPTY, EMPTY, 9, 5, 0, 0)
    assert only_figures.join(only_figures) == only_figures
    assert one.join(only_figures) == one  # which lines are meant is known here


def test_figures_add_up() -> None:
    assert add_up([]) == Totals(0, 0, 0, 0)
    assert add_up([FileLines(1, EMPTY, EMPTY, 3, 2, 1, 0), FileLines(2, EMPTY, EMPTY, 1, 1, 1, 1)]) == (4, 3, 2, 1)


entries = st.lists(st.tuples(st.sampled_from(["a", "b", "c·"]), st.integers(1, 9), st.integers(1, 99)), unique=True)


def make_contexts(drawn: list[tuple[str, int, int]]) -> ContextLines:
    names = sorted({name for name, _, _ in drawn})
    columns = ([names.index(name) for name, _, _ in drawn], [f for _, f, _ in drawn], [line for *_, line in drawn])
    return ContextLines(names, *(np.array(column, np.uint32) for column in columns))


def list_entries(found: ContextLines) -> set[tuple[str, int, int]]:
    columns = (found.contexts.tolist(), found.files.tolist(), found.lines.tolist())
    return {(found.names[context], file, line) for context, file, line in zip(*columns, strict=True)}


@given(st.lists(entries, max_size=3))
def test_contexts_survive_joining_and_packing(drawn: list[list[tuple[str, int, int]]]) -> None:
    expected = {entry for part in drawn for entry in part}
    found = unpack_contexts(pack_contexts(join_contexts([make_contexts(part) for part in drawn])))
    assert list_entries(found) == expected
    assert {(name, line) for line, names in found.find_names(file=3).items() for name in names} == {
        (name, line) for name, file, line in expected if file == 3
    }
